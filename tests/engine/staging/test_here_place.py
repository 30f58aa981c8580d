"""Datasets that are staged on this machine, read through the engine's own listener."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from tests.engine.staging.folders import picture, use_datasets
from tests.engine.staging.world import (
    Staged,
    TrainerBucket,
    expected,
    in_thread,
    new_job,
    photos,
    staged_file,
    trained,
)
from tests.engine.world import SPEED, World, quick_settings, running_engine, running_world
from tests.support import eventually, small_disk
from tests.wished import wished
from tui.base.clock import utc_now
from tui.base.job_status import LOST, JobStatus
from tui.client.client import ControlClient
from tui.destinations.common.errors import (
    PublishError,
    SourceChangedError,
    TransferCancelledError,
    Trouble,
)
from tui.engine.credentials import storage_keys
from tui.engine.delivery.confirm_delivery import refusals
from tui.engine.engine import Engine
from tui.engine.listener.sightings import Sighting
from tui.engine.staging.findings import staging_findings
from tui.engine.staging.here_place import HerePlace, Proof, proof_of
from tui.engine.staging.moved_address import endpoint_of
from tui.engine.staging.place import Missing, StagingPlace
from tui.listener.storage.staged import StagedFolder
from tui.sandbox.demo import write_demo_project
from tui.sandbox.faults import Fault
from tui.sandbox.server import serve
from tui.settings import Home
from tui.simpletuner.config.load import load_config
from tui.simpletuner.datasets.scan import scan
from tui.simpletuner.errors import SimpleTunerError
from tui.simpletuner.staging.manifest import Manifest, StagedDataset
from tui.store.fact_names import scoped
from tui.store.writer import Change

LOOPBACK = "http://127.0.0.1:1/v1"
NOTHING = Missing(0, 0)
DOUBT = "it is not proved that the trainer reaches this machine"


@dataclass
class Here(Staged[HerePlace]):
    """An engine, and the place under test."""

    @property
    def staged(self) -> StagedFolder:
        """What is staged."""
        return StagedFolder(self.engine.home.staged)


def place_of(engine: Engine, api_base: str = LOOPBACK, problem: str = "") -> HerePlace:
    return HerePlace(
        api_base=api_base,
        staged=StagedFolder(engine.home.staged),
        keys=engine.keys,
        endpoint=lambda: engine.listening.storage_url(api_base),
        proof=lambda _: Proof(problem),
        forget=engine.listening.forget_view,
    )


@pytest.fixture
async def here(home: Home) -> AsyncIterator[Here]:
    async with running_engine(home) as (engine, _):
        yield Here(engine, place_of(engine), [])


async def test_the_trainer_finds_every_picture_with_its_captions(
    here: Here, tmp_path: Path
) -> None:
    manifest = photos(tmp_path)
    assert await here.place.missing(manifest) == Missing(2, manifest.bytes)
    await here.stage(manifest)
    assert here.sent[-1] == manifest.bytes
    assert here.sent == sorted(here.sent)
    assert await here.place.missing(manifest) == NOTHING
    record, (entry,) = await here.start(1, manifest)
    assert entry["type"] == "aws"
    assert entry["caption_strategy"] == "textfile"
    assert record.job_id in entry["aws_bucket_name"]
    trainer = TrainerBucket(entry)
    assert await in_thread(trainer.samples) == expected(manifest)
    assert sorted(await in_thread(lambda: trainer.keys(whole=True))) == await in_thread(
        trainer.keys
    )


async def test_two_jobs_with_the_same_folder_train_each_at_its_own_resolution(
    here: Here, tmp_path: Path
) -> None:
    manifest = photos(tmp_path)
    await here.stage(manifest)
    content = here.staged.content()
    _, (small,) = await here.start(1, manifest)
    _, (large,) = await here.start(2, manifest)
    assert small["aws_secret_access_key"] != large["aws_secret_access_key"]
    for _ in range(2):  # the second time each finds what it wrote
        indices = await trained([small, large], [512, 1024])
        assert [index["config"]["resolution"] for index in indices] == [512, 1024]
    assert here.staged.content() == content
    with pytest.raises(ClientError, match="NoSuchBucket"):
        await in_thread(TrainerBucket(small | {"aws_bucket_name": large["aws_bucket_name"]}).keys)


async def test_the_stored_entry_has_no_key_in_it(here: Here, tmp_path: Path) -> None:
    manifest = photos(tmp_path)
    await here.stage(manifest)
    record = new_job(1)
    here.engine.recorder.writer.insert(record)
    data = await here.place.prepare_job(manifest, record)
    shown = str(here.place.entry(manifest.datasets[0], {}, record.job_id)) + repr(data)
    assert len(data.secrets) == 2
    for secret in data.secrets.values():
        assert secret.reveal() not in shown


async def test_nothing_is_copied_twice_and_a_cut_copy_goes_on(here: Here, tmp_path: Path) -> None:
    manifest = photos(tmp_path, size=400_000)
    stop = threading.Event()

    def cut(done: int, total: int) -> None:
        here.sent.append(done)
        if done > total // 2 + 1_000_000:  # inside the second picture
            stop.set()

    with pytest.raises(TransferCancelledError):
        await here.place.send(manifest, cut, stop)
    missing = await here.place.missing(manifest)
    assert missing.files == 1
    assert not list(here.staged.root.rglob("*.new"))
    here.sent.clear()
    await here.stage(manifest)
    assert here.sent[0] == manifest.bytes - missing.bytes
    assert await here.place.missing(manifest) == NOTHING
    (other,) = photos(tmp_path / "elsewhere", size=400_000).datasets
    again = Manifest((replace(other, id="others"),))
    assert await here.place.missing(again) == NOTHING


async def test_what_a_killed_engine_left_of_a_copy_is_removed(here: Here, tmp_path: Path) -> None:
    manifest = photos(tmp_path)
    (dataset,) = manifest.datasets
    old = here.staged.content_path(dataset.files[0].sha256).with_suffix(".dead.new")
    fresh = old.with_suffix(".beef.new")
    old.parent.mkdir(parents=True)
    for path in (old, fresh):
        path.write_bytes(b"half")
    hours_ago = old.stat().st_mtime - 4000
    os.utime(old, (hours_ago, hours_ago))
    await here.stage(manifest)
    assert not old.exists()
    assert fresh.exists()  # perhaps another copy in progress
    assert sorted(here.staged.content()) == sorted(manifest.files)


async def test_a_file_that_changed_since_the_check_is_not_sent(here: Here, tmp_path: Path) -> None:
    manifest = photos(tmp_path)
    path = Path(manifest.datasets[0].files[1].source)
    path.write_bytes(b"another picture")
    with pytest.raises(SourceChangedError):
        await here.stage(manifest)
    state = path.stat()
    file = replace(
        manifest.datasets[0].files[1],
        source_size=state.st_size, source_mtime_ns=state.st_mtime_ns,
    )  # fmt: skip
    same_time = Manifest((StagedDataset("photos", {}, (file,)),))
    with pytest.raises(SourceChangedError):
        await here.stage(same_time)
    assert file.sha256 not in here.staged.content()


async def test_keys_end_with_the_job_and_content_with_the_last_reader(
    here: Here, tmp_path: Path
) -> None:
    manifest = photos(tmp_path)
    await here.stage(manifest)
    first, (entry,) = await here.start(1, manifest)
    second, (other,) = await here.start(2, manifest)
    await trained([entry], [512])
    await here.end(first)
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        await in_thread(TrainerBucket(entry).keys)
    await here.place.remove(manifest, [])  # the second job still reads it
    assert await in_thread(TrainerBucket(other).samples) == expected(manifest)
    await here.end(second)
    await here.place.remove(manifest, [])
    assert here.staged.content() == {}
    left = [path for path in here.staged.root.rglob("*") if path.is_file()]
    assert left == []
    assert await here.place.missing(manifest) == Missing(2, manifest.bytes)


async def test_views_that_a_killed_engine_left_do_not_keep_content(
    here: Here, tmp_path: Path
) -> None:
    manifest = photos(tmp_path)
    await here.stage(manifest)
    ended, _ = await here.start(1, manifest)
    values = {"status": JobStatus.FAILED, "completed_at": ended.created_at}
    here.engine.recorder.writer.apply(ended.job_id, Change(values=values))
    await here.place.remove(manifest, [])
    assert here.staged.content() == {}
    assert here.staged.viewing_jobs() == []


async def test_content_that_another_manifest_names_stays(here: Here, tmp_path: Path) -> None:
    manifest = photos(tmp_path)
    (dataset,) = manifest.datasets
    half = Manifest((replace(dataset, files=dataset.files[:1]),))
    await here.stage(manifest)
    await here.place.remove(manifest, [half])
    assert list(here.staged.content()) == [dataset.files[0].sha256]


async def test_a_job_that_was_lost_sight_of_may_still_read(here: Here, tmp_path: Path) -> None:
    manifest = photos(tmp_path)
    await here.stage(manifest)
    record, (entry,) = await here.start(1, manifest)
    values = {"status": JobStatus.FAILED, "provider_status": LOST}
    here.engine.recorder.writer.apply(record.job_id, Change(values=values))
    await here.place.job_ended(record)
    assert await in_thread(TrainerBucket(entry).samples) == expected(manifest)


async def test_a_job_whose_data_were_removed_is_not_started(here: Here, tmp_path: Path) -> None:
    manifest = photos(tmp_path)
    await here.stage(manifest)
    await here.place.remove(manifest, [])
    with pytest.raises(PublishError) as refused:
        await here.start(1, manifest)
    assert refused.value.kind is Trouble.MISSING
    assert "Run the job again" in refused.value.advice


async def test_a_full_disk_is_said_before_anything_is_copied(home: Home, tmp_path: Path) -> None:
    with small_disk(home.staged, "4m"):
        async with running_engine(home) as (engine, _):
            manifest = Manifest(
                (StagedDataset("big", {}, (staged_file(tmp_path, "a.png", bytes(6_000_000)),)),)
            )
            with pytest.raises(PublishError) as full:
                await Here(engine, place_of(engine), []).stage(manifest)
            assert full.value.kind is Trouble.DISK_FULL
            assert "5.7 MiB" in full.value.message
            assert StagedFolder(home.staged).content() == {}


async def test_an_address_that_is_missing_or_does_not_work_is_refused(
    here: Here, tmp_path: Path
) -> None:
    manifest = photos(tmp_path)
    replicate = place_of(here.engine, "https://api.replicate.com/v1")
    with pytest.raises(SimpleTunerError, match="no public URL is set"):
        await replicate.missing(manifest)
    broken = place_of(here.engine, problem="a proxy answers with 403")
    for call in (broken.missing(manifest), broken.prepare_job(manifest, new_job(1))):
        with pytest.raises(SimpleTunerError, match="a proxy answers with 403"):
            await call


NOW = datetime(2026, 11, 3, 12, tzinfo=UTC)
ADDRESS = "https://a.example"


def answer(verdict: str, minutes: float, url: str = ADDRESS) -> dict[str, Any]:
    """The stored answer of a test some minutes ago."""
    level = {"works": "ok", "unknown": "warn", "fails": "error"}[verdict]
    steps = [
        {"level": "ok", "message": "listening"},
        {"level": level, "message": "no answer"},
    ]
    at = NOW - timedelta(minutes=minutes)
    return {"verdict": verdict, "steps": steps, "checked_at": at.isoformat(), "endpoint": url}


def seen(minutes: float, url: str = ADDRESS) -> Sighting:
    return Sighting("34.105.7.8", NOW - timedelta(minutes=minutes), url)


LAPSED = f"{DOUBT}: the last test was at 2026-11-03 11:45 UTC"
BROKEN = Proof("no answer")


@pytest.mark.parametrize(
    ("report", "call", "expected"),
    [
        (None, None, Proof(doubt=DOUBT)),
        (answer("works", 14), None, Proof()),
        (answer("works", 15), None, Proof(doubt=LAPSED)),
        (answer("works", 1, "https://b.example"), None, Proof(doubt=DOUBT)),
        ({**answer("works", 1), "checked_at": ""}, None, Proof(doubt=DOUBT)),
        (answer("unknown", 1), None, Proof(doubt=DOUBT)),
        (answer("fails", 1), None, BROKEN),
        (answer("fails", 15), None, Proof(doubt=LAPSED)),
        (answer("fails", 1, "https://b.example"), None, Proof(doubt=DOUBT)),
        # a caller from outside
        (None, seen(14), Proof()),
        (None, seen(15), Proof(doubt=DOUBT)),
        (None, seen(1, "https://b.example"), Proof(doubt=DOUBT)),
        (answer("works", 60), seen(14), Proof()),
        (answer("unknown", 1), seen(14), Proof()),
        (answer("fails", 5), seen(1), Proof()),
        (answer("fails", 1), seen(5), BROKEN),
    ],
)
def test_an_address_is_judged_by_late_tests_and_calls(
    report: object, call: Sighting | None, expected: Proof
) -> None:
    assert proof_of(ADDRESS, report, now=NOW, seen=call) == expected


async def test_two_datasets_have_a_bucket_and_a_key_each(here: Here, tmp_path: Path) -> None:
    (first,) = photos(tmp_path / "a").datasets
    mask = staged_file(tmp_path / "b", "cat.png", b"mask")
    second = StagedDataset("masks", {"dataset_type": "conditioning"}, (mask,))
    manifest = Manifest((first, second))
    await here.stage(manifest)
    _, entries = await here.start(1, manifest)
    buckets = [TrainerBucket(entry) for entry in entries]
    for number, bucket in enumerate(buckets):
        assert await in_thread(bucket.samples) == expected(manifest, number)
        whole = await in_thread(lambda bucket=bucket: bucket.keys(whole=True))
        assert len(whole) == (4, 1)[number]
    assert "caption_strategy" not in entries[1]
    assert len({entry["aws_access_key_id"] for entry in entries}) == 2
    assert len({entry["cache_dir_vae"] for entry in entries}) == 2


async def test_a_refused_index_is_in_the_jobs_history_and_is_no_missing_result(
    here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_keys, "DATA_QUOTA", 40)
    manifest = photos(tmp_path)
    await here.stage(manifest)
    record, (entry,) = await here.start(1, manifest)
    trainer = TrainerBucket(entry)
    with pytest.raises(ClientError, match="QuotaExceeded"):
        await in_thread(trainer.write, "aspect_ratio_bucket_indices_photos.json", bytes(41))
    stored = here.engine.recorder.writer.job(record.job_id)
    assert list(stored.submit["data_refused"]) == ["images/aspect_ratio_bucket_indices_photos.json"]
    assert refusals(stored) == {}
    events = [event.message for event in here.engine.reader.events(record.job_id)]
    assert any("keeps with the data" in message for message in events)


async def test_many_jobs_at_once(here: Here, tmp_path: Path) -> None:
    manifest = photos(tmp_path)
    await here.stage(manifest)
    started = [await here.start(number, manifest) for number in range(6)]
    sizes = [512 + 64 * number for number in range(6)]
    indices = await trained([entry for _, (entry,) in started], sizes)
    assert [index["config"]["resolution"] for index in indices] == sizes
    await asyncio.gather(*(here.end(record) for record, _ in started))
    assert here.staged.viewing_jobs() == []


async def test_an_address_that_was_not_proved_is_not_called_fine(
    world: World, tmp_path: Path
) -> None:
    """Nothing but a test from outside makes the line of the check an ok."""
    config = load_config(world.config)
    service = world.engine.staging
    place = place_of(world.engine)
    plan = await service.plan(LOOPBACK, "here", config, scan(config))
    for doubt, level in (("", "ok"), (DOUBT, "warn")):
        missing = Missing(1, 5, doubt)
        (finding,) = staging_findings(replace(plan, place=place, missing=missing, notes=()))
        assert finding.level == level
        assert (DOUBT in finding.message) is bool(doubt)


async def test_this_machine_is_chosen_when_it_is_the_first_that_works(world: World) -> None:
    """Not on a doubt alone, and a bucket only after a test of it went well."""
    service, base = world.engine.staging, world.sandbox.base_url
    name, reasons = await service.best_place(base)
    assert name == "here"
    assert [reason.partition(":")[0] for reason in reasons] == ["hub"]
    replicate = "https://api.replicate.com/v1"
    world.engine.live.change("listener", {"public_url": "https://tunnel.example"})
    name, reasons = await service.best_place(replicate)
    assert name == "here"  # without any that works, the first that may
    assert DOUBT in reasons[1]
    endpoint = world.engine.listening.storage_url(replicate)
    fact: dict[str, Any] = {"verdict": "works", "steps": [], "endpoint": endpoint}
    fact["checked_at"] = utc_now().isoformat()
    world.engine.recorder.writer.set_fact(scoped("delivery:local", replicate), fact)
    name, reasons = await service.best_place(replicate)
    assert (name, len(reasons)) == ("here", 1)
    fact["checked_at"] = (utc_now() - timedelta(hours=1)).isoformat()
    world.engine.recorder.writer.set_fact(scoped("delivery:local", replicate), fact)
    assert DOUBT in (await service.best_place(replicate))[1][1]
    world.engine.listening.sightings.confirm("storage", "34.105.7.8")
    name, reasons = await service.best_place(replicate)
    assert (name, len(reasons)) == ("here", 1)


async def test_a_bucket_is_refused_for_a_trainer_that_reads_all_of_it(world: World) -> None:
    config = load_config(world.config)
    plan = await world.engine.staging.plan(LOOPBACK, "here", config, scan(config))

    @dataclass
    class Far:
        kind = "bucket"

    far = replace(plan, place=cast("StagingPlace", Far()), missing=NOTHING, notes=())
    assert [c.level for c in staging_findings(far, prefix_respected=True)] == ["ok"]
    (asked,) = staging_findings(far, release_asked=True)
    assert asked.level == "asking", "a refusal that the version may take back is none"
    for respected in (None, False):
        (finding,) = staging_findings(far, prefix_respected=respected)
        assert finding.level == "error"
        assert "the whole bucket" in finding.message
        for words in ("--trainer-release 4.10.1", "cloud.trainer_release"):
            assert (words in finding.advice) is (respected is None), words


@pytest.mark.parametrize(("release", "place"), [("4.8.0", "here"), ("4.10.1", "bucket:mine")])
async def test_a_bucket_is_chosen_for_a_trainer_that_reads_one_folder_of_it(
    world: World, release: str, place: str
) -> None:
    service = world.engine.staging
    here = service.place("here", world.sandbox.base_url)
    assert isinstance(here, HerePlace)
    doubted, bucket = copy.copy(here), copy.copy(here)
    doubted._proof = lambda _endpoint: Proof(doubt=DOUBT)
    bucket.kind, bucket.name = "bucket", "bucket:mine"
    service.add_place("here", lambda _base, _rest: doubted)
    service.add_place("bucket", lambda _base, _rest: bucket, lambda: ["bucket:mine"])
    report = await world.client.check(world.draft(data="staged", trainer_release=release))
    assert report["leaves"]["place"] == place
    errors = [check for check in report["checks"] if check["level"] == "error"]
    assert not [check for check in errors if check["id"] == "staging"]


async def test_a_queued_job_says_that_the_public_url_was_changed(home: Home, project: Path) -> None:
    """Its request names the old address."""
    async with running_world(home, project, faults=["queue-forever"]) as world:
        job_id = (await world.client.submit(world.draft(data="staged", staging="here")))["job_id"]
        job = await world.until(job_id, JobStatus.QUEUED)
        old = endpoint_of(job)
        assert old.startswith("http://127.0.0.1:")
        world.engine.live.change("listener", {"public_url": "https://other.example"})
        events = [event.message for event in world.engine.reader.events(job_id)]
        assert any(old in message and "was changed" in message for message in events)
        await world.client.cancel(job_id)


async def test_a_queued_job_says_that_the_listener_has_moved(home: Home, project: Path) -> None:
    async with running_world(home, project, faults=["queue-forever"]) as world:
        job_id = (await world.client.submit(world.draft(data="staged", staging="here")))["job_id"]
        job = await world.until(job_id, JobStatus.QUEUED)
        old = endpoint_of(job)
        world.engine.live.change("listener", {"listen": "localhost:0"})
        await world.engine.listening.settled()
        assert world.engine.listening.address not in old
        events = [event.message for event in world.engine.reader.events(job_id)]
        assert any(old in message and "listens on" in message for message in events), events
        await world.client.cancel(job_id)


async def test_a_queued_job_says_that_the_listener_is_stopped(home: Home, project: Path) -> None:
    """The next engine cannot open it; the job would read nothing."""
    sandbox = await serve(
        wished(
            speed=SPEED, work_dir=project.parent / "sandbox",
            faults=(Fault.parse("queue-forever"),),
        )
    )  # fmt: skip
    try:
        async with running_engine(home) as (engine, _):
            client = ControlClient(home.socket, sandbox.base_url)
            await client.set_session({"replicate_token": sandbox.token})
            world = World(home, sandbox, engine, client, write_demo_project(project))
            job_id = (await client.submit(world.draft(data="staged", staging="here")))["job_id"]
            old = endpoint_of(await world.until(job_id, JobStatus.QUEUED))
        settings = quick_settings()
        listener = replace(
            settings.listener, tls_cert=str(project / "none.pem"), public_url="https://a.example"
        )
        async with running_engine(home, replace(settings, listener=listener)) as (engine, _):
            assert not engine.listening.address
            await client.set_session({"replicate_token": sandbox.token})
            events = [event.message for event in engine.reader.events(job_id)]
            assert any(old in one and "is stopped" in one for one in events), events
            report = await client.check(world.draft(data="staged", staging="here"))
            errors = [row["message"] for row in report["checks"] if row["level"] == "error"]
            assert any("its listener is stopped" in one for one in errors), errors
            await client.cancel(job_id)
    finally:
        await sandbox.aclose()


async def test_a_job_is_posted_with_keys_that_are_stored_nowhere(
    world: World, tmp_path: Path
) -> None:
    """From the draft to the request: the trainer's entry works, and the records have none of it."""
    folder = tmp_path / "photos"
    for number, name in enumerate(("a.png", "b/c.png")):
        path = picture(folder / name, number)
        path.with_suffix(".txt").write_text(f"picture {number}\nanother line")
    use_datasets(
        world,
        {
            "id": "photos", "type": "local", "instance_data_dir": str(folder),
            "caption_strategy": "textfile", "resolution": 512, "cache_dir_vae": "/tmp/latents",
        },
    )  # fmt: skip
    wanted = world.draft(5000, data="staged", staging="here")
    report = await world.client.check(wanted)
    assert report["ok"], report["checks"]
    assert report["leaves"]["stays_here"]
    job_id = (await world.client.submit(wanted))["job_id"]
    await eventually(lambda: world.predictions)
    sent = json.loads(world.predictions[-1].input["dataloader_json"])
    entries = {entry["id"]: entry for entry in sent}
    assert entries["staged-latents"]["type"] == "local"
    trainer = TrainerBucket(entries["photos"])
    samples = await in_thread(trainer.samples)
    assert sorted(samples) == ["a.png", "b/c.png"]
    assert {tuple(captions) for _, captions in samples.values()} == {
        ("picture 0", "another line"), ("picture 1", "another line"),
    }  # fmt: skip
    assert (await in_thread(trainer.train, 512))["config"]["resolution"] == 512

    job = await world.until(job_id, JobStatus.RUNNING, JobStatus.COMPLETED)
    assert endpoint_of(job) == entries["photos"]["aws_endpoint_url"]
    stored = json.loads(str(job.inputs["dataloader_json"]))
    (shown,) = [entry for entry in stored if entry["id"] == "photos"]
    assert shown["aws_bucket_name"] == entries["photos"]["aws_bucket_name"]
    secret = entries["photos"]["aws_secret_access_key"]
    assert secret not in repr(job)
    files = [path for path in world.home.root.rglob("*") if path.is_file()]
    assert not [path for path in files if secret.encode() in path.read_bytes()]

    await world.client.cancel(job_id)
    await world.ended(job_id)
    await eventually(lambda: not StagedFolder(world.home.staged).content())
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        await in_thread(trainer.keys)
