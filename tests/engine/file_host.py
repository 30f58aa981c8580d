"""A server of output files that supports ranges, counts its bytes, and simulates faults."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

TOKEN = "r8_" + "x" * 37
_PIECE = 64 * 1024


@dataclass
class FileHost:
    """The files and the faults of the server.

    Attributes:
        files: contents by name.
        sent: bytes of content sent, by name.
        requests_by_name: number of requests for content, by name.
        ranges: whether `Range` is respected.
        marks: whether ETags are sent.
        cut_after: abort the connection after so many more bytes; works once.
        hold_after: send only so many bytes in all until `open` is set.
        missing: names that are answered with 404.
        short: names whose last byte is not sent although `Content-Length` counts it.
        endless: names whose content is repeated without end and without a length.
        promise: those of `endless` whose first answer has a length.
        elsewhere: paths of all other requests.
        on_sent: called after each piece.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)
    requests_by_name: dict[str, int] = field(default_factory=dict)
    ranges: bool = True
    marks: bool = True
    cut_after: int | None = None
    hold_after: int | None = None
    missing: set[str] = field(default_factory=set)
    short: set[str] = field(default_factory=set)
    endless: set[str] = field(default_factory=set)
    promise: set[str] = field(default_factory=set)
    elsewhere: list[str] = field(default_factory=list)
    on_sent: Callable[[], None] = lambda: None
    open: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    @property
    def base(self) -> str:
        """The API base that the files belong to."""
        return f"http://127.0.0.1:{self.port}/v1"

    def url(self, name: str, folder: str = "f") -> str:
        return f"{self.base}/files/{folder}/{name}"

    @property
    def total_sent(self) -> int:
        return sum(self.sent.values())

    async def answer(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.Response(status=401)
        if name not in self.files or name in self.missing:
            return web.json_response({"detail": "Not found."}, status=404)
        data = self.files[name]
        self.requests_by_name[name] = self.requests_by_name.get(name, 0) + 1
        etag = f'"{hashlib.md5(data).hexdigest()}"'
        headers = {"ETag": etag} if self.marks else {}
        start, stop, status = 0, len(data), 200
        fresh = request.headers.get("If-Range", etag) == etag
        if self.ranges and fresh and "Range" in request.headers:
            if not data:
                return web.Response(status=416, headers={"Content-Range": "bytes */0"})
            requests_by_name = request.http_range
            start, stop, _ = requests_by_name.indices(len(data))
            status = 206
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
        response = web.StreamResponse(status=status, headers=headers)
        if name in self.endless and not (name in self.promise and self.requests_by_name[name] == 1):
            response.enable_chunked_encoding()
            await response.prepare(request)
            while name in self.endless:
                await self._send(request, response, name, data[:_PIECE])
            return response
        response.content_length = stop - start
        await response.prepare(request)
        if name in self.short:
            stop -= 1
        for at in range(start, stop, _PIECE):
            await self._send(request, response, name, data[at : min(at + _PIECE, stop)])
        if name in self.short and request.transport is not None:
            request.transport.close()
        return response

    async def _send(
        self, request: web.Request, response: web.StreamResponse, name: str, piece: bytes
    ) -> None:
        if self.cut_after is not None:
            self.cut_after -= len(piece)
            if self.cut_after <= 0:
                self.cut_after = None
                assert request.transport is not None
                request.transport.abort()
                raise ConnectionResetError
        if self.hold_after is not None and self.total_sent >= self.hold_after:
            await self.open.wait()
        self.sent[name] = self.sent.get(name, 0) + len(piece)
        await response.write(piece)
        self.on_sent()


@asynccontextmanager
async def serve_files(**files: bytes) -> AsyncIterator[FileHost]:
    file_host = FileHost({name.replace("_", "."): data for name, data in files.items()})

    async def account(_request: web.Request) -> web.Response:
        return web.json_response({"type": "user", "username": "host", "name": "Host"})

    async def other(request: web.Request) -> web.Response:
        file_host.elsewhere.append(request.raw_path)
        return web.json_response({"key": "whsec_c2VjcmV0"})

    app = web.Application()
    app.router.add_get("/v1/account", account)
    app.router.add_get("/v1/files/{folder}/{name}", file_host.answer)
    app.router.add_get("/{tail:.*}", other)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    file_host.port = runner.addresses[0][1]
    try:
        yield file_host
    finally:
        file_host.open.set()
        await runner.cleanup()
