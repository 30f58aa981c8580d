"""The last screen, painted at the next start before anything heavy is imported.

Starting the toolkit takes a third of a second. What the user saw last is on screen long before,
marked with its time, and is replaced by the real thing when that is ready. Standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from tui.settings import Home

_FORMAT: Final = 2
_LARGEST: Final = 512 * 1024
_ENTER: Final = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[0m\x1b[H"
_LEAVE: Final = "\x1b[?7h\x1b[?1049l\x1b[?25h"

_saved_modes: list[Any] | None = None
_state = {"painted": False, "taken_over": False}


def terminal_kind() -> str:
    """Returns what the colours and glyphs of a saved frame depend on."""
    names = ("TERM", "COLORTERM", "NO_COLOR", "TERM_PROGRAM", "LC_ALL", "LC_CTYPE", "LANG")
    within = (name for name in ("TMUX", "STY") if os.environ.get(name))  # they erase differently
    return "|".join([*(os.environ.get(name, "-") for name in names), *within])


def save(home: Home, painting: str, size: tuple[int, int], clock: str) -> None:
    """Saves a frame.

    Args:
        home: the state directory; the file is readable by the user alone.
        painting: the sequence that paints it on an empty screen.
        size: columns and lines.
        clock: the time of day it shows, as the mark says it.
    """
    from tui.settings import write_atomically

    data = {
        "format": _FORMAT,
        "size": list(size),
        "kind": terminal_kind(),
        "clock": clock,
        "painting": painting,
    }
    write_atomically(home.last_frame, json.dumps(data, ensure_ascii=False))


def load(home: Home, size: tuple[int, int]) -> str | None:
    """Returns the sequence that paints the saved frame; None when there is none that fits.

    A file that is corrupt, from another version, or of another size or kind of terminal is ignored.
    """
    try:
        with open(home.last_frame, "rb") as file:  # noqa: PTH123  pathlib costs time here
            data = json.loads(file.read(_LARGEST))
        fits = (
            data["format"] == _FORMAT
            and data["size"] == list(size)
            and data["kind"] == terminal_kind()
            and isinstance(data["painting"], str)
        )
        if not fits:
            return None
        painting = data["painting"]
        mark = f" as of {str(data['clock'])[:8]} "
    except (OSError, ValueError, KeyError, TypeError):
        return None
    column = max(1, size[0] - len(mark) + 1)
    return f"{_ENTER}{painting}\x1b[1;{column}H\x1b[0;7m{mark}\x1b[0m"


def paint(home: Home) -> bool:
    """Paints the saved frame on the terminal, if there is one that fits.

    Keys pressed from now on wait for the app: they are not echoed over the picture.

    Returns:
        Whether something was painted. Then `restore` must be called before the program ends.
    """
    global _saved_modes  # noqa: PLW0603  one terminal, one frame
    try:
        descriptor = sys.__stdout__.fileno() if sys.__stdout__ else 1
        columns, lines = os.get_terminal_size(descriptor)
        sequence = load(home, (columns, lines))
        if sequence is None:
            return False
        _saved_modes = _quiet_keys()
        _write(descriptor, sequence)
    except (OSError, ValueError):
        return False
    _state["painted"] = True
    return True


def painted() -> bool:
    """Returns whether a frame is on the screen that the app has not replaced yet."""
    return _state["painted"] and not _state["taken_over"]


def take_over() -> None:
    """Leaves the terminal to the app, which will leave the alternate screen itself."""
    _state["taken_over"] = True


def modes_before() -> list[Any] | None:
    """Returns the terminal's modes from before a frame was painted; None where none was."""
    return _saved_modes


def restore() -> None:
    """Restores the terminal. Does nothing when nothing was painted; safe to repeat."""
    global _saved_modes  # noqa: PLW0603  one terminal, one frame
    if not _state["painted"]:
        return
    if not _state["taken_over"]:
        with contextlib.suppress(OSError, ValueError):
            _write(sys.__stdout__.fileno() if sys.__stdout__ else 1, _LEAVE)
    if _saved_modes is not None:
        import termios

        with contextlib.suppress(OSError, termios.error):
            termios.tcsetattr(0, termios.TCSANOW, _saved_modes)
    _saved_modes = None
    _state["painted"] = False


def _quiet_keys() -> list[Any] | None:
    """Turns echo and line mode off; returns the old modes, or None without a keyboard.

    The terminal driver translates a key when it comes, not when it is read: `enter` has to stay
    what it is from now on, and ctrl+s must not stop the output.
    """
    import termios

    try:
        modes = termios.tcgetattr(0)
        quiet = [*modes[:6], list(modes[6])]
        quiet[0] = modes[0] & ~(termios.ICRNL | termios.INLCR | termios.IGNCR | termios.IXON)
        quiet[3] = modes[3] & ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(0, termios.TCSANOW, quiet)
    except (OSError, termios.error):
        return None
    return modes


def _write(descriptor: int, text: str) -> None:
    data = text.encode("utf-8", "replace")
    while data:
        data = data[os.write(descriptor, data) :]
