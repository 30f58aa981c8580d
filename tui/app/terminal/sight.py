"""Tells when a frame can have been read by whoever answers it.

A frame that has been written is not on a distant screen yet. A terminal that is asked something
behind the frame replies once it has drawn it; keys that come after the reply were typed after that.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final, Protocol

from textual.app import App

from tui.app.terminal.control import write

_QUESTION: Final = "\x1b[?2026$p"
"""Whether output can be synchronised: Textual asks it at the start and understands the reply."""
_REACTION: Final = 0.25
"""Seconds from seeing to pressing a key that nobody is faster in."""
_NO_REPLY: Final = 2.0
"""Seconds after which a terminal that has replied before is not waited for any more."""
_NEVER_REPLIED: Final = 0.25
"""The same for a terminal that has never replied."""


class Watched(Protocol):
    """Something whose first frame matters."""

    def frame_leaves(self) -> None:
        """The frame goes to the terminal now."""

    def frame_read(self) -> None:
        """The frame can have been read; may be said more than once."""


class Sight:
    """Follows frames until they can have been read.

    Args:
        app: the app that draws them.
    """

    def __init__(self, app: App[Any]) -> None:
        self._app = app
        self._next: list[Watched] = []
        self._asked: list[Watched] = []

    def watch(self, one: Watched) -> None:
        """Watches the next frame for somebody."""
        self._next.append(one)

    def leaves(self) -> None:
        """A frame goes to the terminal now."""
        for one in self._next:
            one.frame_leaves()

    def left(self) -> None:
        """A frame has been handed to the terminal; asks it to reply to what is watched."""
        watching, self._next = self._next, []
        if not watching:
            return
        if self._app.is_headless:
            self._read(watching)
            return
        self._asked += watching
        replies = self._app._sync_available  # noqa: SLF001  Textual's own note of the first reply
        if replies:
            write(self._app, _QUESTION)
        self._app.set_timer(
            (_NO_REPLY if replies else _NEVER_REPLIED) + _REACTION, partial(self._read, watching)
        )

    def replied(self) -> None:
        """The terminal has replied: it has drawn what came before the question."""
        watching, self._asked = self._asked, []
        if watching:
            self._app.set_timer(_REACTION, partial(self._read, watching))

    @staticmethod
    def _read(watching: list[Watched]) -> None:
        for one in watching:
            one.frame_read()
