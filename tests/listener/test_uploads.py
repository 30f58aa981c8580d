"""Unfinished uploads on the disk: found again after a restart, finished, aborted, too old."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tui.listener.storage.checksums import crc64nvme
from tui.listener.storage.completion import _check_size, _object_checksum, assemble
from tui.listener.storage.errors import S3Error
from tui.listener.storage.intake import ReceivedBody
from tui.listener.storage.multipart import DATA, Upload, Uploads, stale_before

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def opened(folder: Path, stale: datetime = NOW) -> Uploads:
    uploads = Uploads(folder / "uploads")
    uploads.load(stale_before=stale)
    return uploads


def create(uploads: Uploads, key: str = "a.bin", minutes: int = 0) -> Upload:
    return uploads.create(
        key, now=NOW + timedelta(minutes=minutes), content_type="text/plain", metadata={"a": "b"},
        checksum_algorithm="sha256", checksum_type="COMPOSITE",
    )  # fmt: skip


def send(upload: Upload, number: int, data: bytes) -> None:
    target = upload.place(number, len(data), 1_000)
    with target.path.open("r+b" if target.path.exists() else "wb") as file:
        file.seek(target.offset)
        file.write(data)
    crc = crc64nvme()
    crc.update(data)
    body = ReceivedBody(len(data), hashlib.md5(data).hexdigest(), "", crc.value, {})
    upload.commit(target, body, NOW)
    upload.leave(target)


def joined(upload: Upload, *numbers: int) -> bytes:
    return assemble(upload, [upload.parts[number] for number in numbers]).path.read_bytes()


def test_an_upload_is_known_by_its_id_and_key_alone(tmp_path: Path) -> None:
    uploads = opened(tmp_path)
    upload = create(uploads, "b")
    assert uploads.get(upload.id, "b") is upload
    private = (upload.directory, upload.directory.parent)
    assert {path.stat().st_mode & 0o777 for path in private} == {0o700}
    assert uploads.is_open(upload.id, "b")
    for wrong in ((upload.id, "a"), (upload.id, "c"), ("0" * 32, "b")):
        assert not uploads.is_open(*wrong)
        with pytest.raises(S3Error, match="does not exist"):
            uploads.get(*wrong)
    uploads.abort(upload)
    assert not upload.directory.exists()
    assert not uploads.is_open(upload.id, "b")


def test_uploads_are_listed_by_key_and_age_with_their_bytes(tmp_path: Path) -> None:
    uploads = opened(tmp_path)
    late, early, first = create(uploads, "b", 2), create(uploads, "b", 1), create(uploads, "a", 3)
    assert uploads.open() == [first, early, late]
    send(late, 1, b"abc")
    send(late, 2, b"de")
    send(first, 1, b"f")
    assert (late.used_bytes(), uploads.used_bytes()) == (5, 6)


def test_the_answer_of_a_finished_upload_is_kept_for_its_key(tmp_path: Path) -> None:
    uploads = opened(tmp_path)
    upload = create(uploads, "b")
    send(upload, 1, b"abc")
    assert uploads.answer_of(upload.id, "b") is None
    uploads.finish(upload, {"ETag": "e"})
    for again in (uploads, opened(tmp_path)):
        assert not again.is_open(upload.id, "b")
        assert again.answer_of(upload.id, "b") == {"ETag": "e"}
        for wrong in ((upload.id, "a"), (upload.id, "c"), ("0" * 32, "b"), ("../b", "b")):
            assert again.answer_of(*wrong) is None
    assert {path.name for path in upload.directory.iterdir()} == {"done.json", "upload.json"}
    (tmp_path / "uploads" / "other").mkdir()
    (upload.directory / "upload.json").rename(tmp_path / "uploads" / "other" / "upload.json")
    assert uploads.answer_of("other", "b") is None


def test_a_restart_keeps_what_is_young_and_whole(tmp_path: Path) -> None:
    uploads = opened(tmp_path)
    upload, old = create(uploads), create(uploads, "old", -1)
    send(upload, 1, b"abc")
    send(upload, 2, b"def")
    send(upload, 2, b"DE")  # again, beside the slots
    again = opened(tmp_path).get(upload.id, "a.bin")
    assert not old.directory.exists()
    assert again.parts == upload.parts
    assert again.slot == 3
    assert (again.content_type, again.metadata, again.checksum_type) == (
        "text/plain", {"a": "b"}, "COMPOSITE",
    )  # fmt: skip
    assert joined(again, 1, 2) == b"abcDE"
    assert joined(again, 2) == b"DE"
    (tmp_path / "uploads" / ("0" * 32)).mkdir()
    (tmp_path / "uploads" / ("0" * 32) / "upload.json").write_text('{"key": "a"}')
    assert [one.id for one in opened(tmp_path).open()] == [upload.id]
    assert not (tmp_path / "uploads" / ("0" * 32)).exists()
    assert stale_before(NOW, 60) == NOW - timedelta(minutes=1)


def test_a_restart_forgets_parts_whose_bytes_or_records_are_damaged(tmp_path: Path) -> None:
    upload = create(opened(tmp_path))
    for number in (1, 2, 3, 4):
        send(upload, number, b"abc")
    send(upload, 4, b"ABC")
    (upload.directory / "part-00002.json").write_text("{")
    record = json.loads((upload.directory / "part-00001.json").read_text())
    (upload.directory / "part-00001.json").write_text(json.dumps(record | {"received_at": "?"}))
    (upload.directory / "part-00009-left").write_bytes(b"without a record")
    beside = upload.directory / upload.parts[4].file
    with (upload.directory / DATA).open("r+b") as file:
        file.truncate(9)  # part 3 is whole, to the byte
    again = opened(tmp_path).get(upload.id, "a.bin")
    assert set(again.parts) == {3, 4}
    names = {path.name for path in upload.directory.iterdir()}
    assert names == {DATA, "upload.json", "part-00003.json", "part-00004.json", beside.name}
    with (upload.directory / DATA).open("r+b") as file:
        file.truncate(8)
    assert set(opened(tmp_path).get(upload.id, "a.bin").parts) == {4}


def test_a_part_that_is_sent_again_takes_the_earlier_file_away(tmp_path: Path) -> None:
    upload = create(opened(tmp_path))
    for data in (b"abc", b"second", b"third!"):
        send(upload, 1, data)
    assert joined(upload, 1) == b"third!"
    assert len(list(upload.directory.glob("part-00001-*"))) == 1
    assert (upload.directory / DATA).exists()


@pytest.mark.parametrize("numbers", [(1, 2, 3), (1, 2), (2, 3), (1, 3), (3,)])
def test_any_choice_of_parts_becomes_one_file(tmp_path: Path, numbers: tuple[int, ...]) -> None:
    upload = create(opened(tmp_path))
    parts = {1: b"one", 2: b"two", 3: b"3"}
    for number, data in parts.items():
        send(upload, number, data)
    whole = assemble(upload, [upload.parts[number] for number in numbers])
    data = b"".join(parts[number] for number in numbers)
    assert whole.path.read_bytes() == data
    in_place = numbers in ((1, 2, 3), (1, 2))  # nothing is copied
    assert whole.path.name == (DATA if in_place else "whole")
    assert (whole.size, whole.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert whole.checksum is None


def test_a_part_that_was_damaged_or_lost_on_the_disk_is_asked_for_again(tmp_path: Path) -> None:
    upload = create(opened(tmp_path))
    for number in (1, 2):
        send(upload, number, b"abc")
    with (upload.directory / DATA).open("r+b") as file:
        file.write(b"x")
    with pytest.raises(S3Error, match="Part 1 was damaged"):
        joined(upload, 1, 2)
    assert set(upload.parts) == {2}
    with (upload.directory / DATA).open("r+b") as file:
        file.truncate(4)
    with pytest.raises(S3Error, match="Part 2 is gone"):
        joined(upload, 2)


async def test_a_sealed_upload_waits_for_its_writes_and_takes_no_more(tmp_path: Path) -> None:
    upload = create(opened(tmp_path))
    assert not upload.is_busy
    target = upload.place(1, 3, 1_000)
    assert upload.is_busy
    upload.leave(target)
    assert not upload.is_busy
    upload.begin_write()
    upload.begin_write()
    assert upload.is_busy
    sealing = asyncio.create_task(upload.seal())
    await asyncio.sleep(0)
    for refused in (upload.begin_write, upload.check_open, lambda: upload.place(2, 3, 1_000)):
        with pytest.raises(S3Error):
            refused()
    upload.end_write()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not sealing.done()
    upload.end_write()
    await sealing
    assert not upload.is_busy
    async with upload.completing:
        assert upload.is_busy
    upload.reopen()
    upload.check_open()


def asking(most: int = 100, **headers: str) -> Any:
    """A request, as far as sizes and checksums are compared with it."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    limits = SimpleNamespace(max_object_bytes=most)
    return SimpleNamespace(
        context=SimpleNamespace(limits=limits), signed=SimpleNamespace(header=named.get)
    )


def code_of(call: Callable[..., object], *args: object) -> str:
    try:
        call(*args)
    except S3Error as error:
        return error.code
    return ""


def test_an_object_has_the_size_that_was_announced_and_no_more_than_allowed(
    tmp_path: Path,
) -> None:
    upload = create(opened(tmp_path))
    send(upload, 1, b"a" * 60)
    send(upload, 2, b"b" * 40)
    parts = [upload.parts[number] for number in (1, 2)]
    assert code_of(_check_size, asking(100), parts) == ""
    assert code_of(_check_size, asking(99), parts) == "EntityTooLarge"
    for size, code in (("100", ""), ("99", "InvalidRequest"), ("101", "InvalidRequest")):
        assert code_of(_check_size, asking(x_amz_mp_object_size=size), parts) == code


def test_the_checksum_of_the_whole_is_that_of_the_parts_or_of_all_bytes(tmp_path: Path) -> None:
    upload = create(opened(tmp_path))
    digests = [hashlib.sha256(data).digest() for data in (b"one", b"two")]
    for number, data in ((1, b"one"), (2, b"two")):
        send(upload, number, data)
        coded = base64.b64encode(digests[number - 1]).decode()
        upload.parts[number] = replace(upload.parts[number], checksums={"sha256": coded})
    parts = [upload.parts[number] for number in (1, 2)]
    whole = assemble(upload, parts)
    composite = base64.b64encode(hashlib.sha256(b"".join(digests)).digest()).decode()
    assert _object_checksum(asking(), upload, parts, whole) == {"sha256": f"{composite}-2"}
    for sent, code in (
        (composite, ""), (f" {composite}-2 ", ""), ("A" + composite[1:], "BadDigest"),
        ("~" + composite[1:], "BadDigest"),
    ):  # fmt: skip
        request = asking(x_amz_checksum_sha256=sent)
        assert code_of(_object_checksum, request, upload, parts, whole) == code
    upload.checksum_type = "FULL_OBJECT"
    whole = assemble(upload, parts)
    full = base64.b64encode(hashlib.sha256(b"onetwo").digest()).decode()
    assert _object_checksum(asking(), upload, parts, whole) == {"sha256": full}
    upload.checksum_algorithm = None
    assert assemble(upload, parts).checksum is None
    assert _object_checksum(asking(), upload, parts, whole) == {}
