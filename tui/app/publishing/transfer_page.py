"""A transfer in full: how it stands, why, and each of its files, while it moves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from textual.timer import Timer

from tui.app.publishing.pages import transfer_page, wrapped
from tui.app.widgets.picker import Offers, Page, page_width
from tui.app.widgets.piece_list import Entry
from tui.store.schema import StoreError
from tui.store.transfer_records import TransferRecord

if TYPE_CHECKING:
    from tui.app.app import SimpleTunerApp

_PERIOD = 0.5


class TransferPage(Page):
    """Follows one transfer.

    Args:
        app: its store and what it is told.
        record: the transfer as it was when the page was opened.
        job: the job's name.
        offers: what can be done about it.
    """

    SCOPED_CSS = False  # the rules are those of the page, and name it

    def __init__(
        self, app: SimpleTunerApp, record: TransferRecord, job: str, offers: Offers
    ) -> None:
        self._transfer, self._job = record, job
        self._done: dict[int, int] = {}
        self._due: Timer | None = None
        super().__init__(f"Transfer {record.transfer_id}", self._read(app), offers)

    def _read(self, app: SimpleTunerApp) -> list[Entry]:
        name = self._transfer.transfer_id
        try:
            self._transfer = next(iter(app.reader.transfers(name)), self._transfer)
            items = app.reader.transfer_items(name)
        except StoreError as error:
            return [Entry(((error.message, "bad"),))]
        lines = transfer_page(self._transfer, self._job, items, self._done)
        return wrapped(lines, page_width(app.size.width))

    def on_mount(self) -> None:
        """Follow it."""
        super().on_mount()
        owner = cast("SimpleTunerApp", self.app)
        owner.transfer_told.subscribe(self, self._told)

    def _told(self, told: Mapping[str, Any]) -> None:
        if told and told.get("transfer_id") != self._transfer.transfer_id:
            return
        self._done.update({int(seq): done for seq, done in (told.get("files") or {}).items()})
        if self._due is None:
            self._due = self.set_timer(_PERIOD, self._show)

    def _show(self) -> None:
        self._due = None
        self.show(self._read(cast("SimpleTunerApp", self.app)))
