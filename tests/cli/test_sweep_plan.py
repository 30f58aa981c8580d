"""A sweep's plan as text: one table, each finding once, the sum, and what leaves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from tests.app.world import NOW, job
from tui.api.check_report import Check
from tui.api.sweeps import PlannedMember, SweepPlan
from tui.base.job_status import JobStatus
from tui.cli.main import run
from tui.cli.sweep_commands import plan_lines
from tui.settings import Home
from tui.store.sweeps import MemberRecord, SweepRecord
from tui.store.writer import StoreWriter


def _check(level: str, message: str) -> Check:
    found = {"id": "x", "level": level, "message": message, "advice": "Do it.", "changes": {},
             "release": ""}  # fmt: skip
    return cast("Check", found)


def _member(name: str, rank: str, *checks: Check, ok: bool = True) -> PlannedMember:
    return {
        "name": name, "config": "c", "changes": {"lora_rank": rank}, "ok": ok,
        "checks": list(checks), "hardware": "l40s", "seconds": 90, "micros": 1_000_000,
        "low_micros": 500_000, "high_micros": 2_000_000,
    }  # fmt: skip


def test_a_plan_says_everything_once() -> None:
    words = "leaves this machine: 9 images → the Hub; 2 times, an archive goes with each run"
    shared = _check("warn", "no validation")
    plan: dict[str, Any] = {
        "name": "cats", "at_once": 2, "ok": False, "problem": None,
        "members": [_member("cats-r16", "16", shared),
                    _member("cats-r32", "32", shared, _check("error", "too large"), ok=False)],
        "micros": 2_000_000, "low_micros": 1_000_000, "high_micros": 4_000_000, "free": False,
        "cost": {**_check("ok", "$2 of $50 / 7 d")}, "cost_limit": None, "digest": "d",
        "leaves": [{"images": 9, "captions": 9, "bytes": 1 << 20, "destination": "the Hub",
                    "words": words, "stays_here": False, "runs": 2, "times": 2, "until": "",
                    "token": ""}],
    }  # fmt: skip
    assert plan_lines(cast("SweepPlan", plan)) == [
        "   NAME      WHAT DIFFERS      TIME  PRICE",
        "✓  cats-r16  lora_rank 16  1 m 30 s  $1.00",
        "✗  cats-r32  lora_rank 32  1 m 30 s  $1.00",
        "✗ cats-r32: too large",
        "    Do it.",
        "! all runs: no validation",
        "    Do it.",
        "2 runs, about $2.00 together ($1.00–$4.00), at most 2 at once",
        "  $2 of $50 / 7 d",
        f"  {words} (--data staged sends them once)",
    ]


def test_sweeps_their_best_run_and_who_waits_are_told_from_the_store(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Home(home, home / "cloud_outputs")
    place.create()
    writer = StoreWriter(place)
    for name, status in (("cats", JobStatus.COMPLETED), ("dogs", JobStatus.PENDING)):
        members = []
        for at in (1, 2):
            loss = None if status is JobStatus.PENDING else 0.3 / at
            record = replace(job(at, status), job_id=f"{name}{at}", name=f"{name}-r{at}",
                             prediction_id="", loss_smoothed=loss, loss_best=loss)  # fmt: skip
            writer.insert(record)
            turn = None if status is JobStatus.PENDING else NOW
            members.append(MemberRecord(record.job_id, name, at, turn, {"lora_rank": f"{at}"}))
        writer.sweeps.insert(
            SweepRecord(name, "https://api.replicate.com/v1", "running", "", "", 2, NOW, NOW),
            members,
        )
    writer.close()
    assert run(["sweep", "show", "cats"]) == 0
    told = capsys.readouterr()
    assert "*  cats-r2  lora_rank 2" in told.out
    assert "simpletuner-tui compare cats1 cats2\n" in told.err
    assert "simpletuner-tui publish cats2 --checkpoint best --to DESTINATION\n" in told.err
    assert run(["queue", "--json"]) == 0
    waiting = json.loads(capsys.readouterr().out)
    assert [(one["job_id"], one["turn"], one["why"]) for one in waiting] == [
        ("dogs1", 1, "at most 2 of its sweep at once"),
        ("dogs2", 2, "at most 2 of its sweep at once"),
    ]
    assert run(["jobs", "sweep:Cats", "state:done"]) == 0
    listed = capsys.readouterr().out
    assert ("cats1" in listed, "cats2" in listed, "dogs1" in listed) == (True, True, False)
