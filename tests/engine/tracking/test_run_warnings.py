"""A record keeps what the points of its run say: smoothed loss, best, warnings, over restarts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.app.world import home_at, job
from tui.base.job_status import JobStatus
from tui.base.json_types import JsonObject
from tui.engine.runtime.event_bus import EventBus
from tui.engine.tracking.reconcile import Snapshot
from tui.engine.tracking.recorder import JobRecorder
from tui.engine.tracking.run_warnings import dismissed, thresholds_of, warmup_of
from tui.settings import WatchSettings
from tui.simpletuner.log.run_health import Thresholds
from tui.simpletuner.log.smoothing import smoothed
from tui.store.filter import parse_filter
from tui.store.reader import StoreReader
from tui.store.records import JobRecord
from tui.store.writer import Change, StoreWriter

T0 = datetime(2026, 11, 23, 14, tzinfo=UTC)
JOB = "job00001"
TOTAL = 200


class Watched:
    """A job whose polls a test makes up; each opening of the store is an engine's start."""

    def __init__(self, folder: Path, **values: object) -> None:
        self.home = home_at(folder)
        self.now = T0
        self.start()
        config: JsonObject = {"lr_warmup_steps": 10}
        record = replace(job(1, JobStatus.QUEUED, now=T0), config=config)
        self.writer.insert(replace(record, **values))  # type: ignore[arg-type]  # of the record

    def start(self) -> None:
        self.writer = StoreWriter(self.home)
        self.bus = EventBus()
        self.recorder = JobRecorder(self.writer, self.home, self.bus, lambda: self.now)

    def restart(self) -> None:
        self.writer.close()
        self.start()

    def poll(self, logs: str | None, status: str = "processing", later: float = 2) -> JobRecord:
        self.now += timedelta(seconds=later)
        return self.recorder.apply_snapshot(JOB, Snapshot(status=status, logs=logs), "poll")


def steps(losses: list[float]) -> str:
    """Bars as the trainer draws them: each twice, the second one with the step's final values."""
    lines = [
        f"Epoch 1/1, Steps: {100 * n // TOTAL:>3}%|##| {n}/{TOTAL} "
        f"[00:01<00:02,  1.00it/s, lr=0.0001, step_loss={loss:.4f}]\r"
        for n, loss in enumerate(losses, 1)
    ]
    return "".join(2 * line for line in lines)


FALLING = [0.4 - 0.002 * n for n in range(60)]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def kinds(record: JobRecord) -> list[str]:
    return [warning["kind"] for warning in record.warnings]


def test_loss_and_best_are_those_of_the_whole_run_over_restarts(watched: Watched) -> None:
    for end in (20, 40, 60):
        watched.poll(steps(FALLING[:end]))
        watched.restart()
    record = watched.poll(steps(FALLING) + "\n", "succeeded")
    assert record.loss_smoothed == pytest.approx(smoothed(FALLING)[-1], abs=1e-4)
    assert (record.loss_best, record.best_step) == (record.loss_smoothed, 60)
    reader = StoreReader(watched.home.database)
    shape = reader.rows([JOB], "curve")[JOB].curve  # of 60 points every second one
    assert shape == pytest.approx(smoothed(FALLING)[1::2], rel=1e-3)
    row = reader.rows([JOB])[JOB]
    assert row.curve == ()  # nobody shows it
    assert (row.loss_smoothed, row.loss_best, row.best_step) == (
        record.loss_smoothed, record.loss_best, record.best_step
    )  # fmt: skip
    assert reader.job_ids(where=parse_filter("best<0.4 loss<0.4")) == [JOB]
    assert reader.job_ids(where=parse_filter("best>0.4")) == []
    reader.close()


def test_a_replaced_log_starts_anew(watched: Watched) -> None:
    watched.poll(steps([9.0] * 40))
    record = watched.poll("another\n" + steps(FALLING))
    assert record.log_replaced
    assert record.loss_smoothed == pytest.approx(smoothed(FALLING)[-1], abs=3e-3)


@pytest.mark.parametrize(
    "damage",
    [lambda notes: notes.pop("health"), lambda notes: notes["health"].update(times=3)],
    ids=["a version without it", "damaged"],
)
def test_notes_without_a_state_go_on_from_there(
    watched: Watched, damage: Callable[[dict[str, object]], object]
) -> None:
    record = watched.poll(steps(FALLING[:40]))
    notes = dict(record.parser)
    damage(notes)
    watched.writer.apply(JOB, Change(values={"parser": notes, "loss_smoothed": None}))
    watched.restart()
    record = watched.poll(steps(FALLING))
    assert record.step == 60
    assert record.loss_smoothed == pytest.approx(smoothed(FALLING[40:])[-1], abs=3e-3)
    assert not record.log_replaced


def test_a_run_that_stands_is_reported_by_a_poll_that_brings_nothing(watched: Watched) -> None:
    log = steps(FALLING)
    stepped = watched.poll(log)
    assert watched.poll(log, later=59).rev == stepped.rev
    for answer in (None, ""):  # says nothing about the steps
        assert kinds(watched.poll(answer, later=400)) == []
    watched.restart()
    record = watched.poll(log)
    (warning,) = record.warnings
    assert (warning["kind"], warning["step"], warning["dismissed"]) == ("stalled", 60, False)
    assert warning["since"] == "2026-11-23T14:00:02Z"
    assert watched.poll(log, later=60).rev == record.rev  # nothing is written for ever
    reader = StoreReader(watched.home.database)
    assert reader.job_ids(where=parse_filter("has:warning")) == [JOB]
    assert [one["kind"] for one in reader.rows([JOB])[JOB].warnings] == ["stalled"]
    reader.close()
    assert kinds(watched.poll(steps([*FALLING, 0.2]))) == []  # it goes on


def test_what_was_put_away_stays_away_for_the_run(watched: Watched) -> None:
    log = steps(FALLING)
    watched.poll(log)
    record = watched.poll(log, later=90)
    watched.writer.apply(JOB, Change(values={"warnings": dismissed(record.warnings, "stalled")}))
    goes_on = watched.poll(steps([*FALLING, 0.2]))
    assert [one["dismissed"] for one in goes_on.warnings] == [True]
    again = watched.poll(steps([*FALLING, 0.2]), later=90)
    assert [one["dismissed"] for one in again.warnings] == [True]
    reader = StoreReader(watched.home.database)
    assert reader.job_ids(where=parse_filter("has:warning")) == []
    reader.close()


def test_an_ended_run_keeps_what_is_true_of_it(watched: Watched) -> None:
    worse = FALLING + [float("nan")] * 3 + [1.5] * 100
    log = steps(worse)
    first = watched.poll(log)
    assert kinds(first) == ["not_finite", "diverging"]
    assert kinds(watched.poll(log, later=90)) == ["not_finite", "diverging", "stalled"]
    ended = watched.poll(log, "canceled")
    assert kinds(ended) == ["not_finite", "diverging"]
    assert [one["since"] for one in ended.warnings] == [one["since"] for one in first.warnings]
    assert ended.warnings[0]["step"] == 61


def test_thresholds_are_the_settings() -> None:
    assert thresholds_of(WatchSettings()) == Thresholds()
    assert thresholds_of(WatchSettings(stalled_seconds=300.0)).stalled_seconds == 300


@pytest.mark.parametrize(
    ("said", "steps"), [(50, 50), ("50", 50), (None, 0), (-3, 0), ("x", 0), (1e400, 0), ("²", 0)]
)
def test_the_warm_up_is_the_configs(said: object, steps: int) -> None:
    assert warmup_of({"lr_warmup_steps": said}) == steps


def test_a_run_that_stands_again_is_reported_again_and_told_of_elsewhere(tmp_path: Path) -> None:
    """`RunNotices` tells of warnings, once for each job and kind; two would tell twice."""
    watched = Watched(tmp_path)
    log = steps(FALLING)
    with watched.bus.subscribe() as events:
        watched.poll(log)
        assert kinds(watched.poll(log, later=90)) == ["stalled"]
        assert kinds(watched.poll(steps([*FALLING, 0.2]))) == []
        assert kinds(watched.poll(steps([*FALLING, 0.2]), later=90)) == ["stalled"]
        told = []
        while not events.empty():
            told.append(events.get_nowait()[0])
    assert "job" in told
    assert "notice" not in told
