"""Which of several signs decides: the later one, of the run itself, with training not gone on."""

from __future__ import annotations

import pytest

from tui.simpletuner.failures.diagnosis import diagnose

OOM = "[ERROR] CUDA out of memory while drawing a sample"
FULL = "[ERROR] No space left on device"
TOKEN = "[ERROR] Invalid user token."
TAIL = "=== debug.log tail ==="
CACHING = "[STAGE] ⏳ VAE Cache initialising"


def bar(step: int) -> str:
    return f"Epoch 1/5, Steps:  10%|█    | {step}/1000 [00:06<05:00,  3.0s/it]"


def traceback(last: str) -> str:
    return f'Traceback (most recent call last):\n  File "/x.py", line 1\n{last}'


def rule(*lines: str) -> str:
    return diagnose("\n".join(lines)).rule


def test_a_traceback_that_training_went_on_after_is_not_the_cause() -> None:
    first, last = traceback("torch.OutOfMemoryError: CUDA out of memory."), traceback("KeyError: 1")
    assert rule(first, bar(101), bar(102), bar(103), last) == "unknown"
    assert rule(first, bar(101)) == "out-of-memory"


def test_of_two_strong_lines_the_later_decides() -> None:
    assert rule(TOKEN, FULL) == "disk-full"
    assert rule(FULL, TOKEN) == rule(TOKEN) != "disk-full"


def test_a_bar_that_is_drawn_again_is_no_progress() -> None:
    assert rule(bar(5), OOM, bar(5), bar(5), bar(5)) == "out-of-memory"


def test_bars_of_the_repeated_debug_log_are_no_progress() -> None:
    diagnosis = diagnose("\n".join([bar(5), OOM, TAIL, bar(1), bar(2), bar(3), bar(6), bar(7)]))
    assert diagnosis.rule == "out-of-memory"
    assert diagnosis.title.endswith("at step 5")


def test_the_cache_is_only_to_blame_before_the_first_step() -> None:
    assert rule(CACHING, OOM) == "cache-out-of-memory"
    assert rule(CACHING, bar(1), OOM) == "out-of-memory"


def test_the_newest_lines_are_shown_as_evidence() -> None:
    lines = [f"[ERROR] CUDA out of memory, sample {number}" for number in range(9)]
    evidence = diagnose("\n".join(lines)).evidence
    assert [line.text for line in evidence] == lines[-4:]


def shown(*lines: str) -> list[str]:
    return [line.text for line in diagnose("\n".join(lines)).evidence]


def test_of_a_failure_without_a_known_cause_the_last_loud_words_are_shown() -> None:
    errors = [f"[ERROR] number {number}" for number in range(6)]
    texts = [f"text {number}" for number in range(6)]
    assert shown(*texts, *errors, *texts) == errors[2:]
    assert shown(*texts) == texts[2:]
    assert shown(*errors[:2], *texts) == errors[:2]
    assert shown() == []
    named = traceback("KeyError: 1")
    assert shown(named, *errors) == ["KeyError: 1"]
    assert shown(traceback("KeyError: 0"), "between", named) == ["KeyError: 1"]


def test_lines_that_say_nothing_are_no_evidence() -> None:
    quiet = '  File "/x/CUDA out of memory.py", line 1'
    assert shown(quiet, OOM, quiet) == [OOM]
    assert diagnose(f"{quiet}\n").rule == "unknown"


@pytest.mark.parametrize(("rank", "expected"), [(0, "disk-full"), (1, "out-of-memory")])
def test_a_line_excuses_only_the_traceback_of_its_own_process(rank: int, expected: str) -> None:
    """A failed validation is survived, so its traceback is no cause; another process' may be."""
    survived = "[rank0]: [ERROR] Validation run failed at step 5"
    memory = traceback("torch.OutOfMemoryError: CUDA out of memory.").splitlines()
    last = traceback("OSError: [Errno 28] No space left on device")
    assert rule(survived, *(f"[rank{rank}]: {line}" for line in memory), last) == expected


DIVERGED = "ValueError: Non-finite training loss detected"


def test_a_loss_that_is_lost_before_any_bar_is_lost_in_the_first_step() -> None:
    assert "in the first step" in diagnose(DIVERGED).what
    assert "in the step after 5 of 1,000" in diagnose(f"{bar(5)}\n{DIVERGED}").what


@pytest.mark.parametrize(("count", "more"), [(4, ""), (5, " and 1 more"), (6, " and 2 more")])
def test_samples_beyond_the_fourth_are_counted(count: int, more: str) -> None:
    names = [f"{number}.png" for number in range(count)]
    what = diagnose(f"{DIVERGED}: {names}").what
    assert f"{', '.join(names[:4])}{more}." in what


def test_only_a_lost_loss_is_said_to_be_one() -> None:
    """Rules are told apart by their whole names."""
    for line in ("[EVENT] gpu.fault: GPU fault detected", "RuntimeError: NSFW", TOKEN, FULL):
        assert "loss" not in diagnose(line).what
