"""An HTTP server in front of an S3 server or Hub: forwards requests, or answers as providers do."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import aiohttp
from aiohttp import web
from yarl import URL

Kind = TypeVar("Kind", bound="Interceptor")
_SKIPPED = {"transfer-encoding", "connection", "content-length", "server", "date"}


@dataclass
class Answer:
    """The answer of the interceptor instead of the server's.

    Attributes:
        code: S3's error code; "" sends `body` as it is.
        methods: the methods that are answered like this.
        times: how many requests are answered like this.
    """

    status: int
    code: str = ""
    message: str = "said by the interceptor"
    headers: dict[str, str] = field(default_factory=dict)
    details: str = ""
    body: bytes = b""
    methods: str = "PUT POST GET HEAD DELETE"
    times: int = 1_000_000

    def document(self) -> bytes:
        """Return the body of the answer."""
        if not self.code:
            return self.body
        text = f"<Error><Code>{self.code}</Code><Message>{self.message}</Message>{self.details}"
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}</Error>'.encode()


@dataclass
class Interceptor:
    """The server in front.

    Attributes:
        answer: the answer to give instead of forwarding.
        swallow: whether bodies of PUT are lost although the client gets a success.
        damage: how many bodies of PUT get a wrong byte.
        lie: headers, in lower case, that are added to every answer to HEAD.
        added: headers, in lower case, that are added to every forwarded answer.
        seen: methods of the requests.
        before: is called with method and path of a request before it is answered.
        headers: headers of the requests, with their methods; names in lower case.
    """

    upstream: str
    port: int = 0
    answer: Answer | None = None
    swallow: bool = False
    damage: int = 0
    lie: dict[str, str] = field(default_factory=dict)
    added: dict[str, str] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    before: Callable[[str, str], Awaitable[None]] | None = None
    headers: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer, or ask the server."""
        body = await request.read()
        self.seen.append(request.method)
        given = {name.lower(): value for name, value in request.headers.items()}
        self.headers.append((request.method, given))
        if self.before is not None:
            await self.before(request.method, request.path)
        answer = self.answer
        if answer is not None and answer.times > 0 and request.method in answer.methods.split():
            answer.times -= 1
            document = b"" if request.method == "HEAD" else answer.document()
            page = "text/html" if document.lstrip().startswith(b"<") else "text/plain"
            kind = "application/xml" if answer.code else page
            return web.Response(
                status=answer.status, body=document, content_type=kind, headers=answer.headers
            )
        if self.swallow and request.method == "PUT":
            return web.Response(headers={"ETag": '"0123456789abcdef0123456789abcdef"'})
        if self.damage and body and request.method == "PUT":
            self.damage -= 1
            body = body[:-1] + bytes([body[-1] ^ 1])
        return await self._pass(request, body)

    async def _pass(self, request: web.Request, body: bytes) -> web.Response:
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(
                request.method, URL(self.upstream + request.raw_path, encoded=True),
                headers=request.headers, data=io.BytesIO(body), allow_redirects=False,
                skip_auto_headers=("User-Agent", "Accept", "Content-Type"),
            ) as answer,
        ):  # fmt: skip
            kept = {k.lower(): v for k, v in answer.headers.items() if k.lower() not in _SKIPPED}
            kept |= self.added
            if request.method == "HEAD":
                kept |= {"content-length": answer.headers.get("Content-Length", "0"), **self.lie}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)


@asynccontextmanager
async def intercepting(upstream: str) -> AsyncIterator[Interceptor]:
    """Stand before `upstream`, the address of a server without a path."""
    async with serve(Interceptor(upstream)) as interceptor:
        yield interceptor


@asynccontextmanager
async def serve(interceptor: Kind) -> AsyncIterator[Kind]:
    """Serve an interceptor at a free port."""
    app = web.Application(client_max_size=1 << 30)
    app.router.add_route("*", "/{rest:.*}", interceptor.handle)
    runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    interceptor.port = runner.addresses[0][1]
    try:
        yield interceptor
    finally:
        await runner.cleanup()
