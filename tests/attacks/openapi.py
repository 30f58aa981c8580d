"""Requests that schemathesis makes up from the complete description, with and without keys."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.attacks.area import Area, Growth, measured
from tests.engine.http_api.callers import use_sandbox
from tests.engine.world import World
from tui.api.scopes import Scope
from tui.engine.http_api.description import describe

if TYPE_CHECKING:
    from schemathesis import Case
    from schemathesis.schemas import APIOperation

KEYS: tuple[Scope | None, ...] = ("admin", "read", None)
"""Whose key is sent; without one everything is refused."""
REFUSED = range(400, 500)
UNTRIED = {"/api/cloud/jobs/{job_id}/logs/stream"}
"""It ends with its job."""


def _operations(every: int) -> list[APIOperation[Any, Any, Any, Any]]:
    import schemathesis  # takes a second to import, which every worker would pay
    from schemathesis.core.result import Ok

    document = json.loads(json.dumps(describe("both", "listener")))
    results = list(schemathesis.openapi.from_dict(document).get_all_operations())[::every]
    operations = [result.ok() for result in results if isinstance(result, Ok)]
    assert len(operations) == len(results)
    return [one for one in operations if one.path not in UNTRIED]


def _ask(
    operations: list[APIOperation[Any, Any, Any, Any]],
    base: str,
    headers: dict[str, str],
    examples: int,
    area: Area,
) -> None:
    for operation in operations:

        @settings(
            max_examples=examples, derandomize=True, deadline=None, database=None,
            suppress_health_check=list(HealthCheck), phases=[Phase.generate],
        )  # fmt: skip
        @given(data=st.data())
        def ask(data: st.DataObject) -> None:
            case: Case[Any] = data.draw(operation.as_strategy())  # noqa: B023  called at once
            answer = case.call(base_url=base, headers=headers, timeout=60)
            area.attempts += 1
            said = f"{case.method} {case.formatted_path} answered {answer.status_code}"
            if answer.status_code >= 500 or b"Traceback" in answer.content:
                area.through.append(f"{said}: {answer.content[:200]!r}")
            elif not headers and answer.status_code not in REFUSED:
                area.through.append(f"{said} without a key")

        ask()


async def attack(world: World, examples: int, every: int) -> Area:
    """Call the operations of the listener.

    Args:
        world: whose listener.
        examples: requests of each operation and kind of key.
        every: 1 takes all operations, 5 each fifth.
    """
    use_sandbox(world)
    area = Area("openapi")
    base = f"http://{world.engine.listening.address}"
    operations = await asyncio.to_thread(_operations, every)
    growth = Growth((world.home.outputs,))
    # What makes up the requests is in this process too, and keeps what it has learned of each one.
    key = world.engine.api_keys.create("first", "admin").key
    await asyncio.to_thread(_ask, operations, base, {"X-API-Key": key}, 1, area)
    growth.start()
    for scope in KEYS:
        key = world.engine.api_keys.create(scope, scope).key if scope else ""
        headers = {"X-API-Key": key} if key else {}
        with measured(area):
            await asyncio.to_thread(_ask, operations, base, headers, examples, area)
    area.growth = await growth.more()
    return area
