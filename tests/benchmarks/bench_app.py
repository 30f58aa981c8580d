"""The app in a pseudo terminal: start, keys, bytes, idle, memory; beside a bare Textual skeleton.

`python -m tests.benchmarks app`. The skeleton (header, tabs, empty table, footer) is in
`app_child` and is measured in the same run: on a shared machine only the ratio means something.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.app.stand_in_engine import StandInEngine
from tests.app.terminal.pseudo_terminal import Terminal
from tests.app.world import fill, home_at
from tests.benchmarks import Row
from tui.store.writer import Change, StoreWriter

RUNS = 5


def _start(arguments: Sequence[str], text: str, *, fresh: bool = True) -> float:
    """Seconds until `text` is shown; `fresh` removes the saved frame of an earlier run first."""
    if fresh and arguments[0] == "app":
        home_at(Path(arguments[1])).last_frame.unlink(missing_ok=True)
    terminal = Terminal(arguments)
    try:
        return terminal.until(text)
    finally:
        terminal.quiet(0.1)
        terminal.close()


def _starts(pairs: Sequence[tuple[Sequence[str], str, bool]]) -> list[float]:
    """Median start-up time of each, measured in turns so that a busy moment affects all."""
    times: list[list[float]] = [[] for _ in pairs]
    for _ in range(RUNS):
        for number, (arguments, text, fresh) in enumerate(pairs):
            times[number].append(_start(arguments, text, fresh=fresh))
    return [statistics.median(pair) for pair in times]


def run() -> list[Row]:
    """All rows."""
    with tempfile.TemporaryDirectory() as folder:
        small, large, calm = (Path(folder, name) for name in ("small", "large", "calm"))
        fill(home_at(small), 1_000, now=datetime.now(UTC))
        fill(home_at(large), 10_000, running=50, now=datetime.now(UTC))
        fill(home_at(calm), 1_000, running=-1, now=datetime.now(UTC))
        return [
            *_start_rows(small, large), *_key_rows(large), *_busy_rows(large), *_idle_rows(calm)
        ]  # fmt: skip


def _start_rows(small: Path, large: Path) -> list[Row]:
    ready = "engine: starting"
    skeleton, ours, first, ours_large, floor = _starts(
        [
            (["skeleton"], "NAME", True),
            (["app", str(small)], ready, True),
            (["app", str(small)], "as of", False),  # the previous run has saved its frame
            (["app", str(large)], ready, True),
            (["nothing"], "ready", True),
        ]
    )
    return [
        Row("first useful frame", f"{first * 1000:.0f} ms",
            f"python that prints {floor * 1000:.0f} ms", first / floor, "≤ 120 ms"),
        Row("ready, 1 000 jobs", f"{ours * 1000:.0f} ms", f"skeleton {skeleton * 1000:.0f} ms",
            ours / skeleton, "≤ 1.1 × skeleton"),
        Row("ready, 10 000 jobs, 50 running", f"{ours_large * 1000:.0f} ms",
            f"1 000 jobs {ours * 1000:.0f} ms", ours_large / ours, "≤ 1.1 × 1 000 jobs"),
    ]  # fmt: skip


def _key_rows(folder: Path) -> list[Row]:
    ours, peer = Terminal(["app", str(folder)]), Terminal(["table"])
    try:
        ours.until("engine: starting")
        peer.until("cat-lora-3")
        rows = []
        for name, key, times, goal, limit in (
            ("j", b"j", 60, "p95 ≤ 8 ms", "≤ 600 B"),
            ("page down", b"\x1b[6~", 20, "p95 ≤ 12 ms", "≤ 2.4 kB"),
        ):
            ours.quiet(0.3)
            peer.quiet(0.3)
            here, there = ours.press(key, times), peer.press(key, times)
            rows.append(
                Row(f"key {name}, p95", f"{here.p95():.1f} ms", f"DataTable {there.p95():.1f} ms",
                    here.p95() / there.p95(), goal)
            )  # fmt: skip
            rows.append(
                Row(f"bytes of {name}, median", f"{here.median_bytes():.0f} B",
                    f"DataTable {there.median_bytes():.0f} B",
                    here.median_bytes() / there.median_bytes(), limit)
            )  # fmt: skip
        return rows
    finally:
        ours.close()
        peer.close()


class _Busy:
    """50 jobs that change twice a second, and an engine that sends their events."""

    def __init__(self, folder: Path) -> None:
        self._home = home_at(folder)
        self._engine = StandInEngine(self._home.socket)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._engine.close()

    def _work(self) -> None:
        writer = StoreWriter(self._home)
        step = 0
        try:
            while not self._stop.wait(0.5):
                step += 1
                for number in range(50):
                    job_id = f"job{number:05d}"
                    writer.apply(
                        job_id, Change({"step": 200 + step, "loss": 0.1 + 1 / (step + number + 9)})
                    )
                    self._engine.send("job", {"job_id": job_id, "rev": step})
        finally:
            writer.close()


def _busy_rows(folder: Path) -> list[Row]:
    """Response time of keys and bytes written while 50 of 10 000 jobs change."""
    with _Busy(folder):
        ours = Terminal(["app", str(folder)])
        try:
            ours.until("● api")
            ours.quiet(0.3)
            keys = ours.press(b"j", 60)
            seconds, start, before, written = 5.0, time.monotonic(), ours.cpu(), 0
            while time.monotonic() - start < seconds:
                written += len(ours.read(0.1))
            cpu = 100 * (ours.cpu() - before) / seconds
        finally:
            ours.close()
    return [
        Row("key j while 50 jobs move, median", f"{statistics.median(keys.times) * 1000:.1f} ms",
            "p95 " f"{keys.p95():.1f} ms", None, "p95 ≤ 8 ms"),
        Row("bytes while 50 jobs move", f"{written / seconds:.0f} B/s", "", None, "≤ 1.5 kB/s"),
        Row("CPU while 50 jobs move", f"{cpu:.1f} %", "", None, "≤ 3 %"),
    ]  # fmt: skip


def _idle_rows(folder: Path) -> list[Row]:
    ours, peer = Terminal(["app", str(folder)]), Terminal(["skeleton"])
    try:
        ours.until("engine: starting")
        peer.until("NAME")
        ours.quiet(1.0)
        peer.quiet(1.0)
        seconds = 5.0
        start = time.monotonic()
        before = (ours.cpu(), peer.cpu())
        written = 0
        while time.monotonic() - start < seconds:
            written += len(ours.read(0.2))
        cpu = [100 * (now - then) / seconds
               for now, then in zip((ours.cpu(), peer.cpu()), before, strict=True)]  # fmt: skip
        return [
            Row("idle output", f"{written / seconds:.0f} B/s", "skeleton 0 B/s", None, "0 B/s"),
            Row("idle CPU", f"{cpu[0]:.1f} %", f"skeleton {cpu[1]:.1f} %", None, "≤ 0.2 %"),
            Row("memory, 1 000 jobs", f"{ours.memory():.0f} MiB",
                f"skeleton {peer.memory():.0f} MiB", ours.memory() / peer.memory(), "≤ 55 MiB"),
        ]  # fmt: skip
    finally:
        ours.close()
        peer.close()
