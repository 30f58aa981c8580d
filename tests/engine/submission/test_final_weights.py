"""Whether the final weights leave the trainer: said before a submit, mended, kept with a job."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.engine.staging.folders import use_datasets
from tests.engine.world import World, edit_config
from tui.base.json_types import as_object
from tui.client.client import ControlError
from tui.client.jobs import JobCalls

PUBLISHED: dict[str, Any] = {"trainer_release": "4.10.1", "accept_data": True}
"""A trainer as it is published: it uploads after validations only."""


def submitted_config(report: Any) -> dict[str, Any]:
    options: dict[str, Any] = json.loads(report["request"]["input"]["config_json"])
    return options


async def test_a_run_whose_final_weights_stay_in_the_trainer_is_refused(world: World) -> None:
    draft = world.draft(120, **PUBLISHED)  # the config saves and validates every 50 steps
    report = await world.client.check(draft)
    weights = report["weights"]
    assert weights["line"] == (
        "last weights that leave the trainer: step 100 of 120; the final ones do not"
    )
    assert (weights["last"], weights["final"], weights["promise"]) == (100, False, "no")
    errors = [check for check in report["checks"] if check["level"] == "error"]
    assert [check["id"] for check in errors] == ["delivery-schedule"]
    assert weights["line"] in errors[0]["message"]
    assert errors[0]["release"] == "SimpleTuner 4.10.1 (as you said)"
    assert "--fix-delivery" in errors[0]["advice"]
    assert "--accept-delivery" in errors[0]["advice"]
    assert report["accepts"] == ["accept_delivery"]
    with pytest.raises(ControlError, match="the final ones do not"):
        await world.client.submit(draft)
    assert not world.predictions


async def test_a_mend_is_applied_to_what_is_sent(world: World) -> None:
    draft = world.draft(120, **PUBLISHED)
    mends = (await world.client.check(draft))["weights"]["mends"]
    assert [mend["id"] for mend in mends] == ["intervals", "steps"]
    assert mends[0]["words"] == (
        "checkpoint_step_interval: 50 → 60, validation_step_interval: 50 → 60"
    )
    draft["fix_delivery"] = True
    report = await world.client.check(draft)
    assert report["ok"]
    assert report["weights"]["promise"] == "yes"
    assert report["weights"]["mended"] == mends[0]
    messages = [check["message"] for check in report["checks"]]
    assert f"changed for the delivery: {mends[0]['words']}" in messages
    sent = submitted_config(report)
    assert (sent["--checkpoint_step_interval"], sent["--validation_step_interval"]) == (60, 60)

    job = world.job((await world.client.submit(draft))["job_id"])
    assert job.submit["expected_delivery"] == {
        "steps": 120, "weights": [60, 120], "last": 120, "final": False,
        "promise": "yes", "way": "local",
    }  # fmt: skip
    kept = as_object(job.submit["draft"]["overrides"])
    assert (kept["checkpoint_step_interval"], kept["validation_step_interval"]) == (60, 60)


async def test_a_mend_never_sends_results_to_another_place_than_was_asked_for(
    world: World,
) -> None:
    """Where nothing but the Hub helps, the user says so by name: it is another receiver."""
    edit_config(world.config, max_train_steps=None, num_train_epochs=2, hub_model_id="sandbox/cats")
    use_datasets(world, {"id": "far", "type": "huggingface", "dataset_name": "some/pictures"})
    await world.use_hub()
    draft = world.draft(fix_delivery=True, overrides={}, **PUBLISHED)
    report = await world.client.check(draft)
    assert [mend["id"] for mend in report["weights"]["mends"]] == ["hub"]
    assert report["weights"]["mended"] is None
    assert report["delivery"]["kind"] == "local"
    (advice,) = [c["advice"] for c in report["checks"] if c["id"] == "delivery-schedule"]
    assert "--fix-delivery" not in advice
    assert "--delivery hub --hub-model-id sandbox/cats" in advice
    with pytest.raises(ControlError):
        await world.client.submit(draft)
    assert not world.predictions


async def test_a_loss_that_was_accepted_is_kept_with_the_job(world: World) -> None:
    job_id = await world.submit(120, accept_delivery=True, **PUBLISHED)
    expected = world.job(job_id).submit["expected_delivery"]
    assert expected is not None
    assert (expected["last"], expected["final"], expected["promise"]) == (100, False, "no")


async def test_the_hub_gets_the_final_weights_outside_of_checkpoints(world: World) -> None:
    await world.use_hub()
    delivery = {"kind": "hub", "hub_model_id": "sandbox/cats"}
    report = await world.client.check(world.draft(120, delivery=delivery, **PUBLISHED))
    assert report["weights"]["promise"] == "yes"
    job = world.job(await world.submit(120, delivery=delivery, **PUBLISHED))
    assert job.submit["expected_delivery"] == {
        "steps": 120, "weights": [50, 100], "last": 120, "final": True,
        "promise": "yes", "way": "hub",
    }  # fmt: skip


async def test_a_job_without_delivery_expects_nothing(world: World) -> None:
    job_id = await world.submit(delivery={"kind": "none"})
    assert world.job(job_id).submit["expected_delivery"] is None


async def test_the_other_findings_stand_beside_a_loss(world: World) -> None:
    report = await world.client.check(world.draft(120, **PUBLISHED))
    identities = [check["id"] for check in report["checks"]]
    assert "receiver-reach" in identities or "listener" in identities


async def test_a_recommended_change_holds_for_the_pictures_and_the_release(world: World) -> None:
    """By epochs the number of steps follows from the pictures, which only the scan counts."""
    edit_config(world.config, max_train_steps=0, num_train_epochs=3)
    draft = world.draft(**PUBLISHED, overrides={})
    before = (await world.client.check(draft))["weights"]
    assert before["promise"] == "no"
    recommended = await JobCalls(world.client).recommended(draft)
    assert recommended["delivery"] == {"kind": "local"}
    assert recommended["overrides"] == before["mends"][0]["overrides"]
