"""A folder whose engine was killed: half bodies go, and what changed meanwhile does not count."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

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
