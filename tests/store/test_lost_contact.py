"""Which jobs are not heard of, and what is shown as their cost: one answer for all who show it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.app.world import NOW, job
from tui.app.shell.jobs_model import JobsModel
from tui.base.formatting import bounded, bounded_in, cost_words, unheard
from tui.base.job_status import LOST, JobStatus
from tui.store.lost_contact import NOT_RECORDED, SILENT_AFTER, Contacts, LostContact
from tui.store.reader import StoreReader
from tui.store.shown_cost import ShownCost, shown_cost

RUNNING = replace(
    job(1, JobStatus.RUNNING), started_at=NOW - timedelta(hours=1), rate_micros=100,
)  # fmt: skip
MARK = LostContact("api answers 503", NOW - timedelta(minutes=4))


def test_a_marked_job_is_not_heard_of_until_it_ends() -> None:
    contacts = Contacts({RUNNING.job_id: MARK}, NOW)
    assert contacts.of(RUNNING, NOW) == MARK
    assert contacts.of(replace(RUNNING, job_id="other"), NOW) is None
    assert contacts.of(replace(RUNNING, status=JobStatus.FAILED), NOW) is None
    assert unheard(MARK.why, MARK.since, NOW) == "not heard of for 4 m: api answers 503"


def test_running_jobs_are_not_heard_of_while_the_engine_records_nothing() -> None:
    last = NOW - SILENT_AFTER
    assert Contacts({}, last).of(RUNNING, NOW) is None
    last -= timedelta(seconds=1)
    assert Contacts({}, last).of(RUNNING, NOW) == LostContact(NOT_RECORDED, last)
    fresh = replace(RUNNING, started_at=NOW - timedelta(seconds=3))
    assert Contacts({}, last).of(fresh, NOW) == LostContact(
        NOT_RECORDED, NOW - timedelta(seconds=3)
    )
    for other in (
        replace(RUNNING, status=JobStatus.QUEUED),
        replace(RUNNING, rate_micros=0),  # nothing is renewed for it
        replace(RUNNING, started_at=None),
    ):
        assert Contacts({}, last).of(other, NOW) is None
    assert Contacts().of(RUNNING, NOW) is None


@pytest.mark.parametrize(
    ("changes", "contact", "cost"),
    [
        ({}, None, ShownCost(360_000, "so far")),
        ({}, MARK, ShownCost(336_000, "at least")),
        ({"started_at": None}, MARK, None),
        ({"started_at": NOW - timedelta(seconds=0.29)}, None, ShownCost(29, "so far")),
        ({"started_at": NOW + timedelta(seconds=5)}, None, ShownCost(0, "so far")),
        ({"completed_at": NOW - timedelta(minutes=30)}, None, ShownCost(180_000)),
        ({"cost_micros": 7}, None, ShownCost(7)),
        ({"cost_micros": 7, "provider_status": LOST}, None, ShownCost(7, "at most")),
    ],
)
def test_a_cost_says_how_sure_it_is(
    changes: dict[str, object], contact: LostContact | None, cost: ShownCost | None
) -> None:
    assert shown_cost(replace(RUNNING, **changes), NOW, contact) == cost  # type: ignore[arg-type]


def test_how_sure_a_cost_is_in_words() -> None:
    assert cost_words(336_000, "at least") == "at least $0.34"
    assert cost_words(336_000, "so far") == "$0.34 so far"
    assert cost_words(336_000) == "$0.34"
    assert bounded(336_000, "at least") == "≥ $0.34"
    assert bounded(336_000, "at most", ascii_only=True) == "<= $0.34"
    assert bounded(336_000, "so far") == "$0.34"
    # A column of seven cells: no digit is cut, and what is rounded still keeps the bound.
    assert bounded_in(7, 336_000, "at least") == "≥ $0.34"
    assert bounded_in(7, 12_336_000, "at least") == "≥$12.34"
    assert bounded_in(7, 576_804_000, "at least") == "≥$576"
    assert bounded_in(7, 576_104_000, "at most") == "≤$577"
    assert bounded_in(7, 1_576_804_000, "so far") == "$1,577"


def test_no_active_job_is_heard_of_while_the_engine_is_known_to_be_silent() -> None:
    silent = LostContact("engine does not answer", NOW)
    contacts = Contacts({"marked": MARK}, NOW, silent)
    assert contacts.of(replace(RUNNING, status=JobStatus.QUEUED), NOW) == silent
    assert contacts.of(replace(RUNNING, job_id="marked"), NOW) == MARK
    assert contacts.of(replace(RUNNING, status=JobStatus.COMPLETED), NOW) is None


def test_the_silence_of_the_engine_begins_once_and_ends(tmp_path: Path) -> None:
    model = JobsModel(StoreReader(tmp_path / "none"))
    model.engine_heard("engine does not answer", NOW)
    model.engine_heard("engine is not running", NOW + timedelta(minutes=1))
    model.read_contacts()  # what the store says changes nothing about it
    assert model.contacts.engine == LostContact("engine is not running", NOW)
    model.engine_heard("", NOW)
    assert model.contacts.engine is None
