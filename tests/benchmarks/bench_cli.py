"""Duration of `jobs --json` and other commands, beside an interpreter that does nothing."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tests.app.world import home_at, job
from tests.benchmarks import Row
from tui.base.job_status import JobStatus
from tui.settings import Home
from tui.store.job_texts import NEWEST, Position
from tui.store.records import FileRecord
from tui.store.writer import Change, StoreWriter

_JOBS = 1000
_RUNS = 21
_GOALS = {
    "jobs --json": "≤ 2.5",
    "jobs": "≤ 4",
    "job ID": "≤ 4",
    "job ID --json": "≤ 2.5",
    "logs ID": "≤ 4",
    "settings get ui.theme": "≤ 4",
    "spending": "≤ 4",
    "spending --json": "≤ 2.5",
    "artifacts ID": "≤ 4",
    "artifacts ID --json": "≤ 2.5",
    "artifacts": "",
    "artifacts --json": "",
    "--version": "≤ 4",
    "--complete job job": "≤ 3",
    "--complete config": "≤ 3",
    "--complete filter state:": "≤ 3",
}
"""Times `python -c pass`, for each command; `--complete` is what a shell asks at the tab key."""
_FLOOR = """
import re  # as the script does that pip installs
import sqlite3
sqlite3.connect("file:{}?mode=ro", uri=True).execute("SELECT 1 FROM jobs LIMIT 1").fetchall()
"""
"""The least that an answer from the store takes."""


def run() -> list[Row]:
    """One row for each command; each is measured in turn with its peer."""
    with tempfile.TemporaryDirectory() as folder:
        home = home_at(Path(folder))
        _fill(home)
        environ = {**os.environ, "SIMPLETUNER_TUI_HOME": folder}
        script = Path(sys.executable).with_name("simpletuner-tui")
        nothing = [sys.executable, "-c", "pass"]
        rows = []
        lines: dict[str, list[str]] = {
            what: [str(script), *what.replace("ID", "job00500").split()] for what in _GOALS
        }
        lines["jobs --json by python -m tui"] = [sys.executable, "-m", "tui", "jobs", "--json"]
        lines["one row of the store"] = [sys.executable, "-c", _FLOOR.format(home.database)]
        for what, command in lines.items():
            ours, peer = _side_by_side(command, nothing, environ)
            rows.append(
                Row(
                    f"{what}, {_JOBS} jobs",
                    f"{ours * 1000:.1f} ms",
                    f"{peer * 1000:.1f} ms python -c pass",
                    ours / peer,
                    _GOALS.get(what, ""),
                )
            )
    return rows


def _fill(home: Home) -> None:
    writer = StoreWriter(home)
    for number in range(_JOBS):
        record = job(number, JobStatus.COMPLETED)
        writer.insert(replace(record, inputs={"config_json": "x" * 2000}))
        writer.apply(
            record.job_id,
            Change(files=[FileRecord("a/b", 1, "0" * 64, "delivered", record.created_at)]),
        )
    position: Position | None = NEWEST
    while position is not None:  # as the engine does in its spare moments
        position = writer.job_texts.keep(position)
    writer.close()
    home.log_file("job00500").write_bytes(b"a line of the log\n" * 5000)


def _side_by_side(ours: list[str], peer: list[str], environ: dict[str, str]) -> tuple[float, float]:
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(_RUNS):
        for command, spent in zip((ours, peer), times, strict=True):
            start = time.perf_counter()
            subprocess.run(
                command,
                env=environ,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=True,
            )
            spent.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])
