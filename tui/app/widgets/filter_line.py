"""The line in which the list's filter is typed."""

from __future__ import annotations

from typing import ClassVar, Protocol, cast

from textual import on
from textual.binding import Binding
from textual.widgets import Input


class Filtered(Protocol):
    """A screen whose list can be narrowed."""

    @property
    def filter_text(self) -> str:
        """The filter as typed."""

    def filter_by(self, text: str) -> None:
        """Narrows the list as the text is typed."""

    async def close_filter(self, line: FilterLine) -> None:
        """Closes the line and goes back to the list; the filter stays."""


class FilterLine(Input):
    """Narrows the list while it is typed; `enter` and `esc` go back to the list."""

    BINDINGS: ClassVar = [
        Binding("escape", "leave", show=False),
        Binding("down", "leave", show=False),
    ]

    def __init__(self, text: str) -> None:
        super().__init__(
            text,
            placeholder="words, state:failed, model:flux, cost>2, loss<0.2",
            id="filter",
            compact=True,
            select_on_focus=False,
        )
        self.cursor_blink = False  # a blinking cursor writes to the line for ever

    @property
    def _list(self) -> Filtered:
        return cast("Filtered", self.screen)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if event.value != self._list.filter_text:
            self._list.filter_by(event.value)

    @on(Input.Submitted)
    async def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        await self.action_leave()

    async def action_leave(self) -> None:
        """Goes back to the list."""
        await self._list.close_filter(self)

    async def on_blur(self) -> None:
        """Closes the line when the list was clicked."""
        if self.is_attached and self.app.app_focus:
            await self.action_leave()
