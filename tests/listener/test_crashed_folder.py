"""A folder whose engine was killed: half bodies go, and what changed meanwhile does not count."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tui.listener.storage.errors import S3Error
from tui.listener.storage.folder import INCOMING, Folder, StoredObject, share_objects


def opened(root: Path) -> Folder:
    folder = Folder(root, "job-1")
    folder.load()
    return folder


def deliver(folder: Folder, key: str, data: bytes) -> None:
    body = folder.new_body()
    body.write_bytes(data)
    now = datetime.now(UTC)
    folder.publish(body, StoredObject(key, "job-1", len(data), "etag", "sha", now, 0))


def test_half_bodies_are_removed_and_whole_files_stay(tmp_path: Path) -> None:
    killed = opened(tmp_path)
    deliver(killed, "a.bin", b"whole")
    half = killed.new_body()
    half.write_bytes(b"ha")
    again = opened(tmp_path)
    assert not half.exists()
    assert list(half.parent.iterdir()) == []
    assert [stored.key for stored in again.objects()] == ["a.bin"]
    assert again.used_bytes() == 5


def test_a_file_that_changed_while_nobody_looked_uses_no_quota(tmp_path: Path) -> None:
    killed = opened(tmp_path)
    deliver(killed, "a.bin", b"whole")
    deliver(killed, "b.bin", b"other")
    (killed.base / "a.bin").write_bytes(b"replaced by somebody")
    again = opened(tmp_path)
    assert again.used_bytes() == 5
    assert [stored.key for stored in again.objects()] == ["b.bin"]


def test_a_removed_file_takes_its_empty_folders_along_and_no_other(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    for key in ("a/b/c.bin", "a/d.bin", "e/f/g.bin"):
        deliver(folder, key, b"data")
    folder.remove("a/b/c.bin")
    folder.remove("e/f/g.bin")
    assert sorted(path.name for path in folder.base.rglob("*")) == ["a", "d.bin"]


def test_two_keys_that_differ_only_in_case_do_not_share_a_file(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    keys = ("b/x.bin", "B/x.bin", "b/X.bin")
    for number, key in enumerate(keys):
        deliver(folder, key, b"data" * number)
    paths = {str(folder.path_of(key)).lower() for key in keys}
    assert len(paths) == len(keys)
    assert [folder.path_of(key).read_bytes() for key in keys] == [b"", b"data", b"datadata"]
    again = opened(tmp_path)
    assert [again.path_of(key) for key in keys] == [folder.path_of(key) for key in keys]


@pytest.mark.parametrize("seconds", [-1, 1])
def test_a_file_that_changed_before_it_is_read_is_not_sent(tmp_path: Path, seconds: int) -> None:
    folder = opened(tmp_path)
    deliver(folder, "a.bin", b"whole")
    stored = folder.find("a.bin")
    assert stored is not None
    path = folder.path_of("a.bin")
    time = path.stat().st_mtime_ns + seconds * 1_000_000_000
    os.utime(path, ns=(time, time))
    with pytest.raises(FileNotFoundError):
        folder.open(stored)


def test_objects_come_in_the_order_of_their_keys_and_are_counted(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    for key in ("b", "a/é", "a/z"):
        deliver(folder, key, key.encode())
    assert [stored.key for stored in folder.objects()] == ["a/z", "a/é", "b"]
    assert folder.used_bytes() == 8
    deliver(folder, "b", b"longer")
    assert folder.used_bytes() == 13
    assert [stored.size for stored in folder.objects()] == [3, 4, 6]
    assert folder.find("never") is None
    stored = folder.find("b")
    assert stored is not None
    descriptor, begin = folder.open(stored)
    assert os.read(descriptor, 9) == b"longer"
    os.close(descriptor)
    assert begin == 0


def test_a_folder_or_a_file_in_the_way_is_told_and_nothing_behind_a_link_is_removed(
    tmp_path: Path,
) -> None:
    folder = opened(tmp_path)
    deliver(folder, "a/b", b"data")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "c").write_bytes(b"not ours")
    (folder.base / "link").symlink_to(outside)
    for key, words in (("a", "folder of that name"), ("a/b/c", "is a file"), ("link/c", "a file")):
        with pytest.raises(S3Error, match=words):
            folder.check_place(key)
    folder.check_place("a/b")
    folder.check_place("a/new/one")
    for key in ("link/c", "a/b/c"):
        with pytest.raises(S3Error, match="is a file"):
            folder.remove(key)
    assert (outside / "c").exists()
    (folder.base / "stranger").write_bytes(b"not delivered")
    folder.remove("stranger")
    assert (folder.base / "stranger").exists()
    folder.remove("a/b")
    assert not (folder.base / "a").exists()
    assert folder.base.exists()
    folder.remove("a/b")  # a client may repeat it


def test_the_last_file_of_a_job_leaves_its_folder(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    deliver(folder, "a/b", b"data")
    record = folder._record_path("a/b")  # earlier versions wrote it at this path
    assert record.name == f"{hashlib.sha256(b'a/b').hexdigest()[:40]}.json"
    assert record.exists()
    folder.remove("a/b")
    assert list(folder.base.iterdir()) == []
    private = (folder.work, folder._records, folder._temporary)
    assert {path.stat().st_mode & 0o777 for path in private} == {0o700}
    assert not record.exists()


def test_a_delivered_file_that_a_link_replaced_is_not_ours(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    deliver(folder, "a/b", b"data")
    (folder.base / "a").rename(folder.base / "moved")
    (folder.base / "a").symlink_to(folder.base / "moved")
    assert folder.find("a/b") is None
    assert folder.used_bytes() == 0


def test_objects_below_a_prefix_are_shared_once(tmp_path: Path) -> None:
    source, target = opened(tmp_path), Folder(tmp_path, "job-2")
    target.load()
    for key in ("in/a", "in/b", "out/c"):
        deliver(source, key, key.encode())
    assert share_objects(source, target, "in/") == 2
    assert [stored.key for stored in target.objects()] == ["in/a", "in/b"]
    assert target.path_of("in/a").samefile(source.path_of("in/a"))
    deliver(target, "in/a", b"another")
    assert share_objects(source, target, "in/") == 2
    assert target.path_of("in/a").read_bytes() == b"another"
    assert share_objects(source, target, "none/") == 0


def test_records_that_are_cut_off_or_of_earlier_versions_are_read(tmp_path: Path) -> None:
    folder = opened(tmp_path)
    for key in ("a/.b", "c", "d", "e"):
        deliver(folder, key, b"data")
    records = {json.loads(path.read_text())["key"]: path for path in folder._records.iterdir()}
    earlier = json.loads(records["a/.b"].read_text())
    earlier.pop("stored")
    place = folder.base / "a" / "_.b"
    folder.path_of("a/.b").rename(place)
    records["a/.b"].write_text(json.dumps(earlier))
    records["c"].write_text(records["c"].read_text()[:-9])
    records["d"].write_text("[]")
    records["e"].write_text(json.dumps(json.loads(records["e"].read_text()) | {"stored": "../e"}))
    again = opened(tmp_path)
    assert [stored.key for stored in again.objects()] == ["a/.b"]
    assert again.path_of("a/.b") == place


def test_no_job_has_the_name_of_the_folder_of_half_bodies(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be called"):
        Folder(tmp_path, f"{INCOMING}/job")
    assert Folder(tmp_path, f"job/{INCOMING}").base == tmp_path / "job" / INCOMING
    assert Folder(tmp_path, "a").work != Folder(tmp_path, "b").work
