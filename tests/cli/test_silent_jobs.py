"""What `job` says about a job that is not heard of, and about the cost of a lost one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.app.world import NOW, job
from tui.base.job_status import LOST, JobStatus
from tui.cli.job_queries import _say_job
from tui.store.lost_contact import LostContact


def test_job_says_why_a_running_job_is_not_heard_of(capsys: pytest.CaptureFixture[str]) -> None:
    _say_job(job(1, JobStatus.RUNNING), [], LostContact("api answers 503", NOW))
    assert "contact     api answers 503, not heard from since " in capsys.readouterr().out
    _say_job(job(1, JobStatus.RUNNING), [])
    assert "not heard from" not in capsys.readouterr().out


def test_job_says_that_the_cost_of_a_lost_job_is_its_upper_bound(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lost = replace(job(1, JobStatus.FAILED), provider_status=LOST, cost_micros=1_800_000)
    _say_job(lost, [])
    assert "cost        at most $1.80" in capsys.readouterr().out
