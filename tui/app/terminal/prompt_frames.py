"""Frames that are drawn as soon as something changes.

Textual draws at the beats of a timer that it pauses between frames; after a frame that timer sleeps
for one or two periods, so that a key pressed meanwhile waits for the beat. Here a frame may follow
another at once, so that a key does not wait because a figure has just changed; of several no more
are drawn than one for each period.

It stands in for a private part of Textual, as the display step does: with other versions than those
that were tested the timer stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from textual.screen import UPDATE_PERIOD, Screen
from textual.timer import Timer

from tui.app.terminal.frame_diff import supported


class FrameTimer:
    """Draws once after each `resume`; what Textual calls of the timer it stands in for.

    Args:
        draw: draws a frame; calls `pause` first.
        failed: is told what `draw` raised.
    """

    def __init__(self, draw: Callable[[], None], failed: Callable[[Exception], None]) -> None:
        self._draw = draw
        self._failed = failed
        self._due = 0.0
        """When the frames drawn so far are all due, at one for each period."""
        self._waiting: asyncio.Handle | None = None

    def resume(self) -> None:
        """Draws as soon as it is no more than one frame ahead of one for each period."""
        if self._waiting is not None:
            return
        loop = asyncio.get_running_loop()
        self._waiting = loop.call_at(self._due - UPDATE_PERIOD, self._tick)

    def pause(self) -> None:
        """Draws nothing until the next `resume`."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _tick(self) -> None:
        self._waiting = None
        self._due = max(self._due, asyncio.get_running_loop().time()) + UPDATE_PERIOD
        try:
            self._draw()
        except Exception as error:  # noqa: BLE001  as Textual's timer: the app ends in order
            self._failed(error)


class PromptFrames(Screen[Any]):
    """Mixed into a screen after Textual's class: Textual takes styles from the first base alone."""

    _frame_timer: FrameTimer | None = None

    @property
    def _update_timer(self) -> Timer:
        if not supported():
            return super()._update_timer
        if self._frame_timer is None:
            self._frame_timer = FrameTimer(self._on_timer_update, self.app._handle_exception)  # noqa: SLF001  as Textual's timer does
        return cast("Timer", self._frame_timer)
