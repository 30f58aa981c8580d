"""One body on its way to disk: decoded, hashed, written, and compared with what was promised.

Everything here blocks and runs in a worker thread; hashing and writing release the interpreter
lock.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tui.listener.storage.checksums import (
    ALGORITHMS,
    HEADER,
    Crc,
    Digest,
    crc64nvme,
    decode,
    encode,
    expected_checksums,
)
from tui.listener.storage.chunked import (
    MODES,
    SIGNED,
    UNSIGNED_TRAILER,
    ChunkedDecoder,
    ChunkSignatures,
)
from tui.listener.storage.claims import UNSIGNED, SignedRequest
from tui.listener.storage.errors import S3Error
from tui.listener.storage.sigv4 import Verified

_MD5_BELOW = 5 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class BodyPlan:
    """What a request promises about its body.

    Attributes:
        size: bytes of the content, without any encoding around it; None when it was not said.
        mode: the value of `x-amz-content-sha256`.
        sha256: the content's hash, when the signature covers it.
        md5: the value of Content-MD5.
        checksums: `x-amz-checksum-*` headers.
        trailers: checksum algorithms that come as a trailer.
        wanted: further algorithms to compute (the upload asked for them).
    """

    size: int | None
    mode: str
    sha256: str | None = None
    md5: bytes | None = None
    checksums: Mapping[str, bytes] = field(default_factory=dict)
    trailers: frozenset[str] = frozenset()
    wanted: frozenset[str] = frozenset()

    @property
    def algorithms(self) -> frozenset[str]:
        """Every checksum to compute."""
        return frozenset(self.checksums) | self.trailers | self.wanted

    def decoder(self, seed: Verified) -> ChunkedDecoder | None:
        """The decoder for the body's encoding; None when the body is the content."""
        if self.mode not in MODES:
            return None
        signatures = None if self.mode == UNSIGNED_TRAILER else ChunkSignatures(seed)
        return ChunkedDecoder(signatures=signatures, trailer=self.mode != SIGNED)


def plan_body(
    request: SignedRequest,
    payload: str,
    *,
    wanted: frozenset[str] = frozenset(),
    checksums: bool = True,
) -> BodyPlan:
    """Read the headers that describe a body.

    Args:
        request: the request, its signature verified.
        payload: what stood in the signature for the body.
        wanted: checksum algorithms to compute in any case.
        checksums: whether `x-amz-checksum-*` headers are about this body (in the request that
            completes an upload they are about the object).

    Raises:
        S3Error: the headers contradict themselves or are malformed.
    """
    md5 = request.header("content-md5")
    sha256: str | None = None
    if payload in MODES:
        size = _length(request, "x-amz-decoded-content-length")
        if size is None:
            raise S3Error("MissingContentLength", "x-amz-decoded-content-length is missing.")
    else:
        size = _length(request, "content-length")
        if payload != UNSIGNED:
            if len(payload) != 64 or not set(payload) <= set("0123456789abcdef"):
                raise S3Error("InvalidArgument", "x-amz-content-sha256 has no value we know.")
            sha256 = payload
    trailers = set()
    for name in (request.header("x-amz-trailer") or "").lower().split(","):
        algorithm = name.strip().removeprefix(HEADER)
        if algorithm and algorithm not in ALGORITHMS:
            raise S3Error("InvalidRequest", "x-amz-trailer names something we do not know.")
        if algorithm:
            trailers.add(algorithm)
    if trailers and (payload not in MODES or payload == SIGNED):
        raise S3Error("InvalidRequest", "x-amz-trailer needs a body that has a trailer.")
    return BodyPlan(
        size=size,
        mode=payload,
        sha256=sha256,
        md5=None if md5 is None else decode(md5, 16, "Content-MD5"),
        checksums=expected_checksums(request.headers) if checksums else {},
        trailers=frozenset(trailers),
        wanted=wanted,
    )


def _length(request: SignedRequest, name: str) -> int | None:
    text = request.header(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise S3Error("InvalidArgument", f"{name} is not a number of bytes.")
    return int(text)


@dataclass(frozen=True, slots=True)
class Taken:
    """What has arrived.

    Attributes:
        size: bytes.
        etag: names these bytes; see `_etag`.
        sha256: in hexadecimal digits; "" when nobody needs it.
        crc64: CRC64-NVME, for later proof that the disk still holds these bytes.
        checksums: those that were sent or asked for, base64, by algorithm.
    """

    size: int
    etag: str
    sha256: str
    crc64: int
    checksums: dict[str, str]


def file_writer(descriptor: int, offset: int) -> Callable[[bytes | memoryview, int], None]:
    """Writes to an open file, whose byte `offset` is the content's first."""

    def write(data: bytes | memoryview, position: int) -> None:
        view = memoryview(data)
        position += offset
        while view:
            written = os.pwrite(descriptor, view, position)
            view = view[written:]
            position += written

    return write


class Intake:
    """Takes one body and hands its content on to `write(bytes, position)`.

    `feed` and `finish` are called one after the other, never at the same time.

    Args:
        write: takes the content piece by piece.
        plan: what was promised.
        seed: the request's signature, which the signatures of chunks go on from.
        most: largest content in bytes.
        whole: whether this is a whole object, whose SHA-256 is always wanted.
    """

    def __init__(
        self,
        write: Callable[[bytes | memoryview, int], None],
        plan: BodyPlan,
        seed: Verified,
        most: int,
        *,
        whole: bool,
    ) -> None:
        self.size = 0
        self._write = write
        self._plan = plan
        self._most = most
        self._decoder = plan.decoder(seed)
        self._crc64: Crc = crc64nvme()
        self._running: dict[str, Digest] = {
            name: ALGORITHMS[name]() for name in plan.algorithms - {"crc64nvme"}
        }
        if whole or plan.sha256 is not None:
            self._running.setdefault("sha256", hashlib.sha256())
        small = plan.size is not None and plan.size < _MD5_BELOW
        if plan.md5 is not None or small:
            self._running["md5"] = hashlib.md5(usedforsecurity=False)
        self._digests = (self._crc64, *self._running.values())

    def feed(self, data: bytes) -> None:
        """Take the next piece of the body as it came over the wire.

        Raises:
            S3Error: the body breaks its promises.
            OSError: the disk.
        """
        if self._decoder is None:
            self._take(data)
            return
        for piece in self._decoder.feed(data):
            self._take(piece)

    def _take(self, data: bytes | memoryview) -> None:
        end = self.size + len(data)
        if self._plan.size is not None and end > self._plan.size:
            raise S3Error("IncompleteBody", "The body is longer than its announced length.")
        if end > self._most:
            raise S3Error("EntityTooLarge", "The body is larger than allowed.")
        for digest in self._digests:
            digest.update(data)
        self._write(data, self.size)
        self.size = end

    def finish(self) -> Taken:
        """The body has ended: compare it with every promise.

        Raises:
            S3Error: something does not agree.
        """
        plan = self._plan
        if self._decoder is not None and not self._decoder.complete:
            raise S3Error("IncompleteBody", "The body ended before its last chunk.")
        if plan.size is not None and self.size != plan.size:
            raise S3Error("IncompleteBody", "The body is shorter than its announced length.")
        sha256 = self._hex("sha256")
        if plan.sha256 is not None and not hmac.compare_digest(plan.sha256, sha256):
            raise S3Error(
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
                ClientComputedContentSHA256=plan.sha256,
                S3ComputedContentSHA256=sha256,
            )
        if plan.md5 is not None and plan.md5 != self._running["md5"].digest():
            raise S3Error("BadDigest", "The Content-MD5 you specified did not match the body.")
        return Taken(
            size=self.size,
            etag=self._etag(),
            sha256=sha256,
            crc64=self._crc64.value,
            checksums=self._verified_checksums(),
        )

    def _hex(self, algorithm: str) -> str:
        digest = self._running.get(algorithm)
        return "" if digest is None else digest.digest().hex()

    def _etag(self) -> str:
        """S3 promises only that an ETag names the content; clients take 32 digits for an MD5.

        MD5 costs more than all else together, so it is computed for small bodies and for clients
        that sent one. Other ETags have a dash, as S3's own have when they are not an MD5.
        """
        if md5 := self._hex("md5"):
            return md5
        name = self._hex("sha256")[:32] or f"{self._crc64.value:016x}{self.size:016x}"
        return f"{name}-1"

    def _verified_checksums(self) -> dict[str, str]:
        plan = self._plan
        expected = dict(plan.checksums)
        if self._decoder is not None:
            sent = expected_checksums(self._decoder.trailers)
            if sent.keys() != plan.trailers:
                raise S3Error("MalformedTrailerError", "The trailer is not the announced one.")
            expected |= sent
        values: dict[str, str] = {}
        for name in sorted(plan.algorithms):
            actual = self._value_of(name)
            if name in expected and expected[name] != actual:
                raise S3Error(
                    "BadDigest",
                    f"The {name.upper()} you specified did not match what was received.",
                )
            values[name] = encode(actual)
        return values

    def _value_of(self, algorithm: str) -> bytes:
        if algorithm == "crc64nvme":
            return self._crc64.digest()
        return self._running[algorithm].digest()
