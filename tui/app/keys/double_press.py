"""`g g`: one key pressed twice."""

from __future__ import annotations


class SecondPress:
    """Tells a first press from a second one.

    There is no time limit: on a slow line the two presses may arrive seconds apart, and nobody who
    presses `g` and then nothing else wants anything but the first line. Another move between
    the two makes the next press the first one again.
    """

    def __init__(self) -> None:
        self._first = False

    def __call__(self) -> bool:
        """The key was pressed; whether it was for the second time."""
        self._first = not self._first
        return not self._first

    def forget(self) -> None:
        """Something else was pressed."""
        self._first = False
