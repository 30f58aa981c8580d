"""Figures beside a peer in the same run: `python -m tests.benchmarks [NAME ...]`.

Each module `bench_NAME.py` has `run() -> list[Row]`. Nothing here asserts anything about wall time.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        what: what was measured.
        ours: our figure, with its unit.
        peer: the figure of the peer or floor in the same run, with the peer's name.
        ratio: ours to peer in the direction the goal is written in, or None.
        goal: the goal, in words.
    """

    what: str
    ours: str
    peer: str
    ratio: float | None
    goal: str


@contextmanager
def serving(command: Sequence[str]) -> Iterator[str]:
    """A server in a process of its own, as far from both clients; what it printed first."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
