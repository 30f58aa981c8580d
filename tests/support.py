"""Small helpers that many tests share."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

T = TypeVar("T")


def needs_program(name: str) -> pytest.MarkDecorator:
    """Skip, saying so, where a program of the system is not installed."""
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"{name} is not installed")


async def eventually(
    probe: Callable[[], T | None] | Callable[[], Awaitable[T | None]],
    *,
    within: float = 10.0,
    every: float = 0.02,
) -> T:
    """Wait until `probe` answers something true and return it; fail after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        value = probe()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value  # type: ignore[return-value]  # narrowed by the truth test
        if time.monotonic() > deadline:
            raise AssertionError(f"still not true after {within:g} s: {probe!r} gave {value!r}")
        await asyncio.sleep(every)


def eventually_sync(probe: Callable[[], T | None], *, within: float = 10.0) -> T:
    """The same for tests without an event loop."""
    deadline = time.monotonic() + within
    while not (value := probe()):
        if time.monotonic() > deadline:
            raise AssertionError(f"still not true after {within:g} s: {probe!r} gave {value!r}")
        time.sleep(0.02)
    return value
