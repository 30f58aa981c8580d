"""A running job holds its expected rest of the limit; one that overruns gives nothing back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tui.engine.spending.rules import Limit, accrued, expected_rest, judge
from tui.store.billed import Billed

if TYPE_CHECKING:
    from tui.engine.spending.rules import Action

T0 = datetime(2026, 3, 1, tzinfo=UTC)
LATER = T0 + timedelta(hours=1)
OVERRUN = Billed("running", T0, None, None, 1_000, 1_000_000, T0)
QUEUED = Billed("queued", None, None, None, 1_000, 2_000_000, T0)


def test_a_job_that_overruns_makes_no_room_for_others() -> None:
    assert accrued(OVERRUN, LATER) > 1_000_000
    assert expected_rest([OVERRUN], LATER) == 0
    assert expected_rest([OVERRUN, QUEUED], LATER) == 2_000_000


def test_an_ended_job_is_expected_to_cost_nothing_more() -> None:
    ended = Billed("completed", T0, LATER, 10, 1_000, 5_000_000, T0)
    assert expected_rest([ended], LATER) == 0


@pytest.mark.parametrize(
    ("estimate", "action", "blocks", "warns", "over"),
    [
        (799_999, "block", False, False, 0),
        (800_000, "block", False, True, 0),
        (1_000_000, "block", False, True, 0),
        (1_000_001, "block", True, True, 1),
        (1_000_001, "warn", False, True, 1),
    ],
)
def test_the_limit_and_its_warning_begin_at_their_micro_dollar(
    estimate: int, action: Action, *, blocks: bool, warns: bool, over: int
) -> None:
    verdict = judge(Limit(True, 1_000_000, "daily", action), [], estimate, T0)
    assert (verdict.blocks, verdict.warns, verdict.over_micros) == (blocks, warns, over)


def test_a_blocking_limit_of_zero_blocks_every_cost() -> None:
    limit = Limit(True, 0, "daily", "block")
    assert judge(limit, [], 1, T0).blocks
    assert not judge(limit, [], 0, T0).blocks
