"""Drawing the chart, beside a frame of Textual itself: `python -m tests.benchmarks chart`."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from array import array
from collections.abc import Callable

from textual.app import App, ComposeResult
from textual.widgets import Static

from tests.benchmarks import Row
from tui.app.chart.axis import STEPS
from tui.app.chart.chart import MetricChart, Series
from tui.app.chart.grid import ChartGrid, Curve

POINTS = 1_000_000
ROUNDS = 15


class _ChartApp(App[None]):
    def compose(self) -> ComposeResult:
        yield MetricChart()


class _OverlayApp(App[None]):
    def compose(self) -> ComposeResult:
        yield MetricChart(overlay=True)


def median_ms(work: Callable[[], object]) -> float:
    """Milliseconds of this thread's CPU: drawing waits for nothing, other programs do not count."""
    times = []
    for _ in range(ROUNDS):
        begin = time.thread_time()
        work()
        times.append((time.thread_time() - begin) * 1000)
    return statistics.median(times)


async def _measure() -> list[Row]:
    source = random.Random(1)
    steps = array("q", range(POINTS))
    values = array("d", (source.random() for _ in range(POINTS)))
    values[POINTS // 3] = 9.0
    app = _ChartApp()
    async with app.run_test(size=(120, 40)) as pilot:
        chart = app.query_one(MetricChart)
        series = Series("loss", steps, values)
        begin = time.perf_counter()
        series.prepare()
        reduced = (time.perf_counter() - begin) * 1000
        chart.smoothing = 0.0
        chart.show([series])
        await pilot.pause()

        def draw() -> None:
            chart._redraw()
            chart.render_line(0)

        whole = median_ms(draw)
        peak = any("⡇" in chart.render_line(y).text or "⢸" in chart.render_line(y).text
                   for y in range(1, 12))  # fmt: skip
        chart.smoothing = 0.9
        smooth = median_ms(draw)
        chart.smoothing = 0.0
        chart.view = (POINTS * 0.4, POINTS * 0.4 + 3000)
        zoomed = median_ms(draw)
        floor = median_ms(lambda: Static("x" * 120 * 40).render())
        scan = median_ms(lambda: (min(values), max(values)))
    return [
        Row("chart: draw 1 000 000 points, 120x40", f"{whole:.1f} ms",
            f"{scan:.1f} ms min() and max() over them", whole / scan, "<= 30 ms, peaks kept"),
        Row("chart: the peak of one point is on screen", "yes" if peak else "NO", "", None, "yes"),
        Row("chart: the same, smoothed over the raw curve", f"{smooth:.1f} ms", "", None,
            "<= 30 ms"),
        Row("chart: zoomed to 3 000 of them", f"{zoomed:.1f} ms", f"{floor:.2f} ms empty Static",
            None, "<= 30 ms"),
        Row("chart: reduce 1 000 000 points once, as they come (in a thread)",
            f"{reduced:.0f} ms", f"{scan:.1f} ms min() and max() over them", reduced / scan, "-"),
    ]  # fmt: skip


def _noise(count: int, seed: int) -> Series:
    source = random.Random(seed)
    values = array("d", (0.1 + seed / 50 + source.random() / 10 for _ in range(count)))
    return Series(f"run {seed}", array("q", range(count)), values)


def _forget(runs: list[Series]) -> None:
    """Have the curves smoothed from their first value on, as when they are opened."""
    for series in runs:
        series._smooth = None


async def _overlays() -> list[Row]:
    """Eight runs over one another, in the half of the screen that Compare gives them."""
    rows = []
    app = _OverlayApp()
    async with app.run_test(size=(60, 28)) as pilot:
        chart = app.query_one(MetricChart)
        for count in (2_000, 100_000):
            runs = [_noise(count, seed) for seed in range(8)]
            for series in runs:
                series.prepare()
            await pilot.pause()

            chart.do_whole()

            def opened(shown: list[Series] = runs) -> None:
                _forget(shown)
                chart.show(shown)
                chart.render_line(0)

            def cursor() -> None:
                chart.move_cursor(-1)
                chart.render_line(0)

            rows.append(
                Row(f"compare: 8 runs of {count:,} points, smoothed, from the series on",
                    f"{median_ms(opened):.1f} ms", "", None, "<= 60 ms")
            )  # fmt: skip
            rows.append(
                Row(f"compare: cursor key over 8 runs of {count:,} points",
                    f"{median_ms(cursor):.1f} ms", "", None, "<= 12 ms")
            )  # fmt: skip
    return rows


class _GridApp(App[None]):
    def compose(self) -> ComposeResult:
        yield ChartGrid()


async def _grid() -> list[Row]:
    """The tab Metrics with as many charts as it shows at once."""
    app = _GridApp()
    async with app.run_test(size=(120, 36)) as pilot:
        grid = app.query_one(ChartGrid)
        series = [_noise(2_000, seed) for seed in range(9)]
        for one in series:
            one.prepare()
        curves = [Curve(one, noisy=True) for one in series]
        grid.show(curves, STEPS, ())
        await pilot.pause()
        charts = [chart for chart in grid.query(MetricChart) if chart.display]

        def draw() -> None:
            grid.show(curves, STEPS, ())
            for chart in charts:
                chart.render_line(0)

        def opened() -> None:
            _forget(series)
            draw()

        def grown() -> None:
            for one in series:
                one.steps.append(one.steps[-1] + 1)
                one.values.append(0.2)
            draw()

        whole = median_ms(opened)
        step = median_ms(grown)
    return [
        Row(f"metrics: {len(charts)} charts of 2,000 points", f"{whole:.1f} ms", "", None,
            "9 charts, <= 60 ms"),
        Row("metrics: the same, one step on", f"{step:.1f} ms", "", None, "<= 15 ms"),
    ]  # fmt: skip


async def _all() -> list[Row]:
    return [*await _measure(), *await _overlays(), *await _grid()]


def run() -> list[Row]:
    """All rows of this benchmark."""
    return asyncio.run(_all())
