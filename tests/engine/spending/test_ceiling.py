"""A ceiling buys whole seconds, and at least as many as Replicate accepts."""

from __future__ import annotations

import pytest

from tui.base.errors import RefusedError
from tui.engine.spending.service import ceiling_seconds
from tui.replicate.create import SHORTEST_LIFE


def test_a_ceiling_that_buys_the_shortest_life_is_accepted_and_a_smaller_one_is_not() -> None:
    assert ceiling_seconds(SHORTEST_LIFE * 975, 975) == SHORTEST_LIFE
    assert ceiling_seconds((SHORTEST_LIFE + 1) * 975 - 1, 975) == SHORTEST_LIFE
    with pytest.raises(RefusedError):
        ceiling_seconds(SHORTEST_LIFE * 975 - 1, 975)


@pytest.mark.parametrize("rate", [0, -1])
def test_a_ceiling_means_nothing_without_a_price(rate: int) -> None:
    with pytest.raises(RefusedError):
        ceiling_seconds(10**9, rate)
    assert ceiling_seconds(10, 1) == 10
