"""What a far end says, made fit to be shown and kept."""

from __future__ import annotations

from typing import Final

from tui.replicate.redact import redact_text

MOST: Final = 300
"""Characters; servers answer with whole pages, and may repeat whatever was sent to them."""


def tame(text: object, most: int = MOST) -> str:
    """One line of printable letters without secrets, cut where it is too long.

    What cannot be printed moves cursors, turns the direction of writing, or hides between letters.
    It goes first, so that a secret that is broken up by it is still found.
    """
    lines = " ".join(str(text).split())
    line = redact_text("".join(letter for letter in lines if letter.isprintable()))
    return line if len(line) <= most else f"{line[: most - 1]}…"
