"""Whether tmux draws UTF-8 for the terminal that it is shown on.

A client of tmux that was started in a plain locale draws `_` for every character beyond ASCII,
whatever the locale inside of tmux says; only tmux itself knows.
"""

from __future__ import annotations

import os
import subprocess
from typing import Final

_SECONDS: Final = 2
"""A tmux that hangs must not keep the app from starting."""
_asked: list[subprocess.Popen[bytes]] = []
_told: list[bool] = []


def ask() -> None:
    """Ask tmux, if this is one of its windows, and do not wait: the answer takes some 10 ms."""
    if _asked or _told or not os.environ.get("TMUX"):
        return
    try:
        asked = subprocess.Popen(
            ["tmux", "display-message", "-p", "#{client_utf8}"],  # noqa: S607  this session's
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        _told.append(False)
    else:
        _asked.append(asked)


def draws_ascii_alone() -> bool:
    """Return whether this is a window of such a client; False where tmux does not say it."""
    ask()
    if _asked:
        process = _asked.pop()
        try:
            output, _ = process.communicate(timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
        _told.append(output.strip() == b"0")
    return bool(_told) and _told[-1]
