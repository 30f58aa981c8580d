"""One question before something that cannot be taken back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.app.lines import plain
from tui.app.styles import style_sheet


class Choice(Static):
    """The two answers on one line; the chosen one is marked."""

    def __init__(self, yes: str, no: str) -> None:
        super().__init__("", id="confirm-choice", markup=False)
        self._yes, self._no = yes, no
        self.chosen = False

    def on_mount(self) -> None:
        """No is chosen first."""
        self.choose(False)

    def choose(self, yes: bool) -> None:
        """Mark an answer."""
        self.chosen = yes
        marks = ("  ", "▸ ") if yes else ("▸ ", "  ")
        self.update(f"{marks[0]}n  {self._no}     {marks[1]}y  {self._yes}")


class Confirm(ModalScreen[bool]):
    """Names the thing and what it costs; the default answer is no.

    Args:
        question: what is asked.
        details: one line for each thing it is about.
        yes: the words of the answer that does it.
        no: the words of the answer that does not.
    """

    CSS_PATH = style_sheet("confirm")
    BINDINGS: ClassVar = [
        Binding("y", "answer(True)", "yes"),
        Binding("n,escape,q", "answer(False)", "no"),
        Binding("enter", "chosen", "choose"),
        Binding("left,right,h,l,tab,shift+tab", "other", "other", show=False),
    ]

    def __init__(
        self, question: str, details: Sequence[str], *, yes: str, no: str = "No, leave it"
    ) -> None:
        super().__init__()
        self._question, self._details = question, list(details)
        self._choice = Choice(yes, no)

    def compose(self) -> ComposeResult:
        """Question, what it is about, answers."""
        with Vertical(id="confirm-box"):
            yield Static(plain(self._question), id="confirm-question", markup=False)
            with VerticalScroll(id="confirm-details", can_focus=False):
                yield Static("\n".join(map(plain, self._details)), markup=False)
            yield self._choice

    def action_answer(self, yes: bool) -> None:
        """Answer outright."""
        self.dismiss(yes)

    def action_other(self) -> None:
        """Mark the other answer."""
        self._choice.choose(not self._choice.chosen)

    def action_chosen(self) -> None:
        """Answer what is marked."""
        self.dismiss(self._choice.chosen)
