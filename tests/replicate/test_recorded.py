"""Bodies as the live service has sent them, by kind of object.

They are put together from what is known of recorded answers: the key sets of the two back ends,
old and new rows, nulls, and the titles, details and media types of refusals. Every one of them
must be read without a field that was not understood.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.replicate.server import Server, reply
from tui.replicate import errors, models
from tui.replicate.client import ReplicateClient
from tui.replicate.models import Answer

RECORDED = Path(__file__).with_name("recorded")
KINDS = ("Account", "File", "Hardware", "Model", "Prediction", "Training", "Version")


def recorded(name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((RECORDED / f"{name}.json").read_text())
    return rows


CASES = [
    pytest.param(getattr(models, kind), row, id=f"{kind}: {row['what']}")
    for kind in KINDS
    for row in recorded(kind)
]


def plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if isinstance(value, models.State) else value


@pytest.mark.parametrize(("kind", "row"), CASES)
def test_a_recorded_body_is_parsed(kind: type[Answer], row: dict[str, Any]) -> None:
    answer = kind.read(row["body"])
    assert answer.strange == ()
    assert {name: plain(getattr(answer, name)) for name in row["read"]} == row["read"]
    for name in row["body"]:
        assert name in kind.model_fields or name in (answer.model_extra or {})


async def test_all_recorded_rows_together_make_one_list(
    server: Server, client: ReplicateClient
) -> None:
    rows = [row["body"] for row in recorded("Prediction")]
    odd: list[Any] = [None, 7, "x", [], {}, {"id": None, "status": None}]
    server.on("GET /predictions", {"next": None, "previous": None, "results": rows + odd})
    read = [item async for item in client.predictions()]
    assert [item.id for item in read[: len(rows)]] == [row["id"] for row in rows]


@pytest.mark.parametrize(
    "row", recorded("errors"), ids=lambda row: f"{row['status']}-{row['error']}"
)
async def test_a_recorded_refusal_becomes_its_type(
    server: Server, client: ReplicateClient, row: dict[str, Any]
) -> None:
    body = row["body"]
    data = (body if isinstance(body, str) else json.dumps(body)).encode()
    answer = reply(data, status=row["status"], headers={"Content-Type": row["type"]})
    server.on("GET /account", answer)
    with pytest.raises(errors.ReplicateError) as caught:
        await client.account()
    assert type(caught.value).__name__ == row["error"]
    assert caught.value.status == row["status"]
    assert caught.value.message
    assert caught.value.advice
    assert "<" not in caught.value.message
    if isinstance(body, dict) and "retry_after" in body:
        assert caught.value.retry_after == body["retry_after"]
