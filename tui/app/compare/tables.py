"""The two lists of the Compare screen: the runs beside the plot, the settings below it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from rich.style import Style

from tui.app.chart.paint import STROKES, stroke_mark
from tui.app.terminal.text_lines import fit
from tui.app.terminal.theme import Palette
from tui.app.widgets.virtual_list import Piece, VirtualList
from tui.base import formatting
from tui.base.natural_order import natural_order
from tui.store.comparison import loss_words

if TYPE_CHECKING:
    from tui.api.comparison import ComparedJob, Comparison

NO_TIMES: Final = "no times in its log"
_WIDE: Final = 54
"""Cells from which the list of runs has room for more than the loss."""


class Run(NamedTuple):
    """One run in the legend.

    Attributes:
        job: its results.
        style: the colour of its curve.
        loss: its value at the cursor, else the newest one.
        shown: whether it is drawn.
        length: how long it ran, in seconds; None when it never did.
        note: why it has no curve; empty where that is plain.
    """

    job: ComparedJob
    style: Style
    loss: float | None
    shown: bool
    length: float | None
    note: str = ""


class RunList(VirtualList):
    """The legend of the plot; its cursor chooses a run."""

    def __init__(self, *, ascii_only: bool) -> None:
        super().__init__(id="compare-runs")
        self.runs: Sequence[Run] = ()
        self._ascii = ascii_only

    def set(self, runs: Sequence[Run]) -> None:
        """Shows other runs or values; only lines that changed are drawn again."""
        before, self.runs = self.runs, runs
        if len(before) != len(runs):
            self.move_to(self.index, tell=False)
            self.refresh()
            return
        for at, (old, new) in enumerate(zip(before, runs, strict=True)):
            if old != new:
                self.refresh_line(at)

    @property
    def count(self) -> int:
        """The number of runs."""
        return len(self.runs)

    def empty_lines(self) -> list[str]:
        """Returns what is said while the runs are read."""
        return ["Reading…"]

    def line(self, index: int, width: int, colors: Palette) -> list[Piece]:
        """Returns `▸1 ⠤⠤⠤ cat-lora  0.142  best 0.139  $1.05 · 18 m`."""
        run = self.runs[index]
        here = index == self.index and self.has_focus
        dim = colors.base if run.shown else colors.dim
        mark = stroke_mark(index % len(STROKES), ascii_only=self._ascii)
        ends = f"  {run.note}" if run.note else f"{formatting.number(run.loss):>8}"
        if width >= _WIDE and not run.note:
            best = f"best {formatting.number(run.job['best_loss'])}"
            ends += f" {best:<11} {_cost(run.job)} · {formatting.duration(run.length):<6}"
        room = max(4, width - 7 - len(ends))
        return [
            ("▸" if here else " ", colors.accent),
            (str(index + 1), run.style if run.shown else colors.dim),
            (f" {mark} " if run.shown else "  –  ", run.style if run.shown else colors.dim),
            (_short(run.job["label"], room), dim),
            (ends, dim),
        ]


class SettingList(VirtualList):
    """The table of settings, a column for each run; the results stand below."""

    HEADER: ClassVar = 1

    def __init__(self) -> None:
        super().__init__(id="compare-settings")
        self.rows: list[tuple[str, ...]] = []
        self.heads: list[str] = []
        self.results = 0
        """The first row with a result."""

    def set(self, heads: list[str], rows: list[tuple[str, ...]], results: int) -> None:
        """Shows another table."""
        if (heads, rows, results) != (self.heads, self.rows, self.results):
            self.heads, self.rows, self.results = heads, rows, results
            self.move_to(self.index, tell=False)
            self.refresh()

    @property
    def count(self) -> int:
        """The number of rows."""
        return len(self.rows)

    def header_line(self, number: int, width: int, colors: Palette) -> list[Piece]:  # noqa: ARG002  one line
        """Returns the names of the runs."""
        name, column = self._columns(width)
        return [(" " * (name + 3), colors.dim)] + [
            (_short(head, column - 1) + " ", colors.strong)
            for head in told_apart(self.heads, column - 1)
        ]

    def line(self, index: int, width: int, colors: Palette) -> list[Piece]:
        """Returns a setting with its values."""
        name, *values = self.rows[index]
        room, column = self._columns(width)
        here = index == self.index and self.has_focus
        tone = colors.dim if index >= self.results else colors.base
        pieces: list[Piece] = [(" ▸ " if here else "   ", colors.accent), (fit(name, room), tone)]
        pieces += [(fit(value or "—", column - 1) + " ", colors.base) for value in values]
        return [*pieces, (" " * width, colors.base)]

    def _columns(self, width: int) -> tuple[int, int]:
        """Returns the cells of the names and of each column."""
        count = max(1, len(self.heads))
        longest = max((len(row[0]) for row in self.rows), default=12) + 2
        name = max(15, min(longest, width // 3, width - 3 - 9 * count))
        return name, max(4, (width - 3 - name) // count)


def table_of(found: Comparison, *, everything: bool) -> tuple[list[tuple[str, ...]], int]:
    """Returns the rows of the table, and where the results begin."""
    rows = [
        (one["name"], *one["values"]) for one in found["settings"] if everything or one["differs"]
    ]
    jobs, words = found["jobs"], formatting.number
    results: list[tuple[str, Callable[[ComparedJob], str]]] = [
        ("loss, smoothed", _loss),
        ("best loss", _best),
        ("seconds per step", lambda job: words(job["seconds_per_step"])),
        ("cost", _cost),
        ("steps", _steps),
        ("pictures", lambda job: str(job["pictures"])),
    ]
    return rows + [(name, *map(value, jobs)) for name, value in results], len(rows)


def order_by(found: Comparison, rows: Sequence[tuple[str, ...]], at: int, results: int, *,
             descending: bool) -> list[int]:  # fmt: skip
    """Return the places of the runs in the order of a row's values: figures as figures.

    Runs without a value come last in either direction; equal ones stay as they were.

    Args:
        found: the comparison.
        rows: the table, of `table_of`.
        at: the row.
        results: the first row with a result.
        descending: the largest first.
    """
    if at < results:
        texts = rows[at][1:]
        keys = [(_figure(text), natural_order(text)) if text else None for text in texts]
    else:
        figures = [_RESULTS[at - results](job) for job in found["jobs"]]
        keys = [None if one is None else (float(one), natural_order("")) for one in figures]
    known = [place for place, key in enumerate(keys) if key is not None]
    known.sort(key=lambda place: keys[place] or _NONE, reverse=descending)
    return [*known, *(place for place, key in enumerate(keys) if key is None)]


_NONE: Final = (0.0, natural_order(""))
_RESULTS: Final[tuple[Callable[[ComparedJob], float | None], ...]] = (
    lambda job: job["loss"],
    lambda job: job["best_loss"],
    lambda job: job["seconds_per_step"],
    lambda job: job["cost_usd"],
    lambda job: job["steps"],
    lambda job: job["pictures"],
)
"""What the results of `table_of` are sorted by, in their order."""


def _figure(text: str) -> float:
    """The number that a value is; texts come after all numbers."""
    try:
        number = float(text)
    except ValueError:
        return math.inf
    return math.inf if math.isnan(number) else number


def as_tsv(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table for a spreadsheet: a line for each row, tabs between the cells."""
    lines = [["setting", *heads], *rows]
    return "\n".join("\t".join(" ".join(cell.split()) for cell in line) for line in lines)


def told_apart(heads: Sequence[str], width: int) -> list[str]:
    """Returns `1 cat-lora-r8` and others in `width` cells without what all names begin with.

    Those of a sweep differ at their ends. Where they fit, or begin differently, they stay.
    """
    names = [head.partition(" ")[2] for head in heads] or [""]
    pairs = itertools.takewhile(
        lambda pair: pair[0] == pair[1], zip(min(names), max(names), strict=False)
    )
    shared = len("".join(one for one, _ in pairs).rpartition("-")[0])
    if max(map(len, heads), default=0) <= width or not shared or shared + 1 in map(len, names):
        return list(heads)
    return [
        f"{head.partition(' ')[0]} …{name[shared + 1 :]}"
        for head, name in zip(heads, names, strict=True)
    ]


def _short(label: str, width: int) -> str:
    """Returns a label in `width` cells; what tells equal names apart, at its end, is kept."""
    name, bracket, told = label.rpartition(" (")
    if not bracket or len(label) <= width:
        return fit(label, width)
    room = width - len(told) - 2
    return fit(f"{fit(name, room)} ({told}", width) if room > 2 else fit(label, width)


def _loss(job: ComparedJob) -> str:
    running = ", running" if job["status"] == "running" else ""
    return f"{loss_words(job)}{running}"


def _best(job: ComparedJob) -> str:
    step = "" if job["best_step"] is None else f" @{job['best_step']}"
    return f"{formatting.number(job['best_loss'])}{step}"


def _steps(job: ComparedJob) -> str:
    return f"{job['steps'] or 0} of {job['total_steps'] or '?'}"


def _cost(job: ComparedJob) -> str:
    cost = job["cost_usd"]
    return formatting.bounded(None if cost is None else round(cost * 1e6), job["cost_bound"])
