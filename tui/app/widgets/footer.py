"""The footer: the keys that work now."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.strip import Strip
from textual.widget import Widget

from tui.app.keys.actions import in_footer
from tui.app.keys.keymap import shown
from tui.app.terminal.text_lines import length, strip_of
from tui.app.terminal.theme import palette

if TYPE_CHECKING:
    from rich.style import Style
    from textual import events

    from tui.app.context import ActionScreen


class KeyFooter(Widget):
    """Shows the keys of the screen that work now, in the last line of the frame."""

    ALLOW_SELECT = False

    def __init__(self) -> None:
        super().__init__()
        self._places: list[tuple[int, int, str]] = []
        self._drawn: tuple[object, ...] = ()

    def update(self) -> None:
        """Redraws the footer if other keys work now."""
        state = self._state()
        if state != self._drawn:
            self._drawn = state
            self.refresh()

    def _state(self) -> tuple[tuple[str, str, str], ...]:
        if not self.screen.is_active:
            return ()  # the keys are those of the sheet above
        screen, focused = cast("ActionScreen", self.screen), self.screen.focused
        hints: tuple[tuple[str, str, str], ...] = ()
        if focused is not None:  # a line that is typed in has keys of its own
            around = focused.ancestors
            hints = next((widget.HINTS for widget in around if hasattr(widget, "HINTS")), ())
        if hints:
            return hints
        actions = in_footer(screen.actions())
        return tuple(
            (shown(action.keys[0]), action.label, action.id)
            for action in actions
            if not screen.why_not(action)
        )

    def render_line(self, y: int) -> Strip:  # noqa: ARG002  one line
        """Returns as many keys as fit, the most important first, help at the end."""
        colors = palette(self.app)
        width = self.size.width
        keys = list(self._state())
        self._drawn = tuple(keys)
        room = width - 4
        chosen: list[tuple[str, str, str]] = []
        last = keys[-2:]  # quit and help stay
        used = sum(self._cells(item) for item in last)
        for item in keys[:-2]:
            if used + self._cells(item) > room:
                break
            chosen.append(item)
            used += self._cells(item)
        self._places = []
        pieces: list[tuple[str, Style]] = [("╰ " if keys else "╰─", colors.line)]
        x = 2
        for item in (*chosen, *last):
            key, label, action_id = item
            if x + self._cells(item) > width - 2:
                break
            self._places.append((x, x + self._cells(item), action_id))
            pieces += [(key, colors.accent), (f" {label}  ", colors.dim)]
            x += self._cells(item)
        gap = "─" * max(0, width - 1 - length(pieces))
        pieces += [(gap, colors.line), ("╯", colors.line)]
        return strip_of(pieces, width, colors.line)

    def _cells(self, item: tuple[str, str, str]) -> int:
        return len(item[0]) + len(item[1]) + 3

    async def on_click(self, event: events.Click) -> None:
        """Does the action whose key was clicked."""
        for start, end, action_id in self._places:
            if action_id and start <= event.x < end:
                await cast("ActionScreen", self.screen).action_perform(action_id)
