"""`simpletuner-tui serve`: the engine in the foreground, with its events as lines of output."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from tui.base.clock import utc_now
from tui.base.errors import RefusedError
from tui.base.json_types import JsonObject
from tui.client.client import ControlClient, ControlError
from tui.client.engine_process import session_of
from tui.engine.engine import Engine
from tui.engine.http_api.app import public_api
from tui.engine.process.engine_log import set_up_log
from tui.engine.process.main import prepare_loop
from tui.engine.process.service_manager import ServiceManager
from tui.engine.process.socket_server import serve_control, shut_down
from tui.settings import PRIVATE_UMASK, Home, load_settings
from tui.settings.reading import base_of
from tui.store.reader import StoreReader
from tui.store.writer import StoreBusyError

_HANDOVER_SECONDS: Final = 20.0
_RETRY_SECONDS: Final = 0.1

EmitEvent = Callable[[JsonObject], None]


def serve(
    home: Home,
    environ: Mapping[str, str],
    overrides: Mapping[str, Mapping[str, Any]],
    emit: EmitEvent,
) -> None:
    """Run engine and listener until SIGINT or SIGTERM.

    Args:
        home: the state directory of the engine.
        environ: the environment variables, with tokens and the API base.
        overrides: settings by section, in force for this run only.
        emit: receives each event as `{event, at, …}`; the first one is `ready`.

    Raises:
        RefusedError: another `serve` runs, or the listener cannot bind its address.
        StoreError: the store cannot be used.
        SettingsError: the settings cannot be used.
    """
    os.umask(PRIVATE_UMASK)
    home.create()
    set_up_log(home.engine_log)
    asyncio.run(_serve(home, environ, overrides, emit))


async def _serve(
    home: Home,
    environ: Mapping[str, str],
    overrides: Mapping[str, Mapping[str, Any]],
    emit: EmitEvent,
) -> None:
    manager = ServiceManager(environ)
    engine = await _create_engine(home, environ, overrides)
    prepare_loop(engine)
    runner = alive = None
    try:
        lines = EventLines(engine.reader, emit)
        with engine.bus.subscribe() as queue:
            await engine.start([public_api(engine)])
            if problem := engine.listening.problem:
                raise RefusedError(
                    f"The listener cannot start: {problem}.",
                    "Choose another address with --listen HOST:PORT, or free this one.",
                    code="listener",
                )
            engine.set_session(engine.api_base, dict(session_of(environ)))
            runner = await serve_control(engine, home.socket)
            emit(_ready_event(engine))
            manager.tell("READY=1")
            alive = asyncio.create_task(manager.keep_alive())
            await _emit_until_stopped(engine, queue, lines)
    finally:
        manager.tell("STOPPING=1")
        if alive is not None:
            alive.cancel()
        with contextlib.suppress(OSError):
            if runner is not None:
                home.socket.unlink()
        if runner is not None:
            await shut_down(engine, runner)
        else:
            await engine.aclose()
    emit({"event": "stopped"})


async def _create_engine(
    home: Home, environ: Mapping[str, str], overrides: Mapping[str, Mapping[str, Any]]
) -> Engine:
    """Create the engine, after asking a running agent to stop and release the store."""
    settings = load_settings(home, {})
    base = base_of(environ)
    deadline = time.monotonic() + _HANDOVER_SECONDS
    while True:
        try:
            return Engine(home, settings, api_base=base, given=overrides, mode="serve")
        except StoreBusyError:
            if time.monotonic() > deadline:
                raise
            await asyncio.to_thread(_ask_agent_to_stop, home)
            await asyncio.sleep(_RETRY_SECONDS)


def _ask_agent_to_stop(home: Home) -> None:
    client = ControlClient(home.socket)
    try:
        info = client.info(timeout=5.0).result()
        if info["mode"] == "agent":
            client.shut_down(timeout=5.0).result()
            return
    except ControlError:  # the other engine is just starting or just ending
        return
    raise RefusedError(
        f"This folder is being served already (process {info['pid']}).",
        "Stop that one first, or set SIMPLETUNER_TUI_HOME to another folder.",
        status=409,
        code="busy",
    )


async def _emit_until_stopped(
    engine: Engine, queue: asyncio.Queue[tuple[str, JsonObject]], lines: EventLines
) -> None:
    """Emit events until the engine is asked to stop."""
    stopping = asyncio.ensure_future(engine.stopping.wait())
    try:
        while not stopping.done():
            message = asyncio.ensure_future(queue.get())
            await asyncio.wait({message, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not message.done():
                message.cancel()
                break
            lines.handle(*message.result())
    finally:
        stopping.cancel()


def _ready_event(engine: Engine) -> JsonObject:
    state = engine.listening.state()
    return {
        "event": "ready",
        "pid": engine.info()["pid"],
        "listen": state["address"],
        "tls": state["tls"],
        "public_url": state["public_url"],
        "webhook_url": state["webhook_url"],
        "api_base": engine.api_base,
        "warning": state["warning"],
        "socket": str(engine.home.socket),
    }


class EventLines:
    """Turns messages of the event bus into events of the store; emits each event once."""

    def __init__(self, reader: StoreReader, emit: Callable[[JsonObject], None]) -> None:
        self._reader = reader
        self._emit = emit
        self._seen: dict[str, int] = {}
        self._begin = utc_now()
        self._rejected = 0

    def handle(self, kind: str, data: JsonObject) -> None:
        """Emit the new events behind a message; many messages have none."""
        if kind == "job":
            self._emit_history(str(data["job_id"]), str(data.get("status", "")))
        elif kind == "notice":
            self._emit({"event": "notice", "at": utc_now().isoformat(), **data})
        elif kind == "fact" and data.get("name") == "listener":
            self._emit_rejections()

    def _emit_history(self, job_id: str, status: str) -> None:
        if status == "deleted":
            self._emit({"event": "deleted", "at": utc_now().isoformat(), "job_id": job_id})
            return
        job = self._reader.job(job_id)
        for event in self._reader.events(job_id, self._seen.get(job_id, 0)):
            self._seen[job_id] = event.seq
            if event.at < self._begin:  # before this process started
                continue
            self._emit(
                {
                    "event": event.kind,
                    "at": event.at.isoformat(),
                    "job_id": job_id,
                    "name": job.name if job else "",
                    "status": job.status.value if job else status,
                    "source": event.source,
                    "message": event.message,
                }
            )

    def _emit_rejections(self) -> None:
        fact = self._reader.fact("listener")
        webhook_stats = fact.value.get("webhooks", {}) if fact else {}
        total, last = webhook_stats.get("rejected_total", 0), webhook_stats.get("last_rejection")
        if total > self._rejected and last:
            self._emit(
                {
                    "event": "rejected",
                    "at": last["at"],
                    "count": total - self._rejected,
                    "reason": last["reason"],
                    "address": last["address"],
                    "message": last["message"],
                }
            )
        self._rejected = total
