"""Keys that come faster than the screen: each waits until what the one before it opened is there.

Textual hands a key to the widget that has the focus at that moment, and a line, a sheet or a screen
gets the focus several messages after the key that opens it. A slow connection delivers keys in
bursts, so that the rest of `/dy` would reach the list, where `d` asks for a deletion.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import Any, ClassVar, Final, Protocol, runtime_checkable

from textual import events
from textual.app import App, ScreenStackError
from textual.message_pump import MessagePump

_OPENING: Final = frozenset({
    "pick", "options", "queue", "rerun", "sweep", "dry-run",
    "--textual-command-palette-gather-commands",  # `enter` takes what they have found
})  # fmt: skip
"""Groups of workers that open what the next key is meant for, once they have asked the engine."""
_LONGEST: Final = 2.0
"""Seconds that keys wait for one thing at most: nothing may make the keyboard dead."""
_QUICK_LOOKS: Final = 100
"""Looks at once, one after each step of the event loop; later ones are `_POLL` seconds apart."""
_POLL: Final = 0.005


@runtime_checkable
class Question(Protocol):
    """A screen that no key may answer which was typed before it could be read."""

    ASKS: ClassVar[bool]

    def takes(self, event: events.Key | events.Paste) -> bool:
        """Returns whether a key may act on it; says so where one came too early."""


class TypeAhead:
    """Holds keys and pastes back while an earlier one is at work.

    Args:
        app: gets the keys back, one at a time and in their order.
    """

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._waiting: deque[events.Key | events.Paste] = deque()
        self._task: asyncio.Task[None] | None = None
        self._released: events.Event | None = None
        self._busy_since: float | None = None

    def lets_through(self, event: events.Key | events.Paste) -> bool:
        """Returns whether a key may go to the focus now; one that may not comes back later."""
        if event is self._released:
            self._released = None
        elif self._waiting or self._released or self._task or self._must_wait(handling=True):
            self._waiting.append(event)
            if self._task is None:
                self._task = asyncio.create_task(self._release(), name="type-ahead")
            return False
        try:
            screen = self._app.screen
        except ScreenStackError:  # the app ends
            return False
        return not isinstance(screen, Question) or screen.takes(event)

    @property
    def holds(self) -> bool:
        """Whether keys wait, or the last one of them is still at work."""
        return self._task is not None

    def stop(self) -> None:
        """Forgets the keys that wait: the app is being left."""
        self._waiting.clear()
        if self._task is not None:
            self._task.cancel()

    async def _release(self) -> None:
        try:
            await self._quiet()
            while self._waiting:
                self._released = self._waiting.popleft()
                self._app.post_message(self._released)
                await self._quiet()
        finally:
            self._task = None

    async def _quiet(self) -> None:
        """Waits until nothing is at work that the last key has begun."""
        looks = 0
        while self._must_wait():
            looks += 1
            await asyncio.sleep(0 if looks < _QUICK_LOOKS else _POLL)

    def _must_wait(self, *, handling: bool = False) -> bool:
        if not self._released and not self._is_busy(handling=handling):
            self._busy_since = None
            return False
        now = time.monotonic()
        self._busy_since = self._busy_since or now
        return now - self._busy_since < _LONGEST

    def _is_busy(self, *, handling: bool = False) -> bool:
        """Whether something may still change what has the focus.

        Args:
            handling: whether the app asks from inside a message of its own.
        """
        app = self._app
        try:
            screen = app.screen
        except ScreenStackError:  # the app ends
            return False
        return (
            _has_messages(app)
            or not (handling or _waits(app))
            or any(
                _has_messages(pump) or not _waits(pump)
                for pump in screen.walk_children(with_self=True)
            )
            or bool(screen._callbacks)  # noqa: SLF001  focus is often set after the next refresh
            or any(worker.group in _OPENING and not worker.is_finished for worker in app.workers)
        )


def _has_messages(pump: MessagePump) -> bool:
    """Whether a message is in a queue, or is taken out to be compared with the one before."""
    taken_out: object = getattr(pump, "_pending_message", None)
    return taken_out is not None or pump._message_queue.qsize() > 0  # noqa: SLF001


def _waits(pump: MessagePump) -> bool:
    """Whether a message pump waits for its next message: it has begun, and handles nothing."""
    return pump._closed or bool(pump._message_queue.ready_event._waiters)  # noqa: SLF001  Textual and asyncio tell it in no other way
