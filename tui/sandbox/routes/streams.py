"""Server-sent events of a prediction's output. The address is the secret; no token is asked."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from aiohttp import web

from tui.sandbox.http_tools import core_of
from tui.sandbox.problems import not_found
from tui.sandbox.record import Record

_DONE = {"canceled": {"reason": "canceled"}, "aborted": {"reason": "canceled"}}
_SILENCE_SECONDS = 30.0


class _Stream:
    def __init__(self, response: web.StreamResponse) -> None:
        self._response = response
        self._count = 0

    async def comment(self, text: str) -> None:
        await self._response.write(f": {text}\n\n".encode())

    async def event(self, name: str, data: str) -> None:
        mark = f"{int(time.time())}:{self._count}"
        self._count += 1
        lines = "".join(f"data: {line}\n" for line in data.split("\n"))
        await self._response.write(f"event: {name}\nid: {mark}\n{lines}\n".encode())


async def _stream(request: web.Request) -> web.StreamResponse:
    core = core_of(request)
    record = core.jobs.by_stream.get(request.match_info["key"])
    if record is None:
        raise not_found()
    headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    stream = _Stream(response)
    await stream.comment("hi")
    sent = 0
    while True:
        pieces = _pieces(record.output)
        for piece in pieces[sent:]:
            await stream.event("output", piece)
        sent = max(sent, len(pieces))
        if record.is_terminal:
            break
        try:
            async with asyncio.timeout(core.clock.real(_SILENCE_SECONDS)):
                await record.changed()
        except TimeoutError:
            await stream.comment("keep-alive")
    await _end(stream, record)
    await response.write_eof()
    return response


async def _end(stream: _Stream, record: Record) -> None:
    if record.status == "failed":
        await stream.event("error", json.dumps({"detail": record.error or ""}))
        await stream.event("done", json.dumps({"reason": "error"}))
    else:
        await stream.event("done", json.dumps(_DONE.get(record.status, {})))


def _pieces(output: Any) -> list[str]:
    if output is None:
        return []
    values = output if isinstance(output, list) else [output]
    return [value if isinstance(value, str) else json.dumps(value) for value in values]


def routes() -> list[web.RouteDef]:
    """The group's routes."""
    return [web.get("/streams/{key}", _stream)]
