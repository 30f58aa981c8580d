"""One verified request, and the tools that its handler needs."""

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
from tui.listener.storage.quota import Guard, JobQuota
from tui.listener.storage.sigv4 import Verified

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What all requests share."""

    limits: StorageLimits
    guard: Guard
    executor: Executor
    on_object: Callable[[ReceivedObject], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class StorageRequest:
    """One request whose signature holds.

    Attributes:
        web: aiohttp's request.
        signed: the request as it was signed.
        payload: what the signature says about the body.
        verified: the signature.
        grant: what the key allows.
        space: the job's folder.
        desk: what all requests share.
        query: the query's parameters.
        key: the object's key; empty for the bucket itself.
    """

    web: web.Request
    signed: SignedRequest
    payload: str
    verified: Verified
    grant: StorageGrant
    space: JobQuota
    desk: RequestContext
    query: Mapping[str, str]
    key: str

    @property
    def now(self) -> datetime:
        """The present moment by the receiver's clock."""
        return self.desk.limits.now()

    async def work(self, function: Callable[..., T], *arguments: object) -> T:
        """Run something that blocks in a worker thread, to its end even if the request is not."""
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self.desk.executor, lambda: function(*arguments))
        return await asyncio.shield(future)

    async def receive(
        self,
        intake: Intake,
        *,
        grow: Callable[[int], None],
        gate: WriteGate | None = None,
    ) -> None:
        """Read the body into `intake`, having asked for it if the client waits to be asked."""
        limits = self.desk.limits
        await say_continue(self.web)
        source = blocks(
            self.web.content,
            idle=limits.idle_seconds,
            grace=limits.grace_seconds,
            min_rate=limits.min_bytes_per_second,
        )
        await pour(source, intake, self.desk.executor, gate=gate, grow=grow)

    async def read_small(self, most: int, *, checksums: bool) -> bytes:
        """The whole body of a request that carries a document.

        Raises:
            S3Error: it is larger than `most` bytes or is not what was promised.
        """
        plan = plan_body(self.signed, self.payload, checksums=checksums)
        if plan.size is not None and plan.size > most:
            raise S3Error("MaxMessageLengthExceeded", "Your request was too big.")
        buffer = bytearray()
        intake = Intake(lambda data, _: buffer.extend(data), plan, self.verified, most, whole=False)
        await self.receive(intake, grow=lambda _: None)
        await self.work(intake.finish)
        return bytes(buffer)


def xml_response(body: bytes, status: int = 200) -> web.Response:
    """An answer with an XML document."""
    return web.Response(body=body, status=status, content_type="application/xml")


BLOCK = 512 * 1024


class Sink(Protocol):
    """Takes a body's blocks, in a worker thread, one at a time."""

    def feed(self, data: bytes, /) -> None:
        """Take the next block."""


class WriteGate(Protocol):
    """Is told about every write, so that nothing is moved away under one."""

    def begin_write(self) -> None:
        """A write begins; may refuse."""

    def end_write(self) -> None:
        """It has ended."""


async def say_continue(request: web.Request) -> None:
    """Ask a client that waits (`Expect: 100-continue`) for its body."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.version >= (1, 1):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # aiohttp counts what is written to find out whether an answer has begun; this is none.
        request.writer.output_size = 0


async def blocks(
    content: StreamReader, *, idle: float, grace: float, min_rate: float
) -> AsyncIterator[bytes]:
    """The body in blocks of about BLOCK bytes.

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
        except (ClientError, web.RequestPayloadError, ConnectionError, EOFError) as problem:
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
    """Feed every block to the sink, one write at a time, gathering the next block meanwhile.

    Args:
        source: the blocks.
        sink: takes them.
        executor: runs the sink.
        gate: is told about each write.
        grow: is told the bytes taken so far, before they are written; may refuse.
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
