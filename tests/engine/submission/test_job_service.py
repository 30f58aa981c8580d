"""Jobs from a folder of images to files on disk, through the control API."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.engine.submission.finished_run import check_whole
from tests.engine.world import World, running_world
from tests.support import eventually
from tests.wished import wished
from tui.api.engine import Session
from tui.app.job.facts import refused_fields
from tui.base.job_status import JobStatus
from tui.client.client import ControlError
from tui.engine.tracking import monitor
from tui.settings import Home, load_settings

REFUSED = [JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED]


async def test_a_job_ends_with_the_files_the_trainer_wrote(world: World) -> None:
    job_id = await world.submit(steps=60)
    job = await world.ended(job_id)
    check_whole(world, job_id, 60)
    assert (job.step, job.total_steps, job.percent) == (60, 60, 100.0)
    assert job.cost_micros is not None
    assert job.estimate_micros
    assert job.started_at
    assert job.completed_at
    assert job.created_at <= job.started_at <= job.completed_at
    assert job.file_count == len(world.reader.files(job_id))
    stages = world.reader.stages(job_id)
    assert [stage.seq for stage in stages] == sorted({stage.seq for stage in stages})
    assert len(stages) >= 4
    assert {stage.state for stage in stages} == {"done"}
    assert all(stage.ended_at and stage.started_at for stage in stages)
    states = [e.message for e in world.reader.events(job_id) if e.kind == "state"]
    assert "running → completed" in states
    assert not list(world.home.archives.iterdir())


async def test_several_jobs_side_by_side(world: World) -> None:
    ids = await asyncio.gather(*(world.submit(steps=10 + n, name=f"run {n}") for n in range(4)))
    assert len(set(ids)) == 4
    for number, job_id in enumerate(ids):
        job = await world.ended(job_id)
        check_whole(world, job_id, 10 + number)
        assert job.name == f"run {number}"
    assert len(world.predictions) == 4
    folders = {file.path.split("/")[0] for job_id in ids for file in world.reader.files(job_id)}
    assert len(folders) == 4


async def test_events_report_upload_progress_and_status_changes(world: World) -> None:
    events: list[tuple[str, str]] = []
    attached = asyncio.Event()

    async def listen() -> None:
        async for event in world.client.events():
            attached.set()
            events.append((event.kind, str(event.data.get("phase") or event.data.get("status"))))
            if event.data.get("status") == "completed":
                return

    listener = asyncio.create_task(listen())
    await attached.wait()
    job_id = await world.submit()
    await asyncio.wait_for(listener, 20)
    kinds = [phase for kind, phase in events if kind == "upload"]
    assert kinds.index("packing") < kinds.index("uploading")
    assert world.job(job_id).status is JobStatus.COMPLETED


@pytest.mark.parametrize("fault", ["damaged-upload", "damaged-upload=100"])
async def test_a_damaged_upload_is_retried_once(world: World, fault: str) -> None:
    world.fault(f"{fault}*1")
    job_id = await world.submit()
    job = await world.ended(job_id)
    assert job.status is JobStatus.COMPLETED
    assert len(world.predictions) == 1
    (kept,) = world.sandbox.core.files.all()  # what was damaged is deleted
    assert job.submit["file_url"].endswith(quote(kept.id, safe=""))
    assert kept.sha256 == job.submit["sha256"]
    reader = world.reader
    troubles = [event.message for event in reader.events(job_id) if event.kind == "trouble"]
    reader.close()
    assert len(troubles) == 1
    assert "damaged" in troubles[0]


@pytest.mark.parametrize("fault", ["damaged-upload", "damaged-upload=100"])
async def test_a_second_damaged_upload_fails_the_job(world: World, fault: str) -> None:
    world.fault(fault)
    job_id = await world.submit()
    job = await world.ended(job_id)
    assert job.status is JobStatus.FAILED
    assert "did not get" in job.error
    assert "Nothing was started" in str(job.diagnosis)
    assert world.kinds(job_id).count("trouble") == 1
    assert list(world.home.archives.iterdir()) == []
    assert world.predictions == []
    assert world.sandbox.core.files.all() == []
    assert job.submit["phase"] == "packed"


# -- cancel -----------------------------------------------------------------------------------


async def test_cancel_before_the_upload(world: World) -> None:
    picture = next(world.config.parent.parent.parent.glob("datasets/*/astronaut.png"))
    with picture.open("ab") as file:
        file.truncate(90_000_000)  # takes a moment to pack
    job_id = await world.submit()
    await world.until(job_id, JobStatus.UPLOADING)
    answer = await world.client.cancel(job_id)
    assert answer["status"] == "cancelled"
    job = world.job(job_id)
    assert job.status is JobStatus.CANCELLED
    assert job.cost_micros == 0
    assert not world.predictions
    assert not list(world.home.archives.iterdir())
    with pytest.raises(ControlError) as caught:
        await world.client.cancel(job_id)
    assert caught.value.status == 409


async def test_cancel_during_the_upload(world: World) -> None:
    world.fault("slow=4000@POST /v1/files")
    job_id = await world.submit()
    await eventually(lambda: world.job(job_id).stage == "uploading")
    await world.client.cancel(job_id)
    assert world.job(job_id).status is JobStatus.CANCELLED
    assert not world.predictions
    assert not list(world.home.archives.iterdir())


async def test_cancel_in_the_queue_and_while_running(world: World) -> None:
    world.fault("queue-forever*1")
    queued = await world.submit()
    await world.until(queued, JobStatus.QUEUED)
    await world.client.cancel(queued)
    assert (await world.ended(queued)).status is JobStatus.CANCELLED
    world.fault("stall=5")
    running = await world.submit()
    await eventually(lambda: (world.job(running).step or 0) > 3)
    await world.client.cancel(running)
    job = await world.ended(running)
    assert job.status is JobStatus.CANCELLED
    assert [prediction.status for prediction in world.predictions] == ["canceled", "canceled"]
    assert job.cost_micros
    record = world.prediction_of(job)
    await eventually(lambda: world.log(running) == record.logs)


async def test_cancel_during_the_post(world: World) -> None:
    world.fault("slow=40@POST /v1/predictions")
    job_id = await world.submit(steps=4000)
    await eventually(lambda: world.job(job_id).submit["phase"] == "posting")
    await world.client.cancel(job_id)
    assert not world.job(job_id).status.is_terminal
    job = await world.ended(job_id)
    assert job.status is JobStatus.CANCELLED
    assert [prediction.status for prediction in world.predictions] == ["canceled"]


async def test_a_cancelled_post_that_did_not_arrive_is_not_repeated(world: World) -> None:
    # The line breaks before the order is read; the cancel comes during the look-up.
    world.fault("cut-request*1@POST /v1/predictions", "slow=40@GET /v1/predictions")
    job_id = await world.submit()
    await eventually(lambda: "uncertain" in world.kinds(job_id))
    await world.client.cancel(job_id)
    assert (await world.ended(job_id)).status is JobStatus.CANCELLED
    assert not world.predictions


# -- the same again, consent, checks ----------------------------------------------------------


async def test_one_idempotency_key_makes_one_job(world: World) -> None:
    draft = world.draft(idempotency_key="k1")
    first, second = await asyncio.gather(world.client.submit(draft), world.client.submit(draft))
    assert first["job_id"] == second["job_id"]
    assert sorted([first["idempotent_hit"], second["idempotent_hit"]]) == [False, True]
    await world.ended(first["job_id"])
    again = await world.client.submit(draft)
    assert (again["job_id"], again["idempotent_hit"]) == (first["job_id"], True)
    other = await world.client.submit(draft | {"idempotency_key": "k2"})
    assert other["job_id"] != first["job_id"]
    await world.ended(other["job_id"])
    assert len(world.predictions) == 2
    await world.client.delete(first["job_id"])
    with pytest.raises(ControlError) as caught:
        await world.client.submit(draft)
    assert caught.value.status == 409


@pytest.mark.parametrize(
    ("setting", "agreed", "code"),
    [("ask", False, "consent_required"), ("never", True, "consent_denied"), ("ask", True, "")],
)
async def test_an_upload_needs_consent(
    home: Home, project: Path, setting: str, agreed: bool, code: str
) -> None:
    from tests.engine.world import quick_settings
    from tui.client.client import ControlClient

    settings = quick_settings(consent=setting)
    network = replace(settings.network, send_secrets_unencrypted=True)
    settings = replace(settings, network=network)
    async with running_world(home, project, settings=settings) as world:
        # 0.0.0.0 reaches this machine, but is no loopback address: so it counts as somebody else's.
        far = world.sandbox.base_url.replace("127.0.0.1", "0.0.0.0")
        client = ControlClient(home.socket, far)
        await client.set_session({"replicate_token": world.sandbox.token})
        draft = world.draft(consent=agreed, delivery={"kind": "none"})
        if not code:
            assert (await client.submit(draft))["success"]
            return
        with pytest.raises(ControlError) as caught:
            await client.submit(draft)
        assert (caught.value.status, caught.value.code) == (403, code)
        assert not world.reader.records()
        assert not world.sandbox.core.files.all()


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ('consnet = "never"', "consent_denied", "line 2: cloud.consnet is no setting"),
        ('consent = "nevr"', "consent_denied", "line 2: cloud.consent must be ask"),
        ('api_bsae = "http://127.0.0.1:1/v1"', "settings", "line 2: cloud.api_bsae is no setting"),
        ("api_base = 5", "settings", "line 2: cloud.api_base must be a text"),
    ],
)
async def test_unreadable_consent_or_address_prevents_a_submit(
    home: Home, project: Path, text: str, code: str, words: str
) -> None:
    """The defaults would ask for consent and use the paid API, so an invalid value must refuse."""
    from tui.client.client import ControlClient

    home.create()
    home.settings_file.write_text(
        f'[cloud]\n{text}\n[listener]\nlisten = "127.0.0.1:0"\n'
        "[network]\nsend_secrets_unencrypted = true\n"
    )
    async with running_world(home, project, settings=load_settings(home, {})) as world:
        # 0.0.0.0 reaches this machine, but is no loopback address: so it counts as somebody else's.
        far = world.sandbox.base_url.replace("127.0.0.1", "0.0.0.0")
        client = ControlClient(home.socket, far)
        await client.set_session({"replicate_token": world.sandbox.token})
        with pytest.raises(ControlError) as caught:
            await client.submit(world.draft(delivery={"kind": "none"}))
        assert caught.value.code == code
        assert f"settings.toml {words}" in caught.value.message
        assert not world.reader.records()
        assert not world.sandbox.core.files.all()
        await world.submit()  # to a server on this machine


async def test_check_reports_without_starting_anything(world: World) -> None:
    report = await world.client.check(world.draft())
    assert set(report) >= {
        "config", "datasets", "checks", "ok", "estimate", "leaves", "request", "run_name",
        "hardware", "version",
    }  # fmt: skip
    assert report["ok"] is True
    config = report["config"]
    wanted = {
        "model_family": "flux", "model_flavour": "dev", "model_type": "lora",
        "lora_type": "standard", "lora_rank": 2, "max_train_steps": 12, "train_batch_size": 1,
        "learning_rate": 1e-4,
    }  # fmt: skip
    assert wanted.items() <= config.items()
    for item in report["checks"]:
        assert set(item) == {"id", "level", "message", "advice", "changes", "release"}
        assert item["level"] in ("ok", "warn", "error")
        assert item["message"]
    assert {"token", "version", "receiver"} <= {item["id"] for item in report["checks"]}
    photographs = next(dataset for dataset in report["datasets"] if dataset["id"] == "photographs")
    assert (photographs["images"], photographs["captions"]) == (9, 9)
    assert report["leaves"]["images"] == 9
    assert report["estimate"]["low_micros"] <= report["estimate"]["micros"]
    assert report["estimate"]["micros"] <= report["estimate"]["high_micros"]
    assert report["request"]["input"]["s3_secret_key"] == "***"
    assert not world.predictions
    assert not world.sandbox.core.files.all()


async def test_an_invalid_draft_is_refused(world: World) -> None:
    with pytest.raises(ControlError) as caught:
        await world.submit(hardware="abacus")
    assert caught.value.status == 400
    assert "abacus" in caught.value.message
    with pytest.raises(ControlError) as caught:
        await world.submit(surprise=1)
    assert "surprise" in caught.value.details["fields"]
    world.config.write_text("{")
    with pytest.raises(ControlError) as caught:
        await world.submit()
    assert caught.value.code == "invalid_config"
    assert not world.reader.records()


# -- tokens -----------------------------------------------------------------------------------


async def test_a_token_of_the_other_service_is_named_by_check_and_doctor(world: World) -> None:
    tokens: Session = {"replicate_token": world.sandbox.token, "hf_token": "r8_" + "x" * 37}
    await world.client.set_session(tokens)
    report = await world.client.check(world.draft())
    (warned,) = [check for check in report["checks"] if check["id"] == "hf-token"]
    assert warned["level"] == "warn"
    assert "Replicate" in warned["message"]
    lines = {line["id"]: line for line in (await world.client.cloud.doctor())["lines"]}
    assert lines["hub-token"]["message"] == warned["message"]


async def test_a_token_that_is_refused_stops_a_submit(world: World) -> None:
    await world.client.set_session({"replicate_token": "r8_" + "x" * 37})
    report = await world.client.check(world.draft(50))
    assert not report["ok"]
    assert [c["id"] for c in report["checks"] if c["level"] == "error"] == ["token"]
    assert not any("inputs it takes" in c["message"] for c in report["checks"]), "nobody was asked"
    with pytest.raises(ControlError) as caught:
        await world.submit(50)
    assert caught.value.code == "check_failed"
    answer = await world.client.validate()
    assert answer["valid"] is False
    assert answer["error"]


async def test_without_a_token_a_job_waits_and_goes_on_when_one_comes(world: World) -> None:
    world.fault("slow=40@GET /v1/predictions/")
    job_id = await world.submit()
    await world.until(job_id, JobStatus.QUEUED, JobStatus.RUNNING)
    world.engine.clients.set_token(world.sandbox.base_url, "", "environment")
    await eventually(lambda: "trouble" in world.kinds(job_id))
    assert "token" in world.reader.events(job_id)[-1].message
    world.clear_faults()
    await world.client.set_session({"replicate_token": world.sandbox.token})
    assert (await world.ended(job_id)).status is JobStatus.COMPLETED


async def test_a_new_token_does_not_break_calls_under_way(world: World) -> None:
    world.fault("slow=40*1@POST /v1/files")
    job_id = await world.submit()
    await eventually(lambda: world.job(job_id).stage == "uploading")
    other = world.sandbox.token + " "
    world.engine.clients.set_token(world.sandbox.base_url, other, "environment")
    world.engine.clients.set_token(world.sandbox.base_url, world.sandbox.token, "environment")
    assert (await world.ended(job_id)).status is JobStatus.COMPLETED


async def test_two_api_bases_never_share_a_token(world: World, tmp_path: Path) -> None:
    from tui.client.client import ControlClient
    from tui.sandbox.server import serve

    other = await serve(wished(work_dir=tmp_path / "other"))
    try:
        client = ControlClient(world.home.socket, other.base_url)
        assert (await client.validate())["valid"] is False
        await client.set_session({"replicate_token": other.token})
        assert (await client.validate())["valid"] is True
        assert (await world.client.validate())["valid"] is True
    finally:
        await other.aclose()


# -- what Replicate may do --------------------------------------------------------------------


async def test_a_failed_run_has_a_diagnosis(world: World) -> None:
    world.fault("oom=5*1")
    job = await world.ended(await world.submit())
    assert job.status is JobStatus.FAILED
    assert "memory" in job.error.lower()
    assert job.diagnosis
    assert job.cost_micros is not None
    assert world.log(job.job_id) == world.prediction_of(job).logs


async def test_data_removed_at_the_end_does_not_erase_the_log(world: World) -> None:
    world.fault("data-removed*1", "stall=9")
    job_id = await world.submit()
    await eventually(lambda: (world.job(job_id).step or 0) > 5)
    world.go_on(job_id)
    job = await world.ended(job_id)
    assert job.data_removed
    assert job.status is JobStatus.COMPLETED
    assert world.log(job_id)
    assert (job.step or 0) > 5
    assert job.inputs["max_train_steps"] == 12
    assert world.reader.files(job_id)


async def test_a_log_truncated_at_its_start_stays_complete(world: World) -> None:
    world.fault("stall=80")
    job_id = await world.submit(steps=200)
    await eventually(lambda: (world.job(job_id).step or 0) > 20)
    record = world.prediction_of(world.job(job_id))
    before, held = record.logs, world.log(job_id)
    record.rewrite_log()
    world.go_on(job_id)
    job = await world.ended(job_id)
    assert job.status is JobStatus.COMPLETED
    text, theirs = world.log(job_id), record.logs
    assert before.startswith(held)
    assert text.startswith(held)
    assert text.endswith(theirs)
    assert len(text) > len(theirs)
    assert world.steps_of(job_id) == list(range(1, 201))


async def test_an_unknown_status_changes_nothing(world: World) -> None:
    job_id = await world.submit(steps=4000)
    await eventually(lambda: (world.job(job_id).step or 0) > 1)
    record = world.prediction_of(world.job(job_id))
    record.status = "meditating"
    record._touch()
    size = world.job(job_id).log_bytes
    await eventually(lambda: world.job(job_id).log_bytes > size)
    assert world.job(job_id).status is JobStatus.RUNNING
    record.status = "processing"
    await world.client.cancel(job_id)
    assert (await world.ended(job_id)).status is JobStatus.CANCELLED


async def test_repeated_errors_lose_no_data(world: World) -> None:
    job_id = await world.submit(steps=60)
    await world.until(job_id, JobStatus.QUEUED, JobStatus.RUNNING)
    world.fault(
        "server-error*1@GET /v1/predictions/",
        "garbage*1@GET /v1/predictions/",
        "cut=200*1@GET /v1/predictions/",
        "rate-limit=0*1@GET /v1/predictions/",
    )
    await world.ended(job_id)
    check_whole(world, job_id, 60)


async def test_a_job_is_lost_only_after_several_not_found_answers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "latest_end", lambda job: job.created_at)  # its time is over
    world.fault("webhook-lost")
    job_id = await world.submit(steps=4000)
    await world.until(job_id, JobStatus.RUNNING)
    record = world.prediction_of(world.job(job_id))
    del world.sandbox.core.jobs.by_id[record.id]
    await eventually(lambda: "trouble" in world.kinds(job_id))
    assert world.job(job_id).status is JobStatus.RUNNING
    world.sandbox.core.jobs.by_id[record.id] = record
    size = world.job(job_id).log_bytes
    await eventually(lambda: world.job(job_id).log_bytes > size)
    del world.sandbox.core.jobs.by_id[record.id]
    job = await world.ended(job_id)
    assert job.status is JobStatus.FAILED
    assert "does not know" in job.error
    world.sandbox.core.jobs.by_id[record.id] = record


async def test_an_unexpected_exception_does_not_stop_polling(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world.fault("webhook-lost")
    monkeypatch.setattr("tui.engine.tracking.monitor._RETRY_SECONDS", 0.1)
    job_id = await world.submit(steps=60)
    await eventually(lambda: world.job(job_id).prediction_id)
    apply = world.engine.recorder.apply_snapshot
    monkeypatch.setattr(world.engine.recorder, "apply_snapshot", lambda *_: 1 / 0)
    await eventually(lambda: "could not be looked at" in caplog.text)
    monkeypatch.setattr(world.engine.recorder, "apply_snapshot", apply)
    await world.ended(job_id)
    check_whole(world, job_id, 60)


async def test_ten_jobs_are_polled_together(world: World) -> None:
    ids = await asyncio.gather(*(world.submit(steps=8 + n) for n in range(10)))
    for number, job_id in enumerate(ids):
        await world.ended(job_id, within=60)
        check_whole(world, job_id, 8 + number)


# -- afterwards -------------------------------------------------------------------------------


async def test_collect_verifies_files_and_reports_missing_ones(world: World) -> None:
    job_id = await world.submit()
    await world.ended(job_id)
    result = await world.client.collect(job_id)
    assert result["missing"] == []
    assert result["files"]
    path = Path(result["files"][0]["path"])
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    result = await world.client.collect(job_id)
    assert len(result["missing"]) == 1
    assert path.name in result["missing"][0]["what"]


async def test_deleting_drops_the_record_and_keeps_the_files(world: World) -> None:
    job_id = await world.submit()
    with pytest.raises(ControlError):
        await world.client.delete(job_id)
    await world.ended(job_id)
    files = [world.home.outputs / file.path for file in world.reader.files(job_id)]
    await world.client.delete(job_id)
    assert world.reader.job(job_id) is None
    assert all(path.exists() for path in files)
    assert not list(world.home.logs.iterdir())
    assert (await world.client.sync())["synced"] == 0  # what was deleted does not come back


async def test_sync_imports_jobs_of_other_programs(world: World) -> None:
    import httpx

    version = next(
        v
        for m in world.sandbox.core.registry.models.values()
        if m.owner == "simpletuner"
        for v in m.versions
    )
    async with httpx.AsyncClient() as web:
        answer = await web.post(
            f"{world.sandbox.base_url}/predictions",
            headers={"Authorization": f"Bearer {world.sandbox.token}"},
            json={"version": version.id, "input": {"config_json": "{}"}},
        )
        assert answer.status_code == 201
    synced = await world.client.sync()
    assert synced["synced"] == 1
    (job,) = world.reader.records()
    assert job.prediction_id == answer.json()["id"]
    await world.ended(job.job_id)
    assert (await world.client.sync())["synced"] == 0


async def test_a_second_job_of_a_config_gets_another_name(world: World) -> None:
    first = await world.submit()
    second = await world.submit()
    names = [world.job(job_id).name for job_id in (first, second)]
    assert names[1] == f"{names[0]}-2"


async def test_refused_inputs_are_reported_by_name(world: World) -> None:
    await world.ended(await world.submit())  # from now on the version's schema is known here
    model = world.sandbox.core.registry.models["simpletuner/advanced-trainer-l40s"]
    version = model.versions[0]
    schema: Any = version.schema
    shapes = schema["components"]["schemas"]["Input"]["properties"]
    shapes["max_train_steps"]["maximum"] = 5
    job = await world.ended(await world.submit(steps=12))
    assert job.status is JobStatus.FAILED
    assert list(job.diagnosis["inputs"]) == ["max_train_steps"]
    assert refused_fields(job)["max_train_steps"].startswith("max_train_steps: ")
