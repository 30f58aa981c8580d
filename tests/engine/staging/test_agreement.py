"""A submit sends data where the check said, or asks again."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.engine.staging.folders import entries_of, picture, use_datasets
from tests.engine.world import World, running_engine
from tests.wished import wished
from tui.api.submission import Draft
from tui.base.job_status import JobStatus
from tui.client.client import ControlClient
from tui.client.errors import ControlError
from tui.sandbox.demo import write_demo_project
from tui.sandbox.hub.accounts import HubToken
from tui.sandbox.server import serve
from tui.settings import Home
from tui.simpletuner.errors import SimpleTunerError
from tui.store.submit_state import StagedData


async def _hub_fails(world: World) -> None:
    await world.client.set_session({"hf_endpoint": "http://127.0.0.1:9", "hf_token": "hf_write"})


async def _other_account(world: World) -> None:
    assert world.sandbox.hub is not None
    world.sandbox.hub.hub.accounts.tokens["hf_other"] = HubToken("other")
    await world.use_hub("hf_other")


async def _other_pictures(world: World) -> None:
    picture(world.config.parent / "photos" / "more.png", 9).with_suffix(".txt").write_text("more")


def _photos(world: World) -> None:
    folder = world.config.parent / "photos"
    for number in range(4):
        picture(folder / f"{number}.png", number).with_suffix(".txt").write_text(f"{number}")
    use_datasets(
        world,
        {
            "id": "photos", "type": "local", "instance_data_dir": str(folder),
            "caption_strategy": "textfile", "resolution": 512,
        },
    )  # fmt: skip


@pytest.mark.parametrize("change", [_hub_fails, _other_account, _other_pictures])
async def test_what_was_agreed_to_is_what_is_sent(
    world: World, change: Callable[[World], Coroutine[Any, Any, None]]
) -> None:
    _photos(world)
    await world.use_hub()
    draft = world.draft(data="staged")
    leaves = (await world.client.check(draft))["leaves"]
    assert leaves["place"] == "hub"
    agreed = draft | {"agreed": leaves["digest"]}
    await change(world)
    with pytest.raises(ControlError) as caught:
        await world.client.submit(agreed)
    assert (caught.value.status, caught.value.code) == (403, "consent_required")
    assert not world.reader.records()
    now = (await world.client.check(draft))["leaves"]
    assert now["digest"] != leaves["digest"]
    assert now["destination"] in caught.value.message
    again = draft | {"agreed": now["digest"], "staging": now["place"]}
    job = await world.ended((await world.client.submit(again))["job_id"])
    assert job.status is JobStatus.COMPLETED, job.error
    assert job.submit["staging"]["place"] == now["place"]
    assert "agreed" not in job.submit["draft"]


async def test_a_place_that_was_shown_is_not_changed_without_a_word(world: World) -> None:
    """A client that sends no digest agrees to the place that its check showed."""
    await world.use_hub()
    draft = world.draft(data="staged", idempotency_key="k1")
    assert (await world.client.check(draft))["leaves"]["place"] == "hub"
    await _hub_fails(world)
    with pytest.raises(ControlError) as caught:
        await world.client.submit(draft)
    assert caught.value.code == "consent_required"
    unchecked = world.draft(13, data="staged")
    job = await world.ended((await world.client.submit(unchecked))["job_id"])
    assert job.submit["staging"]["place"] == "here"


async def test_a_place_that_was_shown_counts_after_a_restart_of_the_engine(tmp_path: Path) -> None:
    home = Home(tmp_path / "h", tmp_path / "h" / "cloud_outputs")
    config = write_demo_project(tmp_path / "project")
    draft: Draft = {"config": str(config), "data": "staged", "consent": True}
    sandbox = await serve(wished(work_dir=tmp_path / "sandbox"))
    assert sandbox.hub_url
    try:
        for hub in (sandbox.hub_url, "http://127.0.0.1:9"):
            async with running_engine(home) as (engine, _):
                client = ControlClient(home.socket, sandbox.base_url)
                await client.set_session(
                    {"replicate_token": sandbox.token, "hf_endpoint": hub, "hf_token": "hf_write"}
                )
                if hub == sandbox.hub_url:
                    assert (await client.check(draft))["leaves"]["place"] == "hub"
                    continue
                with pytest.raises(ControlError) as caught:
                    await client.submit(draft)
                assert caught.value.code == "consent_required"
                assert not engine.reader.records()
    finally:
        await sandbox.aclose()


async def test_an_account_that_changes_after_the_submit_gets_nothing(world: World) -> None:
    """A job names the dataset that was agreed to, which a token of another user does not own."""
    _photos(world)
    await world.use_hub()
    job = await world.ended(await world.submit(data="staged", keep_staged=True))
    assert world.sandbox.hub is not None
    hub = world.sandbox.hub.hub
    sent, name = hub.received_bytes, entries_of(world, job.job_id)["photos"]["dataset_name"]
    hub.accounts.tokens["hf_other"] = HubToken("other")
    world.engine.clients.tokens.give(
        "huggingface", world.sandbox.base_url, "hf_other", "environment"
    )
    with pytest.raises(SimpleTunerError, match=r"datasets of sandbox .* datasets of other"):
        await world.engine.staging.stage(job, threading.Event())
    kept: StagedData = {**job.submit["staging"]}
    del kept["receiver"]
    # An earlier version kept no receiver.
    earlier = replace(job, submit={**job.submit, "staging": kept})
    with pytest.raises(
        SimpleTunerError, match=r"is not in a dataset of other .* but in one of"
    ) as no:
        await world.engine.staging.stage(earlier, threading.Event())
    assert name in no.value.message
    assert hub.received_bytes == sent
    assert hub.repos.get("dataset", name) is not None
    assert hub.repos.get("dataset", name.replace("sandbox/", "other/")) is None


async def test_an_archive_with_another_picture_of_the_same_size_is_asked_about(
    world: World,
) -> None:
    """Counts and bytes are the same, and what would leave is not what was shown."""
    draft = world.draft(data="upload")
    leaves = (await world.client.check(draft))["leaves"]
    assert (await world.client.check(draft))["leaves"]["digest"] == leaves["digest"]
    image = next(world.config.parents[2].rglob("*.png"))
    content = bytearray(image.read_bytes())
    content[-1] ^= 1
    image.write_bytes(content)
    with pytest.raises(ControlError) as caught:
        await world.client.submit(draft | {"agreed": leaves["digest"]})
    assert caught.value.code == "consent_required"


async def test_the_way_of_the_data_is_agreed_to_as_well(world: World) -> None:
    remote = await world.client.check(world.draft(data="remote"))
    assert (remote["leaves"]["place"], remote["leaves"]["images"]) == ("", 0)
    archive = await world.client.check(world.draft(data="upload"))
    assert archive["leaves"]["place"] == "upload"
    wrong = world.draft(data="upload", agreed=remote["leaves"]["digest"])
    with pytest.raises(ControlError) as caught:
        await world.client.submit(wrong)
    assert caught.value.code == "consent_required"
    right = world.draft(data="upload", agreed=archive["leaves"]["digest"])
    assert (await world.client.submit(right))["success"]


async def test_caches_of_hosted_data_are_kept_out_of_what_is_delivered(world: World) -> None:
    """They lie in the run folder by default, which is sent at each validation but to the Hub."""
    use_datasets(world, {"id": "far", "type": "huggingface", "dataset_name": "me/far"})

    async def told(kind: str) -> tuple[list[str], bool]:
        draft = world.draft(data="remote", delivery={"kind": kind, "hub_model_id": "me/out"})
        report = await world.client.check(draft)
        sent = json.loads(str(report["request"]["input"]["dataloader_json"]))
        found = [check for check in report["checks"] if "what it delivers" in check["message"]]
        assert all("cache/vae/far" in check["message"] for check in found)
        return [check["level"] for check in found], sent[0].get("cache_dir_vae") == "cache/vae/far"

    assert [await told(kind) for kind in ("local", "hub")] == [(["ok"], True), ([], False)]


async def test_a_place_that_is_refused_when_staging_begins_ends_the_job(world: World) -> None:
    """Its destination was removed while no engine ran: nothing is posted nor paid."""
    job = await world.ended(await world.submit(data="staged", staging="here", keep_staged=True))
    before = len(world.predictions)
    staging = job.submit["staging"] | {"place": "bucket:gone"}
    waiting = replace(
        job, job_id="waiting1", prediction_id="", status=JobStatus.PENDING, completed_at=None,
        cost_micros=None, error="", submit=job.submit | {"phase": "new", "staging": staging},
    )  # fmt: skip
    world.engine.recorder.writer.insert(waiting)
    world.engine._take_up()
    ended = await world.ended("waiting1")
    assert ended.status is JobStatus.FAILED
    assert "There is no destination 'gone'" in ended.error
    assert (ended.cost_micros, ended.prediction_id) == (0, "")
    assert len(world.predictions) == before
