"""The clipboard of whoever sits at the terminal, through ssh, tmux and screen.

Nothing is asked of the terminal: what it does with a copy is told by the environment, or not known.
`simpletuner-tui doctor` asks.
"""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable, Mapping
from typing import Final

_LONGEST: Final = 100_000
"""Bytes in base64; many terminals drop longer sequences without a word."""
_WITHOUT: Final = ("", "dumb", "linux", "vt100", "vt102", "vt220", "ansi", "unknown", "cons25")
"""Terminals without a clipboard."""
_SCREEN_CHUNK: Final = 240
"""Bytes of one control string that GNU screen hands on."""
_TMUX_SECONDS: Final = 2.0


def can_copy(environ: Mapping[str, str]) -> bool:
    """Returns whether a copy can arrive at all.

    tmux keeps copies itself. Outside, the console has no clipboard, and Apple's Terminal and those
    built on VTE (GNOME, Xfce) know no OSC 52.
    """
    if environ.get("TMUX"):
        return True
    if environ.get("TERM", "") in _WITHOUT or environ.get("TERM_PROGRAM") == "Apple_Terminal":
        return False
    return not environ.get("VTE_VERSION")


def copy(text: str, environ: Mapping[str, str], write: Callable[[str], object]) -> bool:
    """Puts text on the clipboard; returns whether "copied" can be true.

    Args:
        text: the text.
        environ: the environment, for the terminal and what lies between.
        write: sends raw text to the terminal.
    """
    encoded = base64.b64encode(text.encode("utf-8", "replace")).decode()
    if environ.get("TMUX") and _in_tmux(text):
        return True
    if len(encoded) > _LONGEST or not can_copy(environ):
        return False
    sequence = f"\x1b]52;c;{encoded}\x07"
    if environ.get("TMUX"):
        # For `set-clipboard on`, and for `allow-passthrough on`; with neither nothing arrives.
        write(sequence + "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\")
        return False
    if environ.get("STY"):
        pieces = (
            sequence[start : start + _SCREEN_CHUNK]
            for start in range(0, len(sequence), _SCREEN_CHUNK)
        )
        sequence = "".join(f"\x1bP{piece}\x1b\\" for piece in pieces)
    write(sequence)
    return True


def _in_tmux(text: str) -> bool:
    """Hands text to tmux, which keeps it for its own paste and sends it to the terminal.

    By default tmux takes OSC 52 from no program (`set-clipboard external`), but from its own
    command it does; `-w` is there since tmux 3.2.
    """
    try:
        done = subprocess.run(
            ["tmux", "load-buffer", "-w", "-"],  # noqa: S607  the one of this session
            input=text.encode("utf-8", "replace"),
            capture_output=True,
            timeout=_TMUX_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
