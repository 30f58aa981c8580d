"""A TCP proxy to a server on loopback that counts bytes, and that can be cut and restored."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass
class Wire:
    """Forwards connections to a port on loopback; while `down`, it aborts every connection.

    Attributes:
        upstream: the server's port.
        port: the proxy's port.
        sent: bytes sent to the server.
        received: bytes received from the server.
        cut_after: abort all connections once `received` reaches this; works once.
        down: whether connections are aborted.
    """

    upstream: int
    port: int = 0
    sent: int = 0
    received: int = 0
    cut_after: int | None = None
    down: bool = False
    _ends: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Abort all connections, and new ones until `restore`."""
        self.down = True
        self._break()

    def _break(self) -> None:
        for end in list(self._ends):
            end.transport.abort()

    def _is_due(self, count: int) -> bool:
        self.received += count
        if self.cut_after is None or self.received < self.cut_after:
            return False
        self.cut_after = None
        return True

    def restore(self) -> None:
        self.down = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.down:
            writer.transport.abort()
            return
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.upstream)
        ends = {writer, up_writer}
        self._ends |= ends
        try:
            pumps = (self._pump(reader, up_writer, True), self._pump(up_reader, writer, False))
            await asyncio.gather(*pumps)
        finally:
            self._ends -= ends
            for end in ends:
                end.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, counted: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if counted:
                    self.sent += len(data)
                elif self._is_due(len(data)):
                    self._break()
                    return
                writer.write(data)
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def wire_to(upstream: int) -> AsyncIterator[Wire]:
    wire = Wire(upstream)
    server = await asyncio.start_server(wire.serve, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
        wire.cut()
        await server.wait_closed()
