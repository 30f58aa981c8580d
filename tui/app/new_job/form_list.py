"""The fields of a form as lines: label, value, note; the cursor's field can be changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.cells import cell_len

from tui.app.new_job.form import Field
from tui.app.terminal.text_lines import fit, fit_end, plain
from tui.app.terminal.theme import Palette
from tui.app.widgets.entry_list import padded
from tui.app.widgets.virtual_list import Piece, VirtualList

_LABEL: Final = 14
_LONGEST_LABEL: Final = 26
_WIDE: Final = 60
"""Width from which labels of options are whole."""


class FormList(VirtualList):
    """Lists fields, one below the other."""

    def __init__(self) -> None:
        super().__init__(id="form")
        self.fields: Sequence[Field] = ()

    def set(self, fields: Sequence[Field]) -> None:
        """Shows other values; the cursor stays on its field."""
        if list(fields) == list(self.fields):
            return
        key = self.current.key if self.current else ""
        self.fields = fields
        place = next((at for at, field in enumerate(fields) if field.key == key), self.index)
        self.move_to(place, tell=False)
        self.refresh()

    def go_to(self, key: str) -> None:
        """Puts the cursor on a field."""
        for at, field in enumerate(self.fields):
            if field.key == key:
                self.move_to(at)

    @property
    def count(self) -> int:
        """The number of fields."""
        return len(self.fields)

    @property
    def current(self) -> Field | None:
        """The field under the cursor."""
        return self.fields[self.index] if 0 <= self.index < self.count else None

    def line(self, index: int, width: int, colors: Palette) -> list[Piece]:
        """Returns mark, label, value and note; an error stands in place of the note."""
        field = self.fields[index]
        labels = self._label_width(width)
        here = index == self.index and self.has_focus
        mark = {"error": ("✗", colors.bad), "warn": ("!", colors.warn)}.get(
            field.level, (" ", colors.base)
        )
        pieces: list[Piece] = [
            (" ▸ " if here else "   ", colors.accent),
            mark,
            (f" {fit(field.label, labels - 1)} ", colors.dim),
        ]
        room = width - labels - 5 - 2
        value = plain(field.value) or "—"
        note, tone = field.note, colors.dim
        if field.level == "error" and field.problem:
            note, tone = field.problem, colors.bad
        if cell_len(value) <= room:
            shown = value
        elif field.key == "config":  # the end of a path tells more than its beginning
            shown = fit_end(value, room)
        else:
            shown = fit(value, room)
        style = colors.strong if field.own else colors.base
        pieces.append((shown, style))
        if field.choice:
            pieces.append((" ▾", colors.dim))
        left = room - cell_len(shown) - 4
        if note and left >= 6:
            text = plain(note)
            pieces.append((f"  {text if cell_len(text) <= left else fit(text, left)}", tone))
        return padded(pieces, width, colors)

    def _label_width(self, width: int) -> int:
        """Cells of the labels, with the space behind: options of a config have long names."""
        longest = max((cell_len(field.label) for field in self.fields), default=0) + 1
        return max(_LABEL, min(longest, _LONGEST_LABEL)) if width >= _WIDE else _LABEL
