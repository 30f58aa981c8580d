"""A job's log: whole, live as a stream of events, or just where it stands."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from tui.api import jobs, paths
from tui.engine.engine import Engine
from tui.engine.http_api.caller import folder_filter
from tui.engine.http_api.operation import Call, Operations
from tui.replicate.known_secrets import KNOWN
from tui.store.records import JobRecord

_HEARTBEAT: Final = 15.0
_PIECE: Final = 256 * 1024
_TAIL: Final = 4096
_MOST_DIGITS: Final = 19
_STREAM_HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # asks nginx not to hold lines back
}


class LogRoutes:
    """The group's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add_to(self, operations: Operations) -> None:
        """Add the group's operations."""
        operations.add(paths.JOB_LOG, self._whole)
        operations.add_stream(paths.JOB_LOG_STREAM, self._stream)
        operations.add(paths.JOB_PROGRESS, self._progress)

    def _job(self, call: Call[Any, Any]) -> JobRecord:
        return self._engine.jobs.find(call.part("job_id"))

    async def _whole(self, call: Call[None, None]) -> jobs.JobLogText:
        job = self._job(call)
        text = await asyncio.to_thread(_text, self._engine.home.log_file(job.job_id))
        return {"job_id": job.job_id, "logs": text}

    async def _progress(self, call: Call[None, None]) -> jobs.InlineProgress:
        job = self._job(call)
        last = await asyncio.to_thread(_last_line, self._engine.home.log_file(job.job_id))
        return {
            "job_id": job.job_id,
            "stage": job.stage or None,
            "last_log": last or None,
            "progress": job.percent,
        }

    async def _stream(self, call: Call[None, jobs.LogStreamQuery]) -> web.StreamResponse:
        """Server-sent events.

        Each carries the log's offset after it as its id, so a client that comes back with
        `Last-Event-ID` goes on where it was cut off.
        """
        job = self._job(call)
        response = web.StreamResponse(headers=_STREAM_HEADERS)
        await response.prepare(call.request)
        hide = folder_filter(call.caller) or str
        lines = _Lines(self._engine.home.log_file(job.job_id), _offset(call), hide)
        with self._engine.bus.subscribe() as queue, contextlib.suppress(ConnectionResetError):
            while True:
                try:
                    job = self._engine.recorder.writer.job(job.job_id)
                except KeyError:  # deleted meanwhile
                    break
                while text := await asyncio.to_thread(lines.more, job.status.is_terminal):
                    await response.write(text)
                if job.status.is_terminal or self._engine.stopping.is_set():
                    break
                try:
                    async with asyncio.timeout(_HEARTBEAT):
                        kind, data = await queue.get()
                        while kind != "bye" and data.get("job_id") not in (None, job.job_id):
                            kind, data = await queue.get()
                except TimeoutError:
                    await response.write(b": still here\n\n")
                    continue
                if kind == "bye" or data.get("status") == "deleted":
                    break
            words = job.status.value
            await response.write(f"event: done\ndata: {words}\n\n".encode())
        return response


class _Lines:
    """The lines of a log that were not sent yet, as events.

    Args:
        path: of the log.
        offset: where it begins, in bytes.
        hide: removes what the caller must not see from text.
    """

    def __init__(self, path: Path, offset: int, hide: Callable[[str], str]) -> None:
        self._path = path
        self._hide = hide
        self._offset = offset

    def more(self, final: bool) -> bytes:
        """The next events; empty when there is no further complete line.

        Args:
            final: the log is complete, so a last line without an end counts as one.
        """
        try:
            with self._path.open("rb") as file:
                if file.seek(0, 2) < self._offset:  # rewritten shorter: from its beginning
                    self._offset = 0
                file.seek(self._offset)
                data = file.read(_PIECE)
        except FileNotFoundError:
            return b""
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        if not end and (final or len(data) == _PIECE):
            end = len(data)
        events = []
        start = self._offset
        for line in data[:end].splitlines(keepends=True):
            start += len(line)
            text = line.rstrip(b"\r\n").decode("utf-8", "replace")
            text = self._hide(KNOWN.redact_data(text))
            # Unicode has further line ends, which an event must not hold.
            parts = text.splitlines() or [""]
            events += [f"id: {start}\ndata: {part}\n\n" for part in parts]
        self._offset += end
        return "".join(events).encode()


def _offset(call: Call[None, jobs.LogStreamQuery]) -> int:
    text = call.request.headers.get("Last-Event-ID", "")
    if text.isascii() and text.isdigit() and len(text) < _MOST_DIGITS:
        return int(text)
    return call.query.get("offset", 0)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _last_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL))
            lines = file.read().decode("utf-8", "replace").replace("\r", "\n").split("\n")
    except FileNotFoundError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
