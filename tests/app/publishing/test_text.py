"""Names of what a job left: pictures without weights are no weights."""

from __future__ import annotations

import pytest

from tui.app.publishing.artifact_list import Row


@pytest.mark.parametrize(
    ("step", "weights", "name"),
    [(None, True, "final weights"), (None, False, "other files"), (500, True, "checkpoint-500")],
)
def test_files_outside_of_checkpoints_are_named_by_what_they_are(
    step: int | None, weights: bool, name: str
) -> None:
    assert Row("checkpoint", "job", 1, step, {"step": step, "weights": weights}).name == name
