"""A check answers at once with what is known here; what the network proves follows."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engine.submission.held_answers import hold_answers
from tests.engine.world import World, edit_config
from tests.support import eventually
from tui.api.check_report import CheckReport
from tui.client.errors import ControlError


def levels(report: CheckReport) -> dict[str, str]:
    """The level of each finding, by its id."""
    return {check["id"]: check["level"] for check in report["checks"]}


async def completed(world: World, report: CheckReport) -> CheckReport:
    """Follow a check until all is proved."""
    while report["asking"]:
        report = await world.client.check_later(report)
    return report


def hold_delivery_test(world: World) -> Callable[[], None]:
    """Hold the test of the delivery to this machine; returns what releases it."""
    local = world.engine.delivery_check._local
    test: Callable[[str], Awaitable[Any]] = local.test
    gate = asyncio.Event()

    async def held(api_base: str) -> Any:
        await gate.wait()
        return await test(api_base)

    local.test = held  # type: ignore[method-assign]
    return gate.set


async def test_a_check_answers_while_replicate_does_not(world: World) -> None:
    held = hold_answers(world.sandbox)
    world.fault("slow@GET /v1/account")
    draft = world.draft(fix_delivery=True)
    first = await world.client.check_at_once(draft)
    assert levels(first)["token"] == "asking"
    assert {"token", "version", "delivery-proof"} <= set(first["asking"])
    assert first["ok"] is False, "nothing is promised before it is proved"
    assert levels(first)["config"] == "ok"
    assert first["estimate"]["steps"] == 12
    assert levels(first)["staging"] == "asking", "the version says how pictures reach the trainer"
    assert levels(first)["delivery-schedule"] == "asking", "and which weights leave it"
    assert (first["weights"]["promise"], first["weights"]["mended"]) == ("unknown", None)
    assert not {"archive", "left-out"} & set(levels(first)), "nor is it known that any is sent"
    await eventually(lambda: held.waiting)
    world.clear_faults()
    held.release()
    last = await completed(world, first)
    assert last["check_id"] == first["check_id"]
    assert (last["ok"], last["asking"], levels(last)["token"]) == (True, [], "ok")
    whole = await world.client.check(draft)
    assert levels(last) == levels(whole)


async def test_each_proof_fills_in_when_it_comes(world: World) -> None:
    """A slow test of the delivery holds up no other proof."""
    release = hold_delivery_test(world)
    first = await world.client.check_at_once(world.draft())
    second = await world.client.check_later(first)
    assert second["rev"] > first["rev"]
    assert second["asking"] == ["delivery-proof"]
    assert (levels(second)["token"], levels(second)["version"]) == ("ok", "ok")
    release()
    last = await completed(world, second)
    assert levels(last)["receiver-reach"] == "ok"
    assert "delivery-proof" not in levels(last)


async def test_what_was_proved_a_moment_ago_is_not_asked_again(world: World) -> None:
    await world.client.check(world.draft())
    hold_answers(world.sandbox)
    hold_delivery_test(world)
    world.fault("slow@GET /v1/account")
    report = await world.client.check_at_once(world.draft(steps=13))
    assert (report["asking"], report["ok"]) == ([], True)


async def test_a_submit_waits_for_the_proofs_that_it_needs(world: World) -> None:
    """Between the answer of a check and its proofs nothing is started."""
    release = hold_delivery_test(world)
    report = await world.client.check_at_once(world.draft())
    assert "delivery-proof" in report["asking"]
    submitted = asyncio.ensure_future(world.submit())
    done, _ = await asyncio.wait({submitted}, timeout=0)
    assert not done
    assert not world.reader.records()
    release()
    await world.ended(await submitted)


async def test_a_staged_place_is_asked_behind_the_answer(world: World) -> None:
    await world.use_hub()
    draft = world.draft(data="staged")
    first = await world.client.check_at_once(draft)
    assert "staging" in first["asking"]
    assert first["leaves"]["images"] > 0, "that pictures leave is known without the place"
    assert first["leaves"]["stays_here"] is False
    assert levels(first).get("request") != "error", "a dataset that will be staged is not missing"
    last = await completed(world, first)
    assert last["leaves"]["place"] == "hub"
    again = await world.client.check_at_once(draft)
    assert "staging" in again["asking"], "what it holds now is asked again"
    assert again["leaves"]["destination"] == last["leaves"]["destination"]


async def test_the_owner_of_a_repository_is_no_warning_while_it_is_asked(world: World) -> None:
    await world.use_hub()
    draft = world.draft(delivery={"kind": "hub", "hub_model_id": "cat-lora"})
    first = await world.client.check_at_once(draft)
    assert levels(first)["hub"] == "asking"
    last = await completed(world, first)
    assert levels(last)["hub"] == "ok"
    assert last["delivery"]["hub_model_id"] == "sandbox/cat-lora"


async def test_a_check_that_cannot_be_finished_says_why(world: World) -> None:
    hold_delivery_test(world)
    first = await world.client.check_at_once(world.draft())
    with pytest.raises(ControlError, match="not kept"):
        await world.client.check_later({**first, "check_id": "0" * 16})
    second = await world.client.check_later(first)
    world.engine.checks.stop()
    with pytest.raises(ControlError, match="not kept"):
        await world.client.check_later(second)


async def test_an_option_can_be_taken_out_of_a_job(world: World) -> None:
    """As the change of a finding says, and the file stays as it is."""
    edit_config(world.config, lora_rnak=8)
    report = await world.client.check(world.draft())
    (finding,) = (check for check in report["checks"] if "lora_rnak" in check["message"])
    assert (finding["level"], finding["changes"]) == ("error", {"lora_rnak": None})
    report = await world.client.check(world.draft(unset=["lora_rnak"]))
    assert report["ok"]
    assert "lora_rnak" not in json.dumps(report["request"])
    assert "lora_rnak" in world.config.read_text()


async def test_a_warm_check_sees_an_edit_in_place(world: World) -> None:
    """The same text size and times: what is agreed to is bound to the new content all the same."""
    datasets = (await world.client.check(world.draft()))["datasets"]
    caption = next(Path(str(datasets[0]["path"])).rglob("*.txt"))
    drafts = [world.draft(data="upload"), world.draft(data="staged", staging="here")]
    before = [(await world.client.check(draft))["leaves"]["digest"] for draft in drafts]
    again = [(await world.client.check(draft))["leaves"]["digest"] for draft in drafts]
    assert again == before
    facts = caption.stat()
    with caption.open("r+") as file:
        file.write("X")
    os.utime(caption, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    after = [(await world.client.check(draft))["leaves"]["digest"] for draft in drafts]
    assert not set(after) & set(before)
