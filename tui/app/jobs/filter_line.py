"""The line in which the filter of the jobs is typed."""

from __future__ import annotations

from typing import ClassVar, Protocol, cast

from textual.binding import Binding, BindingType

from tui.app.widgets.input_line import FilterLine


class ListsFilters(Protocol):
    """A screen that has filters with names."""

    def do_filters(self) -> None:
        """Lists them to choose from."""


class JobFilterLine(FilterLine):
    """The line in which the list's filter is typed; `down` lists the saved ones.

    Args:
        text: to begin with.
        has_saved: whether there are any.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("down", "saved", show=False)]

    def __init__(self, text: str, *, has_saved: bool) -> None:
        super().__init__(text)
        self._has_saved = has_saved

    async def action_saved(self) -> None:
        """Lists the saved filters; without any it goes back to the list."""
        screen = cast("ListsFilters", self.screen)
        await self.action_leave()
        if self._has_saved:
            screen.do_filters()
