"""Reduction, smoothing and scales of the chart: pure parts."""

from __future__ import annotations

import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.app.chart.data import BLOCK, EXACT_SMOOTHING_POINTS, Series, Span, finite
from tui.app.chart.paint import Canvas
from tui.app.chart.scale import Scale, label, on_log, round_ticks
from tui.simpletuner.log.smoothing import Smoothed

VALUES = st.lists(
    st.floats(width=32) | st.sampled_from([math.nan, math.inf, -math.inf]), min_size=1, max_size=400
)


@given(VALUES, st.integers(1, 60), st.integers(1, 5))
def test_every_peak_is_in_some_column(values: list[float], columns: int, stride: int) -> None:
    series = Series("loss", range(0, len(values) * stride, stride), values)
    spans = [span for span in series.spans(0, (len(values) - 1) * stride, columns) if span]
    numbers = finite(values)
    if not numbers:
        assert spans == []
        return
    assert max(span.high for span in spans) == max(numbers)
    assert min(span.low for span in spans) == min(numbers)
    for span in spans:
        assert span.low <= span.first <= span.high
        assert span.low <= span.last <= span.high


@given(VALUES, st.integers(1, 300), st.integers(1, 40))
def test_growing_gives_the_same_as_starting_anew(
    values: list[float], cut: int, columns: int
) -> None:
    early = Series("loss", range(len(values[:cut])), values[:cut])
    early.prepare()
    grown = Series("loss", range(len(values)), values)
    grown.take_over(early)
    anew = Series("loss", range(len(values)), values)
    end = max(1, len(values) - 1)
    assert grown.spans(0, end, columns) == anew.spans(0, end, columns)


def test_sums_of_another_series_are_not_taken_over() -> None:
    one = Series("loss", range(200), [1.0] * 200)
    one.prepare()
    other = Series("loss", range(300), [2.0] * 300)
    other.take_over(one)
    assert {span.high for span in other.spans(0, 299, 10) if span} == {2.0}


def test_a_single_peak_in_a_million_points_is_kept() -> None:
    values = array("d", bytes(8 * 1_000_000))
    values[654_321] = 7.5
    series = Series("loss", array("q", range(1_000_000)), values)
    spans = series.spans(0, 999_999, 220)
    assert max(span.high for span in spans if span) == 7.5


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200), st.floats(0.01, 0.99))
def test_smoothing_stays_within_the_values(values: list[float], weight: float) -> None:
    smooth = Series("loss", range(len(values)), values).smoothed(weight)
    assert len(smooth) == len(values)
    slack = 1e-6 * max(1.0, *(abs(value) for value in values))
    assert min(values) - slack <= min(smooth.values)
    assert max(smooth.values) <= max(values) + slack
    assert smooth.values[0] == pytest.approx(values[0])


@given(
    values=st.lists(st.floats(), max_size=300),
    pieces=st.lists(st.integers(1, 90), max_size=6),
    anew=st.booleans(),
)
def test_a_curve_that_is_smoothed_as_it_grows_is_that_of_all_its_values(
    *, values: list[float], pieces: list[int], anew: bool
) -> None:
    """Whether a series grows in place or another one takes it over, and with weights between."""
    shown, series = 0, Series("loss", [], [])
    for piece in [*pieces, len(values)]:
        more = values[shown : shown + piece]
        if anew:
            grown = Series("loss", range(shown + len(more)), values[: shown + len(more)])
            grown.take_over(series)
            series = grown
        else:
            series.steps.extend(range(shown, shown + len(more)))
            series.values.extend(more)
        shown += len(more)
        for weight in (0.9, 0.9, 0.97) if piece % 2 else (0.9,):
            smooth = series.smoothed(weight)
            whole = Series("loss", range(shown), values[:shown]).smoothed(weight)
            assert list(map(repr, smooth.values)) == list(map(repr, whole.values))
            assert len(smooth) == shown
            assert list(map(repr, smooth.spans(0, max(1, shown), 9))) == list(
                map(repr, whole.spans(0, max(1, shown), 9))
            )
            assert smooth.lowest() == whole.lowest()


@given(VALUES, st.floats(0.01, 0.99))
def test_the_curve_is_the_mean_that_the_list_shows(values: list[float], weight: float) -> None:
    """The engine keeps it up value by value, the chart computes it anew: both say the same."""
    curve, mean = Series("loss", range(len(values)), values).smoothed(weight), Smoothed(weight)
    for value, drawn in zip(values, curve.values, strict=True):
        kept = mean.add(value)
        assert drawn == kept if math.isfinite(value) else math.isnan(drawn)


def test_a_series_that_is_drawn_late_does_not_disturb_the_one_that_took_it_over() -> None:
    values = [float(at % 7) for at in range(30)]
    first, second, third = (Series("loss", range(end), values[:end]) for end in (10, 20, 30))
    first.smoothed(0.9)
    second.take_over(first)
    third.take_over(second)
    second.smoothed(0.9)
    whole = Series("loss", range(30), values).smoothed(0.9)
    assert list(third.smoothed(0.9).values) == list(whole.values)


@pytest.mark.parametrize("count", [100, EXACT_SMOOTHING_POINTS + BLOCK])
def test_a_smoothed_curve_names_each_value_that_is_not_finite(count: int) -> None:
    """In a long run it is drawn from the means of blocks, which have no gap."""
    values = array("d", [1.0] * count)
    values[70] = math.nan
    assert list(Series("loss", range(count), values).smoothed(0.97).gaps) == [70]


def test_a_value_that_is_not_finite_is_a_gap_and_never_a_line() -> None:
    values = [1.0, 2.0, math.nan, math.inf, 3.0, 3.0]
    series = Series("loss", range(6), values)
    columns = series.broken(0, 5, 60)
    assert columns == {24, 36}
    canvas = Canvas(60, 1, 1, ascii_only=True)
    canvas.curve(0, series.spans(0, 5, 60), 1.0, 3.0, broken=columns)
    row = "".join(part for part, _ in canvas.row(0))
    assert row[13:48].isspace()
    assert "" not in (row[:12].strip(), row[48:].strip())
    grown = Series("loss", range(7), [*values, math.nan])
    grown.take_over(series)
    assert grown.broken(0, 6, 7) == {2, 3, 6}


def test_a_million_gaps_cost_a_screenful() -> None:
    series = Series("loss", range(1_000_000), [math.nan] * 1_000_000)
    assert series.broken(0, 999_999, 200) == set(range(200))
    assert series.broken(10, 10, 1) == {0}


def test_smoothing_of_a_very_long_series_follows_its_level() -> None:
    count = EXACT_SMOOTHING_POINTS + 10 * BLOCK
    series = Series("loss", range(count), [1.0] * (count // 2) + [5.0] * (count - count // 2))
    smooth = series.smoothed(0.9)
    assert len(smooth) < count // BLOCK + 1
    assert smooth.values[0] == pytest.approx(1.0)
    assert abs(smooth.values[-1] - 5.0) < 1e-6


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(2, 10))
def test_ticks_are_inside_and_not_too_many(low: float, length: float, wanted: int) -> None:
    high = low + length
    ticks = round_ticks(low, high, wanted)
    slack = length * 1e-6 + abs(low) * 1e-12
    assert all(low - slack <= tick <= high + slack for tick in ticks)
    assert len(ticks) <= wanted + 3


@given(st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=30), st.booleans(), st.integers(2, 60))
def test_a_scale_shows_every_value_and_has_two_labels(
    values: list[float], log: bool, rows: int
) -> None:
    spans: list[Span | None] = [Span(value, value, value, value) for value in values]
    shown = on_log(spans) if log else spans
    scale = Scale.around([shown], log)
    assert all(scale.low <= span.low and span.high <= scale.high for span in shown if span)
    assert scale.low < scale.high
    ticks = scale.ticks(rows)
    assert len(ticks) >= 2
    assert all(0 <= row < rows for row in ticks)


def test_a_log_scale_leaves_out_what_is_not_above_zero() -> None:
    spans = on_log([Span(-1.0, 100.0, -1.0, 100.0), Span(-2.0, 0.0, -1.0, 0.0), None])
    assert spans == [Span(2.0, 2.0, 2.0, 2.0), None, None]


def test_labels_are_short() -> None:
    texts = [label(value) for value in (0.1421, 8.9e-5, 1200.0, 0.0, 1.5e12)]
    assert texts == ["0.142", "8.9e-5", "1200", "0", "1.5e12"]


def test_braille_dots_stand_where_the_values_are() -> None:
    canvas = Canvas(3, 1, 1)
    spans: list[Span | None] = [Span(at, at, at, at) for at in (0.0, 0.0, 3.0, 3.0, 0.0, 0.0)]
    canvas.curve(0, spans, 0.0, 3.0)
    text = "".join(part for part, _ in canvas.row(0))
    assert [cell - 0x2800 for cell in map(ord, text)] == [
        0x40 | 0x80 | 0x20,  # bottom, and the beginning of the way up
        0x01 | 0x02 | 0x04 | 0x08 | 0x10 | 0x20,
        0x40 | 0x80 | 0x04,
    ]


def test_values_behind_a_curve_are_two_dots_of_each_column_and_no_peak_is_lost() -> None:
    for peak in range(100):
        noise = [3.0 + at % 3 for at in range(100)]
        noise[peak] = 9.0
        canvas = Canvas(8, 4, 1)
        spans = Series("loss", range(100), noise).spans(0, 99, canvas.columns)
        canvas.points(0, spans, 3.0, 9.0)
        rows = ["".join(part for part, _ in canvas.row(row)) for row in range(4)]
        dots = [(ord(cell) - 0x2800).bit_count() for cell in rows[0] if cell != " "]
        assert dots == [1], peak
        assert sum((ord(cell) - 0x2800).bit_count() for cell in "".join(rows) if cell != " ") == 32


def test_gaps_are_bridged_by_a_straight_line() -> None:
    canvas = Canvas(10, 1, 1, ascii_only=True)
    spans: list[Span | None] = [None] * 10
    spans[0] = spans[9] = Span(0.0, 0.0, 0.0, 0.0)
    canvas.curve(0, spans, 0.0, 1.0)
    assert "".join(part for part, _ in canvas.row(0)) == "." * 10


def test_ascii_form_is_ascii() -> None:
    canvas = Canvas(20, 4, 3, ascii_only=True)
    for layer in range(3):
        spans: list[Span | None] = [
            Span(at % 5, at % 5 + 1, at % 5, at % 5 + 1) for at in map(float, range(20))
        ]
        canvas.curve(layer, spans, 0.0, 8.0)
    assert all(part.isascii() for row in range(4) for part, _ in canvas.row(row))
