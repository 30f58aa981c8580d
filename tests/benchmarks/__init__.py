"""Benchmarks that compare with a peer in the same run: `python -m tests.benchmarks [NAME ...]`.

Each module `bench_NAME.py` has `run() -> list[Row]`. No benchmark fails because of a time.
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
        peer: the figure of the peer or the lower bound in the same run, with its name.
        ratio: ours to peer, in the direction of the goal; None without one.
        goal: the goal as text.
    """

    what: str
    ours: str
    peer: str
    ratio: float | None
    goal: str


@contextmanager
def serving(command: Sequence[str]) -> Iterator[str]:
    """Run a server in its own process, equally far from both clients; yield its first line."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
