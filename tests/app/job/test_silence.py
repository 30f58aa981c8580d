"""What the page and the list show of a job that is not heard of."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.app.world import NOW, job
from tui.api.jobs import JobWarning
from tui.app.job import facts
from tui.app.jobs.columns import Placed, place_columns
from tui.app.jobs.job_list import JobList
from tui.app.shell.jobs_model import JobsModel
from tui.app.terminal.theme import DARK, _make
from tui.base.job_status import JobStatus
from tui.store.lost_contact import Contacts, LostContact
from tui.store.reader import StoreReader
from tui.store.records import JobRow

COLORS = _make(DARK)
STALLED: JobWarning = {
    "kind": "stalled", "step": 3, "since": NOW.isoformat(), "ratio": None, "dismissed": True,
}  # fmt: skip


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
    silent = " ".join(text for text, _ in facts.head(running, NOW, contact=mark))
    assert "ETA" not in silent
    assert "at least $1.80" in silent  # 30 minutes at 0.001 $/s
    assert "so far" not in silent
    stands = replace(running, warnings=[STALLED])
    assert "ETA" not in " ".join(text for text, _ in facts.head(stands, NOW))


def test_what_is_wrong_with_a_run_is_in_its_head_until_it_is_put_away() -> None:
    """A notice sends its reader to the page, which has to say it in words of its own."""
    rows: list[JobWarning] = [
        {**STALLED, "dismissed": False},
        {**STALLED, "kind": "diverging", "ratio": 1.9, "dismissed": False},
        {**STALLED, "kind": "slower", "ratio": 3.0},
    ]
    running = replace(job(1, JobStatus.RUNNING), warnings=rows, rate_micros=1000)
    words = [text for text, _ in facts.head(running, NOW + timedelta(minutes=4))]
    assert words[1:4] == [
        "Training", "! no step for 4 m · $0.24", "! loss is 1.9 × its best since step 3",
    ]  # fmt: skip
    assert not any("usual" in text for text in words)


def test_the_list_shows_since_when_a_job_is_not_heard_of_and_its_least_cost() -> None:
    model = JobsModel(StoreReader(Path("/none")))
    jobs = JobList(model, clock=lambda: NOW)
    running = replace(
        row(JobStatus.RUNNING), started_at=NOW - timedelta(minutes=34), rate_micros=1000,
        eta_at=NOW + timedelta(hours=1),
    )  # fmt: skip
    shown = {place.column.sort: place for place in place_columns(100)}
    eta, cost = shown["eta"], shown["cost"]

    def figure(place: Placed, one: JobRow) -> str:
        return jobs._figure(place.column.sort, one, place.width)

    assert figure(eta, replace(running, warnings=(STALLED,))) == ""

    assert (figure(eta, running), figure(cost, running)) == ("1h00m", "$2.04")
    mark = LostContact("api answers 503", NOW - timedelta(minutes=4))
    model.contacts = Contacts({running.job_id: mark})
    assert (figure(eta, running), figure(cost, running)) == ("", "≥ $1.80")
    assert jobs._words(running, COLORS, 40)[0] == "not heard of for 4 m: api answers 503"
    assert jobs._words(running, COLORS, 24)[0] == "✗ 4 m: api answers 503"
    lost = replace(row(JobStatus.FAILED), is_lost=True, cost_micros=12_345_678)
    assert figure(cost, lost) == "≤$12.35"


def row(status: JobStatus) -> JobRow:
    """A line of the list for a job like many."""
    values: dict[str, Any] = {"sandbox": False, "not_finite": ()}
    for item in fields(JobRow):
        values.setdefault(item.name, getattr(job(1, status), item.name, None))
    return JobRow(**values)
