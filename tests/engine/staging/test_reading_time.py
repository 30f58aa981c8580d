"""How long temporary keys must work, from the waits that the store knows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.app.world import home_at, job
from tests.engine.staging.world import photos
from tui.base.job_status import JobStatus
from tui.engine.staging.reading_time import longest_wait, needed_life, reading_time
from tui.simpletuner.errors import SimpleTunerError
from tui.store.reader import StoreReader
from tui.store.writer import StoreWriter

NOW = datetime.now(UTC)
API = "https://api.replicate.com/v1"


def test_the_longest_wait_is_the_95th_percentile_and_more_where_little_is_known() -> None:
    assert longest_wait([]) == timedelta(minutes=30)
    assert longest_wait([30.0]) == timedelta(minutes=30, seconds=30)
    assert longest_wait([float(second) for second in range(100)]) == timedelta(seconds=94)


def test_more_pictures_take_longer(tmp_path: Path) -> None:
    small, large = photos(tmp_path / "a", size=10), photos(tmp_path / "b", size=500_000)
    assert reading_time(small) < reading_time(large)
    assert needed_life([60.0] * 30, large) >= timedelta(minutes=1) + reading_time(large)


@pytest.mark.parametrize("option", ["vae_cache_disable", "vae_cache_ondemand"])
def test_pictures_that_are_read_all_along_are_refused(tmp_path: Path, option: str) -> None:
    with pytest.raises(SimpleTunerError, match=option):
        needed_life([], photos(tmp_path, **{option: True}))


def test_waits_are_those_of_started_jobs_of_one_api(tmp_path: Path) -> None:
    home = home_at(tmp_path / "home")
    writer = StoreWriter(home)
    rows = [(1, API, 60), (2, API, 90), (3, "http://127.0.0.1:9/v1", 5), (4, API, None)]
    for number, api_base, wait in rows:
        started = None if wait is None else NOW + timedelta(seconds=wait)
        record = job(number, JobStatus.RUNNING, api_base=api_base)
        writer.insert(
            replace(record, created_at=NOW + timedelta(seconds=number), queued_at=NOW,
                    started_at=started)
        )  # fmt: skip
    reader = StoreReader(home.database)
    try:
        assert reader.queue_waits(API) == [90.0, 60.0]  # newest first
        assert reader.queue_waits(API, most=1) == [90.0]
        assert reader.queue_waits("https://other.example/v1") == []
    finally:
        reader.close()
        writer.close()
