"""Two small forward proxies, HTTP and SOCKS5, that take every name for loopback."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Proxy:
    """What came by, as `host:port`.

    `password` makes it ask for one (`name:password`); `to` is where every name is taken to be,
    and `ports` which port is meant by another.
    """

    port: int = 0
    password: str = ""
    refuse: str = ""
    to: str = "127.0.0.1"
    ports: dict[int, int] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)

    async def http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b" ", 2)
        wanted = base64.b64encode(self.password.encode())
        if self.password and b"Basic " + wanted not in head:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        elif self.refuse:
            writer.write(f"HTTP/1.1 {self.refuse}\r\nContent-Length: 0\r\n\r\n".encode())
        elif method == b"CONNECT":
            self.seen.append(target.decode())
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            port = int(target.rpartition(b":")[2])
            await _join(self.to, self.ports.get(port, port), reader, writer)
        else:
            host = target.split(b"/")[2]
            self.seen.append(host.decode())
            await _join(self.to, int(host.rpartition(b":")[2]), reader, writer, first=head)
        writer.close()

    async def socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        methods = await reader.readexactly((await reader.readexactly(2))[1])
        assert methods
        writer.write(b"\x05\x00")
        assert (await reader.readexactly(4))[3] == 3, "a name, not an address"
        host = await reader.readexactly((await reader.readexactly(1))[0])
        port = int.from_bytes(await reader.readexactly(2))
        self.seen.append(f"{host.decode()}:{port}")
        writer.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
        await _join(self.to, port, reader, writer)
        writer.close()


async def _join(
    address: str,
    port: int,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    *,
    first: bytes = b"",
) -> None:
    up_reader, up_writer = await asyncio.open_connection(address, port)
    up_writer.write(first)

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            return
        finally:
            sink.close()

    await asyncio.gather(pump(reader, up_writer), pump(up_reader, writer))


@asynccontextmanager
async def proxying(
    kind: str = "http", *, password: str = "", refuse: str = ""
) -> AsyncIterator[Proxy]:
    """Run a proxy of a kind (`http` or `socks`)."""
    proxy = Proxy(password=password, refuse=refuse)
    lines: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        lines.add(task)
        with suppress(asyncio.CancelledError):
            await getattr(proxy, kind)(reader, writer)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    proxy.port = listener.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        listener.close()
        for line in lines:
            line.cancel()
        await asyncio.gather(*lines, return_exceptions=True)
