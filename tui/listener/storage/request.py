"""A verified request: its context, and how its body is read, with time limits, into a sink."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from aiohttp import ClientError, StreamReader, web

from tui.listener.storage.claims import SignedRequest
from tui.listener.storage.errors import S3Error
from tui.listener.storage.grants import ReceivedObject, StorageGrant, StorageLimits
from tui.listener.storage.intake import Intake, plan_body
from tui.listener.storage.quota import Guard, JobStorage
from tui.listener.storage.sigv4 import Verified

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RequestContext:
    """Objects that all requests share."""

    limits: StorageLimits
    guard: Guard
    executor: Executor
    on_object: Callable[[ReceivedObject], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class StorageRequest:
    """A request whose signature is verified.

    Attributes:
        http: aiohttp's request.
        signed: the request as it was signed.
        payload: the signed value of `x-amz-content-sha256`.
        verified: the verified signature.
        grant: the permissions of its key.
        storage: the files of the job.
        context: objects that all requests share.
        query: the query's parameters.
        key: the object's key; empty for the bucket itself.
        address: of the client, behind trusted proxies; "" when unknown.
    """

    http: web.Request
    signed: SignedRequest
    payload: str
    verified: Verified
    grant: StorageGrant
    storage: JobStorage
    context: RequestContext
    query: Mapping[str, str]
    key: str
    address: str = ""

    @property
    def now(self) -> datetime:
        """The current time by the receiver's clock."""
        return self.context.limits.now()

    async def work(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a blocking function in a worker thread; it is not cancelled with the request."""
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self.context.executor, lambda: function(*arguments))
        return await asyncio.shield(future)

    async def receive(
        self,
        intake: Intake,
        *,
        grow: Callable[[int], None],
        gate: WriteGate | None = None,
    ) -> None:
        """Read the body into `intake`, after `100 Continue` if the client waits for it."""
        limits = self.context.limits
        await send_continue(self.http)
        source = blocks(
            self.http.content,
            idle=limits.idle_seconds,
            grace=limits.grace_seconds,
            min_rate=limits.min_bytes_per_second,
        )
        await pour(source, intake, self.context.executor, gate=gate, grow=grow)

    async def read_small(self, most: int, *, checksums: bool) -> bytes:
        """Return the whole body of a request that carries an XML document.

        Raises:
            S3Error: it is larger than `most` bytes or contradicts its headers, or the job sends too
                many at the same time.
        """
        plan = plan_body(self.signed, self.payload, checksums=checksums)
        if plan.size is not None and plan.size > most:
            raise S3Error("MaxMessageLengthExceeded", "Your request was too big.")
        if self.storage.documents >= self.context.limits.max_documents_per_job:
            raise S3Error("SlowDown", "Too many requests at the same time. Try again in a moment.")
        self.storage.documents += 1
        try:
            buffer = bytearray()
            intake = Intake(
                lambda data, _: buffer.extend(data), plan, self.verified, most, whole=False
            )
            await self.receive(intake, grow=lambda _: None)
            await self.work(intake.finish)
        finally:
            self.storage.documents -= 1
        return bytes(buffer)


def xml_response(body: bytes, status: int = 200) -> web.Response:
    """Return an answer with an XML document."""
    return web.Response(body=body, status=status, content_type="application/xml")


BLOCK = 512 * 1024


class Sink(Protocol):
    """Receives the blocks of a body, in a worker thread, one at a time."""

    def feed(self, data: bytes, /) -> None:
        """Process the next block."""


class WriteGate(Protocol):
    """Counts writes in progress, so that a file is not moved during one."""

    def begin_write(self) -> None:
        """Register a write; raises S3Error when writes are refused."""

    def end_write(self) -> None:
        """Unregister a write."""


async def send_continue(request: web.Request) -> None:
    """Send `100 Continue` to a client that waits for it (`Expect: 100-continue`)."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.version >= (1, 1):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # aiohttp takes written bytes for the start of an answer; this is not one.
        request.writer.output_size = 0


async def blocks(
    content: StreamReader, *, idle: float, grace: float, min_rate: float
) -> AsyncIterator[bytes]:
    """Yield the body in blocks of about BLOCK bytes.

    Raises:
        S3Error: the client is silent or too slow, or the connection broke.
    """
    started = time.monotonic()
    total = 0
    gathered: list[bytes] = []
    size = 0
    while True:
        try:
            async with asyncio.timeout(idle):
                piece = await content.readany()
        except TimeoutError:
            raise S3Error("RequestTimeout", f"No byte of the body came for {idle:g} s.") from None
        except (
            ClientError,
            web.RequestPayloadError,
            ConnectionError,
            EOFError,
            RuntimeError,  # aiohttp's for a connection that is closed before it is read from
        ) as problem:
            raise S3Error("IncompleteBody", "The connection broke inside the body.") from problem
        if piece:
            gathered.append(piece)
            size += len(piece)
            total += len(piece)
            elapsed = time.monotonic() - started
            if elapsed > grace and total < elapsed * min_rate:
                raise S3Error("RequestTimeout", "The body comes too slowly.")
        if size >= BLOCK or (not piece and gathered):
            yield gathered[0] if len(gathered) == 1 else b"".join(gathered)
            gathered, size = [], 0
        if not piece:
            return


async def pour(
    source: AsyncIterator[bytes],
    sink: Sink,
    executor: Executor,
    *,
    gate: WriteGate | None = None,
    grow: Callable[[int], None],
) -> None:
    """Feed every block to the sink, one write at a time, and read the next block meanwhile.

    Args:
        source: the blocks.
        sink: receives the blocks.
        executor: runs the sink.
        gate: counts the writes.
        grow: is called with the bytes so far, before they are written; may raise S3Error.
    """
    loop = asyncio.get_running_loop()
    running: asyncio.Future[None] | None = None
    total = 0

    def ended(_: object) -> None:
        if gate is not None:
            gate.end_write()

    try:
        async for block in source:
            if running is not None:
                await asyncio.wait({running})
                running.result()
            total += len(block)
            grow(total)
            if gate is not None:
                gate.begin_write()
            running = loop.run_in_executor(executor, sink.feed, block)
            running.add_done_callback(ended)
        if running is not None:
            await asyncio.wait({running})
            running.result()
    finally:
        # The file is closed after this returns: a write must not be left running in its thread,
        # not even when the request is cancelled.
        while running is not None and not running.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait({running})
