"""A record of staged data that cannot be read is told, never taken for nothing, and mended."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.engine.staging.world import new_job, photos
from tests.engine.world import running_engine
from tui.cli.staged_commands import lines_of
from tui.client.errors import ControlError
from tui.engine.diagnostics.doctor import staged_lines
from tui.engine.staging.receiver import Receiver
from tui.engine.staging.records import StagedRecord, StagedRecords, record_key
from tui.engine.staging.repair import damaged_row, repair
from tui.settings import Home
from tui.simpletuner.errors import SimpleTunerError
from tui.simpletuner.staging.manifest import Manifest
from tui.store.records import JobRecord
from tui.store.submit_state import StagedData

BASE = "http://127.0.0.1:1/v1"
WORDS = ("cut off or overwritten", "fields are missing", "not what they should be: ")
AT = "2026-11-01T12:00:00+00:00"


def written(
    records: StagedRecords, manifest: Manifest, place: str = "here", home: str = ""
) -> StagedRecord:
    """A record of complete data, with its manifest."""
    key = record_key(place, BASE, manifest.digest, home)
    records.put_manifest(key, manifest)
    return records.put(
        StagedRecord(
            key, place, BASE, manifest.digest, ("photos",), manifest.images, manifest.bytes, AT,
            started=True, there=True, where="this machine", facts={"a": "b"}, home=home,
        )
    )  # fmt: skip


def reader_of(record: StagedRecord, receiver: Receiver | None = None) -> JobRecord:
    """A job that reads the data of a record."""
    staging: StagedData = {"key": record.key, "place": record.place}
    if receiver is not None:
        staging["receiver"] = receiver.stored()
    return replace(new_job(1), api_base=BASE, submit={"staging": staging, "phase": "accepted"})


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"\xff\xfe", b'{"key": "another"}',
        b'{"key": 3}', None,
    ],
)  # fmt: skip
def test_a_record_that_cannot_be_read_is_listed_and_made_again(
    tmp_path: Path, content: bytes | None
) -> None:
    record = written(StagedRecords(tmp_path), photos(tmp_path / "photos"))
    path = tmp_path / f"{record.key}.json"
    if content is None:  # a field of another type would else be taken for its default: removed
        content = json.dumps(json.loads(path.read_bytes()) | {"keep": "yes"}).encode()
    path.write_bytes(content)
    records = StagedRecords(tmp_path)
    assert records.all() == []
    (damaged,) = records.damaged().values()
    row = damaged_row(damaged, ["job00001"])
    assert (row["key"], row["place"], row["keep"]) == (record.key, "", True)
    assert "cannot be read (" in row["damage"]
    assert any(words in row["damage"] for words in WORDS), row["damage"]
    assert lines_of(row)[0].startswith(f"{record.key}  unknown place  ")
    assert lines_of(row)[1] == f"  damaged: {row['damage']}"
    (line,) = staged_lines([row])
    assert (line.level, record.key in line.message) == ("warn", True)
    assert repair(records, record.key, []) is None, "no job tells where it lies"
    elsewhere = replace(reader_of(record), api_base="https://other.invalid")
    assert repair(records, record.key, [elsewhere]) is None, "its key is of another API"
    made = repair(records, record.key, [elsewhere, reader_of(record)])
    assert made is not None
    assert (made.place, made.digest, made.images) == ("here", record.digest, record.images)
    assert (made.keep, made.there, made.started) == (True, False, True)
    assert not records.damaged()
    assert StagedRecords(tmp_path).all() == [made]


def test_what_could_be_read_of_a_record_is_kept(tmp_path: Path) -> None:
    home = "https://s3.example\nbucket\n"
    receiver = Receiver("the bucket bucket", {"bucket": "bucket"}, home)
    record = written(StagedRecords(tmp_path), photos(tmp_path / "photos"), "bucket:mine", home)
    path = tmp_path / f"{record.key}.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"images": "many", "later": 1}))
    records = StagedRecords(tmp_path)
    made = repair(records, record.key, [reader_of(record, receiver)])
    assert made is not None
    assert (made.facts, made.where, made.home) == ({"a": "b"}, "this machine", home)
    assert made.images == record.images


@pytest.mark.parametrize("content", [b"{", b'{"key": "another"}', None])
def test_a_record_that_is_damaged_while_it_is_known_is_made_whole_when_it_is_used(
    tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    records = StagedRecords(tmp_path)
    record = written(records, photos(tmp_path / "photos"))
    path = tmp_path / f"{record.key}.json"
    assert records.used(record.key) == record
    assert not caplog.records
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    assert records.used(record.key) == record
    assert "damaged" in caplog.text
    assert StagedRecords(tmp_path).all() == [record]


def test_a_field_of_a_later_version_is_no_damage(tmp_path: Path) -> None:
    record = written(StagedRecords(tmp_path), photos(tmp_path / "photos"))
    path = tmp_path / f"{record.key}.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"later": 1}))
    assert StagedRecords(tmp_path).all() == [record]


async def test_what_a_job_reads_stays_whatever_became_of_its_record(
    home: Home, tmp_path: Path
) -> None:
    """The list of the damaged one counts for others that share its content."""
    records = StagedRecords(home.root / "staged")
    shared = photos(tmp_path / "photos")
    read = written(records, shared)
    more = Manifest((*shared.datasets, *photos(tmp_path / "more", 30).datasets))
    other = written(records, more)
    forgotten = written(records, photos(tmp_path / "gone", 20))
    folder = home.root / "staged"
    manifests = {key: folder / f"{key}.manifest.json" for key in (read.key, forgotten.key)}
    content = manifests[read.key].read_bytes()
    waiting = written(records, photos(tmp_path / "waiting", 40))
    (folder / f"{waiting.key}.json").write_bytes(b"{")
    for key, manifest in manifests.items():
        (folder / f"{key}.json").write_bytes(b"{")
        manifest.write_bytes(b"{")
    async with running_engine(home) as (engine, client):
        service = engine.staging
        engine.recorder.writer.insert(reader_of(read))
        service._records.change(other.key, keep=True)
        (folder / f"{other.key}.json").write_bytes(b"{")  # while the engine knows it
        assert (await service._jobs.data_of(reader_of(other)))[0].keep
        assert StagedRecords(folder).get(other.key) is not None
        rows = {row["key"]: row for row in await client.staged()}
        assert rows[read.key]["readers"] == ["job00001"]
        assert rows[read.key]["damage"]
        with pytest.raises(SimpleTunerError, match=f"files of {read.key} cannot be read"):
            service.removal.others(other, [read.key])
        manifests[read.key].write_bytes(content)
        assert shared in service.removal.others(other, [read.key])
        with pytest.raises(ControlError, match="running job reads it"):
            await client.remove_staged(read.key)
        await client.remove_staged(forgotten.key)
        assert not manifests[forgotten.key].exists()
        # A job that is about to be staged.
        record, _, _ = await service._jobs.data_of(reader_of(waiting))
        assert record.damage
        for damaged in (b"{", json.dumps(shared.to_dict()).encode()):  # also a list of other files
            (folder / f"{waiting.key}.manifest.json").write_bytes(damaged)
            with pytest.raises(SimpleTunerError, match="hold other files"):
                await service._jobs.data_of(reader_of(waiting))
        await service._take_up()
        (made,) = [row for row in await client.staged() if row["key"] == read.key]
        assert (made["place"], made["keep"], made["images"]) == ("here", True, shared.images)
        assert "made again" in made["damage"]
