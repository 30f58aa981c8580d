"""Options of a destination are validated, and refused by field."""

from __future__ import annotations

from typing import Any

import pytest

from tui.base.errors import RefusedError
from tui.engine.transfers.destination_options import read_options


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        ("s3", {"public_base_url": "https://user:canary@h"}, "public_base_url"),
        ("s3", {"public_base_url": "https://h/?canary=1"}, "public_base_url"),
        ("s3", {"public_base_url": "https://h/a b"}, "public_base_url"),
        ("s3", {"public_base_url": "https://h/\nx"}, "public_base_url"),
        ("s3", {"prefix": "a\x9bb"}, "prefix"),
        ("folder", {"path": "/tmp/caf\udce9"}, "path"),
        ("hub", {"repo": "a/b\x7f"}, "repo"),
    ],
)
def test_invalid_options_are_refused_by_field(kind: str, body: dict[str, Any], field: str) -> None:
    more = {"bucket": "bucket", "endpoint": "https://h"} if kind == "s3" else {}
    with pytest.raises(RefusedError) as caught:
        read_options(kind, {**more, **body})
    assert list(caught.value.details["fields"]) == [field]
    assert "canary" not in str(caught.value.details)


def test_a_public_address_is_kept() -> None:
    body = {"bucket": "bucket", "endpoint": "https://h", "public_base_url": " https://cdn/x "}
    assert read_options("s3", body)["public_base_url"] == "https://cdn/x"
