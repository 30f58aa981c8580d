"""Before a job is paid for, its trainer's way to the data on this machine is tried."""

from __future__ import annotations

import pytest

from tests.engine.world import World
from tests.support import free_port
from tui.api.submission import Draft
from tui.base.clock import utc_now
from tui.base.listener_address import STORAGE_PATH
from tui.client.errors import ControlError
from tui.engine.delivery.result import DeliveryResult
from tui.store.fact_names import scoped

CANNOT = "cannot read from this machine"


@pytest.fixture(autouse=True)
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat the sandbox as a server elsewhere, whose trainers come through the public URL."""
    for module in ("staging.places", "submission.job_service"):
        monkeypatch.setattr(f"tui.engine.{module}.is_loopback", lambda _base: False)


async def staged_here(world: World) -> Draft:
    """A draft whose data stay here, and whose results go to the Hub."""
    await world.use_hub()
    return world.draft(
        5000, data="staged", staging="here",
        delivery={"kind": "hub", "hub_model_id": "sandbox/cat-lora"},
    )  # fmt: skip


def use_url(world: World, port: int) -> str:
    url = f"http://127.0.0.1:{port}{STORAGE_PATH}"
    world.engine.listening.storage_url = lambda api_base: url  # type: ignore[method-assign]
    return url


def note_test(world: World, verdict: str, url: str) -> None:
    """Store the answer of a test of a moment ago."""
    step = {"id": "receiver-reach", "level": {"works": "ok", "fails": "error"}[verdict],
            "message": "a file", "advice": ""}  # fmt: skip
    fact = {"verdict": verdict, "steps": [step], "checked_at": utc_now().isoformat(),
            "endpoint": url}  # fmt: skip
    name = scoped("delivery:local", world.sandbox.base_url)
    world.engine.recorder.writer.set_fact(name, fact)


async def test_a_tunnel_that_has_died_stops_the_job(world: World) -> None:
    draft = await staged_here(world)
    note_test(world, "works", use_url(world, free_port()))
    draft["accept_delivery"] = True  # accepts lost results, not missing pictures
    with pytest.raises(ControlError, match=CANNOT):
        await world.client.submit(draft)
    assert not world.predictions
    report = await world.client.check(draft)
    (finding,) = [check for check in report["checks"] if CANNOT in check["message"]]
    assert (finding["id"], finding["level"]) == ("staging", "error")
    assert report["accepts"] == []


async def test_a_listener_that_is_off_stops_the_job(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = await staged_here(world)
    note_test(world, "works", use_url(world, free_port()))
    monkeypatch.setattr(type(world.engine.listening), "address", "")
    with pytest.raises(ControlError, match=f"{CANNOT}: its listener is stopped"):
        await world.client.submit(draft)


async def test_a_way_that_was_mended_is_tried_again(world: World) -> None:
    draft = await staged_here(world)
    listening = world.engine.listening
    url = str(listening.storage_url(world.sandbox.base_url))
    note_test(world, "fails", url)
    assert not (await world.client.check(draft))["ok"]
    job_id = (await world.client.submit(draft))["job_id"]
    assert world.job(job_id).submit["draft"]["staging"] == "here"
    await world.client.cancel(job_id)


async def test_a_way_that_is_not_proved_gets_no_tick_and_is_tried_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file of the test comes from this machine; data and results take the same way."""
    monkeypatch.setattr("tui.engine.delivery.local.is_loopback", lambda _base: False)
    local, tests = world.engine.delivery_check._local, 0
    test = local.test

    async def counted(api_base: str) -> DeliveryResult:
        nonlocal tests
        tests += 1
        return await test(api_base)

    monkeypatch.setattr(local, "test", counted)
    draft = world.draft(5000, data="staged", staging="here")
    job_id = (await world.client.submit(draft))["job_id"]
    assert tests == 1
    await world.client.cancel(job_id)
    report = await world.client.check(draft)
    levels = [check["level"] for check in report["checks"] if "not proved" in check["message"]]
    assert levels == ["warn", "warn"]  # for the data, and for the results
