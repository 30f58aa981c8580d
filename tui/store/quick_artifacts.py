"""What the results of jobs are described from, without the imports of `store.reader`."""

from __future__ import annotations

from tui.base.natural_order import natural_order
from tui.store.job_folder import FOLDER

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from typing import Any, NamedTuple

    from tui.store.quick_reader import QuickReader
    from tui.store.submit_state import SubmitState
    from tui.store.transfer_records import FetchState, Origin
else:
    from tui.base.light_tuple import NamedTuple


_PRODUCER = (
    "SELECT job_id, name, step, loss, CASE WHEN instr(submit, '\"delivered\"') "
    "THEN json_extract(submit, '$.delivered') END, "
    "CASE WHEN instr(submit, '\"folder\"') THEN json_extract(submit, '$.folder') END FROM jobs"
)

_COPIES = """SELECT {{}}t.target, t.place, i.name, i.sha256, i.link, t.ended_at
FROM transfers t JOIN transfer_items i USING (transfer_id)
WHERE t.state = '{}' AND i.state = '{}'{{}} ORDER BY t.ended_at, i.seq"""
_VERIFIED = _COPIES.format("done", "verified")
_UNVERIFIED = _COPIES.format("unverified", "unverified")
_FILES = "SELECT {}path, size, sha256, missing FROM files WHERE 1{}"
_FETCHES = (
    "SELECT {}name, origin, size, done_bytes, state, message, advice, until FROM fetches "
    "WHERE 1{} ORDER BY name"
)
"""Queries with a place for the column of the job and one for a condition."""


class QuickProducer(NamedTuple):
    """A job, as far as its results are told of; of `submit`, the delivery and the folder."""

    job_id: str
    name: str
    step: int | None
    loss: float | None
    submit: SubmitState


class QuickResult(NamedTuple):
    """A file that a job produced; the fields of `store.records.FileRecord`."""

    path: str
    size: int
    sha256: str
    missing: str


class QuickCopy(NamedTuple):
    """Where a file was published; the fields of `store.transfer_records.PublishedFile`."""

    target: str
    place: str
    name: str
    sha256: str
    link: str
    at: datetime


class QuickFetch(NamedTuple):
    """A file that is not here; the fields of `store.transfer_records.FetchRecord`."""

    name: str
    origin: Origin
    size: int | None
    done_bytes: int
    state: FetchState
    message: str
    advice: str
    until: datetime | None


def _producer(row: Sequence[Any]) -> QuickProducer:
    *rest, delivered, folder = row
    submit: SubmitState = {} if folder is None else {FOLDER: folder}
    if delivered is not None:
        import json

        submit["delivered"] = json.loads(delivered)
    return QuickProducer._make([*rest, submit])


def _moment(micros: int) -> datetime:
    from tui.store.moments import from_micros  # few results were published, or are elsewhere

    return from_micros(micros)


class QuickArtifacts:
    """Answers what `engine.transfers.artifacts` asks of a store.

    Once it has been asked for all jobs, it reads each table whole: a query takes as long as twenty
    rows.

    Args:
        query: of the database.
        with_losses: whether the losses of the steps are of interest; else there are none.
    """

    def __init__(self, query: QuickReader, *, with_losses: bool = True) -> None:
        self._query = query
        self._with_losses = with_losses
        self._whole: dict[str, dict[str, list[Any]]] | None = None
        """The rows of each query by job, once all jobs were asked for."""

    def find(self, job_id: str) -> QuickProducer:
        """The job of a whole id.

        Raises:
            LookupError: there is none; it may be the beginning of one, or a name.
        """
        return _producer(self._query(f"{_PRODUCER} WHERE job_id = ?", (job_id,))[0])

    def records(self) -> list[QuickProducer]:
        """Jobs that produced something, or shall have, newest first."""
        rows = self._query(
            f"{_PRODUCER} WHERE job_id IN "  # noqa: S608  constants
            "(SELECT job_id FROM files UNION SELECT job_id FROM fetches) "
            "ORDER BY created_at DESC, job_id"
        )
        self._whole = {}
        return [_producer(row) for row in rows]

    def files(self, job_id: str) -> list[QuickResult]:
        """The files of a job, by path, `checkpoint-50` before `checkpoint-200`."""
        rows = map(QuickResult._make, self._of(job_id, _FILES))
        return sorted(rows, key=lambda file: natural_order(file.path))

    def published(self, job_id: str) -> list[QuickCopy]:
        """Where they were published, oldest first."""
        return self._copies(job_id, _VERIFIED)

    def sent_unseen(self, job_id: str) -> list[QuickCopy]:
        """Where they were sent and nobody may look, oldest first."""
        return self._copies(job_id, _UNVERIFIED)

    def _copies(self, job_id: str, sql: str) -> list[QuickCopy]:
        rows = self._of(job_id, sql)
        return [QuickCopy._make([*row[:5], _moment(row[5])]) for row in rows]

    def fetches(self, job_id: str) -> list[QuickFetch]:
        """Files that are not here, by name."""
        return [
            QuickFetch._make([*row[:-1], None if row[-1] is None else _moment(row[-1])])
            for row in self._of(job_id, _FETCHES)
        ]

    def metrics(self, job_id: str, name: str) -> tuple[Sequence[int], Sequence[float]]:
        """A series as steps and values, in step order."""
        if not self._with_losses:
            return (), ()
        rows = self._query(
            "SELECT step, value FROM metrics WHERE job_id = ? AND name = ? ORDER BY step",
            (job_id, name),
        )
        values = [float("nan") if value is None else value for _, value in rows]
        return [step for step, _ in rows], values

    def _of(self, job_id: str, sql: str) -> list[Any]:
        """The rows of one job."""
        if self._whole is None:
            return self._query(sql.format("", " AND job_id = ?"), (job_id,))
        if sql not in self._whole:
            by_job: dict[str, list[Any]] = {}
            self._whole[sql] = by_job
            for of, *row in self._query(sql.format("job_id, ", "")):
                by_job.setdefault(of, []).append(row)
        return self._whole[sql].get(job_id, [])
