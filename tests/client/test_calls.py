"""Calls on the engine: described once, sent when awaited or waited for, answered with shapes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.stand_in_engine import StandInEngine
from tests.engine.world import World
from tui.client.client import ControlClient, ControlError, EngineGoneError
from tui.settings import Home


@pytest.fixture
def engine(home: Home) -> Iterator[StandInEngine]:
    """An engine that answers what a test tells it to."""
    engine = StandInEngine(home.socket)
    home.root.chmod(0o700)
    yield engine
    engine.close()


@pytest.fixture
def client(engine: StandInEngine, home: Home) -> ControlClient:
    return ControlClient(home.socket)


async def test_an_awaited_call_and_a_blocking_one_have_the_same_answer(world: World) -> None:
    awaited = await world.client.cloud.rates()
    assert awaited == await asyncio.to_thread(world.client.cloud.rates().result)
    assert awaited["rates"]


async def test_nothing_is_sent_before_a_call_is_awaited_or_waited_for(
    engine: StandInEngine, client: ControlClient
) -> None:
    call = client.cancel("job1")
    assert engine.asked == []
    await call
    await asyncio.to_thread(call.result)
    assert engine.calls("POST") == ["/api/cloud/jobs/job1/cancel"] * 2


async def test_failures_reach_both_kinds_of_callers(home: Home) -> None:
    home.root.mkdir(mode=0o700, parents=True)
    client = ControlClient(home.socket)
    with pytest.raises(EngineGoneError):
        await client.info()
    with pytest.raises(EngineGoneError):
        client.info().result()


async def test_a_part_of_an_answer_is_taken_by_both(
    engine: StandInEngine, client: ControlClient
) -> None:
    engine.answers["POST", "/api/engine/transfers/clear"] = (200, {"cleared": ["a"]})
    assert await client.publishing.clear_list() == ["a"]
    assert client.publishing.clear_list().result() == ["a"]


@pytest.mark.parametrize("answer", [[], "text", 7, None])
def test_an_answer_that_is_no_object_is_refused(
    engine: StandInEngine, client: ControlClient, answer: object
) -> None:
    engine.answers["GET", "/api/engine"] = (200, answer)
    with pytest.raises(ControlError, match="cannot be understood"):
        client.info().result()


@pytest.mark.parametrize(
    ("answer", "name"), [({}, "configs"), ({"configs": [{"path": "/a"}]}, "name")]
)
async def test_a_field_that_an_answer_lacks_is_a_failed_call(
    engine: StandInEngine, client: ControlClient, answer: object, name: str
) -> None:
    engine.answers["GET", "/api/cloud/available-configs"] = (200, answer)
    with pytest.raises(ControlError, match=f"it has no `{name}`"):
        _ = (await client.configs())[0]["name"]


@pytest.mark.parametrize("data", [b"{", b"[]", b"\xff"])
async def test_an_event_that_is_no_object_is_refused(
    engine: StandInEngine, client: ControlClient, data: bytes
) -> None:
    events = client.events()
    await anext(events)  # the stream stands
    engine.listeners[0].put(b"event: job\ndata: " + data + b"\n\n")
    with pytest.raises(ControlError, match="cannot be understood"):
        await anext(events)


async def test_a_name_in_a_path_reaches_no_other_route(world: World) -> None:
    for name in ("a/b", "..", "a?force=1", "ü #"):
        for call in (
            world.client.publishing.remove_destination(name),
            world.client.publishing.act(name, "cancel"),
        ):
            with pytest.raises(ControlError) as refused:
                await call
            assert refused.value.status in (400, 404)
            assert refused.value.code in ("validation", "not_found")


def test_a_name_that_is_missing_is_refused_before_anything_is_sent(client: ControlClient) -> None:
    with pytest.raises(ValueError, match="name"):
        client.publishing.remove_destination("")


async def test_a_call_whose_caller_is_cancelled_leaves_nothing_behind(
    engine: StandInEngine, client: ControlClient, caplog: pytest.LogCaptureFixture
) -> None:
    task = asyncio.ensure_future(client.info())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await client.info()  # the thread of the first call has had its turn
    assert caplog.records == []


def test_the_client_loads_no_library() -> None:
    """It is imported on the way to the first frame and by every command that calls the engine."""
    code = (
        "import sys; before = set(sys.modules); import tui.client.engine_process; "
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    environ = {"PYTHONPATH": str(Path(__file__).parents[2])}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ
    )
    assert set(run.stdout.split()) - {"tui"} <= set(sys.stdlib_module_names)
