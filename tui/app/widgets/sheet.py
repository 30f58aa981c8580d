"""A page of labelled facts under headings, scrolled as one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len

from tui.app.terminal.text_lines import fit
from tui.app.terminal.theme import Palette
from tui.app.widgets.virtual_list import Piece, VirtualList

Tone = str
"""`base`, `dim`, `good`, `warn`, `bad`, `accent`, `strong` or `sandbox`."""
_LABEL = 14
_LEAST = 8
"""Cells below which a shortened piece says nothing and is left out."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One line: a label and words in tones, or a heading when `heading` is set."""

    label: str = ""
    words: tuple[tuple[str, Tone], ...] = ()
    heading: str = ""


def fact(label: str, text: str, tone: Tone = "base", *more: tuple[str, Tone]) -> Fact:
    """A labelled line."""
    return Fact(label, ((text, tone), *more))


def heading(text: str) -> tuple[Fact, Fact]:
    """A heading with an empty line before it."""
    return Fact(), Fact(heading=text)


class Sheet(VirtualList):
    """Facts from a function that is asked again whenever something changed."""

    CURSOR: ClassVar = False

    def __init__(self, read: Callable[[], Iterable[Fact]], *, id: str | None = None) -> None:  # noqa: A002  Textual's name
        super().__init__(id=id)
        self._read = read
        self._facts: list[Fact] = []

    def on_mount(self) -> None:
        """Read for the first time."""
        self.update()

    def update(self) -> None:
        """Read again."""
        facts = list(self._read())
        while facts and not facts[0].heading and not facts[0].words:
            facts.pop(0)
        if facts != self._facts:
            self._facts = facts
            self.move_to(self.top)

    @property
    def count(self) -> int:
        """Lines of the page."""
        return len(self._facts)

    def line(self, index: int, width: int, colors: Palette) -> list[Piece]:
        """One fact."""
        item = self._facts[index]
        if item.heading:
            return [("  ", colors.dim), (item.heading, colors.strong)]
        pieces: list[Piece] = [(f"    {fit(item.label, _LABEL)}", colors.dim)]
        room = width - _LABEL - 5
        for text, tone in item.words:
            cells = min(cell_len(text), room)
            if cells < min(cell_len(text), _LEAST):
                break
            pieces.append((fit(text, cells), getattr(colors, tone)))
            room -= cells
        return pieces
