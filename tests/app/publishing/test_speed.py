"""Speeds and times left: none before they are known, none that is unlikely."""

from __future__ import annotations

import pytest

from tui.app.publishing.speed import TransferProgress, sums, time_left
from tui.engine.transfers.transfer_progress import TransferProgress as EngineProgress

MIB = 1 << 20


class Clock:
    """A time that is set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(
            "tui.engine.transfers.transfer_progress.time.monotonic", lambda: self.now
        )


async def test_a_shown_speed_never_exceeds_the_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, progress = Clock(monkeypatch), EngineProgress(lambda: None)
    progress.total = 100 * MIB
    progress.set_done(0, 0)
    progress.set_done(1, 5 * MIB)  # it was there already
    speeds = []
    for number in range(1, 41):  # half a MiB at once, then each time the limit allows it
        progress.advance(0, number * MIB // 2)
        speeds.append(progress.speed())
        clock.now += 1.25
    assert progress.done == 25 * MIB
    assert speeds[:2] == [0.0, 0.0]
    assert all(round(speed) == 512 * 1024 * 4 // 5 for speed in speeds[3:])


async def test_bytes_of_a_server_side_copy_do_not_count_as_speed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, progress = Clock(monkeypatch), EngineProgress(lambda: None)
    for number in range(10):
        progress.set_done(number, MIB)
        clock.now += 1
        assert progress.speed() == 0.0


def test_the_time_left_is_shown_once_it_is_steady() -> None:
    def left(speed: int, eta: float | None, steady: int = 0, limit: int = 0) -> float | None:
        return time_left(TransferProgress(0, 100 * MIB, speed, eta, steady), limit)

    assert left(0, None) is None
    assert left(MIB, 100.0) == 100.0
    assert left(10, 10_485_760.0) is None
    assert left(10, 10_485_760.0, steady=20) == 10_485_760.0
    assert left(0, None, limit=MIB) == 100.0
    assert left(2 * MIB, 50.0, limit=MIB) == 100.0
    assert left(MIB // 2, 200.0, limit=MIB) == 200.0
    assert time_left(TransferProgress(5, 5, 9, 0.0)) is None


def test_a_speed_is_steady_after_reports_of_about_the_same() -> None:
    one = TransferProgress(0, 9, 100, 1.0).after(None)
    assert one.steady == 0
    for speed, steady in ((110, 1), (95, 2), (300, 0), (290, 1)):
        one = TransferProgress(0, 9, speed, 1.0).after(one)
        assert one.steady == steady


def test_the_sums_of_all_transfers() -> None:
    rows = [TransferProgress(MIB, 10 * MIB, MIB, 9.0, 3), TransferProgress(0, 10 * MIB, 0, None)]
    assert sums(rows) == "1.0 MiB of 20.0 MiB · 1.0 MiB/s · 19 s left"
    assert sums([TransferProgress(0, 10 * MIB, 10, 1e6)]) == "0 B of 10.0 MiB · 10 B/s"
