"""The app on a slow, distant line: bytes of what one does often, and seconds to a useful frame.

`python -m tests.benchmarks slow_line`. Bytes are counted at the terminal; the line of 50 kbit/s and
300 ms is laid over what it reads (`slow_line.py` beside it does the same to connections).
"""

from __future__ import annotations

import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from tests.app.stand_in_engine import StandInEngine
from tests.app.terminal.pseudo_terminal import Terminal
from tests.app.world import fill, home_at
from tests.benchmarks import Row
from tui.store.writer import Change, StoreWriter

BYTES_A_SECOND = 50_000 // 8
ROUND_TRIP = 0.3
JOB = "job00000"
ENTER, TAB = b"\r", b"\t"


class _Running:
    """A job that moves twice a second, its log beside it, and an engine that tells of it."""

    def __init__(self, folder: Path) -> None:
        self._home = home_at(folder)
        self._engine = StandInEngine(self._home.socket)
        self._engine.answers["GET", "/api/cloud/staged"] = (200, {"staged": []})
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._engine.close()

    def _work(self) -> None:
        writer = StoreWriter(self._home)
        path = self._home.log_file(JOB)
        path.parent.mkdir(parents=True, exist_ok=True)
        step = 200
        try:
            with path.open("a", buffering=1) as log:
                for number in range(100):
                    log.write(f"2026-11-23 14:02:{number % 60:02} [INFO] bucket {number} loaded\n")
                while not self._stop.wait(0.5):
                    step += 1
                    loss = 0.1 + 1 / step
                    writer.apply(JOB, Change({"step": step, "loss": loss, "percent": step / 10}))
                    log.write(
                        f"Epoch 13/20, Steps: {step / 10:3.0f}%|██        | {step}/1000 "
                        f"[06:12<21:03,  1.89s/it, lr=8.9e-05, step_loss={loss:.4f}]\r"
                    )
                    self._engine.send("job", {"job_id": JOB, "rev": step, "status": "running"})
        finally:
            writer.close()


def _slow_first_frame(folder: Path, text: str) -> float:
    """Seconds until `text` has come over the line; the bytes before it take their time."""
    terminal = Terminal(["app", str(folder)])
    try:
        fast = terminal.until(text)
        return fast + len(terminal.raw) / BYTES_A_SECOND + ROUND_TRIP / 2
    finally:
        terminal.close()


def _bytes_of(terminal: Terminal, keys: bytes, text: str, settle: float = 0.7) -> int:
    """Bytes from pressing keys until the screen shows `text` and nothing comes for a moment."""
    before = len(terminal.raw)
    terminal.send(keys)
    terminal.until(text)
    deadline = time.monotonic() + settle
    while time.monotonic() < deadline:
        terminal.read(0.05)
    return len(terminal.raw) - before


def _followed(terminal: Terminal, seconds: float = 6.0) -> float:
    """Bytes a second while nobody presses a key."""
    before, start = len(terminal.raw), time.monotonic()
    while time.monotonic() - start < seconds:
        terminal.read(0.1)
    return (len(terminal.raw) - before) / (time.monotonic() - start)


def run() -> list[Row]:
    """All rows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(home_at(folder), 30, running=1, now=datetime.now(UTC))
        first = _slow_first_frame(folder, "cat-lora-0")
        again = _slow_first_frame(folder, "as of")
        with _Running(folder):
            terminal = Terminal(["app", str(folder)])
            try:
                terminal.until("● api")
                terminal.until("cat-lora-0")
                terminal.quiet(0.3)
                key = terminal.press(b"j", 10).median_bytes()
                terminal.press(b"k", 10)
                rows = [
                    ("following the list", f"{_followed(terminal):.0f} B/s", "≤ 1.5 kB/s"),
                    ("opening a job", f"{_bytes_of(terminal, ENTER, 'Metrics'):,} B", "≤ 6 kB"),
                    ("following its log", f"{_followed(terminal):.0f} B/s", "≤ 1.5 kB/s"),
                    ("its metrics", f"{_bytes_of(terminal, TAB, 'loss'):,} B", ""),
                    ("following its metrics", f"{_followed(terminal):.0f} B/s", "≤ 1.5 kB/s"),
                    ("back to Jobs", f"{_bytes_of(terminal, b'2', 'PROGRESS'):,} B", "≤ 5 kB"),
                    ("Publishing", f"{_bytes_of(terminal, b'3', 'Transfers'):,} B", "≤ 5 kB"),
                    ("Cloud", f"{_bytes_of(terminal, b'1', 'Spending'):,} B", "≤ 9 kB"),
                    ("Jobs from Cloud", f"{_bytes_of(terminal, b'2', 'PROGRESS'):,} B", "≤ 5 kB"),
                ]
            finally:
                terminal.close()
    line = f"{BYTES_A_SECOND * 8 // 1000} kbit/s, {ROUND_TRIP * 1000:.0f} ms"
    return [
        Row(f"first useful frame at {line}", f"{first:.1f} s", "", None, ""),
        Row("the same with a saved frame", f"{again:.1f} s", "", None, ""),
        Row("a key on the list", f"{key:.0f} B", "", None, "≤ 600 B"),
        *(Row(what, ours, "", None, goal) for what, ours, goal in rows),
    ]
