"""The command palette: every action of the screen, with its key, its command line, or why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider

from tui.app.keys.actions import Action
from tui.app.keys.keymap import shown
from tui.app.keys.search import score
from tui.app.shell.screen import AppScreen
from tui.app.terminal.prompt_frames import PromptFrames
from tui.app.terminal.styles import style_sheet


class ActionPalette(CommandPalette, PromptFrames):
    """Textual's palette with our style sheet, which is read when it first opens."""

    CSS_PATH = style_sheet("palette")


class ActionCommands(Provider):
    """Provides the actions of the screen below the palette."""

    def _actions(self) -> Iterator[tuple[Action, str, str, Callable[[], Any]]]:
        """Yields action, name with key, help, and what to run."""
        screen = self.screen
        if not isinstance(screen, AppScreen):
            return
        for action in screen.all_actions():
            if action.name == "palette":
                continue
            yield (
                action,
                self._name(action),
                self._help(screen, action),
                partial(screen.action_perform, action.id),
            )

    def _name(self, action: Action) -> str:
        label = action.label[:1].upper() + action.label[1:]
        return f"{label}  ({shown(action.keys[0])})" if action.keys else label

    def _help(self, screen: AppScreen, action: Action) -> str:
        reason = screen.why_not(action)
        if reason:
            return f"Not now: {reason}"
        command = screen.command_line(action)
        return f"{action.help}  {command}" if command else action.help

    async def discover(self) -> Hits:
        """Yields all actions, before anything is typed."""
        for _, name, words, run in self._actions():
            yield DiscoveryHit(name, run, help=words)

    async def search(self, query: str) -> Hits:
        """Yields the actions whose name or help has the words; of a number, the step."""
        screen, number = self.screen, query.strip().replace(",", "")
        if isinstance(screen, AppScreen) and number.isdecimal() and screen.HAS_STEPS:
            go = partial(screen.go_to_step, int(number))
            yield Hit(1.0, f"Go to step {int(number)}", go, help="The line of the log about it.")
        for action, name, words, run in self._actions():
            fit = score(query, action)
            if fit > 0:
                yield Hit(fit, name, run, help=words)
