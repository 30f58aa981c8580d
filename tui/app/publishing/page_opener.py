"""Opens the pages of the Publishing screen: of a file, a transfer, a test, the checkpoints."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from tui.app.publishing import pages

if TYPE_CHECKING:
    from tui.app.context import AppContext
    from tui.app.keys.actions import Action
    from tui.app.publishing.panels import Panels
    from tui.app.publishing.state import PublishingState
    from tui.app.widgets.entry_list import Entry
    from tui.app.widgets.picker import PageActions
    from tui.store.transfer_records import DestinationRecord

_ON_FILE: Final = ("publish", "delete", "fetch", "show", "copy_command")
_ON_TRANSFER: Final = ("pause", "cancel", "retry", "copy_command")


class PageOpener:
    """Opens pages over the screen; the keys of some of the screen's actions work on them.

    Args:
        context: the app.
        state: what the screen knows.
        panels: the lists with their cursors.
        actions: the actions of the screen.
        why_not: why an action cannot be done now.
        perform: does the action that was chosen on a page; None when there was none.
    """

    def __init__(
        self,
        context: AppContext,
        state: PublishingState,
        panels: Panels,
        *,
        actions: Callable[[], Sequence[Action]],
        why_not: Callable[[Action], str],
        perform: Callable[[str | None], Awaitable[None]],
    ) -> None:
        self._context = context
        self._state = state
        self._panels = panels
        self._actions = actions
        self._why_not = why_not
        self._perform = perform

    def open_artifact(self) -> None:
        """Unfolds a job or checkpoint, or shows everything about a file or what is missing."""
        row = self._panels.artifacts.row
        if row is None:
            return
        if row.kind in ("job", "checkpoint"):
            self._panels.artifacts.unfold(row)
        elif row.item is not None and row.kind == "file":
            self._show(row.name, pages.file_page(row.item), *_ON_FILE)
        elif row.item is not None and row.kind == "missing":
            self._show("Not here", pages.missing_page(row.item, self._context.clock()), "fetch")

    def open_transfer(self) -> None:
        """Shows everything about the transfer under the cursor."""
        from tui.app.publishing.transfer_list import TransferPage

        transfer = self._panels.transfers.transfer
        if transfer is not None:
            name = self._panels.name_of(transfer.job_id)
            page = TransferPage(self._context, transfer, name, self._offers(*_ON_TRANSFER))
            self._context.push_screen(page, self._perform)

    def open_test(self, destination: DestinationRecord) -> bool:
        """Shows the last test of a destination; returns False when it was never tested."""
        test = self._state.tested.get(destination.name)
        if test is None:
            return False
        self._show(f"Test of {destination.name}", pages.test_page(test), "test", "edit")
        return True

    def open_checkpoints(self, job: str, checkpoints: Sequence[Mapping[str, Any]]) -> None:
        """Shows the checkpoints of a job beside each other."""
        self._show(f"Checkpoints of {job}", pages.compare_page(checkpoints, self._width))

    @property
    def _width(self) -> int:
        """Cells of a page's lines."""
        from tui.app.widgets.picker import page_width

        return page_width(self._context.screen.size.width)

    def _show(self, title: str, lines: Sequence[Entry], *action_names: str) -> None:
        """Shows a page; the keys of some actions work on it."""
        from tui.app.widgets.picker import Page

        page = Page(title, pages.wrapped(lines, self._width), self._offers(*action_names))
        self._context.push_screen(page, self._perform)

    def _offers(self, *action_names: str) -> PageActions:
        from tui.app.widgets.picker import PageActions

        wanted = [f"publishing.{name}" for name in action_names]
        return PageActions(
            lambda: [action for action in self._actions() if action.id in wanted], self._why_not
        )
