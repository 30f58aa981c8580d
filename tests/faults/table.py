"""Runs the table of faults and prints it; `python -m tests release faults` is the command."""

from __future__ import annotations

import asyncio
import random
import signal
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HUNG_SECONDS = 60.0
_BLOCKED_FACTOR = 1.5
_MENDED = "(nothing: it is mended without the user)"


@dataclass
class Outcome:
    """What the judges found in one try.

    Attributes:
        lost: something that was accepted is gone, or is not whole.
        doubled: something was done twice, or was accepted although it must not be.
        said: what was said about the fault; "" where nothing has to be said, which the table tells.
    """

    lost: bool = False
    doubled: bool = False
    said: str = ""


@dataclass(frozen=True)
class Fault:
    """A row.

    Attributes:
        name: what is done to the program.
        attempt: one try under that fault in a world, by a generator with a fixed seed.
        most: the largest number of tries, for a fault that takes long.
    """

    name: str
    attempt: Callable[[Any, random.Random], Awaitable[Outcome]]
    most: int | None = None


@dataclass(frozen=True)
class Part:
    """The rows that share a world, which is opened once in an empty folder."""

    name: str
    open: Callable[[Path], AbstractAsyncContextManager[Any]]
    faults: Sequence[Fault]


@dataclass
class Row:
    """The sums of one fault's tries."""

    fault: str
    tries: int = 0
    lost: int = 0
    doubled: int = 0
    hung: int = 0
    said: str = ""

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, doubled or hung."""
        return not (self.lost or self.doubled or self.hung)


async def run(
    parts: Sequence[Part], tries: int, note: Callable[[Row], object] = lambda row: None
) -> list[Row]:
    """Try every fault `tries` times; the seed of a try is its fault's name and its number.

    After a try that does not end its world is closed, as far as that is possible, and the next try
    gets a new one. `note` hears of each row that is complete.
    """
    rows: list[Row] = []
    for part in parts:
        async with AsyncExitStack() as worlds:
            world, is_open = None, False
            for fault in part.faults:
                rows.append(row := Row(f"{part.name}: {fault.name}"))
                for number in range(tries if fault.most is None else min(tries, fault.most)):
                    if not is_open:
                        world, is_open = await _opened(part, worlds), True
                    if not await _try(row, fault, world, random.Random(f"{row.fault} {number}")):
                        await _closed(worlds)
                        is_open = False
                row.said = row.said or _MENDED
                note(row)
    return rows


async def _opened(part: Part, worlds: AsyncExitStack) -> Any:
    folder = worlds.enter_context(tempfile.TemporaryDirectory("faults", ignore_cleanup_errors=True))
    return await worlds.enter_async_context(part.open(Path(folder)))


async def _closed(worlds: AsyncExitStack) -> None:
    """Close a world that may hang as well."""
    with suppress(Exception), _watched():
        async with asyncio.timeout(_HUNG_SECONDS):
            await worlds.aclose()


async def _try(row: Row, fault: Fault, world: Any, dice: random.Random) -> bool:
    """Make one try; return whether it came to its end."""
    row.tries += 1
    try:
        with _watched():
            async with asyncio.timeout(_HUNG_SECONDS):
                outcome = await fault.attempt(world, dice)
    except Exception as error:  # a wait that gave up is the usual one
        row.hung += 1
        row.said = f"{type(error).__name__}: {error}".strip(": ").partition("\n")[0]
        return False
    row.lost += outcome.lost
    row.doubled += outcome.doubled
    row.said = outcome.said or row.said
    return True


class BlockedError(Exception):
    """The event loop was blocked for so long that no time limit could end the try."""


@contextmanager
def _watched() -> Iterator[None]:
    """Interrupt this thread, whatever it does, when the loop does not enforce the limit itself."""

    def interrupt(_signal: int, _frame: object) -> None:
        raise BlockedError("the loop is blocked")

    thread = threading.main_thread().ident or 0
    watchdog = threading.Timer(
        _HUNG_SECONDS * _BLOCKED_FACTOR, signal.pthread_kill, (thread, signal.SIGUSR1)
    )
    watchdog.daemon = True
    before = signal.signal(signal.SIGUSR1, interrupt)
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()
        watchdog.join()
        signal.signal(signal.SIGUSR1, before)


def text(rows: Sequence[Row]) -> str:
    """The table as it is printed, with its sums in the last line."""
    total = Row(
        "all",
        *(sum(getattr(row, name) for row in rows) for name in ("tries", "lost", "doubled", "hung")),
    )
    width = max(len(row.fault) for row in rows)
    head = f"{'fault':{width}}  tries  lost  doubled  hung  said"
    return "\n".join([head, *(line(row, width) for row in (*rows, total))])


def line(row: Row, width: int = 0) -> str:
    """A row as it is printed."""
    return (
        f"{row.fault:{width}}  {row.tries:5}  {row.lost:4}  {row.doubled:7}  {row.hung:4}  "
        f"{row.said}"
    ).rstrip()
