"""A list of text lines in tones: stages, settings, events, a diagnosis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from tui.app.terminal.text_lines import fit, length, linked
from tui.app.terminal.theme import Palette
from tui.app.widgets.virtual_list import Piece, VirtualList


@dataclass(frozen=True, slots=True)
class Entry:
    """A line.

    Attributes:
        words: texts with the name of their tone (`base`, `dim`, `strong`, `accent`, `good`,
            `warn`, `bad`).
        copy: what `y` copies; empty for the line itself.
        offset: the byte of the log that it is about, or None.
        link: an address that a terminal may open from here.
    """

    words: tuple[tuple[str, str], ...] = ()
    copy: str = ""
    offset: int | None = None
    link: str = ""

    @property
    def text(self) -> str:
        """The text without tones."""
        return "".join(text for text, _ in self.words)


def entry(text: str, tone: str = "base", *more: tuple[str, str], copy: str = "") -> Entry:
    """Returns a line of one or more tones."""
    return Entry(((text, tone), *more), copy)


def padded(pieces: list[Piece], width: int, colors: Palette) -> list[Piece]:
    """Pads the pieces, so that the cursor's line reaches the edge."""
    return [*pieces, (" " * max(0, width - length(pieces)), colors.base)]


class EntryList(VirtualList):
    """Lists entries."""

    def __init__(self, empty: str = "", *, id: str | None = None) -> None:  # noqa: A002  Textual's name
        super().__init__(id=id)
        self.entries: Sequence[Entry] = ()
        self.held = False  # its line is being changed in another widget, and stays marked
        self._empty_text = empty

    def set(self, entries: Sequence[Entry]) -> None:
        """Shows other entries; the cursor stays on its line."""
        if list(entries) != list(self.entries):
            at_end = self.entries and self.index == len(self.entries) - 1
            self.entries = entries
            self.move_to(len(entries) - 1 if at_end else self.index, tell=False)
            self.refresh()

    @property
    def count(self) -> int:
        """The number of lines."""
        return len(self.entries)

    @property
    def shows_cursor(self) -> bool:
        """Whether the list has the keys, or its line is being changed elsewhere."""
        return self.has_focus or self.held

    @property
    def current(self) -> Entry | None:
        """The line under the cursor."""
        return self.entries[self.index] if 0 <= self.index < self.count else None

    def empty_lines(self) -> list[str]:
        """Returns the message for an empty list."""
        return [self._empty_text] if self._empty_text else []

    def line(self, index: int, width: int, colors: Palette) -> list[Piece]:
        """Returns an entry, cut at the edge."""
        here = index == self.index and self.shows_cursor
        pieces: list[Piece] = [(" ▸ " if here else "   ", colors.accent)]
        room = width - 3
        link = self.entries[index].link
        for text, tone in self.entries[index].words:
            cut = text if cell_len(text) <= room else fit(text, room)
            pieces.append((cut, linked(getattr(colors, tone), link)))
            room = max(0, room - cell_len(cut))
        return padded(pieces, width, colors)
