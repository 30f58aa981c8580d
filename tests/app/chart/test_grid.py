"""How charts are laid out, and what a line tells of those that have no room."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from tui.app.chart.chart import MetricChart
from tui.app.chart.data import Series
from tui.app.chart.grid import pace_of
from tui.app.chart.layout import ALONE, LEAST_HEIGHT, LEAST_WIDTH, Layout, arrange
from tui.app.chart.spark import spark


def spread(points: int, apart: int) -> Series:
    return Series("x", range(0, points * apart, apart), [1.0] * points)


VALUES = st.lists(st.floats(), max_size=300)


def test_as_many_as_can_be_read() -> None:
    assert arrange(9, 118, 30) == Layout(3, 3)
    assert arrange(4, 118, 30) == Layout(2, 2)
    assert arrange(2, 118, 30) == Layout(2, 1)
    assert arrange(1, 118, 30) == ALONE
    assert arrange(4, 78, 12) == ALONE  # one row of them has room


@given(st.integers(0, 40), st.integers(0, 400), st.integers(0, 120))
def test_no_chart_is_smaller_than_can_be_read(charts: int, width: int, height: int) -> None:
    layout = arrange(charts, width, height)
    if layout != ALONE:
        assert width // layout.columns >= LEAST_WIDTH
        assert height // layout.rows >= LEAST_HEIGHT
        assert (layout.rows - 1) * layout.columns < charts  # no row is empty
        fits = (width // LEAST_WIDTH) * (height // LEAST_HEIGHT)
        assert layout.places >= min(charts, fits - layout.columns)


@given(VALUES)
def test_the_lowest_is_what_a_look_at_each_value_finds(values: list[float]) -> None:
    series = Series("loss", range(5, 5 + len(values)), values)
    known = [value for value in values if math.isfinite(value)]
    lowest = series.lowest()
    assert (lowest is None) == (not known)
    if lowest is not None:
        assert lowest == (5 + values.index(min(known)), min(known))
    assert series.constant == (len(values) > 1 and len({*values}) == 1 and len(known) > 1)


@given(VALUES, st.integers(1, 20))
def test_a_small_curve_has_its_width_whatever_the_values(values: list[float], cells: int) -> None:
    series = Series("x", range(len(values)), values)
    assert len(spark(series, cells)) == cells
    assert spark(series, cells, ascii_only=True).isascii()


def test_a_small_curve_rises_and_falls() -> None:
    series = Series("x", range(8), [0, 1, 2, 3, 3, 2, 1, 0])
    assert spark(series, 8, ascii_only=True) == "_.-''-._"
    assert spark(series, 4) == "⡠⠊⠑⢄"


def test_smoothing_looks_back_on_as_many_steps_in_every_curve() -> None:
    loss, ended, rare = spread(200, 1), spread(100, 1), spread(4, 50)
    paces = [pace_of(one, (loss, ended, rare)) for one in (loss, ended, rare)]
    assert paces == [1, 1, 50]
    assert pace_of(spread(1, 1), [spread(1, 1), Series("none", [], [])]) == 1
    chart = MetricChart()
    chart.show([rare], pace=50)
    assert 0.2 < chart._weight < 0.25  # 0.97 would leave one mean of four values
    chart.show([rare], pace=200)
    assert chart._smoothed(0) is rare
