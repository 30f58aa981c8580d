"""Warnings as points come, and pictures as cells: `python -m tests.benchmarks watching`."""

from __future__ import annotations

import random
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from tests.benchmarks import Row
from tests.benchmarks.bench_chart import median_ms
from tui.app.pictures.decode import decode
from tui.app.pictures.paint import paint
from tui.simpletuner.log.model import MetricPoint
from tui.simpletuner.log.run_health import RunHealth

POINTS = 50_000
GRID = (26, 13)
ENLARGED = (68, 34)


def _warnings() -> Row:
    source = random.Random(1)
    points = [MetricPoint("loss", step, source.random()) for step in range(POINTS)]
    health = RunHealth()
    begin = time.thread_time()
    health.add(points, POINTS)
    spent = (time.thread_time() - begin) / POINTS * 1e6
    begin = time.thread_time()
    for point in points:
        point.value + 1.0
    floor = (time.thread_time() - begin) / POINTS * 1e6
    return Row("warnings: one more point of the loss", f"{spent:.2f} us",
               f"{floor:.2f} us a bare loop", spent / floor, "<= 2 us")  # fmt: skip


def _pictures(folder: Path) -> list[Row]:
    path = folder / "picture.png"
    source = random.Random(2)
    small = Image.new("RGB", (24, 24))
    small.putdata([tuple(source.randrange(256) for _ in range(3)) for _ in range(24 * 24)])
    small.resize((1024, 1024), Image.Resampling.BICUBIC).save(path)
    rows = []
    for what, box in (("one of the grid", GRID), ("enlarged", ENLARGED)):
        pixels = decode(path, *box)
        decoded = median_ms(lambda box=box: decode(path, *box))
        painted = median_ms(lambda pixels=pixels: paint(pixels, true_colour=True))
        rows += [
            Row(f"pictures: decode 1024x1024 for {what}, {box[0]}x{box[1]} (in a thread)",
                f"{decoded:.1f} ms", "", None, "8 in <= 400 ms"),
            Row(f"pictures: paint {what}", f"{painted:.1f} ms", "", None, "no key waits > 15 ms"),
        ]  # fmt: skip
    return rows


def run() -> list[Row]:
    """All rows of this benchmark."""
    with TemporaryDirectory() as folder:
        return [_warnings(), *_pictures(Path(folder))]
