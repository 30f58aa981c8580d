"""A folder whose engine was killed: half bodies go, and what changed meanwhile does not count."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tui.listener.storage.folder import Folder, StoredObject


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
