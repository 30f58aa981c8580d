"""One area of attack: its attempts, and what became of them."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.listener.watched import MOST_SECONDS

_POOLED = 8
"""Descriptors that pools of connections may keep open, however many attempts there are."""
SPARE_MEMORY = 8
"""MiB by which caches may grow, however many attempts there are."""
_SMALL_BLOCK = 64
"""Bytes of a block of Python's own allocator, on average; at most 512."""


@dataclass
class Area:
    """What became of the attempts of one area.

    Attributes:
        name: of the area.
        attempts: their number.
        through: those that were let in, harmed the server or learned about it.
        stalls: those after which a callback had held the loop for too long.
        growth: what was there afterwards and not before: files, connections, memory, lines of log.
    """

    name: str
    attempts: int = 0
    through: list[str] = field(default_factory=list)
    stalls: list[str] = field(default_factory=list)
    growth: int = 0

    def __str__(self) -> str:
        return (
            f"{self.name:12} · {self.attempts:5} attempts · {len(self.through)} through · "
            f"{len(self.stalls)} stalls · {self.growth} growth"
        )


class Lines(logging.Handler):
    """Counts lines of log."""

    count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


@contextmanager
def counted_lines() -> Iterator[Lines]:
    """Count the lines of log while the block runs."""
    lines = Lines()
    logging.getLogger().addHandler(lines)
    try:
        yield lines
    finally:
        logging.getLogger().removeHandler(lines)


@dataclass
class Growth:
    """What a server must not have more of, however often it is attacked.

    Attributes:
        folders: where no files may be added.
    """

    folders: tuple[Path, ...] = ()
    before: tuple[int, ...] = ()
    memory: int = 0

    def start(self) -> None:
        """Remember what there is now; to be called after a first attempt, which fills caches."""
        self.before = self._now()
        self.memory = memory_in_use()

    async def more(self) -> int:
        """Files, descriptors, tasks and MiB that are there and were not; closing takes a moment."""
        gc.collect()
        for _ in range(200):
            if (above := self._above()) == 0:
                break
            await asyncio.sleep(0.02)
        return above + max(0, memory_in_use() - self.memory - SPARE_MEMORY)

    def _above(self) -> int:
        spare = (0, _POOLED, 0)
        return sum(
            max(0, now - then - kept)
            for now, then, kept in zip(self._now(), self.before, spare, strict=True)
        )

    def _now(self) -> tuple[int, ...]:
        files = sum(1 for folder in self.folders for _ in folder.rglob("*"))
        return files, len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())


_MALL_INFO = (
    "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks",
    "keepcost",
)  # fmt: skip


class _MallInfo(ctypes.Structure):
    """What mallinfo2 of the C library tells; see its manual page."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in _MALL_INFO)


def memory_in_use() -> int:
    """MiB of memory that is in use in this process, garbage collected before.

    Resident memory tells less: gaps that large answers have left in the heap count as well.
    """
    gc.collect()
    told = ctypes.CDLL(None).mallinfo2
    told.restype = _MallInfo
    heap = told()
    small = sys.getallocatedblocks() * _SMALL_BLOCK
    return int(heap.uordblks + heap.hblkhd + small) // 2**20


@contextmanager
def measured(area: Area, most: float = MOST_SECONDS) -> Iterator[None]:
    """Note each callback of this thread's loop that holds it longer than `most` seconds.

    CPU time of the thread is counted, which a busy machine does not change; garbage, which is that
    of the whole test process, is not collected meanwhile.
    """
    run, ours = asyncio.Handle._run, threading.get_ident()
    start, ended = time.thread_time(), False

    def note(what: object) -> None:
        spent = time.thread_time() - start
        if spent > most and not ended:
            area.stalls.append(f"{spent * 1000:.0f} ms of {what!r}")

    def timed(handle: asyncio.Handle) -> None:
        nonlocal start
        if threading.get_ident() != ours:
            run(handle)
            return
        start = time.thread_time()
        run(handle)
        note(handle)

    asyncio.Handle._run = timed  # type: ignore[method-assign,assignment]  # for the block
    gc.disable()
    try:
        yield
    finally:
        note(asyncio.current_task())
        ended = True  # what the callback does after the block is the attacker's own
        asyncio.Handle._run = run  # type: ignore[method-assign]
        gc.enable()


async def attack_area(
    name: str,
    attempts: int,
    attempt: Callable[[], Awaitable[str]],
    growth: Growth,
) -> Area:
    """Make the attempts of an area; one returns what is wrong, or "".

    Args:
        name: of the area.
        attempts: their number.
        attempt: makes one.
        growth: measures what is left behind.

    Attacker and server run on this loop.
    """
    area = Area(name, attempts)
    growth.start()
    with measured(area):
        for number in range(attempts):
            if problem := await attempt():
                area.through.append(f"{name} {number}: {problem}")
    area.growth = await growth.more()
    return area
