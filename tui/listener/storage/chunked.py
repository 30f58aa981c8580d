"""Decodes the `aws-chunked` content encoding: chunk sizes, chunk signatures and trailers.

Source: "Transferring Payload in Multiple Chunks" and "Including Trailing Headers" of the Amazon S3
API reference. botocore only encodes it; no library decodes it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator

from tui.listener.storage.errors import S3Error
from tui.listener.storage.sigv4 import EMPTY_SHA256, Verified, sign

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
MODES = frozenset({SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER})

MIN_CHUNK = 8 * 1024  # S3's own rule for every chunk but the last; bounds the work per byte
_MAX_LINE = 1024
_MAX_TRAILER = 8 * 1024
_SIZE_LINE = re.compile(rb"([0-9a-fA-F]{1,16})(?:;chunk-signature=([0-9a-f]{64}))?")


class ChunkSignatures:
    """Verifies the signatures of a body's chunks; each one covers the previous signature."""

    def __init__(self, seed: Verified) -> None:
        self._seed = seed
        self._previous = seed.signature

    def check_chunk(self, digest: str, signature: str) -> None:
        """Verify the next chunk, given the SHA-256 of its bytes."""
        self._check("AWS4-HMAC-SHA256-PAYLOAD", f"{EMPTY_SHA256}\n{digest}", signature)

    def check_trailer(self, digest: str, signature: str) -> None:
        """Verify the trailer, given the SHA-256 of its canonical text."""
        self._check("AWS4-HMAC-SHA256-TRAILER", digest, signature)

    def _check(self, kind: str, tail: str, signature: str) -> None:
        seed = self._seed
        text = f"{kind}\n{seed.stamp}\n{seed.scope}\n{self._previous}\n{tail}"
        if not hmac.compare_digest(sign(seed.key, text).encode(), signature.encode()):
            raise S3Error("SignatureDoesNotMatch", "The signature of a chunk does not match.")
        self._previous = signature


class ChunkedDecoder:
    """Decodes a body that arrives in pieces of any size.

    Attributes:
        trailers: names in lower case and values, once the body is complete.
        complete: whether the last chunk and the trailer have been read.
    """

    def __init__(self, *, signatures: ChunkSignatures | None, trailer: bool) -> None:
        self.trailers: list[tuple[str, str]] = []
        self.complete = False
        self._signatures = signatures
        self._trailer = trailer
        self._buffer = b""
        self._remaining = 0  # bytes of the current chunk that have not arrived
        self._step = self._size_line
        self._signature = ""
        self._hash = hashlib.sha256()
        self._saw_short_chunk = False
        self._trailer_bytes = 0

    def feed(self, data: bytes) -> Iterator[bytes | memoryview]:
        """Decode more of the body.

        Raises:
            S3Error: the encoding is broken or a signature does not match.
        """
        self._buffer = self._buffer + data if self._buffer else data
        position = 0
        while True:
            if self._remaining:
                piece = memoryview(self._buffer)[position : position + self._remaining]
                if not piece:
                    break
                position += len(piece)
                self._remaining -= len(piece)
                if self._signatures is not None:
                    self._hash.update(piece)
                yield piece
                continue
            if self.complete:
                if position < len(self._buffer):
                    raise S3Error("IncompleteBody", "There are bytes after the last chunk.")
                break
            end = self._buffer.find(b"\n", position)
            if end < 0:
                if len(self._buffer) - position > _MAX_LINE:
                    raise S3Error("InvalidRequest", "A chunk's first line is too long.")
                break
            line = self._buffer[position:end].removesuffix(b"\r")
            position = end + 1
            self._step(line)
        self._buffer = self._buffer[position:]

    def _size_line(self, line: bytes) -> None:
        match = _SIZE_LINE.fullmatch(line)
        if match is None:
            raise S3Error("InvalidRequest", "A chunk's first line is malformed.")
        size, signature = int(match[1], 16), match[2]
        if (signature is None) != (self._signatures is None):
            raise S3Error("InvalidRequest", "A chunk has no signature, or one it should not have.")
        if size and self._saw_short_chunk:
            raise S3Error(
                "InvalidChunkSizeError",
                f"Only the last chunk may have less than {MIN_CHUNK} bytes.",
            )
        self._saw_short_chunk = size < MIN_CHUNK
        self._signature = signature.decode() if signature else ""
        self._hash = hashlib.sha256()
        self._remaining = size
        if size:
            self._step = self._end_of_chunk
        else:
            self._check_signature()
            self._step = self._trailer_line

    def _end_of_chunk(self, line: bytes) -> None:
        if line:
            raise S3Error("InvalidRequest", "A chunk is longer than its size says.")
        self._check_signature()
        self._step = self._size_line

    def _check_signature(self) -> None:
        if self._signatures is not None:
            self._signatures.check_chunk(self._hash.hexdigest(), self._signature)

    def _trailer_line(self, line: bytes) -> None:
        if not line:
            self._end_of_body()
            return
        name, colon, value = line.partition(b":")
        self._trailer_bytes += len(line) + len(b"\r\n")  # an empty name has a size as well
        if not self._trailer or not colon or self._trailer_bytes > _MAX_TRAILER:
            raise S3Error("MalformedTrailerError", "The trailer is malformed.")
        self.trailers.append(
            (name.decode("latin-1").strip().lower(), value.decode("latin-1").strip())
        )

    def _end_of_body(self) -> None:
        names = [name for name, _ in self.trailers]
        if len(names) != len(set(names)):
            raise S3Error("MalformedTrailerError", "A trailer stands there twice.")
        if self._signatures is not None and self._trailer:
            self._check_trailer()
        self.complete = True

    def _check_trailer(self) -> None:
        assert self._signatures is not None  # noqa: S101 - for the type checker; the caller looked
        signature = dict(self.trailers).pop("x-amz-trailer-signature", "")
        self.trailers = [pair for pair in self.trailers if pair[0] != "x-amz-trailer-signature"]
        text = "".join(f"{name}:{value}\n" for name, value in self.trailers)
        self._signatures.check_trailer(
            hashlib.sha256(text.encode("latin-1")).hexdigest(), signature
        )
