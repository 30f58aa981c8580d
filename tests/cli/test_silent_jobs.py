"""What `job` and `spending` say of jobs that are not heard of, and of the cost of lost ones."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.app.stand_in_engine import StandInEngine
from tests.app.world import NOW, home_at, job
from tui.base.clock import utc_now
from tui.base.job_status import LOST, JobStatus
from tui.cli import main
from tui.cli.fast_path import run_fast_path
from tui.cli.job_page import job_lines
from tui.engine.config.live import LiveSettings
from tui.engine.spending.service import SpendingService
from tui.settings import Settings
from tui.store.lost_contact import LostContact
from tui.store.reader import StoreReader
from tui.store.records import JobRecord
from tui.store.writer import StoreWriter


def _page(record: JobRecord, unheard: LostContact | None = None) -> str:
    lines = job_lines(record, [], unheard, log="/x.log", outputs="/outputs")
    return "".join(f"{line}\n" for line in lines)


def test_job_says_why_a_running_job_is_not_heard_of() -> None:
    said = _page(job(1, JobStatus.RUNNING), LostContact("api answers 503", NOW))
    assert "contact     not heard of for " in said
    assert ": api answers 503\n" in said
    assert "cost        at least $" in said
    assert "not heard of" not in _page(job(1, JobStatus.RUNNING))


def test_job_says_that_the_cost_of_a_lost_job_is_its_upper_bound() -> None:
    lost = replace(job(1, JobStatus.FAILED), provider_status=LOST, cost_micros=1_800_000)
    assert "cost        at most $1.80" in _page(lost)


def test_job_says_what_its_diagnosis_found_beside_what_replicate_reported() -> None:
    what = "The loss is not a number in the step after 102 of 1,000. The batch held /cats/a.png."
    failed = replace(job(1, JobStatus.FAILED), error="Prediction failed.", diagnosis={"what": what})
    said = _page(failed)
    assert "error       Prediction failed.\n" in said
    assert f"cause       {what}\n" in said
    assert "cause" not in _page(replace(failed, diagnosis={"what": "Prediction failed."}))


def test_spending_says_what_lost_jobs_are_counted_with_and_needs_no_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIMPLETUNER_TUI_HOME", str(tmp_path))
    monkeypatch.delenv("SIMPLETUNER_TUI_API_BASE", raising=False)
    now = datetime.now(UTC)
    lost = replace(
        job(1, JobStatus.FAILED, now=now), provider_status=LOST, cost_micros=1_800_000,
        completed_at=now,
    )  # fmt: skip
    writer = StoreWriter(home_at(tmp_path))
    writer.insert(lost)
    writer.close()
    assert main.run(["spending"]) == 0
    said = capsys.readouterr().out
    assert "lost   1 job unknown to Replicate, counted with at most $1.80" in said
    assert main.run(["spending", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lost_micros"] == 1_800_000
    assert main.run(["artifacts", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"jobs": []}
    assert not home_at(tmp_path).engine_log.exists()


def test_sums_stop_where_a_job_is_not_heard_of_and_the_quick_answer_is_the_engines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIMPLETUNER_TUI_HOME", str(tmp_path))
    monkeypatch.delenv("SIMPLETUNER_TUI_API_BASE", raising=False)
    home, now = home_at(tmp_path), datetime.now(UTC)
    running = replace(
        job(1, JobStatus.RUNNING, now=now), started_at=now - timedelta(hours=1), rate_micros=1_000
    )
    writer = StoreWriter(home)
    writer.insert(running)
    heard = LostContact("api answers 503", now - timedelta(minutes=30))
    writer.set_fact("unheard", {running.job_id: heard.row()})
    writer.close()
    engine = StandInEngine(home.socket)
    try:
        assert run_fast_path(["spending", "--json"]) == 0
    finally:
        engine.close()
    quick = json.loads(capsys.readouterr().out)
    assert quick["daily_micros"] == quick["total_micros"] == 1_800_000
    assert (quick["unheard_jobs"], quick["burn_micros"]) == (1, 0)
    reader = StoreReader(home.database)
    asked = SpendingService(reader, LiveSettings(home, Settings()), utc_now)
    answer: dict[str, object] = {**asked.summary("https://api.replicate.com/v1")}
    reader.close()
    moving = {"as_of", "running_micros", "projected_micros"}
    assert {name: answer[name] for name in answer.keys() - moving} == {
        name: quick[name] for name in quick.keys() - moving
    }
