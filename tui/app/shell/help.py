"""The help: the keys that work on a screen, with the command line of each action."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import groupby
from typing import Any, ClassVar, Final

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import ModalScreen, Screen
from textual.widgets import Input

from tui.app.keys.actions import APP, GROUP_TITLES, Action
from tui.app.keys.keymap import shown
from tui.app.shell.screen import AppScreen
from tui.app.terminal.prompt_frames import PromptFrames
from tui.app.terminal.styles import style_sheet
from tui.app.terminal.text_lines import fit
from tui.app.terminal.theme import Palette
from tui.app.widgets.panel_title import PanelTitle
from tui.app.widgets.picker import PanelFoot
from tui.app.widgets.virtual_list import Piece, VirtualList

_KEYS_WIDTH: Final = 19
"""Cells before the words of a line: its keys."""
Line = tuple[Action | None, str, str]
"""(action, why not now, command line); a line without action is a heading in the second place."""


class HelpLines(VirtualList):
    """Lists actions under headings."""

    SIGNED: ClassVar = False

    def __init__(self, lines: Sequence[Line]) -> None:
        super().__init__(id="help-lines")
        self._all = list(lines)
        self.lines = self._all
        self._rows: tuple[int, list[tuple[Line, str, bool]]] = (-1, [])

    @property
    def rows(self) -> list[tuple[Line, str, bool]]:
        """Each row with its line, its part of the words, and whether it is the line's first."""
        room = max(20, self.size.width - 2 - _KEYS_WIDTH)
        if self._rows[0] != room:
            rows = []
            for line in self.lines:
                parts = textwrap.wrap(line[0].help, room) if line[0] else [line[1]]
                rows += [(line, part, not number) for number, part in enumerate(parts)]
            self._rows = room, rows
        return self._rows[1]

    @property
    def count(self) -> int:
        """The number of rows."""
        return len(self.rows)

    @property
    def current(self) -> Line | None:
        """The line of the cursor."""
        return self.rows[self.index][0] if self.count else None

    def search(self, text: str) -> None:
        """Keeps the actions whose texts contain all words of `text`."""
        wanted = text.lower().split()

        def matches(line: Line) -> bool:
            action = line[0]
            if action is None:
                return not wanted
            words = f"{action.label} {action.help} {' '.join(map(shown, action.keys))}".lower()
            return all(word in words for word in wanted)

        self.lines = [line for line in self._all if matches(line)]
        self._rows = -1, []
        self.index = self.top = 0
        self.refresh()

    def empty_lines(self) -> list[str]:
        """Returns the message for no match."""
        return ["No action matches."]

    def line(self, index: int, width: int, colors: Palette) -> list[Piece]:
        """Returns a heading, or keys, help and command line; long help goes on in the next row."""
        (action, reason, command), words, first = self.rows[index]
        if action is None:
            return [(f" {reason}", colors.strong)]
        keys = ("  ".join(map(shown, action.keys)) or ":") if first else ""
        tone = colors.dim if reason else colors.base
        pieces = [(f"   {fit(keys, _KEYS_WIDTH - 3)}", colors.accent), (words, tone)]
        if command and words == action.help:
            room = width - _KEYS_WIDTH - 1 - cell_len(words)
            if cell_len(command) + 2 <= room:
                pieces += [(" " * (room - cell_len(command)), tone), (command, colors.dim)]
        return pieces


class HelpScreen(ModalScreen[None], PromptFrames):
    """Shows the help; `/` searches, `enter` does an action, `y` copies its command line."""

    CSS_PATH = style_sheet("help")
    BINDINGS: ClassVar = [
        Binding("escape,q,question_mark", "leave", "back"),
        Binding("slash", "search", "search"),
        Binding("enter", "run", "do it"),
        Binding("y,Y", "copy", "copy command line"),
    ]

    def __init__(self, title: str, lines: Sequence[Line], target: Screen[Any]) -> None:
        super().__init__()
        self._title = title
        self._target = target
        self.list = HelpLines(lines)

    @classmethod
    def of(cls, screen: Screen[Any]) -> HelpScreen:
        """Returns the help of a screen."""
        lines: list[Line] = []
        if isinstance(screen, AppScreen):
            everywhere = {action.id for action in APP}
            here = [action for action in screen.actions() if action.id not in everywhere]
            for _, group in groupby(here, key=lambda action: action.group):
                lines += _section(screen, tuple(group))
            lines += _section(screen, screen.MOVES)
            lines += _section(screen, APP)
        return cls(type(screen).HERE if isinstance(screen, AppScreen) else "", lines, screen)

    def compose(self) -> ComposeResult:
        """Yields title and list."""
        title = PanelTitle()
        title.set(("Keys", self._title), ("/ find", "enter do", "y copy", "esc back"))
        yield title
        yield self.list
        yield PanelFoot()

    def on_mount(self) -> None:
        """Gives the keys to the list."""
        self.list.focus()

    def action_leave(self) -> None:
        """Closes the search, else the help."""
        inputs = self.query(Input)
        if inputs:
            inputs.remove()
            self.list.search("")
            self.list.focus()
        else:
            self.dismiss()

    async def action_search(self) -> None:
        """Opens the search line."""
        line = Input(placeholder="words of an action", id="help-search", compact=True)
        line.cursor_blink = False
        await self.mount(line, before=self.list)
        line.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Searches as the text is typed."""
        self.list.search(event.value)

    def on_input_submitted(self) -> None:
        """Goes to the list of matches."""
        self.list.focus()

    @property
    def _chosen(self) -> Line | None:
        return self.list.current

    async def action_run(self) -> None:
        """Closes the help and does the action under the cursor."""
        line = self._chosen
        if line is None or line[0] is None:
            return
        action, target = line[0], self._target
        self.dismiss()
        if isinstance(target, AppScreen):
            target.call_later(target.action_perform, action.id)

    def action_copy(self) -> None:
        """Copies the command line of the action."""
        line = self._chosen
        context = self._target.context if isinstance(self._target, AppScreen) else None
        if context is None or line is None or line[0] is None:
            return
        if line[2]:
            context.copy(line[2])
        else:
            context.tell(f"“{line[0].label}” has no command line; it is about this window.")


def _section(screen: AppScreen, actions: Sequence[Action]) -> list[Line]:
    resolved = screen.context.keymap.resolve(actions)
    if not resolved:
        return []
    lines: list[Line] = [(None, GROUP_TITLES.get(resolved[0].group, ""), "")]
    lines += [(action, screen.why_not(action), screen.command_line(action)) for action in resolved]
    return [*lines, (None, "", "")]
