"""Checksum algorithms of S3, and their encoding in headers and XML."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from awscrt import checksums as crt  # type: ignore[import-untyped]  # it ships without types

from tui.listener.storage.errors import S3Error


class Digest(Protocol):
    """A hash that takes its input in pieces."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Add more bytes."""

    def digest(self) -> bytes:
        """Return the value so far, big-endian."""


class Crc:
    """A cyclic redundancy check with the interface of a hash."""

    __slots__ = ("_function", "_size", "value")

    def __init__(self, function: Callable[[Any, int], int], size: int) -> None:
        self._function = function
        self._size = size
        self.value = 0

    def update(self, data: bytes | memoryview, /) -> None:
        """Take more bytes."""
        self.value = self._function(data, self.value)

    def digest(self) -> bytes:
        """The value so far, big-endian."""
        return self.value.to_bytes(self._size, "big")


def crc64nvme() -> Crc:
    """The checksum that is recorded for every part: it runs at memory speed."""
    return Crc(crt.crc64nvme, 8)


#: By the name in `x-amz-checksum-NAME`.
ALGORITHMS: Mapping[str, Callable[[], Digest]] = {
    "crc32": lambda: Crc(zlib.crc32, 4),
    "crc32c": lambda: Crc(crt.crc32c, 4),
    "crc64nvme": crc64nvme,
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "sha256": hashlib.sha256,
}
_SIZES = {"crc32": 4, "crc32c": 4, "crc64nvme": 8, "sha1": 20, "sha256": 32}
HEADER = "x-amz-checksum-"


def element_name(algorithm: str) -> str:
    """Return the XML element of a checksum, such as `ChecksumCRC32C`."""
    return f"Checksum{algorithm.upper()}"


def encode(value: bytes) -> str:
    """Encode a value in base64, the form of checksums and Content-MD5 in headers."""
    return base64.b64encode(value).decode()


def decode(text: str, size: int, what: str) -> bytes:
    """Decode a base64 value of `size` bytes.

    Args:
        text: the header's value.
        size: the length of the digest in bytes.
        what: the header's name, for the error.

    Raises:
        S3Error: the value is not base64, or has another length.
    """
    try:
        value = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if len(value) != size:
        code = "InvalidDigest" if what == "Content-MD5" else "InvalidRequest"
        raise S3Error(code, f"The value of {what} is not valid.")
    return value


def decode_any(text: str) -> bytes:
    """Decode a value that `encode` produced."""
    return base64.b64decode(text)


def expected_checksums(headers: Iterable[tuple[str, str]]) -> dict[str, bytes]:
    """Return the `x-amz-checksum-*` values among headers or trailers, by algorithm.

    Raises:
        S3Error: a value is malformed or the algorithm is unknown.
    """
    values: dict[str, bytes] = {}
    for name, value in headers:
        algorithm = name.removeprefix(HEADER)
        if algorithm == name or algorithm in {"mode", "type", "algorithm"}:
            continue
        if algorithm not in ALGORITHMS:
            raise S3Error("InvalidRequest", f"The checksum {algorithm!r} is not supported.")
        if algorithm in values:
            raise S3Error("InvalidRequest", f"{name} stands there twice.")
        values[algorithm] = decode(value, _SIZES[algorithm], name)
    return values
