"""Receives one body: decodes, hashes and writes it, and compares it with the request's headers.

All functions block and run in a worker thread; hashing and writing release the GIL.
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

_MD5_BELOW = 5 * 1024 * 1024  # bytes; see `Intake._etag`


@dataclass(frozen=True, slots=True)
class BodyPlan:
    """What a request's headers say about its body.

    Attributes:
        size: bytes of the content, without any encoding around it; None when not given.
        mode: the value of `x-amz-content-sha256`.
        sha256: the content's hash, when the signature covers it.
        md5: the value of Content-MD5.
        checksums: `x-amz-checksum-*` headers.
        trailers: checksum algorithms whose values follow in a trailer.
        wanted: further algorithms to compute, which the upload was created with.
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
        """Return the decoder for the body's encoding; None when it has none."""
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
    """Parse the headers that describe a body.

    Args:
        request: the request, its signature verified.
        payload: the signed value of `x-amz-content-sha256`.
        wanted: checksum algorithms to compute in any case.
        checksums: whether `x-amz-checksum-*` headers describe this body (in the request that
            completes an upload they describe the object).

    Raises:
        S3Error: the headers contradict each other or are malformed.
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
class ReceivedBody:
    """The size and hashes of a received body.

    Attributes:
        size: in bytes.
        etag: identifies the content; see `Intake._etag`.
        sha256: in hexadecimal digits; "" when not computed.
        crc64: CRC64-NVME, for a later check of the bytes on disk.
        checksums: those that were sent or requested, in base64, by algorithm.
    """

    size: int
    etag: str
    sha256: str
    crc64: int
    checksums: dict[str, str]


def file_writer(descriptor: int, offset: int) -> Callable[[bytes | memoryview, int], None]:
    """Return a function that writes to an open file, in which the content starts at `offset`."""

    def write(data: bytes | memoryview, position: int) -> None:
        view = memoryview(data)
        position += offset
        while view:
            written = os.pwrite(descriptor, view, position)
            view = view[written:]
            position += written

    return write


class Intake:
    """Decodes and hashes one body and passes its content to `write(bytes, position)`.

    `feed` and `finish` must not run at the same time.

    Args:
        write: receives the content piece by piece.
        plan: what the headers say about the body.
        seed: the request's signature, from which the chain of chunk signatures starts.
        most: largest content in bytes.
        whole: whether the body is a whole object, whose SHA-256 is always computed.
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
        self._digests_by_name: dict[str, Digest] = {
            name: ALGORITHMS[name]() for name in plan.algorithms - {"crc64nvme"}
        }
        if whole or plan.sha256 is not None:
            self._digests_by_name.setdefault("sha256", hashlib.sha256())
        small = plan.size is not None and plan.size < _MD5_BELOW
        if plan.md5 is not None or small:
            self._digests_by_name["md5"] = hashlib.md5(usedforsecurity=False)
        self._digests = (self._crc64, *self._digests_by_name.values())

    def feed(self, data: bytes) -> None:
        """Process the next piece of the encoded body.

        Raises:
            S3Error: the body contradicts its headers.
            OSError: the disk fails.
        """
        if self._decoder is None:
            self._add(data)
            return
        for piece in self._decoder.feed(data):
            self._add(piece)

    def _add(self, data: bytes | memoryview) -> None:
        end = self.size + len(data)
        if self._plan.size is not None and end > self._plan.size:
            raise S3Error("IncompleteBody", "The body is longer than its announced length.")
        if end > self._most:
            raise S3Error("EntityTooLarge", "The body is larger than allowed.")
        for digest in self._digests:
            digest.update(data)
        self._write(data, self.size)
        self.size = end

    def finish(self) -> ReceivedBody:
        """Compare the complete body with its headers.

        Raises:
            S3Error: a size, hash or checksum differs.
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
        if plan.md5 is not None and plan.md5 != self._digests_by_name["md5"].digest():
            raise S3Error("BadDigest", "The Content-MD5 you specified did not match the body.")
        return ReceivedBody(
            size=self.size,
            etag=self._etag(),
            sha256=sha256,
            crc64=self._crc64.value,
            checksums=self._verified_checksums(),
        )

    def _hex(self, algorithm: str) -> str:
        digest = self._digests_by_name.get(algorithm)
        return "" if digest is None else digest.digest().hex()

    def _etag(self) -> str:
        """Return the ETag; S3 defines it as an identifier, but clients take 32 digits for an MD5.

        MD5 costs more than all other work together, so it is computed only for small bodies and
        for clients that sent one. Other ETags contain a dash, as S3's own do when not an MD5.
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
            actual = self._digest_of(name)
            if name in expected and expected[name] != actual:
                raise S3Error(
                    "BadDigest",
                    f"The {name.upper()} you specified did not match what was received.",
                )
            values[name] = encode(actual)
        return values

    def _digest_of(self, algorithm: str) -> bytes:
        if algorithm == "crc64nvme":
            return self._crc64.digest()
        return self._digests_by_name[algorithm].digest()
