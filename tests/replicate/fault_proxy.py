"""A TCP proxy that breaks the line after a chosen number of bytes, in a chosen direction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum


class Side(Enum):
    """Whose bytes are counted."""

    REQUEST = "request"
    RESPONSE = "response"


class End(Enum):
    """How the line ends: with a reset, or in good order but too early."""

    RESET = "reset"
    CLOSE = "close"


@dataclass
class Cut:
    """Let `after` bytes of one side pass, then break both connections."""

    side: Side
    after: int
    end: End = End.RESET


@dataclass
class FaultProxy:
    """Forwards to `upstream_port` on loopback.

    `arm` sets a cut for the bytes that come next, on whatever connection; it works once. The
    counters say how many bytes passed since, which tells a test how long a message is.
    """

    upstream_port: int
    port: int = 0
    passed: dict[Side, int] = field(default_factory=lambda: dict.fromkeys(Side, 0))
    _cut: Cut | None = None
    _lines: dict[asyncio.Task[None], tuple[asyncio.StreamWriter, ...]] = field(default_factory=dict)

    @property
    def fired(self) -> bool:
        """Whether the armed cut has happened."""
        return self._cut is None

    def arm(self, cut: Cut | None) -> None:
        self._cut = cut
        self.passed = dict.fromkeys(Side, 0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.upstream_port)
        self._lines[task] = ends = (writer, up_writer)
        pumps = [
            asyncio.create_task(self._pump(Side.REQUEST, reader, up_writer, ends)),
            asyncio.create_task(self._pump(Side.RESPONSE, up_reader, writer, ends)),
        ]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        for end in ends:
            end.close()
        del self._lines[task]

    async def _pump(
        self,
        side: Side,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        ends: tuple[asyncio.StreamWriter, ...],
    ) -> None:
        while data := await reader.read(65536):
            cut = self._cut
            if cut is None or cut.side is not side:
                self.passed[side] += len(data)
                writer.write(data)
                await writer.drain()
                continue
            room = cut.after - self.passed[side]
            last = len(data) >= room
            piece = data[:room] if last else data
            self.passed[side] += len(piece)
            if piece:
                writer.write(piece)
                await writer.drain()
            if last:
                self._cut = None
                await self._break(ends, cut.end)
                return

    async def _break(self, ends: tuple[asyncio.StreamWriter, ...], end: End) -> None:
        for writer in ends:
            if end is End.RESET:
                writer.transport.abort()
            else:
                writer.close()

    async def aclose(self) -> None:
        """Break every line that is still up."""
        lines = dict(self._lines)
        for ends in lines.values():
            for end in ends:
                end.transport.abort()
        await asyncio.gather(*lines)


@asynccontextmanager
async def fault_proxy(upstream_port: int) -> AsyncIterator[FaultProxy]:
    """Run a proxy on loopback."""
    proxy = FaultProxy(upstream_port)
    listener = await asyncio.start_server(proxy._serve, "127.0.0.1", 0)
    proxy.port = listener.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        listener.close()
        await proxy.aclose()
        await listener.wait_closed()
