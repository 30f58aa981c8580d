"""Reading a request's body at the client's pace, but not slower than the limits allow.

The event loop only gathers bytes; a worker thread decodes, hashes and writes the last block while
the next one is gathered. At most two blocks per body are in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from typing import Protocol

from aiohttp import ClientError, StreamReader, web

from tui.listener.storage.errors import S3Error

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
