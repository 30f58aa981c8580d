"""The table of jobs that `jobs` prints."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime

from tui.base.formatting import bounded, ended, in_doubt, money, number, stamp, unheard
from tui.base.job_status import JobStatus
from tui.cli.output import table

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import NamedTuple

    from tui.store.lost_contact import LostContact
else:
    from tui.base.light_tuple import NamedTuple


class JobRow(NamedTuple):
    """The values of one row.

    Attributes:
        status: the value of a `JobStatus`.
        loss: a text where it is not a number.
        cost: micro-dollars and how sure they are (`tui.store.shown_cost`).
        contact: since when the job is not heard of; None for one that is.
    """

    job_id: str
    name: str
    model: str
    status: str
    stage: str
    step: int | None
    total_steps: int | None
    loss: float | str | None
    created_at: datetime
    cost: tuple[int, str] | None
    contact: LostContact | None


_HEADER = ["ID", "NAME", "MODEL", "STATE", "STEP", "LOSS", "COST", "CREATED"]
_STATE = _HEADER.index("STATE")
_RIGHT = frozenset({4, 5, 6})
_MOST_MISSING = 60
"""Characters of the names of missing results in the list; `job` prints all."""


def job_table(rows: Iterable[JobRow]) -> list[str]:
    """Return the lines of the table, its header first."""
    rows = list(rows)
    ascii_only = not prints_utf8()
    tones = {(at, _STATE): tone_of(row.status, row.stage) for at, row in enumerate(rows, 1)}
    cells = [
        [
            row.job_id,
            row.name,
            row.model,
            _state(JobStatus(row.status), row.stage, row.contact, ascii_only=ascii_only),
            f"{row.step}/{row.total_steps}" if row.step is not None else "",
            row.loss if isinstance(row.loss, str) else "" if row.loss is None else number(row.loss),
            money(None) if row.cost is None else bounded(*row.cost, ascii_only=ascii_only),
            stamp(row.created_at),
        ]
        for row in rows
    ]
    return table([_HEADER, *cells], _RIGHT, tones)


def tone_of(status: str, stage: str) -> str:
    """The tone of a state: a done job is good only when its results have arrived."""
    if in_doubt(JobStatus(status), stage):
        return "warn"
    return {"completed": "good", "failed": "bad", "running": "busy"}.get(status, "")


def _state(status: JobStatus, stage: str, contact: LostContact | None, *, ascii_only: bool) -> str:
    """A job's state, such as `✓ done`, or `! done, delivered: no` where results are missing."""
    label = ended(status, stage, ascii_only=ascii_only)
    if contact is not None:
        return f"{label}, {unheard(contact.why, contact.since, datetime.now(UTC))}"
    if in_doubt(status, stage):
        state, _, missing = stage.partition(" · ")
        label += f", {state}"
        if missing:
            cut = len(missing) > _MOST_MISSING
            label += f" · {missing[:_MOST_MISSING]}{'…' if cut else ''}"
    return label


def prints_utf8() -> bool:
    """Whether standard output can show the glyphs of the states."""
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8" and os.name == "posix"
