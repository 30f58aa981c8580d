"""Collecting results: downloads in parts, resumed and verified; missing results are reported."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import shutil
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.engine.file_host import TOKEN, FileHost, serve_files
from tests.engine.results.collector_world import (
    MIB,
    CollectorWorld,
    ended_job,
    running_collector_world,
)
from tests.engine.world import write_quick_settings
from tests.support import eventually
from tui.api.artifacts import Unfetched
from tui.client.client import ControlClient, ControlError
from tui.client.engine_process import own_engine
from tui.engine.results.download import PART
from tui.replicate.redact import redact_url
from tui.settings import Home
from tui.store.job_folder import folder_of
from tui.store.reader import StoreReader
from tui.store.records import FileRecord, JobRecord
from tui.store.writer import StoreWriter


@pytest.fixture
async def file_host() -> AsyncIterator[FileHost]:
    async with serve_files() as made:
        yield made


async def missing_results(client: ControlClient, job: JobRecord) -> list[Unfetched]:
    """The results that are not fetched, from the artifacts of the API."""
    jobs = await client.publishing.artifacts(job.job_id)
    return jobs[0]["unfetched"]


@pytest.fixture
async def collector_world(home: Home, file_host: FileHost) -> AsyncIterator[CollectorWorld]:
    async with running_collector_world(home, file_host) as made:
        yield made


async def test_files_come_in_parts_and_whole(
    collector_world: CollectorWorld, file_host: FileHost
) -> None:
    file_host.files = {"big.bin": os.urandom(5 * PART + 7), "small.txt": b"hello", "none.bin": b""}
    output = {
        "weights": file_host.url("big.bin"),
        "more": [
            file_host.url("small.txt"), file_host.url("small.txt", "g"), file_host.url("none.bin"),
        ],
        "log": "Training complete. Output: /x", "else": "https://example.com/secret.bin",
    }  # fmt: skip
    job = collector_world.insert(ended_job(file_host, output))
    answer = await collector_world.client.collect(job.job_id)
    assert [item["what"] for item in answer["missing"]] == ["https://example.com/secret.bin"]
    here = {path.name: path.read_bytes() for path in collector_world.folder(job).iterdir()}
    assert here == {**file_host.files, "2-small.txt": b"hello"}
    assert file_host.requests_by_name["big.bin"] == 7  # a look and six parts
    assert file_host.sent["big.bin"] == 5 * PART + 7 + 1
    assert collector_world.engine.recorder.writer.job(job.job_id).data_expires_at is None
    again = await collector_world.client.collect(job.job_id)
    assert len(again["files"]) == 4
    assert file_host.sent["big.bin"] == 5 * PART + 7 + 1


async def test_an_output_cannot_name_other_api_addresses(
    collector_world: CollectorWorld, file_host: FileHost
) -> None:
    """An address of the API in an output is not requested, but reported; the rest is fetched."""
    file_host.files = {"good.bin": b"good"}
    origin = file_host.base.removesuffix("/v1")
    named = {
        f"{file_host.base}/webhooks/default/secret": "it is no file's address at",
        f"{file_host.base}/files/%2e%2e/webhooks/default/secret": "it is no file's address at",
        f"{origin}//v1/files/f/good.bin": "it is no file's address at",
        f"http://me:word@127.0.0.1:{file_host.port}/v1/files/f/good.bin": "holds a user name",
        "http://pbxt.replicate.delivery/x.bin": "is no file's address there",
        "https://example.com/x.bin?sig=abcdef": "is no host that Replicate keeps results at",
        "https://[half": "is no host that Replicate keeps results at",
    }
    output = {
        "first": list(named),
        "log": "see https://example.com/page",
        "last": [file_host.url("good.bin")],
    }
    job = collector_world.insert(ended_job(file_host, output))
    answer = await collector_world.client.collect(job.job_id)
    assert [Path(file["path"]).name for file in answer["files"]] == ["good.bin"]
    missing = {item["what"]: item for item in answer["missing"]}
    shown = {redact_url(address): words for address, words in named.items()}
    assert set(missing) == set(shown)
    for name, words in shown.items():
        assert words in missing[name]["why"]
        assert missing[name]["advice"]
        assert not missing[name]["again"]
        assert missing[name]["until"] is None
    assert file_host.elsewhere == []
    assert [path.name for path in collector_world.folder(job).iterdir()] == ["good.bin"]
    rows = {row["name"]: row["state"] for row in await missing_results(collector_world.client, job)}
    assert rows == dict.fromkeys(shown, "failed")

    def written() -> list[str]:
        reader = StoreReader(collector_world.engine.home.database)
        try:
            return [event.message for event in reader.events(job.job_id)]
        finally:
            reader.close()

    before = written()
    for name, words in shown.items():
        (line,) = [text for text in before if text.startswith(f"{name} of the output: ")]
        assert words in line
    assert not any("word@" in text or "abcdef" in text for text in before)
    # Nothing that could be fetched is about to be deleted, and a second look tells nothing new.
    assert collector_world.engine.recorder.writer.job(job.job_id).data_expires_at is None
    await collector_world.client.collect(job.job_id)
    assert written() == before


async def test_a_link_to_where_the_results_are_delivered_is_no_missing_file(
    collector_world: CollectorWorld, file_host: FileHost
) -> None:
    """An address of the delivery is ignored; only refused ones at Replicate's hosts count."""
    link = "https://results.example.com/simpletuner"
    job = collector_world.insert(ended_job(file_host, link, delivery="local"))
    assert {
        item["what"] for item in (await collector_world.client.collect(job.job_id))["missing"]
    } == {"results"}


async def test_a_broken_connection_repeats_few_bytes(
    collector_world: CollectorWorld, file_host: FileHost
) -> None:
    size = 3 * PART
    file_host.files = {"big.bin": os.urandom(size)}
    job = collector_world.insert(ended_job(file_host, file_host.url("big.bin")))
    collector_world.engine.jobs.job_ended(job)
    for share in (1, 2, 3):
        file_host.cut_after = MIB
        await eventually(lambda: file_host.cut_after is None, within=40)
        await eventually(lambda share=share: file_host.total_sent > share * MIB, within=40)
    path = collector_world.folder(job) / "big.bin"
    await eventually(path.exists, within=40)
    assert path.read_bytes() == file_host.files["big.bin"]
    # What was in the pipe when the line broke comes once more, not whole parts.
    assert file_host.total_sent < size + 3 * PART // 2
    assert not [entry for entry in collector_world.folder(job).iterdir() if entry.name != "big.bin"]


async def test_a_download_resumes_after_a_kill(
    home: Home, file_host: FileHost, tmp_path: Path
) -> None:
    """An engine in another process is killed after it downloaded some of the parts."""
    size = 12 * PART
    file_host.files = {"big.bin": os.urandom(size)}
    write_quick_settings(home)
    job = ended_job(file_host, file_host.url("big.bin"))
    writer = StoreWriter(home)
    writer.insert(job)
    writer.close()
    environ = {
        **os.environ, "SIMPLETUNER_TUI_HOME": str(home.root),
        "SIMPLETUNER_TUI_API_BASE": file_host.base, "REPLICATE_API_TOKEN": TOKEN,
    }  # fmt: skip
    file_host.hold_after = size // 2
    first = await asyncio.to_thread(own_engine, home, environ, lambda: environ)
    reader = StoreReader(home.database)
    try:

        def noted() -> bool:
            found = reader.fetches(job.job_id)
            return bool(found) and found[0].done_bytes >= 2 * PART

        await eventually(noted, within=60)
        first.process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(first.process.wait)
        assert first.process.stdin is not None
        first.process.stdin.close()
        kept = reader.fetches(job.job_id)[0]
        parts = [n for n in kept.notes["parts"].values() if n == PART]
        assert parts
        before = file_host.total_sent
        file_host.hold_after = None
        file_host.open.set()
        second = await asyncio.to_thread(own_engine, home, environ, lambda: environ)
        try:
            path = home.outputs / folder_of(job) / "big.bin"
            await eventually(path.exists, within=60)
            assert path.read_bytes() == file_host.files["big.bin"]
            await eventually(lambda: reader.fetches(job.job_id) == [], within=20)
        finally:
            await asyncio.to_thread(second.stop)
    finally:
        reader.close()
    assert file_host.total_sent - before <= size - kept.done_bytes + MIB
    log = home.engine_log.read_text()
    assert "Traceback" not in log


async def test_changed_content_is_downloaded_from_its_beginning(
    collector_world: CollectorWorld, file_host: FileHost
) -> None:
    file_host.files = {"big.bin": os.urandom(4 * PART)}
    file_host.hold_after = 2 * PART
    job = collector_world.insert(ended_job(file_host, file_host.url("big.bin")))
    collector_world.engine.jobs.job_ended(job)
    await eventually(lambda: file_host.total_sent >= 2 * PART, within=30)
    file_host.files = {"big.bin": os.urandom(4 * PART)}
    file_host.cut_after = 1
    file_host.hold_after = None
    file_host.open.set()
    path = collector_world.folder(job) / "big.bin"
    await eventually(path.exists, within=60)
    assert path.read_bytes() == file_host.files["big.bin"]


@pytest.mark.parametrize("marks", [True, False])
async def test_a_host_without_ranges_or_etags_works(
    collector_world: CollectorWorld, file_host: FileHost, marks: bool
) -> None:
    file_host.ranges, file_host.marks = not marks, marks
    file_host.files = {"big.bin": os.urandom(2 * PART + 1)}
    job = collector_world.insert(ended_job(file_host, file_host.url("big.bin")))
    assert (await collector_world.client.collect(job.job_id))["missing"] == []
    assert (collector_world.folder(job) / "big.bin").read_bytes() == file_host.files["big.bin"]


async def test_missing_results_have_a_reason_and_a_deadline(
    collector_world: CollectorWorld, file_host: FileHost
) -> None:
    file_host.files = {"cut.bin": b"x" * 1000, "gone.bin": b"y", "good.bin": b"z"}
    file_host.short, file_host.missing = {"cut.bin"}, {"gone.bin"}
    job = collector_world.insert(
        ended_job(file_host, [file_host.url(name) for name in file_host.files])
    )
    answer = await collector_world.client.collect(job.job_id)
    missing = {item["what"]: item for item in answer["missing"]}
    assert set(missing) == {"cut.bin", "gone.bin"}
    assert missing["cut.bin"]["again"]
    assert not missing["gone.bin"]["again"]
    assert "does not have gone.bin any more" in missing["gone.bin"]["why"]
    assert job.data_expires_at is not None
    for item in missing.values():
        assert item["until"] == job.data_expires_at.isoformat()
    rows = {row["name"]: row for row in await missing_results(collector_world.client, job)}
    assert rows["cut.bin"]["state"] == "waiting"
    assert rows["gone.bin"]["state"] == "failed"
    assert rows["gone.bin"]["origin"] == "replicate"
    assert not (collector_world.folder(job) / "cut.bin").exists()
    assert collector_world.engine.recorder.writer.job(job.job_id).data_expires_at is not None
    file_host.short.clear()
    file_host.missing.clear()
    assert (await collector_world.client.collect(job.job_id))["missing"] == []
    assert await missing_results(collector_world.client, job) == []


async def test_expired_results_are_not_retried(
    collector_world: CollectorWorld, file_host: FileHost
) -> None:
    past = datetime.now(UTC) - timedelta(minutes=1)
    file_host.files, file_host.short = {"cut.bin": b"x" * 1000}, {"cut.bin"}
    job = collector_world.insert(
        ended_job(file_host, file_host.url("cut.bin"), data_expires_at=past)
    )
    answer = await collector_world.client.collect(job.job_id)
    assert [item["again"] for item in answer["missing"]] == [False]


async def test_missing_disk_space_is_reported_before_the_download(
    collector_world: CollectorWorld, file_host: FileHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_host.files = {"big.bin": os.urandom(2 * PART)}
    job = collector_world.insert(ended_job(file_host, file_host.url("big.bin")))
    real = shutil.disk_usage

    def little(path: Any) -> Any:
        return real(path)._replace(free=PART)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", little)
        (item,) = (await collector_world.client.collect(job.job_id))["missing"]
    assert "free" in item["why"]
    assert item["again"]
    assert file_host.total_sent <= 1
    assert (await collector_world.client.collect(job.job_id))["missing"] == []


async def test_a_disk_that_is_full_at_the_last_byte_fails_the_download(
    collector_world: CollectorWorld, file_host: FileHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 3 * PART
    file_host.files = {"big.bin": os.urandom(size)}
    job = collector_world.insert(ended_job(file_host, file_host.url("big.bin")))
    real = os.pwrite

    def full(file: int, data: memoryview, at: int) -> int:
        if at + len(data) >= size:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(file, data, at)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        (item,) = (await collector_world.client.collect(job.job_id))["missing"]
    assert "no space is left" in item["why"]
    assert not (collector_world.folder(job) / "big.bin").exists()
    before = file_host.total_sent
    assert (await collector_world.client.collect(job.job_id))["missing"] == []
    assert (collector_world.folder(job) / "big.bin").read_bytes() == file_host.files["big.bin"]
    assert file_host.total_sent - before <= size  # and mostly much less: what is here is kept


async def test_a_deleted_file_is_fetched_again(
    collector_world: CollectorWorld, file_host: FileHost
) -> None:
    file_host.files = {"a.bin": b"a" * 1000}
    job = collector_world.insert(ended_job(file_host, file_host.url("a.bin")))
    await collector_world.client.collect(job.job_id)
    (collector_world.folder(job) / "a.bin").write_bytes(b"b" * 1000)
    assert (await collector_world.client.collect(job.job_id))["missing"] == []
    assert (collector_world.folder(job) / "a.bin").read_bytes() == b"a" * 1000


async def test_a_name_outside_the_folder_is_refused(
    collector_world: CollectorWorld, file_host: FileHost
) -> None:
    file_host.files = {"a.bin": b"a", "good.bin": b"z"}
    hostile = file_host.url("%1b%5b2J..bin")
    job = collector_world.insert(ended_job(file_host, [hostile, file_host.url("good.bin")]))
    (item,) = (await collector_world.client.collect(job.job_id))["missing"]
    assert item["what"].isprintable()
    assert "cannot be the name" in item["why"]
    assert [path.name for path in collector_world.folder(job).iterdir()] == ["good.bin"]


async def test_a_hidden_name_becomes_a_visible_one(
    collector_world: CollectorWorld, file_host: FileHost, tmp_path: Path
) -> None:
    file_host.files = {".git": b"gitdir: /elsewhere", ".netrc": b"x", "good.bin": b"z"}
    job = collector_world.insert(
        ended_job(file_host, [file_host.url(name) for name in file_host.files])
    )
    answer = await collector_world.client.collect(job.job_id)
    assert answer["missing"] == []
    here = {path.name: path.read_bytes() for path in collector_world.folder(job).iterdir()}
    assert here == {"_.git": b"gitdir: /elsewhere", "_.netrc": b"x", "good.bin": b"z"}
    sent = dict(file_host.sent)
    assert len((await collector_world.client.collect(job.job_id))["files"]) == 3
    assert file_host.sent == sent  # it is known under that name
    assert await published(collector_world, job, tmp_path / "all") == {
        "_.git",
        "_.netrc",
        "good.bin",
    }


async def test_what_an_earlier_version_stored_hidden_is_not_published(
    collector_world: CollectorWorld, file_host: FileHost, tmp_path: Path
) -> None:
    file_host.files = {"good.bin": b"z"}
    job = collector_world.insert(ended_job(file_host, file_host.url("good.bin")))
    await collector_world.client.collect(job.job_id)
    old = collector_world.folder(job) / "sub" / ".GIT" / "config"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"x")
    path = old.relative_to(collector_world.engine.home.outputs).as_posix()
    digest = hashlib.sha256(b"x").hexdigest()
    file = FileRecord(path, 1, digest, "delivered", datetime.now(UTC))
    collector_world.engine.recorder.add_file(job.job_id, file)
    assert await published(collector_world, job, tmp_path / "all") == {"good.bin"}
    with pytest.raises(ControlError, match="is not here"):
        await published(collector_world, job, tmp_path / "one", files=["sub/.GIT/config"])
    assert old.exists()


async def published(
    collector_world: CollectorWorld, job: JobRecord, to: Path, **options: Any
) -> set[str]:
    """Publish to a folder; returns the names of the files there."""
    await collector_world.client.publishing.publish(job.job_id, f"dir:{to}", **options)

    async def done() -> bool:
        [row] = await collector_world.client.publishing.transfers()
        assert row["state"] != "failed", row
        return bool(row["state"] == "done")

    await eventually(done, within=30)
    return {path.relative_to(to).as_posix() for path in to.rglob("*") if path.is_file()}
