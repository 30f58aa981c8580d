"""From the parts of a multipart upload to one file with a known hash. Blocks; runs in a thread."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tui.listener.storage.checksums import ALGORITHMS, crc64nvme, encode
from tui.listener.storage.errors import S3Error
from tui.listener.storage.multipart import DATA, Part, Upload

_STEP = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Whole:
    """The assembled file, still under a temporary name.

    Attributes:
        path: where it is.
        size: in bytes.
        sha256: of all of it, in hexadecimal digits.
        checksum: of all of it by the upload's algorithm, base64, for uploads of type FULL_OBJECT.
    """

    path: Path
    size: int
    sha256: str
    checksum: str | None


def assemble(upload: Upload, parts: Sequence[Part]) -> Whole:
    """Put `parts` in order into one file and hash it, in one pass over the bytes.

    Raises:
        S3Error: the disk no longer holds what a part's record says.
        OSError: the disk.
    """
    path = _in_place(upload, parts) or _copied(upload, parts)
    algorithm = upload.checksum_algorithm if upload.checksum_type == "FULL_OBJECT" else None
    whole = ALGORITHMS[algorithm]() if algorithm else None
    sha256 = hashlib.sha256()
    buffer = memoryview(bytearray(_STEP))
    size = sum(part.size for part in parts)
    with path.open("r+b", buffering=0) as handle:
        for part in parts:
            check = crc64nvme()
            for piece in _pieces(handle, part.size, buffer):
                sha256.update(piece)
                check.update(piece)
                if whole is not None:
                    whole.update(piece)
            if check.value != part.crc64:
                upload.parts.pop(part.number, None)
                raise S3Error(
                    "InvalidPart", f"Part {part.number} was damaged on our disk. Send it again."
                )
        handle.truncate(size)
    return Whole(path, size, sha256.hexdigest(), None if whole is None else encode(whole.digest()))


def _pieces(handle: BinaryIO, size: int, buffer: memoryview) -> Iterator[memoryview]:
    while size:
        count = handle.readinto(buffer[: min(size, len(buffer))])  # type: ignore[attr-defined]  # typeshed's BinaryIO lacks it
        if not count:
            return
        size -= count
        yield buffer[:count]


def _starts(parts: Sequence[Part]) -> Iterator[tuple[Part, int]]:
    position = 0
    for part in parts:
        yield part, position
        position += part.size


def _in_place(upload: Upload, parts: Sequence[Part]) -> Path | None:
    """The shared file, when every part lies where it must or can be put there.

    A part that was sent again goes into its slot, whose old bytes no longer count. That can be done
    twice, so a crash on the way does no harm.
    """
    path = upload.directory / DATA
    slot = upload.slot
    if slot is None or not path.exists():
        return None
    for part, start in _starts(parts):
        if start != (part.number - 1) * slot:
            return None
    with path.open("r+b") as handle:
        for part, start in _starts(parts):
            if part.file != DATA:
                _append(upload, part, handle, start)
    return path


def _copied(upload: Upload, parts: Sequence[Part]) -> Path:
    path = upload.directory / "whole"
    with path.open("wb") as handle:
        for part, start in _starts(parts):
            _append(upload, part, handle, start)
    return path


def _append(upload: Upload, part: Part, handle: BinaryIO, position: int) -> None:
    """Copy a part's bytes inside the kernel; file systems that can share them do."""
    handle.flush()
    offset, left = part.offset, part.size
    with (upload.directory / part.file).open("rb") as source:
        while left:
            count = os.copy_file_range(
                source.fileno(), handle.fileno(), min(left, 1 << 30), offset, position
            )
            if not count:
                raise S3Error(
                    "InvalidPart", f"Part {part.number} is gone from our disk. Send it again."
                )
            offset += count
            position += count
            left -= count
