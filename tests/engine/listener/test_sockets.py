"""What came in at an address that is closed ends with it: kept connections, and late uploads."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from aiohttp import web

from tests.support import free_port
from tui.engine.listener.sockets import Sockets
from tui.listener.connections import ConnectionLimits


class Uploads:
    """Takes uploads, and says when one has begun."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/", self._get)
        app.router.add_put("/", self._put)

    async def _get(self, _request: web.Request) -> web.Response:
        return web.Response(text="here")

    async def _put(self, request: web.Request) -> web.Response:
        first = await request.content.readany()
        self.begun.set()
        return web.Response(text=str(len(first + await request.read())))


@pytest.fixture
async def uploads() -> Uploads:
    return Uploads()


@pytest.fixture
async def sockets(uploads: Uploads) -> AsyncIterator[Sockets]:
    opened = Sockets()
    await opened.start([uploads])
    await opened.open("127.0.0.1", 0, None)
    yield opened
    await opened.aclose()


async def move(sockets: Sockets) -> None:
    await sockets.open("127.0.0.1", free_port(), None)


async def stop(sockets: Sockets) -> None:
    await sockets.close()


@pytest.mark.parametrize("leave", [move, stop])
async def test_kept_connections_end_and_a_running_upload_finishes(
    sockets: Sockets, uploads: Uploads, leave: Callable[[Sockets], Awaitable[None]]
) -> None:
    base = f"http://{sockets.address}"
    rest = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"x" * 1000
        await rest.wait()
        yield b"x" * 1000

    async with httpx.AsyncClient() as keeping, httpx.AsyncClient() as sending:
        assert (await keeping.get(base)).text == "here"
        upload = asyncio.create_task(sending.put(base, content=body()))
        await uploads.begun.wait()
        reader, writer = await asyncio.open_connection("127.0.0.1", sockets.port)
        await leave(sockets)
        assert await reader.read() == b"", "one that has sent nothing yet ends as well"
        writer.close()
        with pytest.raises(httpx.ConnectError):
            await keeping.get(base)
        rest.set()
        assert (await upload).text == "2000"
        with pytest.raises(httpx.ConnectError):
            await sending.get(base)


async def test_an_upload_that_does_not_end_is_cut(
    sockets: Sockets, uploads: Uploads, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = sockets._runner
    assert runner is not None
    monkeypatch.setattr(runner._limited_server, "_limits", ConnectionLimits(retired_seconds=0.1))
    reader, writer = await asyncio.open_connection("127.0.0.1", sockets.port)
    writer.write(b"PUT / HTTP/1.1\r\nHost: here\r\nContent-Length: 1000\r\n\r\nx")
    await uploads.begun.wait()
    await move(sockets)
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()
