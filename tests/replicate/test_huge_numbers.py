"""Numbers that no float holds are data in an answer, not a crash."""

from __future__ import annotations

import pytest

from tui.engine.tracking.monitor import snapshot_of
from tui.replicate.models import Prediction


@pytest.mark.parametrize(
    "value", [10**400, -(10**400), 1e999, float("nan"), True, "1"], ids=lambda value: str(value)[:9]
)
def test_a_duration_that_cannot_be_one_is_unknown(value: object) -> None:
    metrics = {"predict_time": value, "total_time": value}
    prediction = Prediction.read({"id": "a", "metrics": metrics})
    assert (prediction.predict_time, prediction.total_time) == (None, None)
    assert snapshot_of(prediction).predict_seconds is None
