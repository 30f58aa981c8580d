"""The processes in which `re` searches, each with one question after the other."""

from __future__ import annotations

import signal
import subprocess
import sys
import weakref
from array import array
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from tui.store import log_backtracking
from tui.store.search_error import SearchError

if TYPE_CHECKING:
    import re

SECONDS: Final = 2.0
"""Computing time for one piece of a log; an expression that is worth a search needs 5 ms."""
_KEPT: Final = 2
"""Processes that wait for the next question."""


class SearchProcesses:
    """The processes that look for one expression; they end when it is closed or dropped."""

    def __init__(self) -> None:
        self._idle: list[subprocess.Popen[bytes]] = []
        self._closed = False
        weakref.finalize(self, _end_all, self._idle)

    def close(self) -> None:
        """End them; one that still answers ends after that."""
        self._closed = True
        _end_all(self._idle)

    def hits(
        self, pattern: re.Pattern[str], data: bytes, seconds: float | None = None
    ) -> list[tuple[int, int]]:
        """Return position and length of the hits in whole lines; other threads run meanwhile.

        Args:
            pattern: what is looked for.
            data: the lines.
            seconds: computing time it may take; None: as long as a search may.

        Raises:
            SearchError: it takes longer.
        """
        limit = SECONDS if seconds is None else seconds
        question = log_backtracking.request(pattern, data, limit)
        while True:
            try:
                process, fresh = self._idle.pop(), False
            except IndexError:
                process, fresh = _started(), True
            numbers = _asked(process, question)
            if numbers is not None:
                break
            if fresh or process.returncode == -signal.SIGVTALRM:
                raise SearchError(
                    "The expression takes too long on this log.",
                    "Give it fixed text, and nest no repeats.",
                )
            # One that waited has been ended by someone else.
        if self._closed or len(self._idle) >= _KEPT:
            _end(process)
        else:
            self._idle.append(process)
        return list(zip(numbers[::2], numbers[1::2], strict=True))


def _started() -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603  our own program
        [sys.executable, "-I", "-S", log_backtracking.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _asked(process: subprocess.Popen[bytes], question: bytes) -> array[int] | None:
    """Return the numbers of an answer; None if the process has ended without one."""
    source, sink = process.stdin, process.stdout
    if source is None or sink is None:
        return None
    try:
        source.write(question)
        source.flush()
        head = sink.read(log_backtracking.HEAD)
        size = log_backtracking.answer_size(head) if len(head) == log_backtracking.HEAD else 0
        body = sink.read(size)
    except BrokenPipeError:
        head = b""
    if len(head) < log_backtracking.HEAD or len(body) < size:
        _end(process)
        return None
    return array("q", body)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process, with its own code where it has just ended by itself."""
    if process.stdin is not None:
        with suppress(BrokenPipeError):  # of what was not written
            process.stdin.close()
    if process.stdout is not None:
        process.stdout.close()
    process.wait()


def _end_all(processes: list[subprocess.Popen[bytes]]) -> None:
    while processes:
        _end(processes.pop())
