"""A prediction whose values mean harm is data: it is read, merged, stored, listed and answered."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.app.world import home_at, job
from tui.base.formatting import money
from tui.base.job_status import JobStatus
from tui.engine.runtime.event_bus import EventBus
from tui.engine.tracking.monitor import snapshot_of
from tui.engine.tracking.recorder import JobRecorder
from tui.replicate.models import LONGEST_RUN, Prediction
from tui.replicate.values import load_json
from tui.settings import Home
from tui.store.annotations import NONE
from tui.store.job_json import job_json
from tui.store.job_json_query import jobs_json
from tui.store.reader import StoreReader
from tui.store.writer import StoreWriter

HUGE = 10**5000
RATE = 975
"""Micro-dollars a second: of an L40S."""
FIELDS = (
    "id", "status", "model", "version", "input", "output", "error", "logs", "data_removed",
    "created_at", "started_at", "completed_at", "deadline", "metrics", "urls", "source",
)  # fmt: skip
STATUSES = ["starting", "processing", "succeeded", "failed", "canceled", "aborted"]
MOMENTS = [
    "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "1969-12-31T23:59:59Z", "2001-01-01",
    "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00", "99999-01-01T00:00:00Z",
    "292277026596-12-04T15:30:08Z", "2026-02-30T00:00:00Z", "2026-03-01T12:00:00Z", "now",
]  # fmt: skip
NUMBERS = [2**63, 2**64, -(2**63) - 1, 10**400, 1e308, -1e308, 5e-324, 0, -1,
           float("inf"), float("-inf"), float("nan")]  # fmt: skip
TEXTS = ["\ud800", "a\udfffb", "\x00", "\x1b[2J", "\u202e", "\r\n", "x" * 70_000, "NaN", ""]
HUGE_NUMBERS = st.sampled_from([1, -1]).map(lambda sign: sign * HUGE)  # Python prints none of them
SCALARS = HUGE_NUMBERS | st.sampled_from([*NUMBERS, *TEXTS, *MOMENTS, *STATUSES, None, True, False])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(TEXTS[:6]), inner),
    max_leaves=4,
)
METRICS = st.dictionaries(st.sampled_from(["predict_time", "total_time", "\ud800"]), SCALARS)
ODD = st.fixed_dictionaries(
    {"status": st.sampled_from([*STATUSES, *STATUSES]) | VALUES},
    optional={name: VALUES for name in FIELDS if name != "status"} | {"metrics": METRICS},
)
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return home_at(tmp_path_factory.mktemp("hostile") / "home")


@pytest.fixture(scope="module")
def recorder(home: Home) -> Iterator[JobRecorder]:
    writer = StoreWriter(home)
    yield JobRecorder(writer, home, EventBus())
    writer.close()


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@given(st.lists(ODD, min_size=1, max_size=2))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@example([{"status": HUGE, "id": HUGE, "metrics": {"predict_time": HUGE}}])
@example([{"status": "succeeded", "metrics": {"predict_time": 1e308}}])
@example([{"status": "succeeded", "started_at": "2001-01-01", "completed_at": "2199-01-01"}])
@example([{"status": "succeeded", "completed_at": "9999-12-31T23:59:59Z",
           "output": "https://replicate.delivery/a.zip"}])  # fmt: skip
@example([{"status": "failed", "error": "\ud800", "logs": "\ud800\n"}])
def test_no_value_raises_or_costs_more_than_a_run_can(
    home: Home, recorder: JobRecorder, answers: list[dict[str, Any]]
) -> None:
    number = next(_numbers)
    record = replace(
        job(number, JobStatus.QUEUED), rate_micros=RATE, started_at=None, completed_at=None,
        cost_micros=None,
    )  # fmt: skip
    recorder.writer.insert(record)
    for answer in answers:
        prediction = Prediction.read(answer)
        repr(prediction)
        recorder.apply_snapshot(record.job_id, snapshot_of(prediction), "poll")
    reader = StoreReader(home.database)
    try:
        stored = reader.job(record.job_id)
        assert stored is not None
        assert stored.cost_micros is None or 0 <= stored.cost_micros <= RATE * LONGEST_RUN
        money(stored.cost_micros)
        shown = json.dumps(
            job_json(stored, (), Path("/outputs"), annotation=NONE), allow_nan=False
        ).encode()
        assert json.loads(shown)["job_id"] == record.job_id
    finally:
        reader.close()


def test_the_quick_list_answers_with_all_of_them(home: Home, recorder: JobRecorder) -> None:
    record = replace(job(next(_numbers), JobStatus.QUEUED), created_at=datetime.now(UTC))
    recorder.writer.insert(record)
    answer = {"status": "succeeded", "output": {"a": HUGE, "b": float("nan")}, "error": "\ud800"}
    recorder.apply_snapshot(record.job_id, snapshot_of(Prediction.read(answer)), "poll")
    found = jobs_json(str(home.database), "/outputs")
    assert found is not None
    text = b"".join(found[0]).decode()
    assert record.job_id in text
    json.loads(text)


def test_what_nests_too_deeply_is_unknown() -> None:
    prediction = Prediction.read({"status": "failed", "output": deep(3000)})
    assert len(json.dumps(snapshot_of(prediction).output)) < 500


def test_an_answer_with_an_endless_number_is_read_around_it() -> None:
    body = b'{"id": "a", "status": ' + b"1" * 5000 + b', "metrics": {"predict_time": NaN}}'
    prediction = Prediction.read(load_json(body))
    assert (prediction.id, prediction.status, prediction.predict_time) == ("a", "", None)
