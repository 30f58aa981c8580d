"""Signals that end the app: the terminal is given back, and what the user did is kept.

Before the app runs a signal raises `SystemExit`, so that whatever is on the screen is taken away by
those who put it there. While it runs the app leaves as by its own key; where it cannot (its output
is not read by anybody, its loop is busy), the process ends after a time all the same.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable
    from types import FrameType

SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
LIMIT: Final = 4.0
"""Seconds that the app has to leave."""
MODES_OFF: Final = (
    "\x1b[?2026l\x1b[?2004l\x1b[?7h\x1b[?2048l\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l"
    "\x1b[?1016l\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l\x1b[0m"
)
"""Everything that the app or Textual turns on."""
_before: dict[signal.Signals, Any] = {}
_wakers: list[socket.socket] = []
"""What wakes the loop, and what a signal is told to."""


def status_of(number: int) -> int:
    """Returns the exit status that shells give to an end by a signal."""
    return 128 + number


def catch(leave: Callable[[int], object] | None = None) -> None:
    """Lets the signals end the app in order; one that is ignored (`nohup`) stays so.

    Args:
        leave: given the signal, in the main thread, between any two steps of the program. Without
            it `SystemExit` is raised there.
    """

    def arrived(number: int, _frame: FrameType | None) -> None:
        if leave is None:
            # It may come between the making of the app's coroutine and its first step. Then nobody
            # awaits it any more, which is meant, and no line for a terminal that is given back.
            warnings.filterwarnings("ignore", r"coroutine .* was never awaited", RuntimeWarning)
            raise SystemExit(status_of(number))
        leave(number)

    for number in SIGNALS:
        present = signal.getsignal(number)
        if present is not signal.SIG_IGN:
            _before.setdefault(number, present)
            signal.signal(number, arrived)


def wake(loop: asyncio.AbstractEventLoop) -> None:
    """Has each signal wake the loop, if `catch` is in force.

    Python runs a handler between two steps of the main thread. A signal that comes just before the
    loop begins to wait, or that the system gives to another thread, would wait for the next event.
    """
    if not _before or _wakers:
        return
    import socket  # `asyncio` has loaded it by now

    ours, theirs = _wakers[:] = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    loop.add_reader(ours, ours.recv, 4096)
    signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)


def release() -> None:
    """Gives the signals back to who had them before `catch`."""
    if _wakers:
        signal.set_wakeup_fd(-1)
    while _wakers:
        _wakers.pop().close()
    while _before:
        number, handler = _before.popitem()
        signal.signal(number, handler)


def end_by(number: int, modes: list[Any] | None, last: Callable[[], object]) -> None:
    """Ends the process after a time, if it still runs then.

    Args:
        number: the signal.
        modes: the terminal's modes to restore.
        last: what is done before, in another thread.
    """

    def give_up() -> None:
        try:
            last()
        finally:
            restore(modes)
            os._exit(status_of(number))

    timer = threading.Timer(LIMIT, give_up)
    timer.daemon = True
    timer.start()


def restore(modes: list[Any] | None) -> None:
    """Restores the terminal as far as it takes anything; never waits for it."""
    import termios

    with contextlib.suppress(OSError, ValueError, termios.error):
        descriptor = sys.__stdout__.fileno() if sys.__stdout__ else 1
        if select.select([], [descriptor], [], 0)[1]:
            os.write(descriptor, MODES_OFF.encode())
    if modes is not None:
        with contextlib.suppress(OSError, termios.error):
            termios.tcsetattr(0, termios.TCSANOW, modes)
