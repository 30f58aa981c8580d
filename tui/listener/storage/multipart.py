"""Unfinished multipart uploads; their state is on disk, so they survive a restart.

The parts of an upload share one file. The first part to arrive sets the size of a slot, and part
`n` is written at `(n - 1) * slot`, its final offset: almost every client uses one part size, so
completing an upload copies no bytes. A part that does not fit its slot, or that is sent again, goes
into a file of its own and is copied into the shared file on completion.

A part counts only once its record is written, after its bytes. Records hold a CRC64 of the part;
the pass over the whole file that computes its SHA-256 compares them, so damage on the disk is
detected.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tui.listener.storage.errors import S3Error
from tui.listener.storage.folder import read_json, write_json
from tui.listener.storage.intake import ReceivedBody

MAX_PARTS = 10_000
DATA = "data"
_ID = re.compile(r"[0-9a-f]{32}")
_RECORD = "upload.json"
_DONE = "done.json"


@dataclass(frozen=True, slots=True)
class Part:
    """A completely received part. `file` is a name in the upload's directory."""

    number: int
    size: int
    etag: str
    crc64: int
    checksums: Mapping[str, str]
    file: str
    offset: int
    received_at: datetime


@dataclass(frozen=True, slots=True)
class PartTarget:
    """The file and offset for the bytes of a part that is being received."""

    number: int
    path: Path
    offset: int

    @property
    def in_slot(self) -> bool:
        """Whether the part is written directly at its final offset."""
        return self.path.name == DATA


@dataclass(slots=True)
class Upload:
    """One unfinished upload.

    Attributes:
        id: its UploadId.
        directory: the folder of its parts and records.
        key: the key of the future object.
        created_at: time of creation.
        content_type: of the future object.
        metadata: the client's metadata of the future object.
        checksum_algorithm: computed for every part, or None.
        checksum_type: `COMPOSITE` or `FULL_OBJECT`.
        parts: that have arrived, by number.
        completing: held while the upload is completed or aborted.
        slot: bytes per slot in the shared file; None until the first part arrives.
    """

    id: str
    directory: Path
    key: str
    created_at: datetime
    content_type: str
    metadata: Mapping[str, str]
    checksum_algorithm: str | None
    checksum_type: str
    parts: dict[int, Part] = field(default_factory=dict)
    completing: asyncio.Lock = field(default_factory=asyncio.Lock)
    slot: int | None = None
    _arriving: set[int] = field(default_factory=set)
    _writing: int = 0
    _sealed: bool = False
    _no_writes: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_busy(self) -> bool:
        """Whether a part arrives or the upload is being completed."""
        return bool(self._arriving) or self._writing > 0 or self.completing.locked()

    def used_bytes(self) -> int:
        """Return the bytes of all recorded parts."""
        return sum(part.size for part in self.parts.values())

    def place(self, number: int, size: int | None, most: int) -> PartTarget:
        """Choose where a part of `size` bytes is written."""
        self.check_open()
        if self.slot is None and size:
            self.slot = size
        slot = self.slot
        fits = size is not None and slot is not None and size <= slot and number * slot <= most
        if fits and slot is not None and number not in self.parts and number not in self._arriving:
            self._arriving.add(number)
            return PartTarget(number, self.directory / DATA, (number - 1) * slot)
        name = f"part-{number:05d}-{secrets.token_hex(8)}"
        return PartTarget(number, self.directory / name, 0)

    def leave(self, target: PartTarget) -> None:
        """Free the slot of a part whose transfer has ended, successfully or not."""
        if target.in_slot:
            self._arriving.discard(target.number)

    def check_open(self) -> None:
        """Refuse once the upload is being completed or aborted."""
        if self._sealed:
            raise no_such_upload()

    def begin_write(self) -> None:
        """Register a write to a file of this upload."""
        self.check_open()
        self._writing += 1

    def end_write(self) -> None:
        """Unregister a write."""
        self._writing -= 1
        if not self._writing:
            self._no_writes.set()

    async def seal(self) -> None:
        """Refuse further writes and wait for those in progress."""
        self._sealed = True
        while self._writing:
            self._no_writes.clear()
            await self._no_writes.wait()

    def reopen(self) -> None:
        """Allow writes again after a failed completion."""
        self._sealed = False

    def commit(self, target: PartTarget, body: ReceivedBody, now: datetime) -> Part:
        """Record a part whose bytes are written; it replaces an earlier one of its number."""
        part = Part(
            number=target.number,
            size=body.size,
            etag=body.etag,
            crc64=body.crc64,
            checksums=body.checksums,
            file=target.path.name,
            offset=target.offset,
            received_at=now,
        )
        fields = asdict(part) | {"received_at": now.isoformat()}
        if target.in_slot:
            fields["slot"] = self.slot
        earlier = self.parts.get(target.number)
        write_json(self.directory / f"part-{target.number:05d}.json", fields)
        self.parts[target.number] = part
        if earlier is not None and earlier.file != DATA:
            (self.directory / earlier.file).unlink(missing_ok=True)
        return part

    def load_parts(self) -> None:
        """Read the records of parts after a restart; delete files without one."""
        kept = {DATA}
        for path in sorted(self.directory.glob("part-*.json")):
            fields = read_json(path)
            if fields is None:
                continue
            slot = fields.pop("slot", None)
            try:
                moment = datetime.fromisoformat(fields.pop("received_at")).astimezone(UTC)
                part = Part(received_at=moment, **fields)
                size = (self.directory / part.file).stat().st_size
            except (KeyError, TypeError, ValueError, OSError):
                continue
            if size >= part.offset + part.size:
                self.parts[part.number] = part
                kept |= {part.file, path.name}
                self.slot = self.slot or slot
        for path in self.directory.glob("part-*"):
            if path.name not in kept:
                path.unlink(missing_ok=True)


class Uploads:
    """The multipart uploads of one folder. Blocking; called in threads, except `get` and `open`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._open: dict[str, Upload] = {}

    def load(self, *, stale_before: datetime) -> None:
        """Read the uploads of an earlier run; delete those created before `stale_before`."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        for directory in sorted(self._directory.iterdir()):
            upload = _read_upload(directory)
            if upload is None or upload.created_at < stale_before:
                shutil.rmtree(directory, ignore_errors=True)
            elif not (directory / _DONE).exists():
                upload.load_parts()
                self._open[upload.id] = upload

    def open(self) -> list[Upload]:
        """Return all unfinished uploads, by key and then by age."""
        return sorted(self._open.values(), key=lambda u: (u.key.encode(), u.created_at))

    def used_bytes(self) -> int:
        """Return the bytes of all parts of unfinished uploads."""
        return sum(upload.used_bytes() for upload in self._open.values())

    def is_open(self, upload_id: str, key: str) -> bool:
        """Whether there is an unfinished upload of that id and key."""
        upload = self._open.get(upload_id)
        return upload is not None and upload.key == key

    def get(self, upload_id: str, key: str) -> Upload:
        """Return the unfinished upload of that id and key.

        Raises:
            S3Error: there is none.
        """
        upload = self._open.get(upload_id)
        if upload is None or upload.key != key:
            raise no_such_upload()
        return upload

    def create(
        self,
        key: str,
        *,
        now: datetime,
        content_type: str,
        metadata: Mapping[str, str],
        checksum_algorithm: str | None,
        checksum_type: str,
    ) -> Upload:
        """Create an upload."""
        upload_id = secrets.token_hex(16)
        directory = self._directory / upload_id
        directory.mkdir(mode=0o700)
        fields = {
            "key": key,
            "created_at": now.isoformat(),
            "content_type": content_type,
            "metadata": dict(metadata),
            "checksum_algorithm": checksum_algorithm,
            "checksum_type": checksum_type,
        }
        write_json(directory / _RECORD, fields)
        upload = Upload(
            id=upload_id,
            directory=directory,
            key=key,
            created_at=now,
            content_type=content_type,
            metadata=metadata,
            checksum_algorithm=checksum_algorithm,
            checksum_type=checksum_type,
        )
        self._open[upload_id] = upload
        return upload

    def finish(self, upload: Upload, answer: Mapping[str, str]) -> None:
        """Delete a completed upload, except its answer: a client may repeat the request."""
        write_json(upload.directory / _DONE, answer)
        self._open.pop(upload.id, None)
        for path in upload.directory.iterdir():
            if path.name not in {_DONE, _RECORD}:
                path.unlink(missing_ok=True)

    def answer_of(self, upload_id: str, key: str) -> dict[str, str] | None:
        """Return the answer of a recently completed upload, or None."""
        if not _ID.fullmatch(upload_id):
            return None
        directory = self._directory / upload_id
        upload = _read_upload(directory)
        return read_json(directory / _DONE) if upload is not None and upload.key == key else None

    def abort(self, upload: Upload) -> None:
        """Delete an upload and its parts."""
        self._open.pop(upload.id, None)
        shutil.rmtree(upload.directory, ignore_errors=True)


def stale_before(now: datetime, seconds: float) -> datetime:
    """Return the moment before which unfinished uploads are deleted."""
    return now - timedelta(seconds=seconds)


def no_such_upload() -> S3Error:
    """Return the error for an upload that is unknown, aborted or complete."""
    return S3Error(
        "NoSuchUpload",
        "The upload does not exist: its id is wrong, or it was aborted or completed.",
    )


def _read_upload(directory: Path) -> Upload | None:
    fields = read_json(directory / _RECORD)
    if fields is None or not _ID.fullmatch(directory.name):
        return None
    try:
        created = datetime.fromisoformat(fields.pop("created_at")).astimezone(UTC)
        return Upload(id=directory.name, directory=directory, created_at=created, **fields)
    except (KeyError, TypeError, ValueError):
        return None
