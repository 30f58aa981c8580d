"""The engine in the foreground: it stays until it is told to end, and says what happens."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from tui.base.clock import utc_now
from tui.base.errors import RefusedError
from tui.client.agent import session_of
from tui.client.client import ControlClient, ControlError
from tui.engine.engine import Engine
from tui.engine.http_api.app import public_api
from tui.engine.process.main import prepare_loop
from tui.engine.process.socket_server import serve_control, shut_down
from tui.settings import API_BASE_VARIABLE, Home, load_settings
from tui.store.reader import StoreReader
from tui.store.writer import StoreBusyError

_TAKE_OVER: Final = 20.0
_AGAIN: Final = 0.1

Say = Callable[[dict[str, Any]], None]


def serve(
    home: Home, environ: Mapping[str, str], given: Mapping[str, Mapping[str, Any]], say: Say
) -> None:
    """Run engine and listener until SIGINT or SIGTERM.

    Args:
        home: whose engine.
        environ: tokens and the API base are taken from it.
        given: settings by section for this run alone.
        say: is handed each event: `{event, at, …}`, the first one `ready`.

    Raises:
        RefusedError: another `serve` runs, or the listener cannot listen where it shall.
        StoreError: the store cannot be used.
        SettingsError: the settings cannot be used.
    """
    home.create()
    logging.basicConfig(
        filename=home.engine_log,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    asyncio.run(_serve(home, environ, given, say))


async def _serve(
    home: Home, environ: Mapping[str, str], given: Mapping[str, Mapping[str, Any]], say: Say
) -> None:
    engine = await _engine(home, environ, given)
    prepare_loop(engine)
    runner = None
    try:
        lines = EventLines(engine.reader, say)
        with engine.bus.subscribe() as queue:
            await engine.start([public_api(engine)])
            if problem := engine.listening.problem:
                raise RefusedError(
                    f"The listener cannot start: {problem}.",
                    "Choose another address with --listen HOST:PORT, or free this one.",
                    code="listener",
                )
            engine.set_session(engine.api_base, session_of(environ))
            runner = await serve_control(engine, home.socket)
            say(_ready(engine))
            await _tell(engine, queue, lines)
    finally:
        with contextlib.suppress(OSError):
            if runner is not None:
                home.socket.unlink()
        if runner is not None:
            await shut_down(engine, runner)
        else:
            await engine.aclose()
    say({"event": "stopped"})


async def _engine(
    home: Home, environ: Mapping[str, str], given: Mapping[str, Mapping[str, Any]]
) -> Engine:
    """A new engine; an agent that is running hands over."""
    settings = load_settings(home, {})
    base = environ.get(API_BASE_VARIABLE, "").strip().rstrip("/")
    deadline = time.monotonic() + _TAKE_OVER
    while True:
        try:
            return Engine(home, settings, api_base=base, given=given, mode="serve")
        except StoreBusyError:
            if time.monotonic() > deadline:
                raise
            await asyncio.to_thread(_ask_to_end, home)
            await asyncio.sleep(_AGAIN)


def _ask_to_end(home: Home) -> None:
    client = ControlClient(home.socket)
    try:
        info = client.request("GET", "/api/engine", timeout=5.0)
        if info.get("mode") == "agent":
            client.request("POST", "/api/shutdown", {}, timeout=5.0)
            return
    except ControlError:  # it is just starting or just ending
        return
    raise RefusedError(
        f"This folder is being served already (process {info.get('pid')}).",
        "Stop that one first, or set SIMPLETUNER_TUI_HOME to another folder.",
        status=409,
        code="busy",
    )


async def _tell(
    engine: Engine, queue: asyncio.Queue[tuple[str, dict[str, Any]]], lines: EventLines
) -> None:
    """Say what happens until the engine shall end."""
    stopping = asyncio.ensure_future(engine.stopping.wait())
    try:
        while not stopping.done():
            message = asyncio.ensure_future(queue.get())
            await asyncio.wait({message, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not message.done():
                message.cancel()
                break
            lines.take(*message.result())
    finally:
        stopping.cancel()


def _ready(engine: Engine) -> dict[str, Any]:
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
    """Turns the engine's messages into the events behind them, each told once."""

    def __init__(self, reader: StoreReader, say: Callable[[dict[str, Any]], None]) -> None:
        self._reader = reader
        self._say = say
        self._seen: dict[str, int] = {}
        self._begin = utc_now()
        self._rejected = 0

    def take(self, kind: str, data: dict[str, Any]) -> None:
        """Say what a message stands for; many stand for nothing new."""
        if kind == "job":
            self._history(str(data["job_id"]), str(data.get("status", "")))
        elif kind == "notice":
            self._say({"event": "notice", "at": utc_now().isoformat(), **data})
        elif kind == "fact" and data.get("name") == "listener":
            self._listener()

    def _history(self, job_id: str, status: str) -> None:
        if status == "deleted":
            self._say({"event": "deleted", "at": utc_now().isoformat(), "job_id": job_id})
            return
        job = self._reader.job(job_id)
        for item in self._reader.events(job_id, self._seen.get(job_id, 0)):
            self._seen[job_id] = item.seq
            if item.at < self._begin:  # before our time
                continue
            self._say(
                {
                    "event": item.kind,
                    "at": item.at.isoformat(),
                    "job_id": job_id,
                    "name": job.name if job else "",
                    "status": job.status.value if job else status,
                    "source": item.source,
                    "message": item.message,
                }
            )

    def _listener(self) -> None:
        fact = self._reader.fact("listener")
        hooks = fact.value.get("webhooks", {}) if fact else {}
        total, last = hooks.get("rejected_total", 0), hooks.get("last_rejection")
        if total > self._rejected and last:
            self._say(
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
