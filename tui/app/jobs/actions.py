"""Actions on jobs that the engine carries out, with the question before each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from tui.app.keys.actions import PROGRAM
from tui.base import formatting
from tui.base.job_status import STATUS_WORDS
from tui.store.records import JobRow
from tui.store.shown_cost import shown_cost

if TYPE_CHECKING:
    from tui.app.context import AppContext
    from tui.app.shell.copy_list import Choice
    from tui.client.client import ControlClient


class JobActions:
    """Cancels, deletes, collects and syncs jobs, for the list and for a job's page.

    Args:
        context: the app.
    """

    def __init__(self, context: AppContext) -> None:
        self._context = context

    def _rows(self, job_ids: Sequence[str]) -> list[JobRow]:
        rows = self._context.reader.rows(job_ids)
        return [rows[job_id] for job_id in job_ids if job_id in rows]

    def _line(self, row: JobRow) -> str:
        now = self._context.clock()
        cost = shown_cost(row, now, self._context.model.contacts.of(row, now))
        words = [row.name, STATUS_WORDS[row.status]]
        if row.step is not None and row.total_steps:
            words.append(f"step {row.step:,} of {row.total_steps:,}")
        words.append(formatting.cost_words(*cost) if cost is not None else "nothing spent yet")
        return " · ".join(words)

    def cancel(self, job_ids: Sequence[str]) -> None:
        """Asks, then cancels those of the jobs that are still active."""
        rows = [row for row in self._rows(job_ids) if row.status.is_active]
        if not rows:
            self._context.tell("None of these jobs is running.")
            return
        what = rows[0].name if len(rows) == 1 else f"{len(rows)} jobs"
        self._ask(
            f"Cancel {what}?",
            [*map(self._line, rows), "", "What has been used is still charged."],
            yes="Yes, cancel " + ("it" if len(rows) == 1 else "them"),
            call=lambda control, row: control.cancel(row.job_id),
            rows=rows,
            done=f"Cancelling {what}.",
        )

    def delete(self, job_ids: Sequence[str]) -> None:
        """Asks, then deletes the records of those of the jobs that have ended."""
        rows = [row for row in self._rows(job_ids) if row.status.is_terminal]
        if not rows:
            self._context.tell(
                "Only finished jobs can be deleted.", "Cancel a running one first (c)."
            )
            return
        what = f"the record of {rows[0].name}" if len(rows) == 1 else f"{len(rows)} records"
        details = [self._line(row) for row in rows]
        unsafe = [row for row in rows if row.data_expires_at is not None]
        if unsafe:
            details += ["", "Not collected yet, and deleted at Replicate soon: "
                        + ", ".join(row.name for row in unsafe)]  # fmt: skip
        self._ask(
            f"Delete {what}?",
            [*details, "", "Log and metrics go with it. Delivered files stay on disk."],
            yes="Yes, delete",
            call=lambda control, row: control.delete(row.job_id),
            rows=rows,
            done=f"Deleted {what}.",
        )

    def _ask(
        self,
        question: str,
        details: Sequence[str],
        *,
        yes: str,
        call: Callable[[ControlClient, JobRow], Awaitable[Any]],
        rows: Sequence[JobRow],
        done: str,
    ) -> None:
        from tui.app.widgets.confirm import Confirm

        async def all_of_them(control: ControlClient) -> str:
            for row in rows:
                await call(control, row)
                self._context.model.marks.discard(row.job_id)
            return done

        def answered(agreed: bool | None) -> None:
            if agreed:
                self._context.call_engine(all_of_them)

        self._context.push_screen(Confirm(question, details, yes=yes), answered)

    def collect(self, job_ids: Sequence[str]) -> None:
        """Fetches the results of those of the jobs that have ended."""
        rows = [row for row in self._rows(job_ids) if row.status.is_terminal]

        async def fetch(control: ControlClient) -> str:
            files, missing = 0, 0
            for row in rows:
                answer = await control.collect(row.job_id)
                files += len(answer.get("files", ()))
                missing += len(answer.get("missing", ()))
            words = f"{formatting.plural(files, 'file')} on disk"
            return f"{words}, {missing} cannot be had any more." if missing else f"{words}."

        if rows:
            self._context.tell(f"Fetching files of {formatting.plural(len(rows), 'job')}…")
            self._context.call_engine(fetch)

    def sync(self) -> None:
        """Brings in the jobs that were started elsewhere."""

        async def sync(control: ControlClient) -> str:
            answer = await control.sync()
            return str(
                answer.get("message")
                or f"{formatting.plural(int(answer.get('synced') or 0), 'job')} brought in."
            )

        self._context.call_engine(sync)

    def copies(self, job_id: str, command: str = "") -> list[Choice]:
        """Returns what can be copied of a job.

        Args:
            job_id: the job.
            command: the command line that shows what is on screen, where it is not the job's own.
        """
        record = self._context.reader.job(job_id)
        return [
            ("command", command or f"{PROGRAM} job {job_id}"),
            ("id", job_id),
            ("page", record.web_url if record is not None else ""),
        ]

    def web(self, job_id: str) -> None:
        """Copies the address of the job's page at Replicate and shows it."""
        record = self._context.reader.job(job_id)
        if record is None or not record.web_url:
            self._context.tell("This job has no web page yet.")
            return
        self._context.copy(record.web_url)
