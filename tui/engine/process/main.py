"""The engine as a process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final

from tui.client.agent import IDLE_SECONDS
from tui.engine.engine import Engine
from tui.engine.http_api.app import public_api
from tui.engine.process.socket_server import serve_control, shut_down
from tui.settings import Home, SettingsError, load_settings
from tui.store.schema import StoreError
from tui.store.writer import StoreBusyError

LOG = logging.getLogger("tui.engine")

_IDLE_LOOK: Final = 2.0
_THREADS: Final = 32
"""Blocking work at once: scans, archives and checksums of many jobs must not wait in a line."""


def run_engine(
    home: Home, *, until_eof: bool = False, agent: bool = False, idle_seconds: float = IDLE_SECONDS
) -> int:
    """Run the engine until it is told to stop.

    Says `ready` on standard output once its socket answers, `busy` when another engine has the
    store, or why it cannot start.

    Args:
        home: whose engine.
        until_eof: end when standard input closes (the owner is gone).
        agent: end when nothing has needed the engine for a while.
        idle_seconds: how long that while is.

    Returns:
        The process's exit status.
    """
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        watch = partial(_watch, until_eof=until_eof, idle_seconds=idle_seconds if agent else None)
        return asyncio.run(_run(home, watch, "agent" if agent else "owned"))
    except StoreBusyError:
        _say("busy")
        return 0
    except (StoreError, SettingsError) as error:
        _say(f"{error.message} {error.advice}")
        return 1
    except OSError as error:
        LOG.exception("the engine cannot start")
        _say(f"{error.filename or 'a file'} cannot be used: {error.strerror or error}.")
        return 1
    except Exception as error:
        LOG.exception("the engine cannot start")
        _say(f"something went wrong inside ({type(error).__name__}).")
        return 1


def prepare_loop(engine: Engine) -> None:
    """Signals that end the engine, and threads for its work."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_THREADS, "work"))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, engine.request_stop)


async def _run(
    home: Home, watch: Callable[[Engine], Coroutine[None, None, None]], mode: str
) -> int:
    # The environment's API base belongs to a window, which names it with every call.
    engine = Engine(home, load_settings(home, {}), mode=mode)
    prepare_loop(engine)
    try:
        await engine.start([public_api(engine)])
        runner = await serve_control(engine, home.socket)
    except BaseException:
        await engine.aclose()
        raise
    LOG.info("engine %s ready", os.getpid())
    _say("ready")
    watcher = asyncio.create_task(watch(engine))
    try:
        await engine.stopping.wait()
    finally:
        watcher.cancel()
        with contextlib.suppress(OSError):
            home.socket.unlink()
        await shut_down(engine, runner)
        await asyncio.gather(watcher, return_exceptions=True)
        LOG.info("engine %s ended", os.getpid())
    return 0


async def _watch(engine: Engine, *, until_eof: bool, idle_seconds: float | None) -> None:
    """End the engine when its reason to live has gone."""
    if until_eof:
        await _end_of_input()
        engine.request_stop()
    elif idle_seconds is not None:
        while (left := idle_seconds - engine.idle_seconds()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, _IDLE_LOOK)):
                    await engine.stopping.wait()
                return
        engine.request_stop()


async def _end_of_input() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    try:
        while await reader.read(1024):
            continue
    finally:
        transport.close()


def _say(text: str) -> None:
    """One line for whoever started us, who may be gone already."""
    with contextlib.suppress(OSError):
        os.write(1, f"{text}\n".encode())
