"""A line to type in, at the bottom edge of a panel: a search, a step, a path, a command."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol, cast

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input, Label, Static

from tui.app.terminal.text_lines import plain
from tui.app.terminal.theme import palette


class PromptLine(Vertical):
    """Asks for one text and goes away.

    Args:
        purpose: identifies the answer; comes back with it.
        label: shown before the line.
        value: to begin with.
        regex: whether `ctrl+r` may switch to regular expressions.
        typed: called with every text that stands in the line.
    """

    DEFAULT_CSS = """
    PromptLine { height: auto; width: 100%; background: $surface; padding: 0 2; }
    PromptLine Horizontal { height: 1; width: 100%; }
    PromptLine Static.-said { height: auto; max-height: 3; width: 100%; }
    PromptLine Label { width: auto; color: $primary; padding: 0 1 0 0; }
    PromptLine Input { width: 1fr; border: none; height: 1; padding: 0; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave", show=False),
        Binding("ctrl+r", "regex", "Regular expression", show=False),
    ]

    HINTS: ClassVar = (("enter", "accept", ""), ("esc", "cancel", ""))
    """For the footer: keys while the line is open."""

    class Answered(Message):
        """Enter was pressed.

        Attributes:
            purpose: the purpose that the line was made with; empty after `esc`.
            value: the text that was typed.
            regex: whether it is a regular expression.
            line: the line that it was typed in.
        """

        def __init__(self, line: PromptLine, purpose: str, value: str, regex: bool) -> None:
            super().__init__()
            self.line = line
            self.purpose = purpose
            self.value = value
            self.regex = regex

    def __init__(
        self,
        purpose: str,
        label: str,
        value: str = "",
        *,
        regex: bool | None = None,
        typed: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__()
        self._typed = typed
        self._said = Static("", classes="-said", markup=False)
        self._said.display = False
        self._words = ("", "bad")
        self.purpose = purpose
        self.regex = regex
        self._label = label
        self._value = value

    def compose(self) -> ComposeResult:
        """Yields label and line, and room for a message about the text."""
        with Horizontal():
            yield Label(self._text(), markup=False)
            yield Input(self._value, select_on_focus=True, compact=True)
        yield self._said

    def say(self, words: str, tone: str = "bad") -> None:
        """Shows a message about the text below the line."""
        if not self.is_attached:
            return
        if (words, tone) != self._words:  # an update arranges the whole screen anew
            self._words = words, tone
            self._said.update(Text(plain(words), getattr(palette(self.app), tone)))
        self._said.display = bool(words)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Takes the message away, which was about another text."""
        event.stop()
        if event.value != self._value:
            self.say("")
        if self._typed is not None:
            self._typed(event.value)

    def _text(self) -> str:
        if self.regex is None:
            return self._label
        return f"{self._label} (regex)" if self.regex else f"{self._label} (ctrl+r: regex)"

    def on_mount(self) -> None:
        """Gives the keys to the line, at once: more of them may have been typed already."""
        for line in self.query(Input):  # there is none when it was removed while it was made
            self.screen.set_focus(line)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Posts the answer."""
        event.stop()
        self.post_message(self.Answered(self, self.purpose, event.value, bool(self.regex)))

    def action_leave(self) -> None:
        """Posts an empty answer."""
        self.post_message(self.Answered(self, "", "", regex=False))

    def action_regex(self) -> None:
        """Switches between plain text and regular expression."""
        if self.regex is not None:
            self.regex = not self.regex
            self.query_one(Label).update(self._text())


class Filtered(Protocol):
    """A screen whose list can be narrowed."""

    @property
    def filter_text(self) -> str:
        """The filter as typed."""

    def filter_by(self, text: str) -> None:
        """Narrows the list as the text is typed."""

    async def close_filter(self, line: FilterLine) -> None:
        """Closes the line and goes back to the list; the filter stays."""


class FilterLine(Input):
    """Narrows the list while it is typed; `enter` and `esc` go back to the list."""

    BINDINGS: ClassVar = [
        Binding("escape", "leave", show=False),
        Binding("down", "leave", show=False),
    ]

    def __init__(self, text: str) -> None:
        super().__init__(
            text,
            placeholder="words, state:failed, model:flux, tag:face, account:alice, cost>2",
            id="filter",
            compact=True,
            select_on_focus=False,
        )
        self.cursor_blink = False  # a blinking cursor writes to the line for ever

    @property
    def _list(self) -> Filtered:
        return cast("Filtered", self.screen)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if event.value != self._list.filter_text:
            self._list.filter_by(event.value)

    @on(Input.Submitted)
    async def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        await self.action_leave()

    async def action_leave(self) -> None:
        """Goes back to the list."""
        await self._list.close_filter(self)

    async def on_blur(self) -> None:
        """Closes the line when the list was clicked."""
        if self.is_attached and self.app.app_focus:
            await self.action_leave()
