"""The sheet that chooses and orders the columns of the list, which changes behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from tui.app.jobs.columns import ALWAYS, COLUMNS, FURTHER, chosen_columns
from tui.app.terminal.prompt_frames import PromptFrames
from tui.app.widgets.entry_list import EntryList, entry
from tui.app.widgets.panel_title import PanelTitle
from tui.app.widgets.picker import PanelFoot, sheet_css
from tui.app.widgets.virtual_list import VirtualList


class ColumnsSheet(ModalScreen[None], PromptFrames):
    """Lists all columns, those that are shown first and in their order.

    Args:
        names: the chosen columns; none for the usual ones.
        changed: called with each new choice; none are the usual ones again.
    """

    CSS = sheet_css("ColumnsSheet", "58")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,C", "leave", "back"),
        Binding("space", "switch", "show or hide"),
        Binding("J", "later", "further right"),
        Binding("K", "sooner", "further left"),
        Binding("delete,backspace", "usual", "the usual columns"),
    ]

    def __init__(self, names: Sequence[str], changed: Callable[[tuple[str, ...]], None]) -> None:
        super().__init__()
        self._changed = changed
        self._begin(names)

    def _begin(self, names: Sequence[str]) -> None:
        shown = [column.sort for column in chosen_columns(names)]
        every = [column.sort for column in (*COLUMNS, *FURTHER)]
        self._order = [*shown, *(name for name in every if name not in shown)]
        self._shown = set(shown)

    def compose(self) -> ComposeResult:
        """Yields title and columns."""
        title, self.list = PanelTitle(), EntryList()
        title.set(("Columns",), ("space show", "J K move", "del usual", "esc back"))
        self.list.styles.height = min(len(self._order), 20)
        self.list.styles.max_height = "70vh"
        with Vertical():
            yield title
            yield self.list
            yield PanelFoot()

    def on_mount(self) -> None:
        """Shows the columns."""
        self.list.focus()
        self._show()

    def _show(self) -> None:
        known = {column.sort: column for column in (*COLUMNS, *FURTHER)}
        self.list.set(
            [
                entry(f"{'✓' if name in self._shown else ' '} {known[name].title:18}",
                      "base" if name in self._shown else "dim", (known[name].about, "dim"))
                for name in self._order
            ]
        )  # fmt: skip

    def _tell(self) -> None:
        self._show()
        self._changed(tuple(name for name in self._order if name in self._shown))

    @on(VirtualList.Opened)
    def action_switch(self) -> None:
        """Shows or hides the column under the cursor; a job without its name is none."""
        name = self._order[self.list.index]
        if name != ALWAYS:
            self._shown ^= {name}
            self._tell()

    def action_later(self) -> None:
        """Moves the column to the right."""
        self._move(1)

    def action_sooner(self) -> None:
        """Moves the column to the left."""
        self._move(-1)

    def _move(self, places: int) -> None:
        at = self.list.index
        to = at + places
        if 0 <= to < len(self._order):
            self._order[at], self._order[to] = self._order[to], self._order[at]
            self._show()
            self.list.move_to(to)
            self._tell()

    def action_usual(self) -> None:
        """Shows the usual columns in their usual order."""
        self._begin(())
        self._show()
        self._changed(())

    def action_leave(self) -> None:
        """Goes back to the list."""
        self.dismiss()
