"""When a run did its steps, read from the bars of its log."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tui.simpletuner.log.step_clock import StepClock


def bar(step: int, passed: str, total: int = 1000) -> bytes:
    share = 100 * step // total
    return b"Epoch 1/5, Steps:  %d%%|##   | %d/%d [%s<10:00,  1.2s/it, step_loss=0.4]\r" % (
        share,
        step,
        total,
        passed.encode(),
    )


def test_the_time_of_a_step_is_that_of_its_bar_from_the_first_one_on() -> None:
    clock = StepClock()
    log = bar(1, "00:05") + bar(2, "00:07") + bar(2, "00:08") + bar(4, "1:00:05")
    assert clock.feed(log) == len(log) - 1
    assert list(clock.seconds_at([1, 2, 3, 4])) == [0, 2, 1801, 3600]


def test_steps_of_one_second_are_spread_over_it_and_the_pace_goes_on() -> None:
    clock = StepClock()
    clock.feed(b"".join(bar(step, f"00:0{step // 4}") for step in range(9)))
    assert list(clock.seconds_at([0, 1, 2, 4, 6, 8, 10])) == [0, 0.25, 0.5, 1, 1.5, 2, 2.5]


def test_a_run_that_begins_anew_goes_on_in_time_and_is_marked() -> None:
    clock = StepClock()
    clock.feed(bar(10, "00:10") + bar(20, "00:20") + bar(15, "00:01") + bar(30, "00:16"))
    assert clock.resumed == [15]
    assert list(clock.seconds_at([10, 20, 30])) == [0, 10, 26]


def test_a_log_without_bars_has_no_times() -> None:
    clock = StepClock()
    assert clock.feed(b"[STAGE] Loading\n" + bar(1, "?")[:-30]) == 0
    assert list(clock.seconds_at([1, 2])) == [0, 0]


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 100)), max_size=40),
    st.lists(st.integers(0, 60), max_size=20).map(sorted),
)
def test_times_never_go_back(times: list[tuple[int, int]], steps: list[int]) -> None:
    clock = StepClock()
    for step, passed in times:
        clock.add(step, passed)
    found = clock.seconds_at(steps)
    assert len(found) == len(steps)
    assert all(one <= other for one, other in pairwise(found))


def test_a_log_read_in_pieces_gives_the_same() -> None:
    log = b"".join(bar(step, f"00:{step:02d}") for step in range(50))
    whole, pieces, held = StepClock(), StepClock(), b""
    whole.feed(log)
    for at in range(0, len(log), 37):
        held += log[at : at + 37]
        held = held[pieces.feed(held) :]
    assert (pieces.steps, pieces.elapsed) == (whole.steps, whole.elapsed)
