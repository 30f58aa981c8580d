"""What reaches somebody who looks elsewhere: the bell, the terminal's own notices, its title.

All three are plain output, and nothing is asked of the terminal. tmux hands a notice on only with
`allow-passthrough on`, which is off by default: so the bell always goes as well.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from tui.app.terminal.text_lines import plain
from tui.base import formatting
from tui.base.job_status import STATUS_WORDS, JobStatus
from tui.base.json_types import JsonObject
from tui.settings import NoticesSettings
from tui.store.reader import StoreReader
from tui.store.records import JobRow
from tui.store.schema import StoreError

GATHER_SECONDS: Final = 5.0
"""Notices within this time become one."""
TITLE_SECONDS: Final = 10.0
"""Seconds between two changes of the title."""
_LONGEST: Final = 120
_ENDED: Final = frozenset(status.value for status in JobStatus if status.is_terminal)
_BELL: Final = "\x07"
_PLAIN_TERMS: Final = ("", "dumb", "linux", "vt100", "vt102", "vt220", "ansi", "unknown")
"""Terminals that may print a control string that they do not know."""
_KEEP_TITLE: Final = "\x1b[22;0t"
_OLD_TITLE: Final = "\x1b[23;0t"


class Away:
    """Calls the user of one window, once for each job and reason.

    Args:
        write: sends raw text to the terminal.
        later: calls a function after so many seconds.
        environ: the environment, for `TERM` and `TMUX`.
        started: since when; what ended before was told by another window or is seen in the list.
        settings: what the user wants of it.
        monotonic: the clock for pauses, in seconds.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        later: Callable[[float, Callable[[], object]], object],
        environ: Mapping[str, str],
        started: datetime,
        *,
        settings: Callable[[], NoticesSettings],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write, self._later, self._environ = write, later, environ
        self._started, self._settings, self._monotonic = started, settings, monotonic
        self._told: set[str] = set()
        self._gathered: list[str] = []
        self._title = self._wanted = ""
        self._titled_at = float("-inf")
        self._title_waits = False
        self.is_looking = False
        """Whether the terminal has said that its user looks at this window."""

    # -- calls --------------------------------------------------------------------------------

    def job_changed(self, data: JsonObject, reader: StoreReader) -> None:
        """Tell of a job's end: `data` is an event `job` of the engine."""
        if data.get("status") in _ENDED:
            with contextlib.suppress(StoreError):
                for row in reader.rows([str(data.get("job_id", ""))]).values():
                    self.ended(row)

    def notice(self, data: JsonObject) -> None:
        """Tell of what the engine has to say about a job: a warning, a limit, a failure."""
        message = str(data.get("message", ""))
        if data.get("job_id"):
            self.call(f"{data['job_id']} {message}", message)

    def ended(self, row: JobRow) -> None:
        """Tell of a job's end, if it has ended since this window was opened."""
        at = row.completed_at
        if not row.status.is_terminal or at is None or at < self._started:
            return
        words = [formatting.ended(row.status, row.stage), row.name]
        if row.status is JobStatus.FAILED and row.stage:
            words.append(row.stage)
        if row.cost_micros is not None:
            words.append(formatting.money(row.cost_micros))
        self.call(f"end {row.job_id}", " · ".join(words))

    def call(self, reason: str, message: str) -> None:
        """Tell of something, unless it was told already.

        Args:
            reason: what is told once.
            message: the words.
        """
        if reason in self._told:
            return
        self._told.add(reason)
        if self.is_looking:
            return
        self._gathered.append(message)
        if len(self._gathered) == 1:
            self._later(GATHER_SECONDS, self._ring)

    def _ring(self) -> None:
        messages, self._gathered = self._gathered, []
        more = f" (and {len(messages) - 1} more)" if len(messages) > 1 else ""
        first = " ".join(plain(messages[0]).split())
        settings, text = self._settings(), ""
        if settings.bell:
            text += _BELL
        if settings.terminal:
            text += notice_sequence(first[: _LONGEST - len(more)] + more, self._environ)
        if text:
            self._write(text)

    # -- title --------------------------------------------------------------------------------

    def show(self, row: JobRow | None, now: datetime) -> None:
        """Put a running job into the terminal's title; None leaves the program's name."""
        if not self._settings().title or self._environ.get("TERM", "") in _PLAIN_TERMS:
            return
        self._wanted = title_words(row, now)
        if not self._title_waits:
            self._set_title()

    def _set_title(self) -> None:
        self._title_waits = False
        if self._wanted == self._title:
            return
        wait = self._titled_at + TITLE_SECONDS - self._monotonic()
        if wait > 0:
            self._title_waits = True
            self._later(wait, self._set_title)
            return
        first = "" if self._title else _KEEP_TITLE
        self._title, self._titled_at = self._wanted, self._monotonic()
        self._write(f"{first}\x1b]2;{self._title}\x07")

    def farewell(self) -> str:
        """Return what gives the terminal its old title back; empty where it was not changed."""
        return _OLD_TITLE if self._title else ""


def title_words(row: JobRow | None, now: datetime) -> str:
    """Return `● 62 % cat-lora · 11 m`, without anything that would end the sequence."""
    if row is None:
        return "simpletuner-tui"
    words = ["●" if row.status is JobStatus.RUNNING else STATUS_WORDS[row.status]]
    if row.percent is not None:
        words.append(f"{int(row.percent)} %")
    words.append(" ".join(plain(row.name).split())[:40])
    if row.eta_at is not None:
        left = max(0.0, (row.eta_at - now).total_seconds())
        words.append(f"· {formatting.age(left, 9)}")
    return " ".join(words)


def notice_sequence(text: str, environ: Mapping[str, Any]) -> str:
    """Return the control string that shows a notice on the desktop; empty where none is known."""
    term = str(environ.get("TERM", ""))
    if term in _PLAIN_TERMS:
        return ""
    if term.startswith(("rxvt", "foot")):
        sequence = f"\x1b]777;notify;simpletuner-tui;{text.replace(';', ',')}\x07"
    else:
        sequence = f"\x1b]9;{text}\x07"
    if environ.get("TMUX"):
        escaped = sequence.replace("\x1b", "\x1b\x1b")
        return f"\x1bPtmux;{escaped}\x1b\\"
    return sequence
