"""The x axis in steps, as time since the first step, and as time of day."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment

from tests.app.chart.world import TONES
from tui.app.chart.axis import CLOCK, ELAPSED, STEPS, Axis
from tui.app.chart.data import Series
from tui.app.chart.paint import STROKES, Layer, Picture, paint_chart, placed_marks

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC).timestamp() * 1000


@pytest.mark.parametrize(
    ("axis", "length", "labels"),
    [
        (STEPS, 1000, ["0", "200", "400", "600", "800", "1000"]),
        (ELAPSED, 3_600_000, ["0 s", "15 m", "30 m", "45 m", "1 h 00 m"]),
        (ELAPSED, 20_000, ["0 s", "5 s", "10 s", "15 s", "20 s"]),
        (ELAPSED, 86_400_000 * 40, ["0 s", "8 d 0 h", "16 d 0 h", "24 d 0 h", "32 d 0 h",
                                    "40 d 0 h"]),
    ],
)  # fmt: skip
def test_ticks_are_round_for_people(axis: Axis, length: int, labels: list[str]) -> None:
    assert [axis.label(tick) for tick in axis.ticks(0, length, 5)] == labels


def test_a_clock_shows_the_time_of_day() -> None:
    ticks = CLOCK.ticks(NOON, NOON + 3_600_000, 4)
    assert len(ticks) == 5
    assert {CLOCK.label(tick)[-2:] for tick in ticks} <= {"00", "15", "30", "45"}
    assert CLOCK.read_out(NOON + 5000).endswith(":05")


@given(st.integers(0, 10**13), st.integers(1, 10**11), st.integers(1, 12))
def test_ticks_of_a_time_are_within_it_and_not_too_many(start: int, length: int, most: int) -> None:
    for axis in (ELAPSED, CLOCK):
        ticks = axis.ticks(start, start + length, most)
        assert len(ticks) <= most + 2
        assert all(start - 1e-3 <= tick <= start + length + 1e-3 for tick in ticks)
        assert all(one < other for one, other in pairwise(ticks))


def test_eight_curves_have_a_number_at_their_end_and_neighbours_another_stroke() -> None:
    series = [Series(f"run {at}", range(50), [float(at % 3)] * 50) for at in range(8)]
    layers = [Layer(one, TONES.base, at % 4, tag=str(at + 1)) for at, one in enumerate(series)]
    rows = paint_chart(Picture(layers, 0, 49, TONES, legend=False), 60, 20, 7).strips
    assert len(rows) == 20
    text = "".join(row.text[10:] for row in rows[:-2])
    assert all(text.count(str(number)) == 1 for number in range(1, 9))
    assert len(set(STROKES)) == 4


def test_marks_stand_on_the_axis_at_their_step() -> None:
    layer = Layer(Series("loss", range(101), [1.0] * 101), TONES.base)
    picture = Picture([layer], 0, 100, TONES, marks=[(50, "▣"), (100, "◫"), (200, "↻")])
    rule = paint_chart(picture, 60, 12, 7).strips[-2].text
    corner = rule.index("└")
    width = len(rule) - corner - 1
    assert rule.index("▣") == corner + 1 + width // 2
    assert rule[-1] == "◫"
    assert "↻" not in rule
    short = paint_chart(replace(picture, title=(Segment("loss"),)), 60, 12, 7).strips[-1].text
    assert short.endswith(" 100◫")
    assert short.index("▣") == corner + 1 + width // 2
    roomy = replace(picture, title=(Segment("loss"),), end=104, last=100)
    assert paint_chart(roomy, 60, 12, 7).strips[-1].text.endswith(" 100◫")


def test_two_marks_of_one_step_stand_beside_each_other_and_what_has_no_room_is_left_out() -> None:
    marks = [(0, "!"), (0, "▣"), (0, "◫"), (50, "▣"), (50, "◫"), (51, "↻"), (100, "▣"), (100, "◫")]
    assert placed_marks(marks, 0, 100, 100) == {
        0: "!",
        1: "▣",
        49: "◫",
        50: "▣",
        51: "↻",
        98: "◫",
        99: "▣",
    }
    assert placed_marks(marks, 40, 60, 100) == {50: "▣", 51: "◫", 55: "↻"}
    assert placed_marks(marks, 0, 100, 1) == {0: "!"}
