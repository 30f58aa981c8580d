"""The chart as a widget: what is on its rows after keys."""

from __future__ import annotations

import math
import random
from array import array

from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual._compositor import LayoutUpdate
from textual.app import App, ComposeResult
from textual.geometry import Region

from tests.app.chart.world import TONES
from tui.app.chart.chart import MetricChart, Series
from tui.app.chart.paint import Layer, Picture, paint_chart
from tui.app.chart.scale import with_room
from tui.app.terminal.frame_diff import TerminalCells


def falling(name: str, count: int, offset: float = 0.0) -> Series:
    values = array("d", (offset + 0.1 + 0.4 * math.exp(-5 * at / count) for at in range(count)))
    return Series(name, array("q", range(1, count + 1)), values)


class ChartApp(App[None]):
    CSS = "#mini { height: 7; width: 60; }"

    def compose(self) -> ComposeResult:
        yield MetricChart(id="big")
        yield MetricChart(id="mini", mini=True)


def rows(chart: MetricChart) -> list[str]:
    return [chart.render_line(y).text for y in range(chart.content_size.height)]


async def test_read_out_cursor_zoom_and_reset() -> None:
    app = ChartApp()
    async with app.run_test(size=(100, 30)) as pilot:
        chart = app.query_one("#big", MetricChart)
        chart.show([falling("loss", 1000), falling("cat-lora-0", 500, 0.2)])
        chart.focus()
        await pilot.pause()
        assert "step 1000" in rows(chart)[0]
        assert "cat-lora-0" in rows(chart)[0]
        await pilot.press("left", "left")
        assert chart.cursor_step is not None
        assert chart.cursor_step < 1000
        assert f"step {chart.cursor_step}" in rows(chart)[0]
        assert sum("│" in row[6:] for row in rows(chart)) >= 5
        await pilot.press("plus", "plus")
        start, end = chart.span
        assert end - start < 300
        assert start <= chart.cursor_step <= end
        assert "zoom" in rows(chart)[0]
        await pilot.press("0")
        assert chart.span == (1.0, 1000.0)
        assert chart.cursor_step is None


async def test_the_legend_shows_smoothing_and_log_scale() -> None:
    app = ChartApp()
    async with app.run_test(size=(100, 30)) as pilot:
        chart = app.query_one("#big", MetricChart)
        chart.show([falling("loss", 300)])
        chart.focus()
        assert "smoothing 0.97" in rows(chart)[0]
        await pilot.press("s", "X")
        head = rows(chart)[0]
        assert "smoothing 0.99" in head
        assert "log" in head
        await pilot.press("s")
        assert "smoothing" not in rows(chart)[0]
        before = [segment.style for segment in chart.render_line(1)]
        app.theme = "textual-light"  # a chart that does not change takes the new colours as well
        await pilot.pause()
        after = [segment.style for segment in chart.render_line(1)]
        assert len(after) == len(before)
        assert after[0] != before[0]


async def test_a_schedule_is_drawn_as_it_is() -> None:
    """Smoothed, the learning rate would seem to change thirty steps late."""
    app = ChartApp()
    async with app.run_test(size=(100, 30)) as pilot:
        chart = app.query_one("#big", MetricChart)
        lr = Series("lr", range(100), [1e-4] * 99 + [0.0])
        chart.show([lr], noisy=False)
        await pilot.pause()
        assert "lr 0 " in rows(chart)[0]
        assert "smoothing" not in rows(chart)[0]
        chart.show([lr])
        await pilot.pause()
        assert "lr 0 " not in rows(chart)[0]


async def test_a_growing_series_moves_the_end_of_the_axis() -> None:
    app = ChartApp()
    async with app.run_test(size=(100, 30)) as pilot:
        chart = app.query_one("#mini", MetricChart)
        chart.show([falling("loss", 100)])
        await pilot.pause()
        assert rows(chart)[-1].endswith(" 100")
        chart.show([falling("loss", 240)])
        await pilot.pause()
        assert rows(chart)[-1].endswith(" 240")
        assert "loss" in rows(chart)[0]


async def test_empty_and_invalid_series_are_drawn() -> None:
    app = ChartApp()
    async with app.run_test(size=(100, 30)) as pilot:
        chart = app.query_one("#big", MetricChart)
        assert any("no values yet" in row for row in rows(chart))
        chart.focus()
        await pilot.press("left", "plus", "s", "X", "0")
        for values in ([math.nan], [math.inf, 1.0], [0.0, -1.0], [5.0]):
            chart.show([Series("loss", range(len(values)), values)])
            for key in ("left", "plus", "X", "s", "minus"):
                await pilot.press(key)
            assert len(rows(chart)) == chart.content_size.height
        await pilot.resize_terminal(10, 3)
        await pilot.pause()
        assert len(rows(chart)) == chart.content_size.height


async def test_a_gap_is_marked_below_the_curve_and_named_in_the_legend() -> None:
    app = ChartApp()
    async with app.run_test(size=(100, 30)) as pilot:
        chart = app.query_one("#big", MetricChart)
        values = [1.0] * 10 + [math.nan] * 5 + [1.0] * 10
        chart.show([Series("grad_norm", range(25), values)])
        await pilot.pause()
        assert "✗ not finite: steps 10–14" in rows(chart)[0]
        assert rows(chart)[-3].count("✗") == 5
        chart.show([Series("grad_norm", range(20), [1.0] * 20)])
        await pilot.pause()
        assert "✗" not in "".join(rows(chart))


async def test_every_row_has_the_width_of_the_widget() -> None:
    app = ChartApp()
    async with app.run_test(size=(83, 30)) as pilot:
        for chart in app.query(MetricChart):
            chart.show([falling("loss", 1000), falling("other", 30)])
            await pilot.pause()
            widths = {chart.render_line(y).cell_length for y in range(chart.content_size.height)}
            assert widths == {chart.content_size.width}


async def test_the_cursor_moves_over_curves_that_are_not_drawn_again() -> None:
    """Eight runs of a key that is held down: only the column of the cursor may cost anything."""
    app = ChartApp()
    async with app.run_test(size=(100, 30)) as pilot:
        chart = app.query_one("#big", MetricChart)
        chart.show([falling("loss", 1000)])
        await pilot.pause()
        before, painted = rows(chart), chart._painted
        chart.move_cursor(-1)
        chart.move_cursor(-10)
        assert rows(chart) != before
        assert chart._painted is painted
        chart.cursor_step = None
        assert rows(chart) == before
        chart.show([falling("loss", 1001)])
        assert rows(chart)[0].startswith(" step 1001")
        assert chart._painted is not painted


def test_nine_charts_of_noise_fit_their_budgets() -> None:
    """In bytes, one of them: opened, and with one step more."""
    source = random.Random(5)
    series = Series("loss", range(1, 2001), [source.random() for _ in range(2000)])
    cells, size = TerminalCells(), (38, 11)
    sent = []
    for last in (2000, 2001):
        if last > 2000:
            series.steps.append(last)
            series.values.append(source.random())
        layers = [Layer(series.smoothed(0.97), Style(color="#5588ff")),
                  Layer(series, Style(color="#6d6f72"), faint=True)]  # fmt: skip
        title = [Segment(f"loss {series.values[-1]:.3g}")]
        end = with_room(1, last)
        picture = Picture(layers, 1, end, TONES, title=title, last=last)
        strips = paint_chart(picture, *size, 7).strips
        update = LayoutUpdate([[strip] for strip in strips], Region(0, 0, *size))
        sent.append(len(cells.render(update, size, ColorSystem.TRUECOLOR).encode()))
    assert sent[0] < 9_000 / 9
    assert sent[1] < 600 / 9
