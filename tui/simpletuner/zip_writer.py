"""Writing a ZIP file fast: small entries in one go, large ones in pieces.

The standard library's writer spends more time on a small entry than on its bytes (two passes over
the header, a lock, a wrapper object), so this one writes the records itself. Format: PKWARE's
APPNOTE 6.3; reading stays with the standard library.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

# A fixed time stamp, the oldest that ZIP can hold: archives of equal content are equal.
_TIME = (1980, 1, 1, 0, 0, 0)
_DOS_DATE = (1980 - 1980) << 9 | 1 << 5 | 1
_UNIX = 3
_MODE = 0o100644 << 16
_UTF8_FLAG = 0x800
_VERSION, _VERSION_64 = 20, 45
_MAX_32, _MAX_16 = 0xFFFFFFFF, 0xFFFF
# Below this, a deflated text is not smaller than the text.
_WORTH_DEFLATING = 96
_LEVEL = 6

ENTRY_OVERHEAD = 30 + 46
"""Bytes that an entry costs beside its data and twice its name."""

END_OVERHEAD = 22
"""Bytes that end every archive."""


class ZipWriter:
    """Writes entries one after another; `finish` makes the file complete.

    Args:
        out: a seekable file opened for writing, empty.
    """

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._entries: list[zipfile.ZipInfo] = []
        self._place = 0

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._place

    def add(self, name: str, data: bytes, *, deflate: bool) -> None:
        """Add a small entry. With `deflate` it is compressed where that makes it smaller."""
        entry = self._entry(name)
        body = data
        if deflate and len(data) >= _WORTH_DEFLATING:
            packed = _deflated(data)
            if len(packed) < len(data):
                body, entry.compress_type = packed, zipfile.ZIP_DEFLATED
        entry.CRC = zlib.crc32(data)
        entry.file_size, entry.compress_size = len(data), len(body)
        self._write(entry.FileHeader() + body if len(body) < 65536 else entry.FileHeader())
        if len(body) >= 65536:
            self._write(body)
        self._entries.append(entry)

    def add_pieces(self, name: str, pieces: Iterator[bytes], *, size: int, deflate: bool) -> None:
        """Add an entry of any length from its pieces; `size` is about how much they hold."""
        entry = self._entry(name)
        if deflate:
            entry.compress_type = zipfile.ZIP_DEFLATED
        large = size > _MAX_32 // 2
        self._write(entry.FileHeader(zip64=large))
        start = self._place
        packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS) if deflate else None
        for piece in pieces:
            entry.CRC = zlib.crc32(piece, entry.CRC)
            entry.file_size += len(piece)
            self._write(packer.compress(piece) if packer else piece)
        if packer:
            self._write(packer.flush())
        entry.compress_size = self._place - start
        self._out.seek(entry.header_offset)
        self._out.write(entry.FileHeader(zip64=large))
        self._out.seek(self._place)
        self._entries.append(entry)

    def finish(self) -> int:
        """Write the directory; returns the size of the archive in bytes."""
        start = self._place
        for entry in self._entries:
            self._write(_directory_record(entry))
        length = self._place - start
        count = len(self._entries)
        if count > _MAX_16 or start > _MAX_32 or length > _MAX_32:
            self._write(_end_64(count, length, start, self._place))
        self._write(
            struct.pack(
                "<4s4H2LH",
                *(b"PK\5\6", 0, 0, min(count, _MAX_16), min(count, _MAX_16)),
                *(min(length, _MAX_32), min(start, _MAX_32), 0),
            )
        )
        self._out.flush()
        return self._place

    def _entry(self, name: str) -> zipfile.ZipInfo:
        entry = zipfile.ZipInfo(name, _TIME)
        entry.create_system = _UNIX  # also where this runs elsewhere: the bytes must not differ
        entry.external_attr = _MODE
        entry.header_offset = self._place
        entry.CRC = 0
        return entry

    def _write(self, data: bytes) -> None:
        self._out.write(data)
        self._place += len(data)


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def _directory_record(entry: zipfile.ZipInfo) -> bytes:
    try:
        name, flags = entry.filename.encode("ascii"), 0
    except UnicodeEncodeError:
        name, flags = entry.filename.encode("utf-8"), _UTF8_FLAG
    numbers = (entry.file_size, entry.compress_size, entry.header_offset)
    large = [number for number in numbers if number > _MAX_32]
    extra = struct.pack(f"<HH{len(large)}Q", 1, 8 * len(large), *large) if large else b""
    size, packed, offset = (min(number, _MAX_32) for number in numbers)
    # The same version as in the entry's own header, which asks for 64 bits only where it uses them.
    version = max(entry.extract_version, _VERSION_64 if large else _VERSION)
    return (
        struct.pack(
            "<4s4B4H3L5H2L",
            *(b"PK\1\2", version, _UNIX, version, 0, flags, entry.compress_type),
            *(0, _DOS_DATE, entry.CRC, packed, size),
            *(len(name), len(extra), 0, 0, 0, entry.external_attr, offset),
        )
        + name
        + extra
    )


def _end_64(count: int, length: int, start: int, place: int) -> bytes:
    return struct.pack(
        "<4sQ2H2L4Q", b"PK\6\6", 44, _VERSION_64, _VERSION_64, 0, 0, count, count, length, start
    ) + struct.pack("<4sLQL", b"PK\6\7", 0, place, 1)
