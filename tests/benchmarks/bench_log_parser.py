"""The log parser on one core, beside `wc -l` and a loop that only reads the lines of a file."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import Row
from tests.simpletuner.log.samples import mixed_lines, realistic_lines, training_bar
from tui.simpletuner.log.classify import classify_line
from tui.simpletuner.log.parser import LogParser

LINES = 300_000
READ = 1 << 16
ROUNDS = 5


def best(work: Callable[[], object], clock: Callable[[], float]) -> float:
    """The shortest of several rounds in seconds."""
    times = []
    for _ in range(ROUNDS):
        start = clock()
        work()
        times.append(clock() - start)
    return min(times)


def parse(path: Path) -> None:
    """Parse a file in pieces, as the engine does."""
    parser = LogParser()
    with path.open("rb") as file:
        while piece := file.read(READ):
            parser.feed(piece)
    parser.finish()


def loop(path: Path) -> None:
    """Read the lines of a file, the lower bound for Python."""
    with path.open("rb") as file:
        for _ in file:
            pass


def run() -> list[Row]:
    """Measure and return the table."""
    bars = "".join(training_bar(step, LINES, 40, "0.123") + "\r" for step in range(LINES)).encode()
    logs = {
        "a run's log (bars, caches, messages)": realistic_lines(LINES),
        "all families in equal shares": mixed_lines(LINES),
        "training bars, each of another step": bars,
    }
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "job.log"
        for name, data in logs.items():
            # With newlines only, the peers count the same lines.
            path.write_bytes(data.replace(b"\r", b"\n"))
            count = path.read_bytes().count(b"\n")
            ours = best(lambda: parse(path), time.process_time)
            bare = best(lambda: loop(path), time.process_time)
            wc = best(
                lambda: subprocess.run(["wc", "-l", path], check=True, capture_output=True),
                time.perf_counter,
            )
            rows.append(
                Row(
                    f"log parser: {name}",
                    f"{count / ours:,.0f} lines/s ({path.stat().st_size / ours / 1e6:.0f} MB/s)",
                    f"for line in file {count / bare:,.0f}, wc -l {count / wc:,.0f} lines/s",
                    ours / bare,
                    ">= 400 000 lines/s on one core",
                )
            )
        texts = realistic_lines(50_000).decode().replace("\r", "\n").splitlines()
        took = best(lambda: [classify_line(text) for text in texts], time.process_time)
        rows.append(
            Row(
                "classify a line",
                f"{took / len(texts) * 1e9:,.0f} ns",
                "",
                None,
                "a screen of 50 lines in less than 0.1 ms",
            )
        )
    return rows
