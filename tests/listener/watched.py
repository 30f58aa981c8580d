"""A listener on an event loop of its own, which measures how long its callbacks hold it."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import pytest
from aiohttp import web

from tui.listener.app import Part, PublicRunner, build_app
from tui.listener.connections import ConnectionLimits

MOST_SECONDS = 0.05
"""Longest time for which one request may hold the loop."""


@dataclass
class Watched:
    """A listener on another thread.

    Attributes:
        port: of its socket on 127.0.0.1.
        loop: its own.
        longest: CPU time of its longest callback so far, in seconds. A busy machine does not
            change it, as the wall time would.
        spent: CPU time of all its callbacks, in seconds.
        culprit: the longest callback.
    """

    port: int = 0
    loop: asyncio.AbstractEventLoop | None = None
    longest: float = 0.0
    spent: float = 0.0
    culprit: str = ""

    @contextmanager
    def within(self, most: float = MOST_SECONDS) -> Iterator[None]:
        """Assert that no callback holds the loop longer, while the block runs."""
        self.longest = 0.0
        yield
        assert self.longest <= most, f"{self.longest * 1000:.0f} ms of {self.culprit}"

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Hold the loop, as a busy machine does: what is sent meanwhile arrives in one turn."""
        assert self.loop is not None
        ended = threading.Event()
        self.loop.call_soon_threadsafe(ended.wait)
        try:
            yield
        finally:
            ended.set()


@asynccontextmanager
async def watched(
    parts: Sequence[Part], limits: ConnectionLimits | None = None
) -> AsyncIterator[Watched]:
    """Serve `parts` on a loop of their own until the block ends."""
    seen = Watched()
    started, ended = asyncio.Event(), asyncio.Event()
    ours = asyncio.get_running_loop()
    failures: list[BaseException] = []

    async def serve() -> None:
        runner = PublicRunner(build_app(parts), limits)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0, backlog=2048).start()
            seen.port = runner.addresses[0][1]
            ours.call_soon_threadsafe(started.set)
            await stop.wait()
        finally:
            await runner.cleanup()

    def run() -> None:
        try:
            with asyncio.Runner() as runner:
                seen.loop = runner.get_loop()
                _WATCHED[threading.get_ident()] = seen
                runner.run(serve())
        except BaseException as error:
            failures.append(error)
        finally:
            ours.call_soon_threadsafe(started.set)
            ours.call_soon_threadsafe(ended.set)

    stop = asyncio.Event()
    thread = threading.Thread(target=run, name="watched listener")
    thread.start()
    try:
        await started.wait()
        if failures:
            raise failures[0]
        yield seen
    finally:
        if not failures and seen.loop is not None:
            seen.loop.call_soon_threadsafe(stop.set)
        await ended.wait()
        thread.join()
    if failures:
        raise failures[0]


_WATCHED: dict[int, Watched] = {}


@pytest.fixture
def no_collection() -> Iterator[None]:
    """Collect no garbage: that of the whole test process is not the work that is measured."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def loop_watch(monkeypatch: pytest.MonkeyPatch, no_collection: None) -> Iterator[None]:
    """Measure the callbacks of every loop that `watched` starts."""
    run = asyncio.Handle._run

    def measured(handle: asyncio.Handle) -> None:
        seen = _WATCHED.get(threading.get_ident())
        if seen is None:
            run(handle)
            return
        start = time.thread_time()
        run(handle)
        spent = time.thread_time() - start
        seen.spent += spent
        if spent > seen.longest:
            seen.longest, seen.culprit = spent, repr(handle)

    monkeypatch.setattr(asyncio.Handle, "_run", measured)
    yield
    _WATCHED.clear()
