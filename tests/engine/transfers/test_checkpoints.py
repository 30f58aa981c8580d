"""The comparison of checkpoints by their smoothed loss."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from tui.api.artifacts import Checkpoint
from tui.app.publishing.text import loss_words
from tui.engine.transfers.artifacts import compare

if TYPE_CHECKING:
    from tui.engine.transfers.artifacts import CheckpointFile


def file(step: int | None, name: str = "pytorch_lora_weights.safetensors") -> CheckpointFile:
    return {"name": name, "size": 10, "checkpoint": step, "loss": 0.5}


def best_of(rows: list[Checkpoint]) -> list[int | None]:
    return [row["step"] for row in rows if row["best"]]


def test_one_lucky_step_does_not_make_a_checkpoint_the_best() -> None:
    steps = list(range(1, 201))
    losses = [0.3] * 100 + [0.2] * 100
    losses[99] = 0.01  # the very step of checkpoint 100
    rows = compare([file(100), file(200)], steps, losses, 200)
    assert [row["window"] for row in rows] == [100, 100]
    assert best_of(rows) == [200]


def test_the_final_result_counts_with_the_step_it_was_made_at() -> None:
    steps = list(range(1, 151))
    losses = [0.2] * 100 + [0.4] * 50
    rows = compare([file(None), file(50), file(100)], steps, losses, 150)
    assert [(row["step"], row["at"]) for row in rows] == [(50, 50), (100, 100), (None, 150)]
    assert best_of(rows) == [100]  # the later one of equals


def test_without_weights_or_without_a_loss_nothing_is_the_best() -> None:
    assert best_of(compare([file(10, "optimizer.bin")], [10], [0.1], 10)) == []
    assert best_of(compare([file(10)], [], [], None)) == []
    (pictures,) = compare([file(None, "step_10_cat_0_8x8.png")], [10], [0.1], 10)
    assert (pictures["loss"], pictures["smoothed"], loss_words(pictures)) == (
        None, None, "no weights",
    )  # fmt: skip
    assert best_of(compare([file(10)], [9, 10], [math.nan, math.inf], 10)) == []


def test_weights_of_a_loss_that_is_no_number_are_never_the_best() -> None:
    steps = list(range(1, 151))
    losses = [0.3] * 50 + [0.1] * 29 + [math.nan] * 71  # lower than ever, until it breaks
    rows = compare([file(50), file(100), file(150)], steps, losses, 150)
    assert best_of(rows) == [50]
    assert [row["smoothed"] is None for row in rows] == [False, True, True]
    recovered = [0.3] * 50 + [0.1] * 29 + [math.inf] + [0.1] * 20
    assert best_of(compare([file(50), file(100)], steps[:100], recovered, 100)) == [100]


@given(
    st.lists(st.one_of(st.none(), st.integers(1, 500)), min_size=1, max_size=8),
    st.lists(st.floats(0, 2), max_size=500),
)
def test_the_best_is_never_worse_than_another(
    places: list[int | None], losses: list[float]
) -> None:
    rows = compare([file(step) for step in places], range(1, len(losses) + 1), losses, len(losses))
    known = [row["smoothed"] for row in rows if row["smoothed"] is not None]
    chosen = [row["smoothed"] for row in rows if row["best"]]
    assert len(chosen) == bool(known)
    assert all(step == min(known) for step in chosen)
    assert sum(row["files"] for row in rows) == len(places)
