"""Figures beside a peer in the same run: `python -m tests.benchmarks [NAME ...]`.

Each module `bench_NAME.py` has `run() -> list[Row]`. Nothing here asserts anything about wall time.
"""

from __future__ import annotations

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
