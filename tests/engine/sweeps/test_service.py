"""Sweeps on the sandbox: planned whole or refused whole, a few at a time, stopped and cancelled."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tests.engine.world import World, edit_config, write_quick_settings
from tests.support import eventually
from tui.api.sweeps import Sweep, SweepRequest
from tui.base.errors import says_nothing_sent
from tui.base.job_status import JobStatus
from tui.client.errors import ControlError
from tui.engine.submission.draft import read_draft
from tui.engine.sweeps.members import Member, members_of
from tui.engine.sweeps.plan import _Looked, _problem
from tui.simpletuner.checks.checks import Check
from tui.simpletuner.checks.describe import describe_checks


def request(world: World, *drafts: Any, ranks: str = "", **more: Any) -> SweepRequest:
    """A sweep of the example config; one run for each rank."""
    axes = [{"name": "lora_rank", "values": ranks.split()}] if ranks else []
    body = {"drafts": list(drafts or [world.draft()]), "axes": axes, "at_once": 1, **more}
    return cast("SweepRequest", body)


def limit(world: World, micros: int) -> None:
    """Set a limit that blocks; 0 for none."""
    write_quick_settings(world.home)  # the listener stays where it is
    values = {"enabled": bool(micros), "amount_micros": micros, "action": "block"}
    world.engine.live.change("spending", values)


async def agreed(world: World, wanted: SweepRequest) -> Sweep:
    plan = await world.client.sweeps.plan(wanted)
    assert plan["ok"], plan["problem"]
    return await world.client.sweeps.start({**wanted, "consent": True, "agreed": plan["digest"]})


async def state_of(world: World, name: str, wanted: str) -> Sweep:
    async def there() -> Sweep | None:
        sweep = await world.client.sweeps.find(name)
        return sweep if sweep["state"] == wanted else None

    return await eventually(there, within=60)


async def test_a_sweep_is_refused_whole_or_started_as_it_was_shown(world: World) -> None:
    sweeps = world.client.sweeps
    broken = world.config.parent.parent / "broken" / "config.json"
    broken.parent.mkdir()
    broken.write_text("[1]")
    bad = request(world, world.draft(), world.draft(13), world.draft(config=str(broken)))
    plan = await sweeps.plan(bad)
    assert [member["ok"] for member in plan["members"]] == [True, True, False]
    assert plan["problem"] is not None
    assert plan["problem"]["member"] == 2
    assert plan["problem"]["message"].startswith("broken cannot work: ")
    with pytest.raises(ControlError, match=r"broken cannot be started") as refused:
        await sweeps.start({**bad, "consent": True})
    assert refused.value.details["member"] == "broken"
    for message, advice in (("It is down.", "Wait."), ("Down. Nothing was sent.", "Wait."),
                            ("It is down.", "Nothing was sent. Wait.")):  # fmt: skip
        told = f"{message} {says_nothing_sent(message, advice)}"
        assert (told.count("Nothing was sent."), told[-5:]) == (1, "Wait.")

    same = request(world, world.draft(), world.draft(overrides={"max_train_steps": 12,
                                                                "lora_rank": 2}))  # fmt: skip
    plan = await sweeps.plan(same)
    assert plan["problem"] is not None
    assert "would be the same run" in plan["problem"]["message"]
    with pytest.raises(ControlError, match="would be the same run"):
        await sweeps.start({**same, "consent": True})

    to_hub = world.draft(delivery={"kind": "hub", "hub_model_id": "sandbox/cats"})
    _, members = await members_of(
        request(world, to_hub, ranks="2 4"), world.engine.preparer, lambda name: name
    )
    # Two runs never write over one another in one repository.
    assert [member.draft.delivery.hub_model_id for member in members] == [
        "sandbox/cats-r2", "sandbox/cats-r4"
    ]  # fmt: skip

    axes = [{"name": "lora_rank", "values": ["10", "2"]},
            {"name": "learning_rate", "values": ["5e-5", "1e-4"]}]  # fmt: skip
    plan = await sweeps.plan(request(world, axes=axes))
    assert [" ".join(one["changes"].values()) for one in plan["members"]] == [
        "10 5e-05", "10 0.0001", "2 5e-05", "2 0.0001"  # as it was asked for, not as texts
    ]  # fmt: skip

    wanted = request(world, ranks="2 4", name="cats")
    plan = await sweeps.plan(wanted)
    assert [(one["name"], one["changes"]) for one in plan["members"]] == [
        ("cats-r2", {"lora_rank": "2"}), ("cats-r4", {"lora_rank": "4"})
    ]  # fmt: skip
    assert plan["micros"] == sum(one["micros"] for one in plan["members"]) > 0
    with pytest.raises(ControlError, match=r"2 runs would cost about .* together") as unagreed:
        await sweeps.start(wanted)
    assert unagreed.value.code == "consent_required"
    edit_config(world.config, learning_rate=0.5)
    with pytest.raises(ControlError, match="not what was shown before"):
        await sweeps.start({**wanted, "consent": True, "agreed": plan["digest"]})

    limit(world, plan["micros"] * 2 // 3)
    plan = await sweeps.plan(wanted)
    assert plan["problem"] is not None
    assert plan["problem"]["code"] == "cost_limit_exceeded"
    assert plan["cost_limit"] is not None
    with pytest.raises(ControlError) as over:
        await sweeps.start({**wanted, "consent": True})
    assert over.value.code == "cost_limit_exceeded"
    assert await sweeps.all() == []
    assert world.reader.records() == []
    assert world.predictions == []


async def test_two_failures_stop_a_sweep_until_it_goes_on_or_is_cancelled(world: World) -> None:
    world.fault("oom=3*2")
    with world.engine.bus.subscribe() as messages:
        sweep = await agreed(world, request(world, ranks="2 4 8 16 32", name="cats"))
        assert (sweep["state"], sweep["running"], sweep["waiting"]) == ("running", 1, 4)
        paused = await state_of(world, "cats", "paused")
        heard = [messages.get_nowait() for _ in range(messages.qsize())]
    said = [data for kind, data in heard if kind == "notice" and "sweep" in str(data["message"])]
    assert [data["message"] for data in said] == [
        "The sweep cats stopped: 2 runs in a row have failed; 3 runs wait."
    ]
    assert "sweep resume cats" in str(said[0]["advice"])
    assert (paused["failed"], paused["waiting"], paused["running"]) == (2, 3, 0)
    assert paused["reason"] == "2 runs in a row have failed"
    assert len(world.predictions) == 2
    assert world.job(paused["members"][2]["job_id"]).stage == "its sweep has stopped"

    world.fault("stall=5")
    await world.client.sweeps.resume("cats")
    third, fourth, fifth = (one["job_id"] for one in paused["members"][2:])
    running = await world.until(third, JobStatus.RUNNING)
    cancelled = await world.client.cancel(fifth)  # one that waits, by itself
    assert cancelled["status"] == "cancelled"
    answer = await world.client.sweeps.cancel("cats")
    assert (answer["ended"], answer["stopping"], answer["failed"]) == ([fourth], [third], [])
    await world.ended(third)
    over = await state_of(world, "cats", "cancelled")
    assert (over["failed"], over["cancelled"], over["waiting"]) == (2, 3, 0)
    assert [record.id for record in world.predictions][2:] == [running.prediction_id]
    with pytest.raises(ControlError, match="over already"):
        await world.client.sweeps.cancel("cats")
    with pytest.raises(ControlError, match="not paused"):
        await world.client.sweeps.resume("cats")
    with pytest.raises(ControlError, match="There is no sweep cat"):
        await world.client.sweeps.find("cat")


async def test_a_limit_that_is_lowered_meanwhile_pauses_a_sweep_that_stages_its_data_once(
    world: World,
) -> None:
    world.fault("stall=5*1")
    wanted = request(world, world.draft(data="staged"), ranks="2 4", name="cats")
    plan = await world.client.sweeps.plan(wanted)
    (row,) = plan["leaves"]
    assert (row["runs"], row["times"], row["stays_here"]) == (2, 1, True)
    single = await world.client.check(world.draft(data="staged"))
    assert single["leaves"]["words"].startswith("stays on this machine: 9 images, 9 captions, ")
    assert row["words"] == f"{single['leaves']['words']}; once for 2 runs"
    with pytest.raises(ControlError, match=r"together\.$"):  # no picture leaves this machine
        await world.client.sweeps.start(wanted)
    sweep = await agreed(world, wanted)
    first, second = (one["job_id"] for one in sweep["members"])
    (staged,) = await world.client.staged()  # once, and until the last of them has ended
    assert sorted(staged["readers"]) == sorted((first, second))
    await world.until(first, JobStatus.RUNNING)
    limit(world, 100)
    world.go_on(first)
    await world.ended(first)
    paused = await state_of(world, "cats", "paused")
    assert paused["reason"].startswith("the cost limit would be passed by ")
    with pytest.raises(ControlError, match="cannot go on") as refused:
        await world.client.sweeps.resume("cats")
    assert refused.value.code == "cost_limit_exceeded"
    limit(world, 0)
    await world.client.sweeps.resume("cats")
    assert (await world.ended(second)).status is JobStatus.COMPLETED
    done = await state_of(world, "cats", "done")
    assert done["best"] in (first, second)


def test_a_run_that_cannot_work_is_named_in_one_sentence() -> None:
    member = Member("cats-r2", read_draft({"config": "c"}))
    found = describe_checks([Check("token", "error", "There is none.", "Give one.")])
    problem = _problem([_Looked(member, None, found, ok=False)])
    assert problem is not None
    assert problem["message"] == "cats-r2 cannot work: There is none."
