"""Which jobs are compared: the marked ones, else a job and the one before it of the same model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tui.app.shell.jobs_model import JobsModel

_LOOKED_AT: Final = 500
"""Older jobs among which one of the same model is looked for: a key must not read ten thousand."""


def runs_to_compare(model: JobsModel, job_id: str | None) -> list[str]:
    """Returns the jobs for a comparison; fewer than two when there is nothing to compare with.

    Args:
        model: the list with its marks.
        job_id: the job that is looked at.
    """
    marked = [one for one in model.ids if one in model.marks]
    if job_id is None or (len(marked) > 1 and job_id in marked):
        return marked
    if marked and marked != [job_id]:
        # On a job's page, or beside one marked job, the job that is looked at is one of them.
        return marked if len(marked) > 1 else [job_id, *marked]
    beside = _beside(model, job_id)
    return [job_id] if beside is None else [job_id, beside]


def _beside(model: JobsModel, job_id: str) -> str | None:
    """The newest job before one, of the same model; for the first of a model the one after it."""
    rows = model.reader.rows([job_id])
    mine = rows.get(job_id)
    if mine is None:
        return None
    near: Sequence[str] = [one for one in model.ids if one != job_id][:_LOOKED_AT]
    others = model.reader.rows(near).values()
    same = [
        row
        for row in others
        if (row.model_family, row.model_flavour) == (mine.model_family, mine.model_flavour)
    ]
    if before := [row for row in same if row.created_at <= mine.created_at]:
        return max(before, key=lambda row: row.created_at).job_id
    return min(same, key=lambda row: row.created_at).job_id if same else None
