"""What a log may not do to the figures: go back, exceed the whole, count twice, grow for ever."""

from __future__ import annotations

import pytest

from tui.simpletuner.log.grammar import stage_parts
from tui.simpletuner.log.model import MetricPoint
from tui.simpletuner.log.parser import LogParser
from tui.simpletuner.log.series import _CACHE_LIMIT, Series

TAIL = "=== debug.log tail ==="


def bar(step: int, total: int = 100, values: str = "", left: str = "03:00") -> str:
    return f"Epoch 1/2, Steps:  10%|██  | {step}/{total} [00:20<{left},  2.0s/it{values}]"


def read(*lines: str) -> tuple[LogParser, list[tuple[str, int, float]]]:
    """The parser after these lines, and the points of the whole log."""
    parser = LogParser()
    update = parser.feed("".join(f"{line}\n" for line in lines).encode())
    points = [*update.metrics, *parser.finish().metrics]
    return parser, [(point.name, point.step, point.value) for point in points]


@pytest.mark.parametrize("front", ["", "rank 0: "])
def test_a_redraw_without_values_keeps_those_of_the_step(front: str) -> None:
    valued = front + bar(10, values=", step_loss=0.5")
    parser, points = read(valued, front + bar(10), bar(11, values=", step_loss=0.4"))
    assert points == [("loss", 10, 0.5), ("loss", 11, 0.4)]
    assert parser.progress.loss == 0.4


def test_a_run_is_never_more_than_done() -> None:
    parser, _ = read(bar(110, left="?"))
    assert (parser.progress.percent, parser.progress.eta_seconds) == (100, 0)
    parser, _ = read(bar(90, left="?"))
    assert (parser.progress.percent, parser.progress.eta_seconds) == (90, 20)


def test_bars_of_the_repeated_debug_log_are_not_read_again() -> None:
    parser, points = read(bar(10, values=", step_loss=0.5"), TAIL, bar(99, values=", step_loss=9"))
    assert points == [("loss", 10, 0.5)]
    parser.feed(bar(98).encode())  # its line has not ended yet
    assert parser.progress.step == 10


def test_only_later_steps_of_the_repeated_debug_log_are_new() -> None:
    _, points = read(
        bar(10, values=", step_loss=0.5"), TAIL,
        "Step 9 of 100: grad_norm 1", "Step 10 of 100: grad_norm 2", "Step 11 of 100: grad_norm 3",
    )  # fmt: skip
    assert points == [("loss", 10, 0.5), ("grad_norm", 11, 3.0)]


def test_a_summary_is_read_behind_words_that_only_look_like_an_exception() -> None:
    assert read("> ValueError: Step 3 of 9: loss 0.5")[1] == [("loss", 3, 0.5)]
    assert read("ValueError: Step 3 of 9: loss 0.5")[1] == []


def test_a_step_of_more_digits_than_any_run_has_is_none() -> None:
    assert read(bar(10**14))[0].progress.step == 10**14
    assert read(bar(10**15))[0].progress.step is None


def test_a_summary_of_an_older_step_does_not_turn_the_epoch_back() -> None:
    parser, _ = read("Step 50 of 100: loss 1, epoch 2/3", "Step 10 of 100: loss 1, epoch 1/3")
    assert parser.progress.epoch == 2
    parser, _ = read("[TRAINING] Step 50/100 (50%)", "Step 50 of 100: loss 1, epoch 2/3")
    assert parser.progress.epoch == 2


def test_a_checkpoint_that_is_named_twice_is_one() -> None:
    parser = LogParser()
    line = "[CHECKPOINT] Saved output/checkpoint-{} to disk\n"
    update = parser.feed("".join(line.format(step) for step in (10, 10, 20)).encode())
    assert [saved.step for saved in update.checkpoints] == [10, 20]


@pytest.mark.parametrize(("shown", "percent"), [("0%", 0), ("100%", 100), ("101%", None)])
def test_a_stage_has_no_percent_beyond_the_whole(shown: str, percent: float | None) -> None:
    assert stage_parts(f"Training ({shown}): x")[1] == percent


def test_a_traceback_is_one_notice_and_ends_at_its_exception_or_at_a_tag() -> None:
    parser = LogParser()
    frames = 'Traceback (most recent call last):\n  File "/x.py", line 1\n\tcode\n'
    ended = f"{frames}ValueError: bad\nplain words\n{frames}KeyError: 1\n"
    update = parser.feed(ended.encode())
    assert [(one.title, one.message) for one in update.notices] == [
        ("ValueError", "bad"), ("KeyError", "1"),
    ]  # fmt: skip
    for tagged in ("[INFO] Cats: three", f"{bar(3)} [INFO] Cats: three"):
        cut = LogParser().feed(f"{frames}{tagged}\nplain words\n".encode())
        assert [(one.title, one.message) for one in cut.notices] == [("Cats", "three")]


def test_a_stage_is_shown_as_the_newest_line() -> None:
    assert read("[STAGE] ⏳ Loading base model: flux")[0].progress.last_line.startswith("[STAGE]")
    checkpoint = "[STAGE] ✓ Saving Checkpoint: checkpoint-10"
    assert read("words", checkpoint)[0].progress.last_line == checkpoint


# -- the series on their own ------------------------------------------------------------------


def test_an_older_step_adds_only_what_is_newer_than_the_last_value() -> None:
    points: list[MetricPoint] = []
    series = Series()
    series.add(10, {"a": 1.0}, points)
    series.add(12, {"b": 1.0}, points)
    for step in (9, 10, 11, 11):
        series.add(step, {"a": float(step)}, points)
    assert points == [("a", 10, 1.0), ("a", 11, 11.0)]


def test_the_first_value_of_an_open_step_stays_and_is_told_when_the_step_ends() -> None:
    points: list[MetricPoint] = []
    series = Series()
    series.advance(b"10", b"10/100 [00:01<00:09, 1.0s/it, step_loss=0.5", points)
    series.add(10, {"x": 1.0}, points)
    series.add(10, {"x": 2.0}, points)
    assert points == []
    series.flush(points)
    assert points == [("loss", 10, 0.5), ("x", 10, 1.0)]


def test_a_step_that_is_drawn_again_after_its_values_were_told_is_not_told_twice() -> None:
    points: list[MetricPoint] = []
    series = Series()
    series.advance(b"10", b"10/100 [00:01<00:09, 1.0s/it, step_loss=0.5", points)
    series.flush(points)
    series.body = b"10/100 [00:01<00:09, 1.0s/it, step_loss=0.4, lr=2"
    series.flush(points)
    assert points == [("loss", 10, 0.5), ("lr", 10, 2.0)]


def test_a_hostile_log_does_not_fill_the_memory_with_its_values() -> None:
    series, points, largest = Series(), list[MetricPoint](), 0
    for step in range(_CACHE_LIMIT + 10):
        series.advance(b"%d" % step, b"1/1 [0<0, 1s/it, a=%d, %s=1" % (step, b"x" * 99), points)
        largest = max(largest, len(series._pairs))
    assert largest <= _CACHE_LIMIT
    assert max(map(len, series._pairs)) <= 100
