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


def memory_row(what: str, grown: Sequence[float], sizes: Sequence[float]) -> Row:
    """Tell whether memory is flat: what a process's peak grew by, after each size in turn.

    The last step counts: threads and buffers come into being before it.

    Args:
        what: what adds memory.
        grown: MiB that the peak has grown by since before the first.
        sizes: MiB of each, the smaller first.
    """
    return Row(
        f"memory that {what} adds",
        ", ".join(f"{mib:.1f}" for mib in grown) + " MiB",
        "of " + ", ".join(f"{mib:.0f}" for mib in sizes) + " MiB",
        (grown[-1] - grown[-2]) / (sizes[-1] - sizes[-2]),
        "flat: 0.00 for each MiB more",
    )


@contextmanager
def serving(command: Sequence[str]) -> Iterator[str]:
    """Run a server in its own process, equally far from both clients; yield its first line."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
