"""A log of 1 000 000 lines: opened at its end, counted, and searched, beside grep."""

from __future__ import annotations

import mmap
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks import Row
from tests.simpletuner.log.samples import realistic_lines
from tui.store.log_file import LogFile
from tui.store.log_search import LogSearch

LINES = 1_000_000
NEEDLE = "the rare needle"
EXPRESSION = r"\d+ rare n\w+le"


def best(work: Callable[[], object], rounds: int = 5) -> float:
    """The shortest of several rounds in milliseconds."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times) * 1000


def big_log(path: Path) -> None:
    """About 100 MB, with one rare line at two thirds."""
    piece = realistic_lines(LINES // 10).replace(b"\r", b"\n")
    with path.open("wb") as file:
        for number in range(10):
            file.write(piece)
            if number == 6:
                file.write(f"here are 7 rare needle words, {NEEDLE}\n".encode())


def open_at_end(path: Path) -> None:
    """Open the log at its end, as a key press does."""
    with LogFile(path) as log:
        for line in log.tail(50):
            _ = line.text


def count_lines(path: Path) -> None:
    """Build the index of lines."""
    with LogFile(path) as log:
        log.start_index()
        log.wait_indexed()


def search(path: Path, query: str, *, regex: bool) -> int:
    """Count all hits of a query."""
    with LogFile(path) as log:
        return LogSearch(log, query, regex=regex).count()


def first_hit(path: Path, query: str, *, regex: bool) -> None:
    """Find the last hit in the file, where a log view begins its search."""
    with LogFile(path) as log:
        assert LogSearch(log, query, regex=regex).previous(log.size) is not None


def mapped(path: Path) -> int:
    """The lower bound: one `find` over the mapped file."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as view:
        return view.find(NEEDLE.encode())


def grep(path: Path, *options: str) -> float:
    """Milliseconds of `grep -c`."""
    command = ["grep", "-c", *options, str(path)]
    return best(lambda: subprocess.run(command, check=True, capture_output=True))


def peer(path: Path, *options: str) -> str:
    """Times of `grep -c`, and of `rg -c` if it is installed."""
    text = f"grep -c {grep(path, *options):.0f} ms"
    if shutil.which("rg"):
        command = ["rg", "-c", *options, str(path)]
        took = best(lambda: subprocess.run(command, check=True, capture_output=True))
        text += f", rg -c {took:.0f} ms"
    return text


def run() -> list[Row]:
    """Measure and return the table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "big.log"
        big_log(path)
        size = f"{path.stat().st_size / 1e6:.0f} MB"
        assert search(path, NEEDLE, regex=False) == search(path, EXPRESSION, regex=True) == 1
        wc = best(lambda: subprocess.run(["wc", "-l", path], check=True, capture_output=True))
        floor = best(lambda: mapped(path))
        log = LogFile(path)
        log.start_index()
        log.wait_indexed()
        rows = range(0, LINES, LINES // 200)
        random_access = best(lambda: [log.lines(row, 50) for row in rows]) / len(rows)
        log.close()
        return [
            Row(
                f"open {size} at its end, 50 lines",
                f"{best(lambda: open_at_end(path)):.2f} ms",
                "",
                None,
                "<= 100 ms, key-ready",
            ),
            Row(
                "count its lines (in the background)",
                f"{best(lambda: count_lines(path)):.0f} ms",
                f"wc -l {wc:.0f} ms",
                None,
                "behind the screen",
            ),
            Row("50 lines anywhere", f"{random_access:.3f} ms", "", None, "well below a frame"),
            Row(
                "plain search, all hits",
                f"{best(lambda: search(path, NEEDLE, regex=False)):.0f} ms",
                f"one mmap.find {floor:.0f} ms, {peer(path, '-F', NEEDLE)}",
                None,
                "<= 60 ms",
            ),
            Row(
                "plain search, frequent",
                f"{best(lambda: search(path, 'step_loss=0.3', regex=False)):.0f} ms",
                peer(path, "-F", "step_loss=0.3"),
                None,
                "<= 60 ms",
            ),
            Row(
                "expression, all hits",
                f"{best(lambda: search(path, EXPRESSION, regex=True)):.0f} ms",
                peer(path, "-P", EXPRESSION),
                None,
                "<= 400 ms",
            ),
            Row(
                "expression without a fixed text",
                f"{best(lambda: search(path, r'[A-Z]{8}', regex=True), 2):.0f} ms",
                peer(path, "-P", "[A-Z]{8}"),
                None,
                "cancellable",
            ),
            Row(
                "first hit from the end, plain",
                f"{best(lambda: first_hit(path, NEEDLE, regex=False)):.0f} ms",
                "a third of the file away",
                None,
                "<= 30 ms",
            ),
            Row(
                "first hit from the end, expression",
                f"{best(lambda: first_hit(path, EXPRESSION, regex=True)):.0f} ms",
                "a third of the file away",
                None,
                "<= 30 ms",
            ),
        ]
