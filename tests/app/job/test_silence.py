"""The head of a job that is not heard of."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.app.world import NOW, job
from tui.app.job import facts
from tui.base.job_status import JobStatus
from tui.store.lost_contact import LostContact


def test_a_silent_job_shows_no_eta_and_its_least_cost() -> None:
    started = NOW - timedelta(hours=1)
    running = replace(
        job(1, JobStatus.RUNNING), started_at=started, eta_at=NOW + timedelta(hours=1),
        rate_micros=1000, cost_micros=None,
    )  # fmt: skip
    followed = " ".join(text for text, _ in facts.head(running, NOW))
    assert "ETA" in followed
    assert "so far" in followed
    mark = LostContact("api answers 503", started + timedelta(minutes=30))
    silent = " ".join(text for text, _ in facts.head(running, NOW, unheard=mark))
    assert "ETA" not in silent
    assert "at least $1.80" in silent  # 30 minutes at 0.001 $/s
    assert "so far" not in silent
