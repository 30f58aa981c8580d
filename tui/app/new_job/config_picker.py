"""The list of configs, of which several can be marked: they become one sweep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from tui.app.widgets.entry_list import entry
from tui.app.widgets.panel_title import PanelTitle
from tui.app.widgets.picker import Picker
from tui.base.formatting import plural


class ConfigPicker(Picker):
    """A list of choices whose configs `space` marks; `marked` has them in list order.

    Args:
        title: the title of the list.
        choices: name, words, and words in a quiet tone.
        current: the name of the one that is chosen now.
        configs: the names of the choices that can be marked.
    """

    CSS = Picker.CSS.replace("Picker", "ConfigPicker")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("space", "mark", "mark")]

    def __init__(
        self,
        title: str,
        choices: Sequence[tuple[str, str, str]],
        current: str = "",
        configs: Sequence[str] = (),
    ) -> None:
        super().__init__(title, choices, current)
        self._configs = frozenset(configs)
        self._marks: set[str] = set()

    @property
    def marked(self) -> list[str]:
        """The marked configs, in the order of the list."""
        return [name for name, _, _ in self._choices if name in self._marks]

    def on_mount(self) -> None:
        """Puts the cursor on the present choice."""
        super().on_mount()
        self._show()

    def action_mark(self) -> None:
        """Marks or unmarks the config and goes one line down."""
        name = self._choices[self.list.index][0] if self._choices else ""
        if name in self._configs:
            self._marks.symmetric_difference_update({name})
            self.list.move_to(self.list.index + 1)
            self._show()

    def _show(self) -> None:
        self.list.set(
            [
                entry(f"{'◆' if name in self._marks else ' '} {words}  ", "base", (quiet, "dim"))
                for name, words, quiet in self._choices
            ]
        )
        count = len(self._marks)
        enter = f"enter plans {plural(count, 'run')}" if count > 1 else "enter choose"
        keys = (enter, "space mark", "esc back") if len(self._configs) > 1 else (enter, "esc back")
        self.query_one(PanelTitle).set((self._title,), keys)
