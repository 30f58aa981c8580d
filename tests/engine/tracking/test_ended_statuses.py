"""Which of Replicate's statuses end a prediction."""

from __future__ import annotations

import pytest

from tui.engine.tracking.reconcile import Known, Snapshot, reconcile


@pytest.mark.parametrize(
    ("status", "ended"),
    [
        ("", False),
        ("starting", False),
        ("processing", False),
        ("a status added later", False),
        ("aborted", True),
        ("canceled", True),
        ("failed", True),
        ("succeeded", True),
    ],
)
def test_a_status_that_ends_a_prediction(status: str, *, ended: bool) -> None:
    known = reconcile(Known(), Snapshot(status=status))
    assert known.is_terminal is ended
    assert reconcile(known, Snapshot(status="processing")).is_terminal is ended
