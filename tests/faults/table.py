"""Runs the table of faults and prints it; `python -m tests release faults` is the command."""

from __future__ import annotations

import asyncio
import random
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HUNG_SECONDS = 60.0


@dataclass
class Outcome:
    """What the judges found in one try.

    Attributes:
        lost: something that was accepted is gone, or is not whole.
        doubled: something was done twice, or was accepted although it must not be.
        said: what was said about the fault; "" where nothing has to be said.
    """

    lost: bool = False
    doubled: bool = False
    said: str = ""


@dataclass(frozen=True)
class Fault:
    """A row: a name, and one try under that fault in a world, by a generator with a fixed seed."""

    name: str
    attempt: Callable[[Any, random.Random], Awaitable[Outcome]]


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


async def run(parts: Sequence[Part], tries: int) -> list[Row]:
    """Try every fault `tries` times; the seed of a try is its fault's name and its number."""
    rows: list[Row] = []
    for part in parts:
        with tempfile.TemporaryDirectory(prefix="faults") as folder:
            async with part.open(Path(folder)) as world:
                for fault in part.faults:
                    rows.append(row := Row(f"{part.name}: {fault.name}"))
                    for number in range(tries):
                        await _try(row, fault, world, random.Random(f"{row.fault} {number}"))
    return rows


async def _try(row: Row, fault: Fault, world: Any, dice: random.Random) -> None:
    row.tries += 1
    try:
        async with asyncio.timeout(_HUNG_SECONDS):
            outcome = await fault.attempt(world, dice)
    except TimeoutError:
        row.hung += 1
        return
    row.lost += outcome.lost
    row.doubled += outcome.doubled
    row.said = outcome.said or row.said


def text(rows: Sequence[Row]) -> str:
    """The table as it is printed, with its sums in the last line."""
    total = Row(
        "all",
        *(sum(getattr(row, name) for row in rows) for name in ("tries", "lost", "doubled", "hung")),
    )
    width = max(len(row.fault) for row in rows)
    head = f"{'fault':{width}}  tries  lost  doubled  hung  said"
    lines = [
        f"{row.fault:{width}}  {row.tries:5}  {row.lost:4}  {row.doubled:7}  {row.hung:4}  "
        f"{row.said}"
        for row in (*rows, total)
    ]
    return "\n".join([head, *(line.rstrip() for line in lines)])
