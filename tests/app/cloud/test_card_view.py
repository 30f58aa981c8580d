"""A card's frame: its lines belong to the width it has, whatever widths a layout asks about."""

from __future__ import annotations

from typing import Any, cast

from textual.app import App, ComposeResult
from textual.containers import VerticalScroll
from textual.geometry import Size

from tui.app.cloud.card import Card, ChangeResult
from tui.app.cloud.card_view import CardView
from tui.app.cloud.text import Words, wrapped
from tui.app.terminal.theme import DARK
from tui.client.client import ControlClient

SENTENCE = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"


class Sentence(Card):
    """Says one sentence."""

    NAME = TITLE = "sentence"

    def lines(self, width: int) -> list[Words]:
        """Wrapped."""
        return wrapped(SENTENCE, "base", width)

    async def apply(self, control: ControlClient, key: str, value: str) -> ChangeResult:
        """There is nothing to change."""
        raise AssertionError((control, key, value))


class Holder(App[None]):
    """One card in a scroll box."""

    def compose(self) -> ComposeResult:
        """The card."""
        self.view = CardView(Sentence(cast("Any", _Nothing())))
        yield VerticalScroll(self.view)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """None are needed."""
        return {}


class _Nothing:
    busy: frozenset[str] = frozenset()


async def test_lines_are_wrapped_for_the_width_that_is_drawn() -> None:
    app = Holder()
    app.register_theme(DARK)
    app.theme = DARK.name
    async with app.run_test(size=(60, 20)):
        view = app.view
        room = view.size.width - 4
        drawn = [view.render_line(y).text.rstrip() for y in range(view.size.height)]
        # A layout that asks about a scroll bar's width afterwards changes nothing on screen.
        view.get_content_height(Size(40, 20), Size(60, 20), 30)
        again = [view.render_line(y).text.rstrip() for y in range(view.size.height)]
        assert again == drawn
        assert len(drawn) == len(wrapped(SENTENCE, "base", room)) + 2
        view.update()
        assert [view.render_line(y).text.rstrip() for y in range(view.size.height)] == drawn
