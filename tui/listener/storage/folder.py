"""The delivered files of one job on disk, with a record for each.

Files are at `<root>/<prefix>/<key>`, plain files for a person to use; a name in the key that cannot
stand is stored under an inert one (`tui.base.stored_names`), and the record keeps both. Records,
partial bodies and unfinished uploads are under `<root>/.incoming/`, on the same file system, so
that the last step of every delivery is one rename. All functions block; the receiver calls them in
threads.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tui.base.stored_names import has_hidden, same_file, stored_path, unlike
from tui.listener.storage.errors import S3Error
from tui.listener.storage.keys import check_key

INCOMING = ".incoming"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """The record of a delivered file.

    `modified_ns` is the file's modification time: another value shows that somebody changed it.
    `stored` is the file's path below the folder, which differs from the key when that cannot stand.
    """

    key: str
    job_id: str
    size: int
    etag: str
    sha256: str
    received_at: datetime
    modified_ns: int
    content_type: str = "binary/octet-stream"
    checksums: Mapping[str, str] = field(default_factory=dict)
    checksum_type: str = "FULL_OBJECT"
    metadata: Mapping[str, str] = field(default_factory=dict)
    stored: str = ""


class Folder:
    """The delivered files of one prefix.

    Attributes:
        base: the folder of the files.
        work: the folder of records, partial bodies and unfinished uploads.
    """

    def __init__(self, root: Path, prefix: str) -> None:
        names = check_key(prefix)
        if names[0] == INCOMING:
            raise ValueError(f"a job's folder cannot be called {INCOMING}")
        self.base = root.joinpath(*names)
        self.work = root / INCOMING / hashlib.sha256(prefix.encode()).hexdigest()[:32]
        self._root = root
        self._records = self.work / "objects"
        self._temporary = self.work / "bodies"
        self._objects: dict[str, StoredObject] = {}
        self._keys: dict[str, str] = {}
        """The key that a path belongs to, by the path in the form of `same_file`."""

    def load(self) -> None:
        """Create the directories, delete partial bodies, read the records."""
        for path in (self.work, self._records, self._temporary):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        for leftover in self._temporary.iterdir():
            leftover.unlink(missing_ok=True)
        for path in self._records.glob("*.json"):
            stored = _read_record(path)
            if stored is not None and self._is_unchanged(stored):
                self._add(stored)

    def objects(self) -> Sequence[StoredObject]:
        """Return the records of all present files, by key in UTF-8 order (S3's order)."""
        for stored in list(self._objects.values()):
            if not self._is_unchanged(stored):
                self._forget(stored.key)
        return sorted(self._objects.values(), key=lambda stored: stored.key.encode())

    def used_bytes(self) -> int:
        """Return the bytes of all delivered files."""
        return sum(stored.size for stored in list(self._objects.values()))

    def find(self, key: str) -> StoredObject | None:
        """Return the record of `key` if its file is unchanged, else None."""
        stored = self._objects.get(key)
        if stored is not None and not self._is_unchanged(stored):
            self._forget(key)
            return None
        return stored

    def path_of(self, key: str) -> Path:
        """Return the path of the file of `key`, whether it exists or not."""
        check_key(key)
        stored = self._objects.get(key)
        if stored is not None:
            return self.base / stored.stored

        def is_taken(path: str) -> bool:
            if self._keys.get(same_file(path), key) != key:
                return True
            place = self.base / path
            return place.exists() and not _has_exact_name(place)

        return self.base / unlike(stored_path(key), key, is_taken)

    def _add(self, stored: StoredObject) -> None:
        self._objects[stored.key] = stored
        self._keys[same_file(stored.stored)] = stored.key

    def _forget(self, key: str) -> None:
        stored = self._objects.pop(key, None)
        if stored is not None:
            self._keys.pop(same_file(stored.stored), None)

    def open(self, stored: StoredObject) -> tuple[int, int]:
        """Open the file of an object for reading.

        Returns:
            A file descriptor, and the position of the object's first byte.

        Raises:
            OSError: it is not there any more, or was replaced since it was looked up.
        """
        descriptor = os.open(self.base / stored.stored, os.O_RDONLY | os.O_NOFOLLOW)
        if os.fstat(descriptor).st_mtime_ns != stored.modified_ns:
            os.close(descriptor)
            raise FileNotFoundError(stored.key)
        return descriptor, 0

    def new_body(self) -> Path:
        """Return an unused path for a body that is being received."""
        return self._temporary / secrets.token_hex(16)

    def check_place(self, key: str) -> None:
        """Check that the path of a key is free or holds its own file.

        Raises:
            S3Error: the path is a directory, or a parent is a file.
        """
        path = self.path_of(key)
        if not self._has_real_parents(path):
            raise S3Error("InvalidRequest", "A part of the key's path is a file, not a folder.")
        if path.is_dir() and not path.is_symlink():
            raise S3Error("InvalidRequest", "A folder of that name is already there.")

    def publish(self, body: Path, stored: StoredObject) -> StoredObject:
        """Rename a complete and flushed body to the file of its key, then write its record.

        A crash between the two leaves a file without a record; the client has no answer then and
        sends it again.
        """
        modified = body.stat().st_mtime_ns
        path = self.path_of(stored.key)
        self.check_place(stored.key)
        path.parent.mkdir(parents=True, exist_ok=True)
        body.replace(path)
        sync(path.parent)
        place = path.relative_to(self.base).as_posix()
        fields = asdict(stored) | {"modified_ns": modified, "stored": place}
        final = StoredObject(**fields)
        write_json(
            self._record_path(stored.key),
            fields | {"received_at": stored.received_at.isoformat()},
        )
        self._add(final)
        return final

    def remove(self, key: str) -> None:
        """Remove a delivered file, its record, and folders that have become empty.

        Nothing else is removed: nothing behind a symbolic link, and no file that GET does not find.

        Raises:
            S3Error: the key's path leads through a link or a file.
        """
        path = self.path_of(key)
        if not self._has_real_parents(path):
            raise S3Error("InvalidRequest", "A part of the key's path is a file, not a folder.")
        present = self.find(key) is not None
        self._forget(key)
        self._record_path(key).unlink(missing_ok=True)
        if present:
            path.unlink(missing_ok=True)
        for parent in path.parents:
            if parent == self.base or not parent.is_relative_to(self.base):
                break
            with contextlib.suppress(OSError):
                parent.rmdir()

    def _record_path(self, key: str) -> Path:
        return self._records / f"{hashlib.sha256(key.encode()).hexdigest()[:40]}.json"

    def _has_real_parents(self, path: Path) -> bool:
        """Whether all existing parents of a path are real folders below this root."""
        return not any(
            parent.is_symlink() or (parent.exists() and not parent.is_dir())
            for parent in itertools.takewhile(lambda parent: parent != self._root, path.parents)
        )

    def _is_unchanged(self, stored: StoredObject) -> bool:
        try:
            path = self.base / stored.stored
            status = path.lstat()
        except (OSError, ValueError):
            return False
        if not self._has_real_parents(path):
            return False
        return (status.st_size, status.st_mtime_ns) == (stored.size, stored.modified_ns)


def _has_exact_name(path: Path) -> bool:
    return any(entry.name == path.name for entry in path.parent.iterdir())


def share_objects(source: Folder, target: Folder, prefix: str) -> int:
    """Give objects of one folder a second name in another; returns how many are there then.

    Raises:
        OSError: a file cannot be linked or copied.
    """
    count = 0
    for stored in source.objects():
        if not stored.key.startswith(prefix):
            continue
        count += 1
        if target.find(stored.key) is not None:
            continue
        body = target.new_body()
        try:
            os.link(source.path_of(stored.key), body, follow_symlinks=False)
        except OSError:  # a file system without links
            shutil.copyfile(source.path_of(stored.key), body, follow_symlinks=False)
        target.publish(body, stored)
    return count


def _read_record(path: Path) -> StoredObject | None:
    fields = read_json(path)
    if fields is None:
        return None
    try:
        check_key(fields["key"])
        # Versions before 2026-12 recorded no path.
        place = str(fields.pop("stored", "") or _earlier_path(fields["key"]))
        check_key(place)
        moment = datetime.fromisoformat(fields.pop("received_at")).astimezone(UTC)
        return StoredObject(received_at=moment, stored=place, **fields)
    except (AttributeError, KeyError, TypeError, ValueError, S3Error):
        return None


def _earlier_path(key: str) -> str:
    """Return the path at which earlier versions stored a file: only hidden names were changed."""
    return "/".join(f"_{name}" if has_hidden(name.lstrip("_")) else name for name in key.split("/"))


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a record; None when it is missing or was cut off by a crash."""
    try:
        fields = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return fields if isinstance(fields, dict) else None


def write_json(path: Path, fields: Mapping[str, Any]) -> None:
    """Write a record atomically."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    temporary.write_text(json.dumps(fields, ensure_ascii=True))
    temporary.replace(path)


def sync(path: Path) -> None:
    """Flush a file's bytes, or the renames in a directory, so that they survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
