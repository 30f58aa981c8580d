"""What is said to the terminal itself."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from textual.app import App

_MOUSE_MODES: Final = ("1000", "1003", "1015", "1006")


def write(app: App[Any], text: str) -> None:
    """Send raw text to the terminal, where there is one."""
    driver = app._driver  # noqa: SLF001  Textual has no public way to write to the terminal
    if driver is not None and not app.is_headless:
        driver.write(text)
        driver.flush()


def copy_text(app: App[Any], text: str) -> None:
    """Put text on the clipboard of the terminal the user sits at (OSC 52).

    Inside tmux the sequence is sent twice: plainly, for `set-clipboard on`, and wrapped, for
    `allow-passthrough on`.
    """
    app.copy_to_clipboard(text)
    if os.environ.get("TMUX"):
        encoded = base64.b64encode(text.encode()).decode()
        write(app, f"\x1bPtmux;\x1b\x1b]52;c;{encoded}\x07\x1b\\")


def set_mouse(app: App[Any], on: bool) -> None:
    """Ask the terminal for mouse events, or leave the mouse to it."""
    write(app, "".join(f"\x1b[?{mode}{'h' if on else 'l'}" for mode in _MOUSE_MODES))
