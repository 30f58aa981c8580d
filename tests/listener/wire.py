"""Requests written byte by byte, signed by botocore, for what no client library would send."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.listener.conftest import ACCESS_KEY, SECRET, Storage
from tui.listener.storage import STORAGE_PATH

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


class _Auth(S3SigV4Auth):
    declared = "UNSIGNED-PAYLOAD"

    def payload(self, request: Any) -> str:
        return self.declared


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes
    continued: bool

    @property
    def code(self) -> str:
        _, _, rest = self.body.partition(b"<Code>")
        return rest.partition(b"</Code>")[0].decode()


@dataclass
class Signed:
    """A signed request head, and what is needed to sign chunks after it."""

    headers: dict[str, str]
    stamp: str
    scope: str
    seed: str


def sign(
    storage: Storage,
    method: str,
    path: str,
    *,
    headers: dict[str, str] | None = None,
    declared: str = "UNSIGNED-PAYLOAD",
    access_key: str = ACCESS_KEY,
    secret: str = SECRET,
    host: str = "",
) -> Signed:
    origin = f"http://{host}" if host else storage.origin
    request = AWSRequest(method=method, url=origin + STORAGE_PATH + path, headers=headers or {})
    auth = _Auth(Credentials(access_key, secret), "s3", "us-east-1")
    auth.declared = declared
    auth.add_auth(request)
    sent = dict(request.headers.items())
    stamp = sent["X-Amz-Date"]
    return Signed(
        {"Host": origin.partition("//")[2], **sent},
        stamp,
        f"{stamp[:8]}/us-east-1/s3/aws4_request",
        sent["Authorization"].rpartition("=")[2],
    )


async def exchange(
    storage: Storage,
    method: str,
    target: str,
    headers: dict[str, str],
    body: Iterable[bytes] = (),
    *,
    wait_for_continue: bool = False,
    finish: bool = True,
) -> Answer:
    """Send one request; `finish=False` hangs up after the body's pieces instead of reading."""
    reader, writer = await asyncio.open_connection("127.0.0.1", storage.port)
    continued = False
    try:
        head = f"{method} {target} HTTP/1.1\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(head.encode("utf-8", "surrogateescape") + b"\r\n")
        await writer.drain()
        if wait_for_continue:
            line = await reader.readline()
            if b" 100 " not in line:
                return await _read(reader, line, continued=False, bodyless=method == "HEAD")
            await reader.readline()
            continued = True
        for piece in body:
            writer.write(piece)
            await writer.drain()
        if not finish:
            writer.transport.abort()
            return Answer(0, {}, b"", continued)
        line = await reader.readline()
        return await _read(reader, line, continued=continued, bodyless=method == "HEAD")
    finally:
        writer.close()


async def _read(
    reader: asyncio.StreamReader, line: bytes, *, continued: bool, bodyless: bool
) -> Answer:
    headers: dict[str, str] = {}
    while (text := (await reader.readline()).decode().strip()) != "":
        name, _, value = text.partition(":")
        headers[name.lower()] = value.strip()
    body = b""
    if "content-length" in headers and not bodyless:
        body = await asyncio.wait_for(reader.readexactly(int(headers["content-length"])), 10)
    return Answer(int(line.split()[1]), headers, body, continued)


async def request(
    storage: Storage,
    method: str,
    path: str,
    body: bytes = b"",
    *,
    declared: str = "UNSIGNED-PAYLOAD",
    headers: dict[str, str] | None = None,
    **options: Any,
) -> Answer:
    """A signed request in one piece."""
    signed = sign(storage, method, path, headers=headers, declared=declared, **options)
    return await exchange(
        storage,
        method,
        STORAGE_PATH + path,
        signed.headers | {"Content-Length": str(len(body))},
        [body],
    )


def signing_key(signed: Signed, secret: str = SECRET) -> bytes:
    key = b"AWS4" + secret.encode()
    for part in signed.scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


async def begin(storage: Storage, key: str) -> str:
    """Create a multipart upload and return its id."""
    answer = await request(storage, "POST", f"/outputs/{key}?uploads")
    return answer.body.partition(b"<UploadId>")[2].partition(b"<")[0].decode()


def chunks(
    signed: Signed, data: bytes, size: int, *, trailer: dict[str, str] | None = None
) -> list[bytes]:
    """`data` in signed chunks as the S3 reference describes them; no code shared with ours."""
    key, previous, out = signing_key(signed), signed.seed, []
    for start in [*range(0, len(data), size), None]:
        piece = b"" if start is None else data[start : start + size]
        text = "\n".join(
            [
                "AWS4-HMAC-SHA256-PAYLOAD",
                signed.stamp,
                signed.scope,
                previous,
                hashlib.sha256(b"").hexdigest(),
                hashlib.sha256(piece).hexdigest(),
            ]
        )
        previous = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        out.append(f"{len(piece):x};chunk-signature={previous}\r\n".encode() + piece)
        out[-1] += b"\r\n" if piece else b""
    if trailer is not None:
        lines = "".join(f"{name}:{value}\n" for name, value in trailer.items())
        text = "\n".join(
            [
                "AWS4-HMAC-SHA256-TRAILER",
                signed.stamp,
                signed.scope,
                previous,
                hashlib.sha256(lines.encode()).hexdigest(),
            ]
        )
        last = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
        out.append(lines.replace("\n", "\r\n").encode())
        out.append(f"x-amz-trailer-signature:{last}\r\n".encode())
    out.append(b"\r\n")
    return out
