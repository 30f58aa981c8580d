"""A job is run again as it ran, whatever has changed since; or as it is today, and says what."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.engine.staging.folders import picture, use_datasets
from tests.engine.world import World, edit_config
from tests.store.job_records import job as stored_job
from tests.support import eventually
from tui.api.submission import RerunRequest
from tui.client.errors import ControlError
from tui.engine.submission.run_names import sent_settings
from tui.engine.submission.stored_run import config_differences, request_differences
from tui.simpletuner.config.training_config import TrainingConfig
from tui.store.records import JobRecord

HOSTED = {"data": "hosted", "images_url": "https://example.com/a.zip", "accept_data": True,
          "delivery": {"kind": "none"}}  # fmt: skip
"""A draft that sends nothing from here."""


def photos(world: World) -> None:
    """Two pictures with captions as the only dataset."""
    folder = world.config.parent / "photos"
    for number in range(2):
        picture(folder / f"{number}.png", number).with_suffix(".txt").write_text(f"{number}")
    use_datasets(
        world,
        {"id": "photos", "type": "local", "instance_data_dir": str(folder),
         "caption_strategy": "textfile", "resolution": 64},
    )  # fmt: skip


def add_picture(world: World) -> None:
    """Change the dataset."""
    picture(world.config.parent / "photos" / "more.png", 9).with_suffix(".txt").write_text("more")


async def finished(world: World, **more: Any) -> JobRecord:
    return await world.ended(await world.submit(**more))


def asked_for(job: JobRecord) -> dict[str, Any]:
    """The settings that a job was sent with, without what each job has for itself."""
    settings = sent_settings(job.inputs)
    settings.pop("tracker_run_name")
    return {**settings, "dataloader": job.inputs["dataloader_json"], "version": job.version,
            "hardware": job.hardware}  # fmt: skip


def test_no_difference_is_named_twice() -> None:
    sent = {"config_json": '{"--max_train_steps": 100, "--lora_rank": 8}', "max_train_steps": 100,
            "lycoris_config": '{"algo": "lokr"}'}  # fmt: skip
    ran = stored_job("a", inputs=sent, config={"lycoris_config": "then.json", "lora_rank": 8})
    values = {"config_json": '{"--max_train_steps": 200, "--lora_rank": 8}', "max_train_steps": 200,
              "lycoris_config": '{"algo": "lokr"}'}  # fmt: skip
    assert request_differences(ran, values) == ["max_train_steps 100 → 200"]
    today = TrainingConfig("", Path(), {"lycoris_config": "now.json", "lora_rank": 8},
                           lycoris={"algo": "loha"})  # fmt: skip
    assert [one["words"] for one in config_differences(ran, today)] == [
        'lycoris_config {"algo": "lokr"} → {"algo": "loha"}'
    ]


async def test_the_same_run_is_sent_whatever_the_files_say_today(world: World) -> None:
    photos(world)
    job = await finished(world, data="upload", name="cats")
    edit_config(world.config, learning_rate=0.5, train_batch_size=2)
    plan = await world.client.rerun_plan(job.job_id)
    assert plan["name"] == "cats-2"
    assert plan["data"]["state"] == "again"
    assert "the content is the same" in plan["data"]["words"]
    changed = {item["name"]: item["now"] for item in plan["differences"]}
    assert changed == {"learning_rate": "0.5", "train_batch_size": "2"}

    again = await world.client.rerun(job.job_id, {"consent": True})
    other = await world.ended(again["job_id"])
    assert asked_for(other) == asked_for(job)
    assert other.name == "cats-2"
    assert other.submit["sha256"] == job.submit["sha256"]
    assert other.rate_micros == job.rate_micros

    today = await world.client.rerun(job.job_id, {"settings": "today", "consent": True})
    now = asked_for(await world.ended(today["job_id"]))
    assert (now["learning_rate"], now["train_batch_size"]) == (0.5, 2)


async def test_nothing_is_posted_without_a_consent_to_the_price(world: World) -> None:
    job = await finished(world, **HOSTED)
    posted = len(world.predictions)
    requests: list[RerunRequest] = [{}, {"consent": False}, {"consent": True, "most_micros": 0}]
    for request in requests:
        with pytest.raises(ControlError, match="costs about") as refused:
            await world.client.rerun(job.job_id, request)
        assert (refused.value.status, refused.value.code) == (403, "consent_required")
    await world.client.rerun_plan(job.job_id)
    assert len(world.predictions) == posted


async def test_other_pictures_are_not_the_same_run_and_it_says_so(world: World) -> None:
    photos(world)
    job = await finished(world, data="upload")
    add_picture(world)
    plan = await world.client.rerun_plan(job.job_id)
    assert plan["data"]["state"] == "gone"
    assert plan["ran"] is None
    assert "not those that" in plan["not_ran"]
    assert plan["today"] is not None
    posted = len(world.predictions)
    with pytest.raises(ControlError, match="not those that") as refused:
        await world.client.rerun(job.job_id, {"consent": True})
    assert refused.value.code == "check_failed"
    assert len(world.predictions) == posted
    # A sync after the database was lost brings a job back without what was sent for it.
    kept = {name: job.submit[name] for name in ("draft", "account")}
    world.engine.recorder.note(job.job_id, "local", "test", "As restored.", submit=kept)
    restored = await world.client.rerun_plan(job.job_id)
    assert "No data of this machine are recorded for cat-lora" in restored["not_ran"]


async def test_staged_data_are_sent_again_only_with_the_same_content(world: World) -> None:
    photos(world)
    await world.use_hub()
    job = await finished(world, data="staged", staging="hub")
    await eventually(lambda: world.engine.staging.rows() == [])
    plan = await world.client.rerun_plan(job.job_id)
    assert plan["data"]["state"] == "again"
    assert plan["data"]["bytes"] > 0
    assert plan["differences"] == []
    record = world.job(job.job_id)
    before = {**record.submit, "account": "bob"}
    world.engine.recorder.note(job.job_id, "local", "note", "Bob's.", submit=before)
    (difference,) = (await world.client.rerun_plan(job.job_id))["differences"]
    assert difference["words"] == "account @bob → @sandbox, who would pay"
    other = await world.ended((await world.client.rerun(job.job_id, {"consent": True}))["job_id"])
    assert other.submit["staging"]["key"] == job.submit["staging"]["key"]
    await eventually(lambda: world.engine.staging.rows() == [])
    add_picture(world)
    gone = await world.client.rerun_plan(job.job_id)
    assert (gone["data"]["state"], gone["ran"]) == ("gone", None)
    assert "copy is removed" in gone["not_ran"]


async def test_a_kept_copy_is_read_again_when_the_files_have_changed(world: World) -> None:
    photos(world)
    await world.use_hub()
    job = await finished(world, data="staged", staging="hub", keep_staged=True)
    add_picture(world)
    plan = await world.client.rerun_plan(job.job_id)
    assert plan["data"]["state"] == "kept"
    assert plan["ran"] is not None
    other = await world.ended((await world.client.rerun(job.job_id, {"consent": True}))["job_id"])
    assert other.submit["staging"]["key"] == job.submit["staging"]["key"]
    assert len(json.loads(str(other.inputs["dataloader_json"]))) == len(
        json.loads(str(job.inputs["dataloader_json"]))
    )


async def test_a_changed_dataloader_a_lost_config_and_overrides(world: World) -> None:
    photos(world)
    job = await finished(world, **HOSTED)
    use_datasets(world, {"id": "photos", "type": "local", "resolution": 128,
                         "instance_data_dir": str(world.config.parent / "photos"),
                         "caption_strategy": "filename"})  # fmt: skip
    plan = await world.client.rerun_plan(job.job_id)
    words = {item["name"]: (item["then"], item["now"]) for item in plan["differences"]}
    assert words == {
        "photos.resolution": ("64", "128"), "photos.caption_strategy": ("textfile", "filename"),
    }  # fmt: skip
    world.config.unlink()
    lost = await world.client.rerun_plan(job.job_id)
    assert lost["today"] is None
    assert "there is no config" in lost["not_today"]
    assert lost["ran"] is not None
    changes: RerunRequest = {"consent": True, "overrides": {"learning_rate": 0.25}, "name": "mine"}
    other = await world.ended((await world.client.rerun(job.job_id, changes))["job_id"])
    assert asked_for(other) == {**asked_for(job), "learning_rate": 0.25}
    assert other.name == "mine"


async def test_a_job_of_another_program_has_nothing_to_run_again(world: World) -> None:
    job = await finished(world, **HOSTED)
    world.engine.recorder.note(
        job.job_id, "local", "test", "Without its draft.",
        submit={name: value for name, value in job.submit.items() if name != "draft"},
    )  # fmt: skip
    with pytest.raises(ControlError, match="started elsewhere"):
        await world.client.rerun_plan(job.job_id)
