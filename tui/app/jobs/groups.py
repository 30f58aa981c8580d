"""Sweeps in the list of jobs: one line for each, which folds its jobs away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from tui.app.shell.jobs_model import JobsModel
from tui.app.terminal.text_lines import fit
from tui.app.terminal.theme import Palette
from tui.base import formatting
from tui.base.clock import Clock
from tui.store.schema import StoreError
from tui.store.sweep_standing import count_words, read_standings

if TYPE_CHECKING:
    from tui.api.sweeps import Sweep
    from tui.app.widgets.virtual_list import Piece

_MARK: Final = "sweep:"
"""Begins the line of a sweep, where others are ids of jobs, which hold no colon."""


class SweepGroups:
    """The lines of the list: jobs in the model's order, those of a sweep below its line.

    A sweep stands where the first of its jobs would. Without sweeps the lines are the model's.

    Args:
        model: the jobs.
        clock: the time.
    """

    def __init__(self, model: JobsModel, clock: Clock) -> None:
        self._model = model
        self._clock = clock
        self._opened: set[str] = set()
        self._of: Sequence[str] | None = None
        self._lines: Sequence[str] = ()
        self._sweeps: dict[str, Sweep] = {}
        self._sweep_of: dict[str, str] = {}
        self._index: dict[str, int] | None = None
        self._rev = -1

    @property
    def lines(self) -> Sequence[str]:
        """Ids of jobs, and the lines of sweeps."""
        if self._of is not self._model.ids:
            self._read()
            self._arrange()
        return self._lines

    def sweep_at(self, index: int) -> Sweep | None:
        """Return the sweep whose line is at a place; None where a job is."""
        lines = self.lines
        if not self._sweeps or not 0 <= index < len(lines) or not lines[index].startswith(_MARK):
            return None
        return self._sweeps.get(lines[index].removeprefix(_MARK))

    def job_at(self, index: int) -> str | None:
        """Return the job at a place; None where the line of a sweep is, or nothing."""
        lines = self.lines
        if not 0 <= index < len(lines) or lines[index].startswith(_MARK):
            return None
        return lines[index]

    def shown_name(self, job_id: str, name: str) -> str:
        """Return a job's name; below the line of its sweep without what all of them begin with."""
        sweep = self._sweep_of.get(job_id)
        return name if sweep is None else f"  {own_name(name, sweep)}"

    def position(self, line: str) -> int | None:
        """Return the place of a job or of a sweep's line; of a folded job its sweep's line."""
        lines = self.lines
        if self._index is None:
            self._index = {one: number for number, one in enumerate(lines)}
        found = self._index.get(line)
        if found is None and (name := self._sweep_of.get(line)):
            return self._index.get(_MARK + name)
        return found

    def toggle(self, name: str) -> None:
        """Fold a sweep's jobs away, or show them."""
        self._opened.symmetric_difference_update({name})
        self._arrange()

    def is_open(self, name: str) -> bool:
        """Whether a sweep's jobs are shown."""
        return name in self._opened

    def changed(self, job_ids: frozenset[str]) -> frozenset[str]:
        """Read the sweeps of changed jobs again; returns their lines."""
        names = {self._sweep_of[one] for one in job_ids if one in self._sweep_of}
        for name in names:
            try:
                self._sweeps |= {
                    one["name"]: one
                    for one in read_standings(self._model.reader, self._clock(), name)
                }
            except StoreError as error:
                self._model.problem = error
        return frozenset(_MARK + name for name in names)

    def _read(self) -> None:
        """Read all sweeps, unless no job has changed since: a filter is typed letter by letter."""
        try:
            rev = self._model.reader.max_rev()
            if rev == self._rev:
                return
            self._rev = rev
            found = read_standings(self._model.reader, self._clock())
        except StoreError as error:
            self._model.problem = error
            return
        self._sweeps = {one["name"]: one for one in found}
        self._sweep_of = {
            member["job_id"]: one["name"] for one in found for member in one["members"]
        }

    def _arrange(self) -> None:
        ids = self._of = self._model.ids
        self._index = None
        if not self._sweep_of:
            self._lines = ids
            return
        here = set(ids)
        lines: list[str] = []
        seen: set[str] = set()
        for job_id in ids:
            name = self._sweep_of.get(job_id)
            if name is None:
                lines.append(job_id)
            elif name not in seen:
                seen.add(name)
                lines.append(_MARK + name)
                if name in self._opened:
                    members = (member["job_id"] for member in self._sweeps[name]["members"])
                    lines += [one for one in members if one in here]
        self._lines = lines


def sweep_line(
    sweep: Sweep, width: int, colors: Palette, *, here: bool, is_open: bool, marked: bool
) -> list[Piece]:
    """Return the line of a sweep: its name, how far it is, its best run and what it costs."""
    cost = sweep_cost(sweep)
    words = f"sweep · {sweep_words(sweep)}"
    if best := best_words(sweep):
        words += f" · best {best}"
    room = width - 5 - len(cost) - 5
    name_width = min(max(len(sweep["name"]), 18), max(18, room // 3))
    style = colors.warn if sweep["state"] == "paused" else colors.dim
    return [
        (" ▸" if here else "  ", colors.accent),
        ("▾" if is_open else "▹", colors.accent),
        ("◆ " if marked else "  ", colors.warn),
        (fit(sweep["name"], name_width), colors.strong if here else colors.base),
        ("  ", colors.base),
        (fit(words, max(0, room - name_width)), style),
        ("  ", colors.base),
        (f"{cost} ", colors.base),
    ]


def own_name(name: str, sweep: str) -> str:
    """Return the part of a job's name that the others of its sweep do not have."""
    return name.removeprefix(f"{sweep}-") or name


def sweep_words(sweep: Sweep) -> str:
    """Return how far a sweep is, and why it stopped where it did."""
    words = count_words(sweep).replace(", ", " · ")
    if sweep["state"] == "paused":
        return f"stopped, r goes on: {sweep['reason']} · {words}"
    return f"{sweep['state']} · {words}" if sweep["state"] == "cancelled" else words


def best_words(sweep: Sweep) -> str:
    """Return the best run so far with its lowest smoothed loss; empty before there is one."""
    best = next((one for one in sweep["members"] if one["job_id"] == sweep["best"]), None)
    if best is None:
        return ""
    return f"{own_name(best['name'], sweep['name'])} {formatting.loss_text(best['best_loss'])}"


def sweep_cost(sweep: Sweep) -> str:
    """Return what a sweep has cost, of what is expected while it goes on."""
    cost = formatting.money(sweep["cost_micros"])
    if sweep["running"] or sweep["waiting"]:
        return f"{cost} of {formatting.money(sweep['estimate_micros'])}"
    return cost
