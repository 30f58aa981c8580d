"""The shape of a curve in a few values."""

from __future__ import annotations

import json

import pytest

from tui.simpletuner.log.outline import MOST, Outline


@pytest.mark.parametrize("count", [0, 1, 47, 48, 49, 97, 1_000, 50_000])
def test_a_shape_has_evenly_spaced_values_whatever_the_length(count: int) -> None:
    outline = Outline()
    for value in range(1, count + 1):
        outline.add(value)
        if value % 997 == 0:  # an engine starts anew
            outline = Outline.restore(json.loads(json.dumps(outline.dump())))
    state = outline.dump()
    apart, values = state["apart"], state["values"]
    assert values == [float(f"{at:.4g}") for at in range(apart, count + 1, apart)]
    assert min(count, MOST // 2) <= len(values) <= MOST


def test_a_damaged_state_is_refused() -> None:
    for state in ({}, {"values": "x", "apart": 1, "count": 1}, {"values": [1], "apart": "x"}):
        with pytest.raises((KeyError, TypeError, ValueError)):
            Outline.restore(state)  # type: ignore[arg-type]  # of another version
