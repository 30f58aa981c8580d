"""The engine process that an app owns (`owned`) or that runs in the background (`agent`)."""

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
from typing import Final, Literal

from tui.client.engine_process import IDLE_SECONDS
from tui.engine.engine import Engine
from tui.engine.http_api.app import public_api
from tui.engine.process.engine_log import set_up_log
from tui.engine.process.socket_server import serve_control, shut_down
from tui.settings import PRIVATE_UMASK, Home, SettingsError, load_settings
from tui.store.schema import StoreError
from tui.store.writer import StoreBusyError

LOG = logging.getLogger("tui.engine")

_IDLE_CHECK_SECONDS: Final = 2.0
_THREADS: Final = 32
"""Threads for blocking work: scans, archives and checksums of several jobs run side by side."""


def run_engine(
    home: Home, *, until_eof: bool = False, agent: bool = False, idle_seconds: float = IDLE_SECONDS
) -> int:
    """Run the engine until it is asked to stop.

    Prints one line to standard output: `ready` once its socket answers, `busy` when another engine
    holds the store's lock, or the reason why it cannot start.

    Args:
        home: the state directory of the engine.
        until_eof: end when standard input closes, that is when the owner has exited.
        agent: end when nothing has needed the engine for `idle_seconds`.
        idle_seconds: that time, in seconds.

    Returns:
        The process's exit status.
    """
    os.umask(PRIVATE_UMASK)
    try:
        set_up_log(home.engine_log)
        watch = partial(
            _stop_when_unneeded, until_eof=until_eof, idle_seconds=idle_seconds if agent else None
        )
        return asyncio.run(_run(home, watch, "agent" if agent else "owned"))
    except StoreBusyError:
        _print_line("busy")
        return 0
    except (StoreError, SettingsError) as error:
        _print_line(f"{error.message} {error.advice}")
        return 1
    except OSError as error:
        LOG.exception("the engine cannot start")
        _print_line(f"{error.filename or 'a file'} cannot be used: {error.strerror or error}.")
        return 1
    except Exception as error:
        LOG.exception("the engine cannot start")
        _print_line(f"something went wrong inside ({type(error).__name__}).")
        return 1


def prepare_loop(engine: Engine) -> None:
    """Install the signal handlers that stop the engine, and the thread pool for blocking work."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(_THREADS, "work"))
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, engine.request_stop)


async def _run(
    home: Home,
    watch: Callable[[Engine], Coroutine[None, None, None]],
    mode: Literal["agent", "owned"],
) -> int:
    # The API base of the environment belongs to a window, which sends it with every call; this
    # process serves several windows.
    engine = Engine(home, load_settings(home, {}), mode=mode)
    prepare_loop(engine)
    try:
        await engine.start([public_api(engine)])
        runner = await serve_control(engine, home.socket)
    except BaseException:
        await engine.aclose()
        raise
    LOG.info("engine %s ready", os.getpid())
    _print_line("ready")
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


async def _stop_when_unneeded(
    engine: Engine, *, until_eof: bool, idle_seconds: float | None
) -> None:
    """Ask the engine to stop once its owner has exited or it has been idle for too long."""
    if until_eof:
        await _wait_for_eof()
        engine.request_stop()
    elif idle_seconds is not None:
        while (remaining := idle_seconds - engine.idle_seconds()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(remaining, _IDLE_CHECK_SECONDS)):
                    await engine.stopping.wait()
                return
        engine.request_stop()


async def _wait_for_eof() -> None:
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


def _print_line(text: str) -> None:
    """Write one line to standard output; the process that reads it may have exited."""
    with contextlib.suppress(OSError):
        os.write(1, f"{text}\n".encode())
