"""Textual's driver, made to share the terminal well: first frame, job control, mouse."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from typing import Any, Final

from textual._ansi_sequences import SYNC_END, SYNC_START
from textual.driver import Driver

from tui.app.terminal import first_frame
from tui.app.terminal.paced_file import PacedFile
from tui.app.terminal.sgr import RESET

_ALTERNATE = "\x1b[?1049h"
_PIXELS_OFF = "\x1b[?1016l"
_CURSOR: Final = re.compile(r"\x1b\[(\d+;\d+)?H")
_FIRST_CELL: Final = "\x1b[1;1H"
_HOME: Final = "\x1b[H"
_AT_ONCE: Final = 256
"""Frames up to this length need no brackets: they come in one piece over any line."""


def own_driver(driver_class: type[Driver]) -> type[Driver]:
    """Returns a driver that draws on standard output and knows job control.

    Textual draws on standard error, so `2>errors.txt` would take the screen away. It enters the
    alternate screen in any case, which clears a painted frame. It stops its own process alone, so
    that a shell waiting for `uv run` never gets the terminal. And when it goes on after a SIGSTOP,
    of which nobody is warned, it starts a second time beside the first: two threads share the keys.
    It brackets all frames, also those in which nothing or little changed, and queues frames where
    the terminal is slow.
    """

    class OwnDriver(driver_class):  # type: ignore[misc, valid-type]  # a class by argument
        _is_out = False
        """Whether the terminal was given back for the time of a stop."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.paced: PacedFile | None = None
            out = sys.__stdout__
            if out is not None and getattr(self, "_file", None) is sys.__stderr__:
                self._file = self.paced = PacedFile(out, self._taken)
            self._frame_begins = False
            self._last = ""

        def write(self, data: str) -> None:
            if data.endswith(_FIRST_CELL):
                data = data.removesuffix(_FIRST_CELL) + _HOME
            if data == _ALTERNATE and first_frame.painted():
                first_frame.take_over()
            elif data == SYNC_START:
                self._frame_begins = True  # sent once there is something to bracket
            elif data == SYNC_END and self._frame_begins:
                self._frame_begins = False
            elif not (_CURSOR.fullmatch(data) and self._last.endswith(data)):
                if self._frame_begins and len(data) > _AT_ONCE:
                    self._frame_begins = False
                    data = SYNC_START + data
                self._send(data)

        def _send(self, data: str) -> None:
            if data != SYNC_END:  # which moves no cursor
                self._last = data
            if self.paced is not None:
                self.paced.hand_over()
            super().write(data)

        def _taken(self) -> None:
            with contextlib.suppress(RuntimeError):  # the app has ended
                self._loop.call_soon_threadsafe(self._app.terminal_caught_up)

        def stop_application_mode(self) -> None:
            # Textual turns pixels on and never off; frames leave the colours of their last cell.
            self.write(_PIXELS_OFF + RESET)
            super().stop_application_mode()

        def step_back(self) -> None:
            """Gives the terminal back and stops the process, with all of its group."""
            if self._auto_restart and not self._is_out:
                self.suspend_application_mode()
                self._is_out = True
            os.killpg(0, signal.SIGSTOP)

        def _sigtstp_application(self, *_: object) -> None:
            if self._auto_restart:
                # A signal comes between any two steps, also amid a write of the same thread.
                self._loop.call_soon_threadsafe(self.step_back)
            else:  # another program has the terminal, and the loop waits for it
                os.kill(os.getpid(), signal.SIGSTOP)

        def _sigcont_application(self, *_: object) -> None:
            if self._auto_restart:
                self._loop.call_soon_threadsafe(self._step_in)

        def _step_in(self) -> None:
            if not self._is_out:
                self.suspend_application_mode()
            self._is_out = False
            self._must_signal_resume = True
            self.resume_application_mode()

    return OwnDriver


def has_job_control() -> bool:
    """Returns whether a shell is there that can let this process go on again.

    A program that leads its session, or belongs to the group that does (a tmux window's own
    command, `ssh -t host command`), has none: stopped, it would stand still for ever.
    """
    return os.getsid(0) != os.getpgrp()
