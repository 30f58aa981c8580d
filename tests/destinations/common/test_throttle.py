from __future__ import annotations

import threading
import time

import pytest

from tests.support import eventually_sync
from tui.destinations.common.errors import TransferCancelledError
from tui.destinations.common.meter import Meter, Throttle


def test_the_rate_holds_over_threads() -> None:
    throttle = Throttle(1_000_000)
    started = time.monotonic()

    def work() -> None:
        for _ in range(10):
            throttle.take(30_000)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = time.monotonic() - started
    assert 0.55 < taken < 3  # 900 kB less the first burst


def test_no_limit_waits_for_nothing() -> None:
    Throttle().take(10**12)


def test_a_waiting_transfer_can_be_stopped_and_freed() -> None:
    throttle = Throttle(1)
    throttle.take(1000)
    stop = threading.Event()
    ended: list[str] = []

    def wait() -> None:
        try:
            throttle.take(1, stop)
        except TransferCancelledError:
            ended.append("stopped")
        else:
            ended.append("went on")

    thread = threading.Thread(target=wait)
    thread.start()
    stop.set()
    thread.join(3)
    stop.clear()
    thread = threading.Thread(target=wait)
    thread.start()
    throttle.limit = None
    thread.join(3)
    assert ended == ["stopped", "went on"]


def test_a_limit_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError):
        Throttle(5).limit = 0


def test_progress_is_reported_rarely_but_at_the_end() -> None:
    told: list[tuple[int, int]] = []
    meter = Meter(10_000, lambda *facts: told.append(facts))
    for _ in range(10_000):
        meter.add(1)
    assert told[-1] == (10_000, 10_000)
    assert len(told) < 100
    meter.back(10)
    meter.finish()
    assert told[-1] == (10_000, 10_000)
    assert eventually_sync(lambda: told)
