"""The app in a pseudo terminal: start, keys, bytes, idle, memory; beside a bare Textual skeleton.

`python -m tests.benchmarks app`. The skeleton (header, tabs, empty table, footer) is in
`app_child` and is measured in the same run: on a shared machine only the ratio means something.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pyte

from tests.app.world import fill, home_at
from tests.benchmarks import Row

COLUMNS, LINES = 120, 40
RUNS = 5
QUERY = re.compile(rb"\x1b\[(?:\?2026\$p|\?2048\$p|c|>c|6n)")


@dataclass
class Pressed:
    """Answers to one key, pressed often."""

    times: list[float] = field(default_factory=list)
    bytes: list[int] = field(default_factory=list)

    def p95(self) -> float:
        """The time that 95 % stay below, in ms."""
        return sorted(self.times)[max(0, int(len(self.times) * 0.95) - 1)] * 1000

    def median_bytes(self) -> float:
        """The middle number of bytes."""
        return statistics.median(self.bytes)


class Terminal:
    """A program in a pseudo terminal, its output kept on a pyte screen."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self.screen)
        self.started = time.monotonic()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm-256color", COLORTERM="truecolor")
            os.environ.pop("NO_COLOR", None)
            os.execv(
                sys.executable, [sys.executable, "-m", "tests.benchmarks.app_child", *arguments]
            )
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))

    def read(self, timeout: float) -> bytes:
        """What came within `timeout`; empty when nothing did."""
        ready, _, _ = select.select([self.fd], [], [], timeout)
        if not ready:
            return b""
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return b""
        if QUERY.search(data) and b"\x1b[?2026$p" in data:
            os.write(self.fd, b"\x1b[?2026;2$y")
        self._stream.feed(_without_private(data))
        return data

    def until(self, text: str, within: float = 30.0) -> float:
        """Seconds from the start until `text` is on screen."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            self.read(0.05)
            if any(text in line for line in self.screen.display):
                return time.monotonic() - self.started
        raise AssertionError("\n".join(self.screen.display))

    def quiet(self, seconds: float) -> int:
        """Read until nothing came for `seconds`; the bytes that did."""
        total = 0
        while data := self.read(seconds):
            total += len(data)
        return total

    def press(self, key: bytes, times: int) -> Pressed:
        """Press a key so often, each time waiting for the answer."""
        found = Pressed()
        for _ in range(times):
            start = time.monotonic()
            os.write(self.fd, key)
            first = self.read(1.0)
            last = time.monotonic()
            total = len(first)
            while data := self.read(0.015):
                total += len(data)
                last = time.monotonic()
            found.times.append(last - start)
            found.bytes.append(total)
            self.quiet(0.02)
        return found

    def memory(self) -> float:
        """Resident MiB."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", text)
        return int(found[1]) / 1024 if found else 0.0

    def cpu(self) -> float:
        """CPU seconds used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self) -> None:
        """Leave with q, and make sure of it."""
        try:
            os.write(self.fd, b"q")
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline:
                self.read(0.05)
                if os.waitpid(self.pid, os.WNOHANG)[0]:
                    return
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (OSError, ChildProcessError):
            return
        finally:
            os.close(self.fd)


def _without_private(data: bytes) -> bytes:
    """Pyte prints sequences it does not know (`CSI > … u`) as text; leave them out."""
    return re.sub(rb"\x1b\[[<>=][0-9;]*[a-zA-Z]", b"", data)


def _start(arguments: Sequence[str], text: str, *, fresh: bool = True) -> float:
    """Seconds until `text` is shown; without the frame of an earlier run unless told otherwise."""
    if fresh and arguments[0] == "app":
        home_at(Path(arguments[1])).last_frame.unlink(missing_ok=True)
    terminal = Terminal(arguments)
    try:
        return terminal.until(text)
    finally:
        terminal.quiet(0.1)
        terminal.close()


def _starts(pairs: Sequence[tuple[Sequence[str], str, bool]]) -> list[float]:
    """Median start-up time of each, measured in turns so that a busy moment hits all."""
    times: list[list[float]] = [[] for _ in pairs]
    for _ in range(RUNS):
        for number, (arguments, text, fresh) in enumerate(pairs):
            times[number].append(_start(arguments, text, fresh=fresh))
    return [statistics.median(one) for one in times]


def run() -> list[Row]:
    """All rows."""
    with tempfile.TemporaryDirectory() as folder:
        small, large, calm = (Path(folder, name) for name in ("small", "large", "calm"))
        fill(home_at(small), 1_000, now=datetime.now(UTC))
        fill(home_at(large), 10_000, running=50, now=datetime.now(UTC))
        fill(home_at(calm), 1_000, running=-1, now=datetime.now(UTC))
        return [*_start_rows(small, large), *_key_rows(small), *_idle_rows(calm)]


def _start_rows(small: Path, large: Path) -> list[Row]:
    ready = "engine: starting"
    skeleton, ours, first, ours_large, floor = _starts(
        [
            (["skeleton"], "NAME", True),
            (["app", str(small)], ready, True),
            (["app", str(small)], "as of", False),  # after the run before has left its frame
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
            ("page down", b"\x1b[6~", 20, "p95 ≤ 25 ms", "≤ 12 kB"),
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
