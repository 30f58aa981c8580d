"""Helpers of many tests: waiting for a condition, skipping, small disks, ports."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar, cast, overload

import pytest
from hypothesis import settings

T = TypeVar("T")
PATIENCE = 3.0
"""Factor on every timeout of a wait. Timeouts are there to find what hangs; a busy machine must not
fail a test."""


def examples(number: int) -> int:
    """Examples that Hypothesis makes: a number in every run, five times it before a release.

    For properties whose examples are cheap, where the number of the profile would be too low.
    """
    return max(1, number * settings().max_examples // 100)


def needs_program(name: str) -> pytest.MarkDecorator:
    """A mark that skips a test when a system program is not installed."""
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")


def free_port() -> int:
    """A TCP port of 127.0.0.1 for a server that another process opens later.

    The system gives ports from 32768 up to connections and to whoever binds port 0, so a port from
    there can be taken before that server opens it.
    """
    while True:
        port = 10_000 + secrets.randbelow(20_000)  # Hypothesis seeds `random`
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


@contextmanager
def small_disk(place: Path, size: str) -> Iterator[Path]:
    """Mount a file system of the given size; skip the test when that is not possible."""
    place.mkdir(parents=True, exist_ok=True)
    mount = shutil.which("mount")
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@overload
async def eventually(
    probe: Callable[[], Awaitable[T | None]], *, within: float = ..., every: float = ...
) -> T: ...
@overload
async def eventually(
    probe: Callable[[], T | None], *, within: float = ..., every: float = ...
) -> T: ...
async def eventually(
    probe: Callable[[], T | None] | Callable[[], Awaitable[T | None]],
    *,
    within: float = 10.0,
    every: float = 0.02,
) -> T:
    """Wait until `probe` returns a true value, and return it.

    Args:
        probe: a function or coroutine function.
        within: timeout in seconds, multiplied by `PATIENCE`.
        every: seconds between two calls.

    Raises:
        AssertionError: the timeout is over.
    """
    limit = within * PATIENCE
    deadline = time.monotonic() + limit
    while True:
        answer = probe()
        value = cast("T | None", await answer if asyncio.iscoroutine(answer) else answer)
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"still not true after {limit:g} s: {probe!r} gave {value!r}")
        await asyncio.sleep(every)


def eventually_sync(probe: Callable[[], T | None], *, within: float = 10.0) -> T:
    """`eventually` for tests without an event loop."""
    limit = within * PATIENCE
    deadline = time.monotonic() + limit
    while not (value := probe()):
        if time.monotonic() > deadline:
            raise AssertionError(f"still not true after {limit:g} s: {probe!r} gave {value!r}")
        time.sleep(0.02)
    return value


def least_seconds(work: Callable[[], object], tries: int = 3) -> float:
    """CPU seconds that this thread needs for `work`: the least of a few tries.

    What else the machine does at the same time only adds to the CPU time of a thread.
    """
    found = []
    for _ in range(tries):
        start = time.thread_time()
        work()
        found.append(time.thread_time() - start)
    return min(found)
