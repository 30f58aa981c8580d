"""A dialog with one question, before something that cannot be undone.

A yes may cost money or delete something, so it counts only once the question can have been read: a
burst of keys on a slow line, or a habit of the fingers, agrees to nothing. A no counts at once.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.strip import Strip
from textual.widgets import Static

from tui.app.terminal.prompt_frames import PromptFrames
from tui.app.terminal.styles import style_sheet
from tui.app.terminal.text_lines import plain, strip_of, wrap
from tui.app.terminal.theme import Palette, palette
from tui.app.widgets.virtual_list import Piece, VirtualList

_LEAST = 64
"""Cells of the box where the screen has them."""
_BESIDE = 6
"""Cells of the box's edges and the room inside them."""
_AROUND = 7
"""Lines of the box besides the question and the details."""
_NO = ("n", "escape", "q")
_EARLY = "That key came before this could be read."


class Choice(Static):
    """Shows the two answers on one line; the chosen one is marked."""

    def __init__(self, yes: str, no: str) -> None:
        super().__init__("", id="confirm-choice", markup=False)
        self._yes, self._no = yes, no
        self.chosen = False

    def on_mount(self) -> None:
        """Chooses no."""
        self.choose(False)

    def render_line(self, y: int) -> Strip:
        """Returns a line; the first one of all is a part of the first frame."""
        if isinstance(self.screen, Confirm):
            self.screen.drawn()
        return super().render_line(y)

    def choose(self, yes: bool) -> None:
        """Marks an answer."""
        self.chosen = yes
        marks = ("  ", "▸ ") if yes else ("▸ ", "  ")
        self.update(f"{marks[0]}n  {self._no}     {marks[1]}y  {self._yes}")


class Details(VirtualList):
    """Shows what a question is about; scrolls by the keys of every list, without a frame.

    Args:
        details: one line for each thing; what is too long goes on below it.
    """

    CURSOR: ClassVar = False

    def __init__(self, details: Sequence[str]) -> None:
        super().__init__(id="confirm-details")
        self._details = details
        self._lines: list[str] = []

    @property
    def count(self) -> int:
        """The number of lines."""
        return len(self._lines)

    def wrap(self, width: int) -> None:
        """Wraps the details into lines of that many cells."""
        self._lines = [
            line if not number else f"  {line}"
            for text in self._details
            for number, line in enumerate(wrap(text, width - 2))
        ]
        self.move_to(self.top)

    def line(self, index: int, width: int, colors: Palette) -> list[Piece]:  # noqa: ARG002
        """Returns a line."""
        return [(self._lines[index], colors.dim)]

    def render_line(self, y: int) -> Strip:
        """Returns a line without a frame; the box around it is its frame."""
        colors, index = palette(self.app), self.top + y
        pieces = self.line(index, self.size.width, colors) if index < self.count else []
        return strip_of(pieces, self.size.width, colors.base)

    @property
    def hidden(self) -> str:
        """How many lines are above and below those on screen."""
        above, below = self.top, max(0, self.count - self.top - self.page)
        words = [f"↓ {below} more"] * bool(below) + [f"↑ {above} above"] * bool(above)
        return "   ".join(words)


class Confirm(ModalScreen[bool], PromptFrames):
    """Asks a question; the default answer is no.

    Args:
        question: the question.
        details: one line for each thing it is about.
        yes: the words of the answer that does it.
        no: the words of the answer that does not.

    Attributes:
        shown_at: when its first frame was drawn, as `time.monotonic` has it; None before.
        read_at: when that frame can have been read; None before.
    """

    ASKS: ClassVar = True
    CSS_PATH = style_sheet("confirm")
    BINDINGS: ClassVar = [
        Binding("y", "answer(True)", "yes"),
        Binding(",".join(_NO), "answer(False)", "no"),
        Binding("enter", "chosen", "choose"),
        Binding("left,right,h,l,tab,shift+tab", "other", "other", show=False),
    ]

    def __init__(
        self, question: str, details: Sequence[str], *, yes: str, no: str = "No, leave it"
    ) -> None:
        super().__init__()
        self._question, self._details = question, list(details)
        self._choice = Choice(yes, no)
        self.shown_at: float | None = None
        self.read_at: float | None = None
        self._drawn = self._said_early = False
        self._answers = cell_len(yes) + cell_len(no) + 15

    def compose(self) -> ComposeResult:
        """Yields question, details and answers."""
        self.details = Details(self._details)
        self._more = Static("", id="confirm-more", markup=False)
        with Vertical(id="confirm-box"):
            yield Static(plain(self._question), id="confirm-question", markup=False)
            yield self.details
            yield self._more
            yield self._choice

    def on_mount(self) -> None:
        """Gives the keys to the details."""
        self.details.focus()

    def on_resize(self, event: events.Resize) -> None:
        """Makes the box as wide and as high as its lines, as far as the screen has room."""
        wanted = max([*map(cell_len, self._details), cell_len(self._question), self._answers])
        width = min(max(_LEAST, wanted + _BESIDE + 2), event.size.width * 94 // 100)
        inside = width - _BESIDE
        self.query_one("#confirm-box").styles.width = width
        self.details.wrap(inside)
        question = len(wrap(self._question, inside))
        room = max(1, event.size.height * 90 // 100 - _AROUND - question)
        self.details.styles.height = min(max(1, self.details.count), room)
        self.details.display = bool(self._details)
        self.call_after_refresh(self._tell_more)

    def drawn(self) -> None:
        """Asks when the first frame, which is being drawn, can have been read."""
        if not self._drawn:
            self._drawn = True
            self.app.sight.watch(self)  # type: ignore[attr-defined]  # of our app

    def frame_leaves(self) -> None:
        """Notes the moment of the first frame: before its bytes leave, so before anybody reads."""
        self.shown_at = time.monotonic()

    def frame_read(self) -> None:
        """Takes a yes from now on."""
        if self.read_at is None:
            self.read_at = time.monotonic()
            self._tell_more()

    def takes(self, event: events.Key | events.Paste) -> bool:
        """Returns whether a key may answer; one that came too early is told of."""
        if self.shown_at is None or event.time < self.shown_at:
            return False
        if self.read_at is not None and event.time >= self.read_at:
            return True
        if isinstance(event, events.Key) and event.key in _NO:
            return True
        self._said_early = True
        self._tell_more()
        return False

    @on(VirtualList.Scrolled)
    def _tell_more(self) -> None:
        """Shows how many lines are out of sight."""
        hidden = self.details.hidden
        if self._said_early and self.read_at is None:
            hidden = _EARLY
        if hidden != self._more.content:  # an update arranges the whole question anew
            self._more.update(hidden)

    def action_answer(self, yes: bool) -> None:
        """Answers."""
        self.dismiss(yes)

    def action_other(self) -> None:
        """Marks the other answer."""
        self._choice.choose(not self._choice.chosen)

    def action_chosen(self) -> None:
        """Gives the marked answer."""
        self.dismiss(self._choice.chosen)
