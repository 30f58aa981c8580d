"""The bar at the top of every screen: screens, account, spending, API and listener."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from tui.app.terminal.text_lines import length, plain, strip_of
from tui.app.terminal.theme import Palette, palette

if TYPE_CHECKING:
    from textual import events

    from tui.app.context import AppContext
    from tui.app.shell.status import AppStatus

Piece = tuple[str, Style]
_NAME_FROM: Final = 100
"""Columns from which there is room for the program's name; below, facts matter more."""
_BROKEN: Final = 1
"""The rank of what does not work."""
TABS: Final = (("1", "Cloud", "cloud"), ("2", "Jobs", "jobs"), ("3", "Publishing", "publishing"))


class TopBar(Widget):
    """Shows the screens on the left and, as room allows, the status on the right."""

    ALLOW_SELECT = False

    def __init__(self, here: str) -> None:
        super().__init__()
        self._here = here
        self._places: list[tuple[int, int, str]] = []
        self._shown: AppStatus | None = None

    def update(self) -> None:
        """Redraws the bar if the status has changed."""
        status = cast("AppContext", self.app).status
        if status != self._shown:
            self._shown = status
            self.refresh()

    def render_line(self, y: int) -> Strip:  # noqa: ARG002  one line
        """Returns the bar."""
        colors = palette(self.app)
        width = self.size.width
        left: list[Piece] = [(" ", colors.base)]
        if width >= _NAME_FROM:
            left = [(" SimpleTuner ", colors.strong), (" ", colors.base)]
        self._places = []
        for key, title, screen in TABS:
            start = length(left)
            if screen == self._here:
                left.append((f"[{key} {title}]", colors.accent))
            else:
                left += [(f" {key} ", colors.dim), (f"{title} ", colors.dim)]
            self._places.append((start, length(left), screen))
            left.append((" ", colors.base))
        status = cast("AppContext", self.app).status
        self._shown = status
        right = fitting(facts_of(status, colors), width - length(left) - 1, colors)
        gap = " " * max(1, width - length(left) - length(right) - 1)
        return strip_of([*left, (gap, colors.base), *right, (" ", colors.base)], width, colors.base)

    async def on_click(self, event: events.Click) -> None:
        """Goes to the screen whose name was clicked."""
        for start, end, screen in self._places:
            if start <= event.x < end:
                cast("AppContext", self.app).show(screen)


@dataclass(frozen=True, slots=True)
class Fact:
    """A piece of status that the bar can show.

    Attributes:
        rank: the smaller, the more it matters.
        words: in full.
        short: in fewer words; the same where there are none.
    """

    rank: int
    words: tuple[Piece, ...]
    short: tuple[Piece, ...]


def facts_of(status: AppStatus, colors: Palette) -> list[Fact]:
    """Returns the pieces of a status, from left to right.

    What does not work matters most, then money, then who pays it. A sandbox has no account that
    a user could mistake for another, so there it matters least.
    """
    facts: list[Fact] = []

    def add(rank: int, *words: Piece, short: tuple[Piece, ...] = ()) -> None:
        facts.append(Fact(rank, words, short or words))

    if status.sandbox:
        add(0, (" SANDBOX ", colors.sandbox + _reverse()))
    if status.account:
        add(7 if status.sandbox else 3, (f"@{plain(status.account)}", colors.base))
    if status.spending:
        brief = status.spending.partition(" / ")[0]
        add(2, (status.spending, colors.base), short=((brief, colors.base),))
    tones = {"ok": colors.good, "wait": colors.dim, "bad": colors.bad}
    for usual, light in ((4, status.api), (5, status.listener)):
        if light is not None:
            glyph = {"ok": "●", "wait": "◌", "bad": "✗"}[light.state]
            sign = (f"{glyph} ", tones[light.state])
            short = (sign, (light.short or light.words, colors.dim))
            rank = _BROKEN if light.state == "bad" else usual
            add(rank, sign, (light.words, colors.dim), short=short)
    return facts


def fitting(facts: list[Fact], room: int, colors: Palette) -> list[Piece]:
    """Returns the pieces in full, else in short, else those that matter most.

    What does not work is said in full where it fits at all, even if others have to go.
    """
    full = _joined([fact.words for fact in facts], (" · ", colors.line))
    if length(full) <= room:
        return full
    gap = ("  ", colors.base)
    chosen: dict[int, tuple[Piece, ...]] = {}
    for number, fact in sorted(enumerate(facts), key=lambda one: one[1].rank):
        for words in (fact.words, fact.short) if fact.rank == _BROKEN else (fact.short,):
            more = dict(sorted({**chosen, number: words}.items()))
            if length(_joined(list(more.values()), gap)) <= room:
                chosen = more
                break
    return _joined(list(chosen.values()), gap)


def _joined(parts: list[tuple[Piece, ...]], between: Piece) -> list[Piece]:
    pieces: list[Piece] = []
    for part in parts:
        pieces += [between] if pieces else []
        pieces += part
    return pieces


def _reverse() -> Style:
    return Style(reverse=True)
