"""What `submit --wait` says while it waits: for what, and until when."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.app.world import NOW, job
from tui.base import formatting
from tui.base.job_status import JobStatus
from tui.cli.submit_commands import waiting_line
from tui.store.lost_contact import LostContact


def test_a_job_that_is_not_heard_of_says_since_when_and_why() -> None:
    running = job(1, JobStatus.RUNNING)
    silent = LostContact("api answers 503", NOW)
    assert "495/1500" in waiting_line(running, None)
    since = formatting.clock(NOW)
    assert waiting_line(running, silent) == f"api answers 503, not heard from since {since}"
    assert "503" not in waiting_line(job(1, JobStatus.COMPLETED), silent)


def test_a_run_without_steps_says_when_it_is_stopped() -> None:
    waiting = replace(
        job(1, JobStatus.QUEUED), queued_at=NOW, submit={"cancel_after": 7200}, stage="queued"
    )
    until = formatting.clock(NOW + timedelta(hours=2))
    assert waiting_line(waiting, None).endswith(f"; stopped at {until} at the latest")
    assert "stopped" not in waiting_line(replace(waiting, submit={}), None)
