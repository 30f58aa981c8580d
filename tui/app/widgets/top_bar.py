"""The bar at the top, the same on every screen: where I am, who I am, what it costs, what works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from textual.strip import Strip
from textual.widget import Widget

from tui.app.lines import length, plain, strip_of
from tui.app.theme import Palette, palette

if TYPE_CHECKING:
    from rich.style import Style
    from textual import events

    from tui.app.app import SimpleTunerApp
    from tui.app.status import WorldStatus

Piece = "tuple[str, Style]"
TABS: Final = (("1", "Cloud", "cloud"), ("2", "Jobs", "jobs"), ("3", "Publishing", "publishing"))


class TopBar(Widget):
    """Screens on the left; account, spending, API and listener on the right, as room allows."""

    ALLOW_SELECT = False

    def __init__(self, here: str) -> None:
        super().__init__()
        self._here = here
        self._places: list[tuple[int, int, str]] = []
        self._shown: WorldStatus | None = None

    def update(self) -> None:
        """Draw again if something else is true now."""
        status = cast("SimpleTunerApp", self.app).status
        if status != self._shown:
            self._shown = status
            self.refresh()

    def render_line(self, y: int) -> Strip:  # noqa: ARG002  one line
        """The bar."""
        colors = palette(self.app)
        width = self.size.width
        left: list[tuple[str, Style]] = [(" SimpleTuner ", colors.strong), (" ", colors.base)]
        self._places = []
        for key, title, screen in TABS:
            start = length(left)
            if screen == self._here:
                left.append((f"[{key} {title}]", colors.accent))
            else:
                left += [(f" {key} ", colors.dim), (f"{title} ", colors.dim)]
            self._places.append((start, length(left), screen))
            left.append((" ", colors.base))
        status = cast("SimpleTunerApp", self.app).status
        self._shown = status
        right = self._right(status, colors, width - length(left) - 1)
        gap = " " * max(1, width - length(left) - length(right) - 1)
        return strip_of([*left, (gap, colors.base), *right, (" ", colors.base)], width, colors.base)

    def _right(self, status: WorldStatus, colors: Palette, room: int) -> list[tuple[str, Style]]:
        """What fits, the least important part left out first."""
        parts: list[tuple[int, list[tuple[str, Style]]]] = []
        if status.sandbox:
            parts.append((0, [(" SANDBOX ", colors.sandbox + _reverse())]))
        if status.account:
            parts.append((3, [(f"@{plain(status.account)}", colors.base)]))
        if status.spending:
            parts.append((4, [(status.spending, colors.base)]))
        tones = {"ok": colors.good, "wait": colors.dim, "bad": colors.bad}
        for rank, light in ((1, status.api), (2, status.listener)):
            if light is not None:
                glyph = {"ok": "●", "wait": "◌", "bad": "✗"}[light.state]
                parts.append((rank, [(f"{glyph} ", tones[light.state]), (light.words, colors.dim)]))
        while parts:
            pieces: list[tuple[str, Style]] = []
            for number, (_, part) in enumerate(parts):
                pieces += [(" · ", colors.line)] if number else []
                pieces += part
            if length(pieces) <= room:
                return pieces
            parts.remove(max(parts, key=lambda part: part[0]))
        return []

    async def on_click(self, event: events.Click) -> None:
        """A click on a screen's name goes there."""
        for start, end, screen in self._places:
            if start <= event.x < end:
                cast("SimpleTunerApp", self.app).show(screen)


def _reverse() -> Style:
    from rich.style import Style

    return Style(reverse=True)
