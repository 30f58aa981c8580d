"""The worker that runs predictions in Cog servers, and the receiver of their webhooks."""

from __future__ import annotations

import asyncio
import hmac
import importlib.util
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tui.base.json_types import JsonObject
from tui.sandbox.cog_worker.process import REWRITE_MARK, CogError, CogServer
from tui.sandbox.config import SandboxConfig
from tui.sandbox.worker import Outcome, Sink, Task

MISSING = (
    "The Cog worker needs the packages of the extra `cog` (Linux with glibc, or Apple silicon): "
    "pip install 'simpletuner-tui[cog]'"
)
_BODY_LIMIT = 256 * 1024 * 1024
_AFTER_CANCEL_SECONDS = 5.0
_FINAL_MESSAGE_SECONDS = 5.0
_BETWEEN_RUNS_SECONDS = 3.0
_QUIET_SECONDS = 0.5
"""Silence after which the state of a run is polled."""


class CogMissingError(Exception):
    """The optional packages are not installed."""


@dataclass(slots=True)
class _Run:
    """The state of a prediction in a Cog server."""

    task: Task
    sink: Sink
    sent: int = 0
    """Characters of the log that were passed to the sink."""
    over: bool = False
    cancel: asyncio.Event = field(default_factory=asyncio.Event)
    final_message: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by the terminal webhook; after a cancel or a crash only that one has the whole log."""

    def take(self, message: dict[str, Any]) -> None:
        """Pass new log and output of a webhook to the sink; after the end they are dropped."""
        if self.over:
            return
        logs = message.get("logs") or ""
        if len(logs) > self.sent:
            self.sink.log(logs[self.sent :])
            self.sent = len(logs)
        mark = self.task.folder / REWRITE_MARK
        if mark.exists():
            mark.unlink()
            self.sink.rewrite_log()
        # While a program with a single output runs, Cog sends it as a list, so only the output of
        # the program with several is passed on.
        if self.task.version.program == "hello" and message.get("output"):
            self.sink.output(message["output"])
        if message.get("status") in {"succeeded", "failed", "canceled"}:
            self.final_message.set()


class CogWorker:
    """Runs each task in a Cog server with one slot; servers are started as needed.

    A free server runs the next task of its program. A server that crashed, hangs or does not answer
    is killed; another one is started for the next task.
    """

    def __init__(self, config: SandboxConfig, folder: Path) -> None:
        """Take the sandbox's options, and a folder for the servers' logs."""
        self._config = config
        self._folder = folder
        self._token = secrets.token_urlsafe(24)
        self._runs: dict[str, _Run] = {}
        self._free: list[CogServer] = []
        self._all: set[CogServer] = set()
        self._session: aiohttp.ClientSession | None = None
        self._receiver: web.AppRunner | None = None
        self._hook = ""

    async def start(self) -> None:
        """Start the receiver of Cog's webhooks.

        Raises:
            CogMissingError: `cog` or `coglet` is not installed.
        """
        if any(importlib.util.find_spec(name) is None for name in ("cog", "coglet")):
            raise CogMissingError(MISSING)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, connect=5))
        app = web.Application(client_max_size=_BODY_LIMIT)
        app.router.add_post("/{id}", self._receive)
        self._receiver = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._receiver.setup()
        await web.TCPSite(self._receiver, "127.0.0.1", 0).start()
        self._hook = f"http://127.0.0.1:{self._receiver.addresses[0][1]}"

    async def _receive(self, request: web.Request) -> web.Response:
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
            return web.Response(status=401)
        run = self._runs.get(request.match_info["id"])
        if run is not None:
            run.take(await request.json())
        return web.Response()

    async def run(self, task: Task, sink: Sink) -> Outcome:
        """Run one task in a Cog server."""
        run = self._runs[task.id] = _Run(task, sink)
        try:
            server = await self._server_for(run)
        except CogError as error:
            del self._runs[task.id]
            return Outcome("failed", error=str(error))
        free = False
        try:
            outcome, free = await self._predict(server, run)
            return outcome
        finally:
            del self._runs[task.id]
            if free:
                self._free.append(server)
            else:
                # Only killed here; the worker's `aclose` waits for its exit.
                server.kill()

    async def _server_for(self, run: _Run) -> CogServer:
        program = run.task.version.program
        for server in [item for item in self._free if item.program == program]:
            self._free.remove(server)
            try:
                await server.ready(_BETWEEN_RUNS_SECONDS)
            except CogError:
                await self._end(server)
            else:
                return server
        if self._session is None:
            raise CogError("The Cog worker was not started.")
        server = await CogServer.start(
            program,
            self._config,
            self._folder,
            session=self._session,
            webhook_token=self._token,
        )
        self._all.add(server)
        return server

    async def _predict(self, server: CogServer, run: _Run) -> tuple[Outcome, bool]:
        """The outcome, and whether the server can be used again."""
        task = run.task
        if run.cancel.is_set():
            return Outcome("canceled"), True
        context: JsonObject = {
            "id": task.id,
            "version": task.version.id,
            "folder": str(task.folder),
            "inputs": list(task.inputs),
            "faults": [fault.to_json() for fault in task.faults.values()],
        }
        call = asyncio.create_task(
            server.predict(task.id, dict(task.inputs), context, f"{self._hook}/{task.id}")
        )
        stop = asyncio.create_task(run.cancel.wait())
        try:
            while not (call.done() or stop.done()):
                sent_before = run.sent
                await asyncio.wait(
                    {call, stop}, timeout=_QUIET_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                if not (call.done() or stop.done()) and run.sent == sent_before:
                    run.take(await server.look(task.id))
            if not call.done():
                await server.cancel(task.id)
                await asyncio.wait({call}, timeout=_AFTER_CANCEL_SECONDS)
                return Outcome("canceled"), call.done()
            return await self._outcome(run, call.result())
        except CogError as error:
            return Outcome("failed", error=str(error)), False
        finally:
            run.over = True
            for part in (call, stop):
                part.cancel()

    async def _outcome(self, run: _Run, answer: dict[str, Any]) -> tuple[Outcome, bool]:
        status = answer.get("status")
        if status == "succeeded":
            run.take({"logs": answer.get("logs")})
            return Outcome("succeeded", output=answer.get("output")), True
        try:
            async with asyncio.timeout(_FINAL_MESSAGE_SECONDS):
                await run.final_message.wait()
        except TimeoutError:
            run.take({"logs": answer.get("logs")})
        if status == "canceled":
            return Outcome("canceled"), True
        return Outcome("failed", error=str(answer.get("error") or "Prediction failed")), True

    def cancel(self, task_id: str) -> None:
        """Tell a task to stop."""
        if run := self._runs.get(task_id):
            run.cancel.set()

    async def _end(self, server: CogServer) -> None:
        self._all.discard(server)
        await server.aclose()

    async def aclose(self) -> None:
        """Stop all servers and the receiver."""
        self._free.clear()
        for server in list(self._all):
            await self._end(server)
        if self._receiver is not None:
            await self._receiver.cleanup()
        if self._session is not None:
            await self._session.close()
