"""Which release a version of the trainer holds, and an archive that it would not read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.engine.world import World
from tui.base.job_status import JobStatus
from tui.client.client import ControlError
from tui.engine.submission.draft import Draft, read_draft
from tui.engine.submission.model_catalog import Choice
from tui.sandbox.releases import EARLY, SUMMER, Release
from tui.settings import load_settings
from tui.simpletuner.release.profile import ReleaseProfile


def version_of(world: World, release: Release) -> str:
    models = world.sandbox.core.registry.models.values()
    return next(
        version.id
        for model in models
        for version in model.versions
        if version.release is release and "l40s" in model.full_name
    )


def chosen(world: World, version: str, **draft: object) -> ReleaseProfile:
    """The profile of a version whose schema and date tell nothing."""
    choice = Choice("simpletuner/trainer", version, None, {})
    wanted: Draft = read_draft({"config": "x", **draft})
    return world.engine.releases.choose(world.sandbox.base_url, choice, wanted)


DELIVERED: dict[str, object] = {
    "max_train_steps": 12, "checkpoint_step_interval": 6, "validation_step_interval": 6,
}  # fmt: skip
"""Options of a run whose final weights leave the trainer."""


async def test_an_archive_that_the_trainer_ignores_is_an_error_that_can_be_accepted(
    world: World,
) -> None:
    known: dict[str, Any] = {"trainer_release": "4.10.1", "overrides": DELIVERED, "data": "upload"}
    report = await world.client.check(world.draft(**known))
    errors = [check for check in report["checks"] if check["level"] == "error"]
    assert [check["id"] for check in errors] == ["data-archive"]
    assert errors[0]["release"] == "SimpleTuner 4.10.1 (as you said)"
    assert "--accept-data" in errors[0]["advice"]
    assert not report["ok"]
    assert (report["acceptable"], report["accepts"]) == (True, ["accept_data"])
    with pytest.raises(ControlError, match="ignores an archive"):
        await world.submit(**known)
    assert not world.predictions

    report = await world.client.check(world.draft(**known, accept_data=True))
    assert report["ok"]
    assert "data-archive" in [c["id"] for c in report["checks"] if c["level"] == "warn"]


async def test_the_word_of_the_draft_counts_more_than_the_setting(world: World) -> None:
    live = world.engine.live
    live.change("cloud", {"trainer_release": "4.8.0"})
    assert load_settings(world.home).cloud.trainer_release == "4.8.0"
    version = version_of(world, SUMMER)
    assert chosen(world, version).name == "4.8.0"
    assert chosen(world, version, trainer_release="patched").name == "patched"
    report = await world.client.check(world.draft())
    named = [check["release"] for check in report["checks"] if check["id"] == "version"]
    assert named == ["SimpleTuner 4.8.0 (as you said)"]


async def test_a_job_whose_archive_was_ignored_shows_it_for_its_version(world: World) -> None:
    version = version_of(world, SUMMER)
    assert chosen(world, version).source == "date"
    job = await world.ended(
        await world.submit(version=version, data="upload", accept_data=True, overrides=DELIVERED)
    )
    assert job.status is JobStatus.FAILED
    assert chosen(world, version).archive == "ignored"
    assert chosen(world, version).source == "observed"


async def test_a_job_that_trained_on_its_archive_shows_it_for_its_version(world: World) -> None:
    version = version_of(world, EARLY)
    job = await world.ended(await world.submit(version=version))
    assert job.status is JobStatus.COMPLETED
    assert chosen(world, version).archive == "unpacks"
    world.engine.releases.observe(replace(job, inputs={}))  # a job without archive shows nothing
    assert chosen(world, version).archive == "unpacks"
    assert chosen(world, version_of(world, SUMMER)).source == "date"


async def test_the_release_of_the_version_in_use_is_told_with_its_reasons(world: World) -> None:
    model = "simpletuner/advanced-trainer-l40s"
    listed = await world.client.versions(model)
    release = listed["release"]
    assert release is not None
    assert release["version"] == listed["versions"][0]["id"]
    assert (release["name"], release["source"]) == ("patched", "observed")
    assert "its schema says that it unpacks archives" in release["reasons"][1]

    old = Choice(model, "ab" * 32, datetime(2026, 8, 21, tzinfo=UTC), {})
    described = world.engine.releases.describe(world.sandbox.base_url, old)
    assert (described["name"], described["source"]) == ("4.8.0", "date")
    assert described["reasons"] == [
        "made on 2026-08-21: at most 4.8.0", "no job of it has shown more",
    ]  # fmt: skip

    await world.client.cloud.change_settings({"cloud.trainer_release": "4.10.1"})
    release = (await world.client.versions(model))["release"]
    assert release is not None
    assert (release["name"], release["source"]) == ("4.10.1", "user")
    assert release["reasons"][-1].startswith("you said so")
