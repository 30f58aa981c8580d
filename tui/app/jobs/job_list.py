"""The table of jobs: live, virtual, sortable, with marks."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import dropwhile, takewhile
from typing import TYPE_CHECKING, ClassVar, Final

from rich.style import Style
from textual.message import Message

from tui.app.chart.scale import label as figure
from tui.app.jobs.columns import GAP, GUTTER, Placed, place_columns
from tui.app.jobs.groups import SweepGroups, sweep_line
from tui.app.jobs.small_curves import SmallCurves
from tui.app.shell.jobs_model import JobsModel
from tui.app.terminal.text_lines import fit
from tui.app.terminal.theme import Palette
from tui.app.widgets.virtual_list import Piece, VirtualList
from tui.base import formatting
from tui.base.clock import Clock, utc_now
from tui.base.job_status import JobStatus
from tui.store.reader import SORT_COLUMNS
from tui.store.records import JobRow
from tui.store.run_warnings import is_stalled, short_warning, shown_loss, shown_warning
from tui.store.shown_cost import shown_cost

if TYPE_CHECKING:
    from tui.api.sweeps import Sweep


_LIVE: Final = ("progress", "step", "loss", "best", "eta")
"""Columns that words take which are more urgent than figures."""
_DIM: Final = frozenset({"step", "created", "hw", "best", "tags", "rank", "lr", "pace"})
_WARNING_IN_GUTTER: Final = 98
"""Table widths below this have a warning's words where the progress stands."""


def bar(percent: float, width: int) -> str:
    """Returns a progress bar; its open part is blank, which costs few bytes on a slow line."""
    halves = round(max(0.0, min(100.0, percent)) / 100 * width * 2)
    return fit("━" * (halves // 2) + ("╸" if halves % 2 else ""), width)


def _live(placed: Iterable[Placed]) -> list[Placed]:
    """Returns the progress and the figures that follow it without another column between them."""
    after = dropwhile(lambda item: item.column.sort != "progress", placed)
    return list(takewhile(lambda item: item.column.sort in _LIVE, after))


class JobList(VirtualList):
    """Lists the jobs of a `JobsModel`."""

    HEADER: ClassVar = 1

    class SortWanted(Message):
        """A heading was clicked."""

        def __init__(self, sort: str) -> None:
            super().__init__()
            self.sort = sort

    def __init__(
        self, model: JobsModel, clock: Clock = utc_now, *, ascii_only: bool = False
    ) -> None:
        super().__init__(id="jobs")
        self.model = model
        self.groups = SweepGroups(model, clock)
        self._clock = clock
        self._curves = SmallCurves(ascii_only=ascii_only)
        self._placed: tuple[Placed, ...] = ()
        self._live_columns: list[Placed] = []
        self._placed_for: tuple[int, tuple[str, ...]] = (-1, ())

    @property
    def count(self) -> int:
        """The number of lines: jobs that match the filter, and sweeps."""
        return len(self.groups.lines)

    @property
    def job_id(self) -> str | None:
        """The job under the cursor; None on the line of a sweep."""
        return self.groups.job_at(self.index)

    @property
    def sweep(self) -> Sweep | None:
        """The sweep under the cursor; None on a job."""
        return self.groups.sweep_at(self.index)

    @property
    def is_open(self) -> bool:
        """Whether the jobs of the sweep under the cursor are shown."""
        sweep = self.sweep
        return sweep is not None and self.groups.is_open(sweep["name"])

    @property
    def row(self) -> JobRow | None:
        """The row under the cursor."""
        return self._row(self.index)

    def _row(self, index: int) -> JobRow | None:
        lines, ids = self.groups.lines, self.model.ids
        if lines is ids:
            return self.model.row(index)
        job_id = self.groups.job_at(index)
        place = self.model.position(job_id) if job_id else None
        return None if place is None else self.model.row(place)

    @property
    def line_id(self) -> str | None:
        """What the cursor's line is known by: a job, or a sweep."""
        lines = self.groups.lines
        return lines[self.index] if 0 <= self.index < len(lines) else None

    def reload(self) -> None:
        """Reads the order again; the cursor stays on its job."""
        line, before = self.line_id, self.index
        self.model.reload()
        self.settle(line, before)

    def toggle(self, name: str) -> None:
        """Folds a sweep's jobs away, or shows them; the cursor stays on its line."""
        line, before = self.line_id, self.index
        self.groups.toggle(name)
        self.settle(line, before)

    def settle(self, line: str | None, before: int) -> None:
        """Puts the cursor on its line after a change of order, or leaves it at its place."""
        place = self.groups.position(line) if line else None
        self.index = max(0, min(before if place is None else place, self.count - 1))
        if self.top and place is not None:  # at the very top, new jobs shall be seen
            self.top = max(0, min(self.top + place - before, self.count - self.page))
        self._show_cursor()
        self.refresh()
        if self.line_id != line:
            self.post_message(self.Moved(self, self.index))

    def redraw(self, job_ids: frozenset[str]) -> None:
        """Redraws the lines of these jobs and of their sweeps, where they are on screen."""
        self.forget_lines()
        lines = self.groups.lines
        changed = job_ids | self.groups.changed(job_ids)
        for index in self.shown_lines():
            if lines[index] in changed:
                self._refresh_line(index)

    def redraw_running(self) -> bool:
        """Redraws the lines whose figures move with time; returns whether there were any."""
        self.forget_lines()
        drawn = False
        for index in self.shown_lines():
            row = self._row(index)
            if row is not None and row.status.is_active:
                drawn = True
                self._refresh_line(index)
        return drawn

    def header_clicked(self, x: int) -> None:
        """Posts that the user wants the order of the clicked heading."""
        for placed in self._columns(self.size.width - 2):
            inside = placed.start <= x - 1 < placed.start + placed.width
            if inside and placed.column.sort in SORT_COLUMNS:
                self.post_message(self.SortWanted(placed.column.sort))

    def empty_lines(self) -> list[str]:
        """Returns the message for an empty list."""
        if self.model.problem is not None:
            return [self.model.problem.message, "", self.model.problem.advice]
        if self.model.filter.text.strip():
            return [
                f"No job matches “{self.model.filter.text.strip()}”.",
                "",
                "esc clears the filter",
            ]
        return ["No jobs yet.", "", "Press n to start one, R to bring in jobs started elsewhere."]

    # -- drawing ------------------------------------------------------------------------------

    def _columns(self, width: int) -> tuple[Placed, ...]:
        if (width, self.model.columns) != self._placed_for:
            self._placed = place_columns(width, self.model.columns)
            self._placed_for = (width, self.model.columns)
            self._live_columns = _live(self._placed)
        return self._placed

    def header_line(self, number: int, width: int, colors: Palette) -> list[Piece]:  # noqa: ARG002
        """Returns the headings, the sorted one with an arrow."""
        pieces: list[Piece] = [(" " * GUTTER, colors.dim)]
        for placed in self._columns(width):
            title = placed.column.title
            if len(title) > placed.width:
                title = title.partition(" ")[0]
            sorted_by = placed.column.sort == self.model.sort
            if sorted_by:
                space = " " if len(title) + 2 <= placed.width else ""
                title += space + ("▾" if self.model.descending else "▴")
            text = fit(title, placed.width, right=placed.column.right)
            pieces.append((text, colors.base if sorted_by else colors.dim))
            pieces.append((" " * GAP, colors.dim))
        return pieces

    def line_parts(self, index: int) -> tuple[object, ...] | None:
        """Returns what the line of a job is made of: its figures move with the seconds."""
        row = self._row(index)
        if row is None or self.groups.sweep_at(index) is not None:
            return None
        second = int(self._clock().timestamp())
        return row.job_id, row, row.job_id in self.model.marks, second

    def line(self, index: int, width: int, colors: Palette) -> list[Piece]:
        """Returns the line of a job or of a sweep."""
        sweep = self.groups.sweep_at(index)
        if sweep is not None:
            return sweep_line(
                sweep, width, colors, here=index == self.index,
                is_open=self.groups.is_open(sweep["name"]),
                marked=self.model.marks.issuperset(one["job_id"] for one in sweep["members"]),
            )  # fmt: skip
        row = self._row(index)
        if row is None:
            return [("    (removed)", colors.dim)]
        here = index == self.index
        marked = row.job_id in self.model.marks
        warning = shown_warning(row.warnings)
        pieces: list[Piece] = [
            (" ▸" if here else "  ", colors.accent),
            ("!" if warning else " ", colors.warn),
            ("◆ " if marked else "* " if row.annotation.pinned else "  ", colors.warn),
        ]
        placed = self._columns(width)
        start = next((item.start for item in placed if item.column.sort == "progress"), 0)
        words, words_style = self._words(row, colors, self._end_of_live() - start)
        if warning is not None and not words and width < _WARNING_IN_GUTTER:
            words, words_style = short_warning(warning, self._clock()), colors.warn
            end = self._end_of_words(words, row)
        elif words_style is colors.warn:
            end = self._end_of_live()
        else:
            end = self._end_of_words(words, row)
        skip_to = -1
        for item in placed:
            if item.start < skip_to:
                continue
            if words and item.column.sort == "progress":
                skip_to = end
                pieces.append((fit(words, skip_to - item.start), words_style))
                pieces.append((" " * GAP, colors.base))
                skip_to += GAP
                continue
            pieces.extend(self._cell(item, row, colors, here))
            pieces.append((" " * GAP, colors.base))
        return pieces

    def _end_of_live(self) -> int:
        live = self._live_columns
        return live[-1].start + live[-1].width if live else 0

    def _end_of_words(self, words: str, row: JobRow) -> int:
        """Returns where words end that leave a row's figures in their columns."""
        live = self._live_columns
        if not live:
            return 0
        end = live[0].start + live[0].width
        for item in live[1:]:
            if end - live[0].start >= len(words) or self._figure(item.column.sort, row, 99):
                break
            end = item.start + item.width
        return end

    def _words(self, row: JobRow, colors: Palette, room: int) -> tuple[str, Style]:
        """Returns the text of a job without a progress bar."""
        now = self._clock()
        if (contact := self.model.contacts.of(row, now)) is not None:
            words = formatting.unheard(contact.why, contact.since, now)
            if len(words) > room:  # since when and why, as much of it as there is room for
                words = f"✗ {formatting.duration((now - contact.since).total_seconds())}: "
                words += contact.why
            return words, colors.warn
        if formatting.in_doubt(row.status, row.stage):
            return row.stage, colors.warn
        if row.status is JobStatus.COMPLETED:
            if row.data_expires_at is not None:
                left = (row.data_expires_at - now).total_seconds()
                return self._at_risk(left), colors.warn
            if row.file_count:
                return self._files(row), colors.dim
            return "no files", colors.dim
        if row.status is JobStatus.QUEUED:
            waited = (now - (row.queued_at or row.created_at)).total_seconds()
            return f"{row.stage or 'waiting'} · {formatting.duration(waited)}", colors.dim
        if row.status is JobStatus.FAILED:
            return row.stage or "failed", colors.base
        if row.status is JobStatus.CANCELLED:
            return row.stage or self._ran(row), colors.dim
        if row.percent is None:
            return row.stage or "…", colors.dim
        return "", colors.base

    def _files(self, row: JobRow) -> str:
        files = formatting.plural(row.file_count, "file")
        room = next((item.width for item in self._placed if item.column.sort == "progress"), 0)
        further = [formatting.size(row.file_bytes)]
        if row.pictures:
            words = formatting.plural(row.pictures, "picture")
            further = [words, f"{row.pictures} pict.", f"{row.pictures} ◫"]
        lines = (f"{files} · {one}" for one in further)
        return next((line for line in lines if len(line) <= room), files)

    def _ran(self, row: JobRow) -> str:
        if row.started_at is None or row.completed_at is None:
            return "before it started"
        seconds = (row.completed_at - row.started_at).total_seconds()
        at = f" · step {row.step:,}" if row.step else ""
        return f"after {formatting.duration(seconds)}{at}"

    def _at_risk(self, left: float) -> str:
        if left <= 0:
            return "not collected · deleted at Replicate"
        return f"not safe here yet · {formatting.duration(left)} left · f fetches"

    def _cell(self, item: Placed, row: JobRow, colors: Palette, here: bool) -> list[Piece]:
        width, right = item.width, item.column.right
        sort = item.column.sort
        if sort == "name":
            name = self.groups.shown_name(row.job_id, row.name)
            return [(fit(name, width), colors.strong if here else colors.base)]
        if sort == "model":
            model = f"{row.model_family} {row.model_flavour}".replace("_", " ").strip()
            return [(fit(model, width), colors.dim)]
        if sort == "state":
            doubt = formatting.in_doubt(row.status, row.stage)
            tone = colors.warn if doubt else colors.status(row.status)
            state = formatting.ended(row.status, row.stage)
            if row.not_finite:  # a series is not finite: the curve has a gap
                return [(fit(f"{state} ✗", width), colors.bad)]
            return [(fit(state, width), tone)]
        if sort == "progress":
            return self._progress(row, width, colors)
        return [(fit(self._figure(sort, row, width), width, right=right), self._tone(sort, colors))]

    def _progress(self, row: JobRow, width: int, colors: Palette) -> list[Piece]:
        percent = formatting.percent(row.percent)
        return [(bar(row.percent or 0.0, width - 6), colors.accent), (f"{percent:>6}", colors.base)]

    def _tone(self, sort: str, colors: Palette) -> Style:
        return colors.dim if sort in _DIM else colors.base

    def _figure(self, sort: str, row: JobRow, width: int) -> str:
        now = self._clock()
        if sort == "step":
            if row.step is None:
                return ""
            return f"{row.step}/{row.total_steps}" if row.total_steps else str(row.step)
        if sort == "rank":
            return "" if row.rank is None else f"{row.rank:g}"
        if sort == "lr":
            return "" if row.learning_rate is None else figure(row.learning_rate)
        if sort == "pace":
            return f"{1 / row.seconds_per_step:.3g}" if row.seconds_per_step else ""
        if sort == "curve":
            return self._curves.of(row.job_id, row.curve, now)
        if sort == "tags":
            return " ".join(row.annotation.tags)
        if sort == "hw":
            return row.hardware.upper()
        if sort == "loss":
            return shown_loss(row)
        if sort == "best":
            return formatting.loss_text(row.loss_best)
        if sort == "eta":
            if row.eta_at is None or not row.status.is_active or is_stalled(row.warnings):
                return ""
            if self.model.contacts.of(row, now) is not None:
                return ""
            left = formatting.duration((row.eta_at - now).total_seconds())
            return left if len(left) <= width else left.replace(" ", "")
        if sort == "created":
            return formatting.age((now - row.created_at).total_seconds(), width)
        cost = shown_cost(row, now, self.model.contacts.of(row, now))
        if cost is None:
            return formatting.money(None)
        return formatting.bounded_in(width, *cost)
