"""Nothing of a chart leaves its place: cursor, view, labels, dots."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.app.chart.world import TONES
from tui.app.chart.chart import MetricChart
from tui.app.chart.data import Series, Span
from tui.app.chart.paint import Canvas, Picture, _axis, _cursor_column
from tui.app.chart.scale import Scale, label, on_log, round_ticks, with_room


def picture(start: float, end: float, cursor: int | None = None) -> Picture:
    return Picture([], start, end, TONES, cursor=cursor)


def chart(count: int = 1000) -> MetricChart:
    drawn = MetricChart()
    drawn.show([Series("loss", range(1, count + 1), [float(at) for at in range(count)])])
    return drawn


@pytest.mark.parametrize("width", [1, 7, 100])
def test_the_cursor_is_inside_the_plot_or_not_drawn(width: int) -> None:
    assert _cursor_column(picture(10, 20, 20), width) == width - 1
    assert _cursor_column(picture(10, 20, 10), width) == 0
    assert _cursor_column(picture(10, 20, 9), width) is None
    assert _cursor_column(picture(10, 20, 21), width) is None


@given(
    start=st.integers(0, 10**6),
    length=st.integers(1, 10**6),
    margin=st.integers(1, 9),
    width=st.integers(1, 120),
)
def test_labels_of_the_axis_never_touch(start: int, length: int, margin: int, width: int) -> None:
    words = _axis(picture(start, start + length), margin, width)[1].text.split()
    ticks = {f"{tick:.0f}" for tick in round_ticks(start, start + length, max(1, width // 14))}
    assert set(words) <= ticks
    assert all(int(one) < int(other) for one, other in pairwise(words))


def test_labels_stand_apart_by_a_blank_at_least() -> None:
    """At some of these widths the second label would begin where the first one ends."""
    for width in range(1, 200):
        for end in (10_000, 99_000, 100_000, 1_000_000):
            row = _axis(picture(0, end), 5, width)[1].text
            assert set(row.split()) <= {
                f"{tick:.0f}" for tick in round_ticks(0, end, max(1, width // 14))
            }


def test_the_cursor_stops_at_the_first_and_at_the_last_step() -> None:
    drawn = chart()
    drawn.move_cursor(-1)
    assert drawn.cursor_step == 1000  # it appears at the end
    for columns, step in ((10**9, 1000), (1, 1000), (-(10**9), 1), (-1, 1)):
        drawn.move_cursor(columns)
        assert drawn.cursor_step == step


def test_a_cursor_that_leaves_the_view_takes_it_along() -> None:
    drawn = chart()
    drawn.zoom(0.1)
    start, end = drawn.span
    assert end == 1000
    drawn.move_cursor(-1)
    drawn.move_cursor(-(10**9))
    assert drawn.span == (1, 1 + end - start)
    drawn.move_cursor(10**9)
    assert drawn.span == (1000 - (end - start), 1000)


@pytest.mark.parametrize("step", [1, 500, 1000])
def test_the_view_stays_within_the_run_and_shows_four_steps_at_least(step: int) -> None:
    drawn = chart()
    drawn.cursor_step = step
    for factor in (*[0.5] * 12, 2, 2, 2):
        drawn.zoom(factor)
        start, end = drawn.span
        assert 1 <= start <= step <= end <= 1000
        assert end - start >= 4 - 1e-9
    for _ in range(12):
        drawn.zoom(2)
    assert drawn.view is None


@pytest.mark.parametrize(("first", "step", "view"), [(900, 910, (800, 1000)), (1, 90, (1, 201))])
def test_a_wider_view_at_an_end_of_the_run_stays_within_it(
    first: int, step: int, view: tuple[int, int]
) -> None:
    drawn = chart()
    drawn.view = (first, first + 100)
    drawn.cursor_step = step
    drawn.zoom(2)
    assert drawn.view == view


@given(st.integers(0, 10**13), st.integers(1, 10**10))
def test_a_growing_plot_has_room_for_a_sixteenth_at_most(start: int, length: int) -> None:
    end = with_room(start, start + length)
    assert start + length <= end <= start + length * 17 / 16
    assert with_room(start, end) == end


def test_a_plot_stays_as_it_is_while_there_is_room() -> None:
    ends = [with_room(1, last) for last in range(1001, 2002)]
    assert ends == sorted(ends)
    assert len(set(ends)) == 17


def test_the_room_is_behind_the_last_step_and_not_in_a_zoom() -> None:
    drawn = chart(2000)
    assert drawn.span == (1, 2000)
    assert drawn.drawn == (1, 2049)
    drawn.zoom(0.5)
    assert drawn.drawn == drawn.span


def test_a_range_of_one_value_has_one_tick() -> None:
    assert round_ticks(5, 5, 3) == [5]
    assert round_ticks(5, 4, 3) == [5]


def test_only_a_linear_axis_is_begun_at_zero() -> None:
    spans = [[Span(1.0, 10.0, 1.0, 10.0)]]
    assert Scale.around(spans, log=False).low == 0
    assert Scale.around(spans, log=True).low == 1
    far = [[Span(2.0, 10.0, 2.0, 10.0)]]
    assert Scale.around(far, log=False).low == 2
    below = [[Span(-1.0, 10.0, -1.0, 10.0)]]
    assert Scale.around(below, log=False).low == -1


def test_dots_outside_of_the_plot_are_left_out() -> None:
    canvas = Canvas(2, 2, 1)
    canvas.fill(0, 0, -99, 99)
    inside = Canvas(2, 2, 1)
    inside.fill(0, 0, 0, 7)
    assert [list(canvas.row(at)) for at in (0, 1)] == [list(inside.row(at)) for at in (0, 1)]


def test_a_share_of_the_height_is_a_value_between_the_ends() -> None:
    assert [Scale(2, 10).value(share) for share in (0, 0.5, 1)] == [2, 6, 10]
    assert [Scale(-1, 3, log=True).value(share) for share in (0, 0.5, 1)] == [0.1, 10, 1000]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(4, 60))
def test_labels_stand_at_the_row_of_their_value(low: float, length: float, rows: int) -> None:
    scale = Scale(low, low + length)
    height = length / (rows - 1)
    for row, text in scale.ticks(rows).items():
        rounding = abs(float(text)) * 0.005 + 1e-9
        wanted = scale.value(1 - row / (rows - 1))
        assert float(text) == pytest.approx(wanted, abs=height / 2 + rounding)


def test_ticks_are_the_round_numbers_between_the_ends() -> None:
    assert round_ticks(0, 10, 5) == [0, 2, 4, 6, 8, 10]
    assert round_ticks(1, 9, 4) == [2, 4, 6, 8]
    assert round_ticks(0, 1e-300, 3) == [0, 1e-300]


def test_a_logarithmic_axis_of_one_decade_is_labelled_at_its_powers() -> None:
    assert set(Scale(0, 1, log=True).ticks(4).values()) == {"1", "10"}
    assert set(Scale(0, 0.9, log=True).ticks(12).values()) > {"2", "4"}


@pytest.mark.parametrize(
    ("rows", "linear", "decades", "narrow"),
    [
        (0, {}, {}, {}),
        (1, {0: "0"}, {0: "0.001"}, {0: "1.58"}),
        (2, {1: "0", 0: "10"}, {1: "0.001", 0: "1000"}, {1: "2", 0: "6"}),
        (9, {8: "0", 4: "5", 0: "10"}, {8: "0.001", 5: "0.1", 3: "10", 0: "1000"},
         {7: "2", 3: "4", 1: "6"}),
        (24, {23: "0", 18: "2", 14: "4", 9: "6", 5: "8", 0: "10"},
         {23: "0.001", 19: "0.01", 15: "0.1", 12: "1", 8: "10", 4: "100", 0: "1000"},
         {20: "2", 14: "3", 10: "4", 7: "5", 4: "6", 2: "7"}),
    ],
)  # fmt: skip
def test_an_axis_is_labelled_as_densely_as_its_rows_allow(
    rows: int, linear: dict[int, str], decades: dict[int, str], narrow: dict[int, str]
) -> None:
    assert Scale(0, 10).ticks(rows) == linear
    assert Scale(-3, 3, log=True).ticks(rows) == decades
    assert Scale(0.2, 0.9, log=True).ticks(rows) == narrow


def test_a_tall_axis_has_no_more_than_about_eight_labels() -> None:
    assert [*Scale(0, 7).ticks(99).values()] == [str(at) for at in range(8)]
    assert [*Scale(0, 9).ticks(99).values()] == ["0", "2", "4", "6", "8"]
    assert [*Scale(0, 9).ticks(12).values()] == ["0", "5"]
    assert [*Scale(4.2101, 4.2102).ticks(3)] == [2, 1, 0]
    assert [*Scale(0, 16, log=True).ticks(99).values()] == [
        "1", "100", "10000", "1000000", "1e8", "1e10", "1e12", "1e14", "1e16",
    ]  # fmt: skip


def around(*values: float, log: bool = False) -> tuple[float, float]:
    scale = Scale.around([[None, *(Span(one, one, one, one) for one in values)]], log)
    assert scale.log is log
    return scale.low, scale.high


def test_a_scale_of_one_value_has_air_around_it() -> None:
    assert around() == around(log=True) == (0, 1)
    assert around(5) == (4.5, 5.5)
    assert around(-5) == (-5.5, -4.5)
    assert around(0) == (-1, 1)
    assert around(2, log=True) == (1.5, 2.5)
    assert around(1, 1 + 1e-13) == (pytest.approx(0.9), pytest.approx(1.1))
    assert around(1, 1 + 1e-11) == (1, 1 + 1e-11)
    assert around(-1 - 1e-13, -1) == (pytest.approx(-1.1), pytest.approx(-0.9))


def test_a_scale_is_begun_at_zero_where_its_curves_nearly_reach_it() -> None:
    assert around(14, 100) == (0, 100)
    assert around(15, 100) == (15, 100)
    assert around(0, 100) == (0, 100)


def test_powers_that_no_float_holds_are_left_as_logarithms() -> None:
    assert Scale(0, 300, log=True).value(1) == 300
    assert Scale(0, 301, log=True).value(1) == 301
    assert Scale(0, 299, log=True).value(1) == pytest.approx(1e299)
    assert Scale(0, 400).value(0.25) == 100


@pytest.mark.parametrize(
    ("low", "high", "wanted", "ticks"),
    [
        (0, 99, 99, list(range(100))),
        (0, 100, 100, [0, 100]),
        (0, 1, 0, [0, 1]),
        (1, 2, 3, [1, 1.5, 2]),
        (-5, 5, 4, [-5, 0, 5]),
        (0, 20, 10, list(range(0, 21, 2))),
        (0, 19.99, 10, list(range(0, 19, 2))),
        (0, 20.01, 10, list(range(0, 21, 2))),
        (0, 1e-299, 1, [0, 1e-299]),
        (0.05, 19.95, 10, list(range(2, 19, 2))),
    ],
)
def test_the_step_of_ticks_is_one_two_or_five(
    low: float, high: float, wanted: int, ticks: list[float]
) -> None:
    assert round_ticks(low, high, wanted) == pytest.approx(ticks)


def test_a_label_is_short_and_whole_below_ten_million() -> None:
    values = (0, 1200, 12345, -12345, 9_999_999, 1e7, -1e7, 1e100, 8.9e-5, 0.142, 1e-10, 12.34)
    assert [label(one) for one in values] == [
        "0", "1200", "12345", "-12345", "9999999", "1e7", "-1e7", "1e100", "8.9e-5", "0.142",
        "1e-10", "12.3",
    ]  # fmt: skip


def test_what_is_not_above_zero_has_no_logarithm() -> None:
    spans = [None, Span(-1, 0, 0, -1), Span(0, 100, 10, 1000), Span(1e-9, 0.5, 1, 1)]
    logs = on_log(spans)
    assert logs[:2] == [None, None]
    assert logs[2] == pytest.approx((2, 2, 1, 3))
    assert logs[3] == pytest.approx((-9, math.log10(0.5), 0, 0))
