"""The job list as data, read from the store.

The list's order is kept as ids only; lines are read for what is on screen and kept until the store
says that they changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from tui.base.job_status import JobStatus
from tui.store.columns import FURTHER
from tui.store.filter import JobFilter, parse_filter
from tui.store.lost_contact import Contacts, LostContact
from tui.store.reader import SORT_COLUMNS, StoreReader
from tui.store.records import JobRow
from tui.store.schema import StoreError

SORTS: Final = (
    "created", "name", "model", "state", "hw", "progress", "step", "loss", "best", "eta", "cost"
)  # fmt: skip
SORT_WORDS: Final = {
    ("created", True): "newest",
    ("created", False): "oldest",
}
_FIXED_SORTS: Final = frozenset({"created", "model", "hw"})
"""Sorts by what never changes during a job's life."""
_KEPT_ROWS: Final = 2_000
_READ_AHEAD: Final = 60


@dataclass(frozen=True, slots=True)
class JobsUpdate:
    """What has changed since the last `JobsModel.catch_up`.

    Attributes:
        changed: ids of jobs that changed.
        order_stale: the order or the set of ids may be wrong until `reload`.
    """

    changed: frozenset[str]
    order_stale: bool


def pinned_first(ids: Sequence[str], pinned: frozenset[str]) -> Sequence[str]:
    """Returns ids in their order, those of pinned jobs before all others."""
    if not pinned:
        return ids
    first = [job_id for job_id in ids if job_id in pinned]
    return [*first, *(job_id for job_id in ids if job_id not in pinned)]


class JobsModel:
    """Holds order, filter, marks and rows of the job list."""

    def __init__(self, reader: StoreReader) -> None:
        self.reader = reader
        self.sort = "created"
        self.descending = True
        self._columns: tuple[str, ...] = ()
        self.charts: tuple[str, ...] = ()
        """The series that the user has moved among the charts, in their order, with the others."""
        self.saved_filters: dict[str, str] = {}
        """The filters that have a name, by it."""
        self.filter = JobFilter()
        self.ids: Sequence[str] = ()
        self.counts: dict[JobStatus, int] = {}
        self.marks: set[str] = set()
        self.problem: StoreError | None = None
        self.contacts = Contacts()
        """Which active jobs cannot be followed at the moment."""
        self._pinned: frozenset[str] = frozenset()
        self._rev = 0
        self._rows: dict[str, JobRow] = {}
        self._index: dict[str, int] | None = None

    # -- columns ------------------------------------------------------------------------------

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the user has chosen; none for the usual ones."""
        return self._columns

    @columns.setter
    def columns(self, names: tuple[str, ...]) -> None:
        before, self._columns = self._further, names
        if self._further != before:
            self._rows.clear()

    @property
    def _further(self) -> list[str]:
        """Which of them are read only because they are shown."""
        return [name for name in FURTHER if name in self._columns]

    # -- order --------------------------------------------------------------------------------

    def reload(self) -> None:
        """Reads order and counts again. On failure `problem` says why and the list stays."""
        try:
            self._rev = self.reader.max_rev()
            ids = self.reader.job_ids(self.sort, self.descending, self.filter)
            self._pinned = self.reader.pinned()
            self.ids = pinned_first(ids, self._pinned)
            self.counts = self.reader.counts()
            self.read_contacts()
            self.problem = None
        except StoreError as error:
            self.problem = error
        self._index = None
        self._rows.clear()
        if self.marks:
            self.marks.intersection_update(self.ids)

    def set_filter(self, text: str) -> None:
        """Narrows the list."""
        self.filter = parse_filter(text)
        self.reload()

    def set_sort(self, sort: str, descending: bool | None = None) -> None:
        """Sorts by a column, without a direction in the one that is natural for it."""
        if sort not in SORT_COLUMNS:
            raise ValueError(f"no such column: {sort}")
        self.sort = sort
        natural = sort not in ("name", "model", "state", "hw", "loss", "best", "eta")
        self.descending = natural if descending is None else descending
        self.reload()

    def resume(self, sort: str, descending: bool, filter_text: str) -> None:
        """Sets the order and filter of the last run; the first `reload` reads them."""
        self.sort, self.descending = sort, descending
        self.filter = parse_filter(filter_text)

    @property
    def sort_words(self) -> str:
        """The order in words: `newest`, `cost, highest first`."""
        known = SORT_WORDS.get((self.sort, self.descending))
        return known or f"{self.sort} {'▾' if self.descending else '▴'}"

    @property
    def total(self) -> int:
        """How many jobs there are, whatever the filter."""
        return sum(self.counts.values())

    def catch_up(self) -> JobsUpdate:
        """Reads what has changed since the last call. Cheap: only changed rows are read."""
        try:
            rows = self.reader.changed_since(self._rev, *self._further)
            counts = self.reader.counts() if rows else self.counts
            if not rows and self.reader.counts() != self.counts:
                return JobsUpdate(frozenset(), order_stale=True)
        except StoreError as error:
            self.problem = error
            return JobsUpdate(frozenset(), order_stale=False)
        appeared = sum(counts.values()) != self.total
        self.counts = counts
        for row in rows:
            self._rev = max(self._rev, row.rev)
            if row.job_id in self._rows:
                self._rows[row.job_id] = row
        stale = bool(rows) and (
            appeared
            or self.sort not in _FIXED_SORTS
            or bool(self.filter.text.strip())
            or any(row.annotation.pinned != (row.job_id in self._pinned) for row in rows)
        )
        return JobsUpdate(frozenset(row.job_id for row in rows), stale)

    def read_contacts(self) -> frozenset[str]:
        """Read which jobs cannot be followed; returns the ids of which that has changed.

        Raises:
            StoreError: the store cannot be read.
        """
        before, engine = self.contacts.marks, self.contacts.engine
        self.contacts = replace(self.reader.contacts(), engine=engine)
        after = self.contacts.marks
        ids = before.keys() | after.keys()
        return frozenset(one for one in ids if before.get(one) != after.get(one))

    def engine_heard(self, why: str, now: datetime) -> None:
        """Note whether the engine answers.

        Args:
            why: why it does not, in a few words; "" when it does.
            now: the time.
        """
        known = self.contacts.engine
        engine = LostContact(why, known.since if known is not None else now) if why else None
        self.contacts = replace(self.contacts, engine=engine)

    # -- lines --------------------------------------------------------------------------------

    def position(self, job_id: str) -> int | None:
        """Returns the place of a job in the list; None where it is not in it."""
        if self._index is None:
            self._index = {job_id: number for number, job_id in enumerate(self.ids)}
        return self._index.get(job_id)

    def row(self, index: int) -> JobRow | None:
        """Returns the row at a place; the rows around it are read with it."""
        if not 0 <= index < len(self.ids):
            return None
        job_id = self.ids[index]
        row = self._rows.get(job_id)
        if row is None:
            start = max(0, index - _READ_AHEAD)
            self._read(self.ids[start : index + _READ_AHEAD])
            row = self._rows.get(job_id)
        return row

    def running_row(self) -> JobRow | None:
        """Returns the first running job among the rows that were read; asks the store nothing."""
        running = (row for row in self._rows.values() if row.status is JobStatus.RUNNING)
        return next(running, None)

    def _read(self, ids: Sequence[str]) -> None:
        missing = [job_id for job_id in ids if job_id not in self._rows]
        if len(self._rows) > _KEPT_ROWS:
            self._rows.clear()
            missing = list(ids)
        try:
            self._rows.update(self.reader.rows(missing, *self._further))
        except StoreError as error:
            self.problem = error

    def marked_or(self, job_id: str | None) -> list[str]:
        """Returns the ids that an action is about: the marked jobs in list order, else `job_id`."""
        if self.marks:
            return [job_id for job_id in self.ids if job_id in self.marks]
        return [job_id] if job_id else []
