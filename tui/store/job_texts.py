"""The table of JSON texts of jobs that have ended: `jobs --json` reads it, the engine fills it.

The text of such a job stays the same until somebody writes about it. Triggers of the schema delete
it with every change of what it is made from.
"""

from __future__ import annotations

from typing import Final

from tui.store.columns import Tables
from tui.store.job_json_query import FORM, job_texts

AT_ONCE: Final = 32
"""Texts that are made in one transaction: some milliseconds."""
PAGE: Final = 500
"""Jobs that are looked at for those without a text."""
LOOK: Final = """
SELECT completed_at, job_id, form IS NOT ? AND status IN ('completed', 'failed', 'cancelled')
FROM jobs LEFT JOIN job_texts USING (job_id) WHERE (completed_at, job_id) < (?, ?)
ORDER BY completed_at DESC, job_id DESC LIMIT ?"""

Position = tuple[int, str]
"""Of a job in the order of the ends: microseconds since 1970, and its id."""
NEWEST: Final[Position] = (2**63 - 1, "")


class JobTextTable(Tables):
    """Writes the table."""

    def keep(self, before: Position = NEWEST) -> Position | None:
        """Make and keep the texts of some jobs that have none, those that ended last first.

        A job that ended at an unknown time gets none: how long it ran follows from the present.

        Args:
            before: where to begin.

        Returns:
            Where to go on; None when no job is left.

        Raises:
            StoreError: nothing is kept.
        """
        rows = self._query(LOOK, (FORM, *before, PAGE))
        missing = [(ended, job_id) for ended, job_id, lacks in rows if lacks]
        if missing:
            self._make([job_id for _, job_id in missing[:AT_ONCE]])
        if len(missing) > AT_ONCE:
            return missing[AT_ONCE - 1]
        return rows[-1][:2] if len(rows) == PAGE else None

    def _make(self, job_ids: list[str]) -> None:
        with self._transaction():
            for job_id, (_, text) in job_texts(self._query, job_ids).items():
                self._execute(
                    "INSERT OR REPLACE INTO job_texts (job_id, form, text) VALUES (?, ?, ?)",
                    (job_id, FORM, text),
                )
