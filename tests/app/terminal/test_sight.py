"""When a frame can have been read, as the terminal's reply tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tui.app.terminal.sight import Sight


class Terminal:
    """The part of the app that the sight uses, with a terminal that may reply."""

    def __init__(self, *, replies: bool, headless: bool = False) -> None:
        self.is_headless, self._sync_available = headless, replies
        self.sent: list[str] = []
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self._driver = self
        self.write = self.sent.append

    def set_timer(self, seconds: float, then: Callable[[], None]) -> None:
        self.timers.append((seconds, then))

    def flush(self) -> None:
        """Nothing is held back."""


class Frame:
    """Notes what is said of it."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def frame_leaves(self) -> None:
        self.said.append("leaves")

    def frame_read(self) -> None:
        self.said.append("read")


def watched(app: Any) -> tuple[Sight, Frame]:
    sight, frame = Sight(app), Frame()
    sight.leaves()
    sight.left()
    sight.watch(frame)
    assert not frame.said
    sight.leaves()
    sight.left()
    assert frame.said[0] == "leaves"
    return sight, frame


def test_a_terminal_that_replies_is_asked_once_and_a_moment_later_it_is_read() -> None:
    app = Terminal(replies=True)
    sight, frame = watched(app)
    assert app.sent == ["\x1b[?2026$p"]
    assert [seconds for seconds, _ in app.timers] == [2.25]
    sight.replied()
    sight.replied()
    assert [seconds for seconds, _ in app.timers[1:]] == [0.25]
    assert frame.said == ["leaves"]
    app.timers[1][1]()
    assert frame.said == ["leaves", "read"]


def test_one_that_never_replied_is_not_asked_and_gets_longer() -> None:
    app = Terminal(replies=False)
    _, frame = watched(app)
    assert not app.sent
    assert [seconds for seconds, _ in app.timers] == [0.5]
    app.timers[0][1]()
    assert frame.said == ["leaves", "read"]


def test_without_a_terminal_it_is_read_at_once() -> None:
    _, frame = watched(Terminal(replies=False, headless=True))
    assert frame.said == ["leaves", "read"]
