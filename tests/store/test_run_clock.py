"""When a job did its steps: from the file that names the times, else from its log."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.app.compare.world import fill_runs
from tests.app.world import NOW
from tui.settings import Home
from tui.store.reader import StoreReader
from tui.store.records import FileRecord
from tui.store.run_clock import run_clock
from tui.store.writer import Change, StoreWriter

T0 = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.mark.parametrize("exact", [False, True])
def test_the_times_that_a_run_wrote_itself_are_preferred(tmp_path: Path, exact: bool) -> None:
    home = Home(tmp_path, tmp_path / "outputs")
    (job_id,) = fill_runs(home, 1, steps=10)
    path = home.outputs / job_id / "training_metrics.jsonl"
    path.parent.mkdir(parents=True)
    lines = [
        json.dumps({"step": step, "timestamp": (T0 + timedelta(seconds=4 * step)).isoformat()})
        for step in range(1, 6)
    ]
    half = '{"step": 6, "timest'
    odd = ["[]", '{"step": true}', '{"step": 2, "timestamp": "x"}']
    path.write_text("\n".join([*odd, *lines, half]) if exact else half)
    writer = StoreWriter(home)
    record = FileRecord(f"{job_id}/training_metrics.jsonl", 1, "", "delivered", NOW)
    writer.apply(job_id, Change(files=[record]))
    writer.close()
    reader = StoreReader(home.database)
    job = reader.find(job_id)
    clock = run_clock(reader, home, home.outputs, job)
    reader.close()
    assert clock.received is not exact
    assert clock.began == (T0 + timedelta(seconds=4) if exact else NOW - timedelta(hours=1))
    assert list(clock.seconds_at([1, 2, 5])) == ([0, 4, 16] if exact else [0, 1, 4])
