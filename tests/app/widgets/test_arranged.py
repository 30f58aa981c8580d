"""What leaves the screen arranged as it is: an arrangement draws all of it, dimmed screens too.

One app has a chart's line, a line to type in, a question and a form over one another; what asks
for an arrangement is counted while nothing changes its size.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual import events
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widget import Widget
from textual.widgets import Input

from tui.app.chart.axis import STEPS
from tui.app.chart.data import Series
from tui.app.chart.grid import ChartGrid, Curve
from tui.app.cloud.card import ChangeResult, Form, Item
from tui.app.cloud.card_form import FormDialog
from tui.app.terminal.sight import Sight
from tui.app.terminal.theme import DARK
from tui.app.widgets.confirm import Confirm
from tui.app.widgets.input_line import PromptLine
from tui.client.client import ControlClient

CURVES = [
    Curve(Series(name, range(1, 41), [1 / step for step in range(1, 41)]), noisy=True)
    for name in ("loss", "grad_norm")
]


class OneLine(Form):
    """A form with one item that nothing is said about."""

    TITLE = "Form"

    def items(self) -> list[Item]:
        return [Item("name", "name", value="cat")]

    async def apply(self, control: ControlClient, key: str, value: str) -> ChangeResult:
        raise AssertionError((control, key, value))


class Arranged(App[None]):
    """Two charts with their line, and a line to type in."""

    def __init__(self) -> None:
        super().__init__()
        self.sight = Sight(self)

    def compose(self) -> ComposeResult:
        yield ChartGrid()
        yield PromptLine("search", "find")


@pytest.fixture
def arrangements(monkeypatch: pytest.MonkeyPatch) -> list[Widget]:
    """The widgets that asked for an arrangement so far, in order."""
    asked: list[Widget] = []
    refresh = Widget.refresh

    def counted(self: Widget, *regions: Any, layout: bool = False, **how: Any) -> Widget:
        if layout:
            asked.append(self)
        return refresh(self, *regions, layout=layout, **how)

    monkeypatch.setattr(Widget, "refresh", counted)
    return asked


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Arranged, Pilot[None]]]:
    app = Arranged()
    app.register_theme(DARK)
    app.theme = DARK.name
    async with app.run_test(size=(120, 40)) as pilot:
        app.query_one(ChartGrid).show(CURVES, STEPS, [])
        await pilot.pause()
        yield app, pilot


async def test_nothing_is_arranged_anew_for_lines_that_keep_their_size(
    arrangements: list[Widget],
) -> None:
    async with opened() as (app, pilot):
        # The values at the cursor, in the line below several charts.
        grid = app.query_one(ChartGrid)
        assert grid.layout_now.places > 1
        grid.chart.focus()
        await pilot.pause()
        line = str(grid._line.content)
        arrangements.clear()
        await pilot.press("left", "left")
        assert str(grid._line.content) != line
        assert arrangements == []

        # Each letter takes away the message about the text before, which was not there.
        prompt = app.query_one(PromptLine)
        prompt.query_one(Input).focus()
        await pilot.pause()
        arrangements.clear()
        await pilot.press("c", "a", "t")
        assert prompt.query_one(Input).value == "cat"
        assert prompt._said not in arrangements
        prompt.say("no such line")
        await pilot.pause()
        assert prompt._said in arrangements

        # A question that hides as many lines at another width; the wheel hides others.
        question = Confirm("Delete it?", [str(number) for number in range(60)], yes="Yes")
        await app.push_screen(question)
        await pilot.pause()
        assert "more" in str(question._more.content)
        arrangements.clear()
        await pilot.resize_terminal(119, 40)
        await pilot.pause()
        assert question._more not in arrangements
        details = question.details
        wheel = events.MouseScrollDown(
            details, 1, 1, 0, 1, button=0, shift=False, meta=False, ctrl=False
        )
        details.post_message(wheel)
        await pilot.pause()
        assert "↑ 3 above" in str(question._more.content)
        assert question._more in arrangements
        await pilot.press("n")

        # An answer behind a form whose item has nothing to be said about.
        form = FormDialog(OneLine())
        await app.push_screen(form)
        await pilot.pause()
        arrangements.clear()
        form.update()
        await pilot.pause()
        assert form.say not in arrangements
        form._failed("name", "This name is taken.")
        await pilot.pause()
        assert form.say in arrangements
