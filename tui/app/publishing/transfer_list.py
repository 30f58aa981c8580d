"""The list of the transfers: what is sent now, what waits, what has ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from textual.timer import Timer

from tui.app.publishing.pages import transfer_page, wrapped
from tui.app.publishing.speed import time_left
from tui.app.publishing.state import PublishingState
from tui.app.publishing.text import STATES, place, progress
from tui.app.terminal.text_lines import fit, linked
from tui.app.terminal.theme import Palette
from tui.app.widgets.entry_list import Entry, padded
from tui.app.widgets.picker import Page, PageActions, page_width
from tui.app.widgets.virtual_list import Piece, VirtualList
from tui.base import formatting
from tui.store.schema import StoreError
from tui.store.transfer_records import TransferRecord, TransferState

if TYPE_CHECKING:
    from tui.app.context import AppContext

_BAR: Final = 12
_BOTH: Final = 38
"""Cells that speed and time left need beside the bytes."""
_PERIOD = 0.5


class TransferList(VirtualList):
    """Lists a line for each transfer.

    Args:
        state: what the screen knows.
        name_of: a job's name by its id.
    """

    def __init__(self, state: PublishingState, name_of: Callable[[str], str]) -> None:
        super().__init__(id="transfers")
        self.state = state
        self._name_of = name_of
        self._on = ""

    @property
    def count(self) -> int:
        """The number of transfers."""
        return len(self.state.transfers)

    @property
    def transfer(self) -> TransferRecord | None:
        """The transfer under the cursor."""
        rows = self.state.transfers
        return rows[self.index] if 0 <= self.index < len(rows) else None

    def reload(self) -> None:
        """Shows the transfers again; the cursor stays on its transfer."""
        names = [transfer.transfer_id for transfer in self.state.transfers]
        place = names.index(self._on) if self._on in names else self.index
        self.move_to(place, tell=False)
        self.remember()
        self.refresh()

    def remember(self) -> None:
        """Remembers the transfer under the cursor for the next `reload`."""
        self._on = self.transfer.transfer_id if self.transfer else ""

    @property
    def shows_cursor(self) -> bool:
        """Whether the list has the keys."""
        return self.has_focus

    def empty_lines(self) -> list[str]:
        """Returns a message about how to start a transfer."""
        return ["Nothing is being sent. p on a job, a checkpoint or a file publishes it."]

    def line(self, index: int, width: int, colors: Palette) -> list[Piece]:
        """Returns state, job and target; then the progress, or the end."""
        transfer = self.state.transfers[index]
        here = index == self.index and self.has_focus
        glyph, word, tone = STATES[transfer.state]
        name = max(22, width * 2 // 5)
        words = f"{self._name_of(transfer.job_id)} → {place(transfer.target)}"
        pieces: list[Piece] = [
            (" ▸ " if here else "   ", colors.accent),
            (f"{glyph} ", getattr(colors, tone)),
            (fit(words, name - 5), linked(colors.strong if here else colors.base, transfer.link)),
            ("  ", colors.base),
        ]
        room = width - name - 3
        if transfer.state.is_active or transfer.state is TransferState.PAUSED:
            pieces += self._under_way(transfer, word, room, colors)
        else:
            pieces += self._ended(transfer, word, room, colors)
        return padded(pieces, width, colors)

    def _under_way(
        self, transfer: TransferRecord, word: str, room: int, colors: Palette
    ) -> list[Piece]:
        moves = self.state.moves(transfer)
        if transfer.message:
            wait = f", again at {formatting.clock(transfer.retry_at)}" if transfer.retry_at else ""
            return [(fit(f"{transfer.message.rstrip('.')}{wait}", room), colors.warn)]
        share = 100 * moves.done // moves.total if moves.total else 0
        if transfer.state is not TransferState.RUNNING:
            sent = f", {share} % of {formatting.size(moves.total)}" if moves.done else ""
            return [(fit(f"{word}{sent}", room), colors.dim)]
        if not moves.total:
            return [(fit("looking what is there already…", room), colors.dim)]
        pieces: list[Piece] = []
        if room >= 52:
            pieces.append((f"{progress(moves.done, moves.total, _BAR)} ", colors.accent))
            room -= _BAR + 1
        words = f"{share:>3} %  {formatting.size(moves.done):>9}"
        if room >= 48:
            words += f" of {formatting.size(moves.total)}"
        limit = self.state.context.settings.publishing.bandwidth
        seconds = time_left(moves, limit)
        left = formatting.duration(seconds) if seconds is not None else ""
        speed = f"{formatting.size(moves.speed)}/s" if moves.speed else "—"
        end = f" {speed:>11} {left:>9} " if room >= _BOTH else f" {left or speed:>11} "
        pieces.append((fit(words, max(6, room - len(end))), colors.base))
        pieces.append((end, colors.dim))
        return pieces

    def _ended(
        self, transfer: TransferRecord, word: str, room: int, colors: Palette
    ) -> list[Piece]:
        ago = formatting.ago(transfer.ended_at, self.state.context.clock())
        if transfer.state is TransferState.FAILED:
            return [(fit(f"{word}: {transfer.message}", room), colors.bad)]
        if transfer.state is TransferState.DONE:
            notes = f" · {transfer.notes[0]}" if transfer.notes else ""
            words = f"{formatting.size(transfer.total_bytes)} verified, {ago}{notes}"
            return [(fit(words, room), colors.dim)]
        if transfer.state is TransferState.UNVERIFIED:
            words = f"{formatting.size(transfer.total_bytes)} {word}, {ago}"
            return [(fit(words, room), colors.warn)]
        return [(fit(f"{word}, {ago}", room), colors.dim)]


class TransferPage(Page):
    """Shows a transfer in full and follows it.

    Args:
        context: the app.
        record: the transfer as it was when the page was opened.
        job: the job's name.
        offers: the actions that are offered on the page.
    """

    SCOPED_CSS = False  # the rules are those of the page, and name it

    def __init__(
        self, context: AppContext, record: TransferRecord, job: str, offers: PageActions
    ) -> None:
        self._transfer, self._job = record, job
        self._done: dict[int, int] = {}
        self._due: Timer | None = None
        super().__init__(f"Transfer {record.transfer_id}", self._read(context), offers)

    def _read(self, context: AppContext) -> list[Entry]:
        name = self._transfer.transfer_id
        try:
            self._transfer = next(iter(context.reader.transfers(name)), self._transfer)
            items = context.reader.transfer_items(name)
        except StoreError as error:
            return [Entry(((error.message, "bad"),))]
        lines = transfer_page(self._transfer, self._job, items, self._done)
        return wrapped(lines, page_width(context.size.width))

    def on_mount(self) -> None:
        """Follows the transfer."""
        super().on_mount()
        context = cast("AppContext", self.app)
        context.signals.transfer_changed.subscribe(self, self._transfer_changed)

    def _transfer_changed(self, report: Mapping[str, Any]) -> None:
        if report and report.get("transfer_id") != self._transfer.transfer_id:
            return
        self._done.update({int(seq): done for seq, done in (report.get("files") or {}).items()})
        if self._due is None:
            self._due = self.set_timer(_PERIOD, self._show)

    def _show(self) -> None:
        self._due = None
        self.show(self._read(cast("AppContext", self.app)))
