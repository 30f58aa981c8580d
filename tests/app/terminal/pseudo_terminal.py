"""A program in a pseudo terminal, its output kept on a pyte screen."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shlex
import shutil
import signal
import statistics
import struct
import sys
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyte

COLUMNS, LINES = 120, 40
_PRIVATE = re.compile(rb"\x1b\[[<>=][0-9;]*[a-zA-Z]")
"""Pyte prints sequences it does not know (`CSI > … u`) as text."""


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

    def __init__(self, arguments: Sequence[str], shell: str = "") -> None:
        """Start a program of `app_child`; with `shell`, by that line of a shell with job control.

        The program is `{}` there.
        """
        self.screen = pyte.Screen(COLUMNS, LINES)
        self.raw = b""
        self.modes_left: list[Any] = []
        self._closed = False
        self._stream = pyte.ByteStream(self.screen)
        self.started = time.monotonic()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
            command = [sys.executable, "-m", "tests.benchmarks.app_child", *arguments]
            if shell:
                line = shell.format(shlex.join(command))
                command = [shutil.which("bash") or "bash", "--norc", "-ic", line]
            if errors := os.environ.get("CHILD_ERRORS"):
                os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT), 2)
            kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
            os.execve(
                command[0],
                command,
                {**kept, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
            )

    def read(self, timeout: float) -> bytes:
        """What came within `timeout`; empty when nothing did."""
        ready, _, _ = select.select([self.fd], [], [], timeout)
        if not ready:
            return b""
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return b""
        self.raw += data
        for mode in (b"2026", b"2048"):  # synchronised output, sizes in band: as modern ones do
            if b"\x1b[?" + mode + b"$p" in data:
                os.write(self.fd, b"\x1b[?" + mode + b";2$y")
        self._stream.feed(_PRIVATE.sub(b"", data))
        return data

    def until(self, text: str, within: float = 30.0) -> float:
        """Seconds from the start until `text` is on screen."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            self.read(0.05)
            if any(text in line for line in self.screen.display):
                return time.monotonic() - self.started
        raise AssertionError("\n".join(self.screen.display))

    def until_gone(self, text: str, within: float = 30.0) -> None:
        """Read until `text` is not on screen any more."""
        deadline = time.monotonic() + within
        while any(text in line for line in self.screen.display):
            assert time.monotonic() < deadline, "\n".join(self.screen.display)
            self.read(0.05)

    def quiet(self, seconds: float) -> int:
        """Read until nothing came for `seconds`; the bytes that did."""
        total = 0
        while data := self.read(seconds):
            total += len(data)
        return total

    def send(self, keys: bytes) -> None:
        """Type."""
        os.write(self.fd, keys)

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

    def child(self) -> int:
        """The process that the shell has started."""
        return int(Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()[0])

    def memory(self) -> float:
        """Resident MiB."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", text)
        return int(found[1]) / 1024 if found else 0.0

    def cpu(self) -> float:
        """CPU seconds used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def ended(self, within: float = 30.0, *, reading: bool = True) -> int:
        """The exit status, once the program has ended by itself; 128 and the signal's number."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            if reading:
                self.read(0.02)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                while reading and self.read(0.0):
                    pass
                self._closed = True
                self.modes_left = termios.tcgetattr(self.fd)
                os.close(self.fd)
                code = os.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code
        raise AssertionError("it does not end")

    def close(self) -> None:
        """Leave with q, and make sure of it."""
        if self._closed:
            return
        self._closed = True
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
            self.modes_left = termios.tcgetattr(self.fd)
            os.close(self.fd)
