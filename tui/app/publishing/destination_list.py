"""The list of the destinations with their last tests."""

from __future__ import annotations

from datetime import datetime

from tui.app.publishing.state import PublishingState
from tui.app.publishing.text import destination, warnings
from tui.app.terminal.text_lines import fit
from tui.app.terminal.theme import Palette
from tui.app.widgets.entry_list import padded
from tui.app.widgets.virtual_list import Piece, VirtualList
from tui.base import formatting
from tui.store.transfer_records import DestinationRecord


class DestinationList(VirtualList):
    """Lists a line for each destination.

    Args:
        state: what the screen knows.
    """

    def __init__(self, state: PublishingState) -> None:
        super().__init__(id="destinations")
        self.state = state

    @property
    def count(self) -> int:
        """The number of destinations."""
        return len(self.state.destinations)

    @property
    def destination(self) -> DestinationRecord | None:
        """The destination under the cursor."""
        rows = self.state.destinations
        return rows[self.index] if 0 <= self.index < len(rows) else None

    def reload(self) -> None:
        """Shows the destinations again."""
        self.move_to(self.index, tell=False)
        self.refresh()

    @property
    def shows_cursor(self) -> bool:
        """Whether the list has the keys."""
        return self.has_focus

    def empty_lines(self) -> list[str]:
        """Returns a message about how to add a destination."""
        return ["No destination yet. n adds one: the Hub, an S3 bucket, a folder."]

    def line(self, index: int, width: int, colors: Palette) -> list[Piece]:
        """Returns name, kind, place and test."""
        record = self.state.destinations[index]
        here = index == self.index and self.has_focus
        kind, place = destination(record)
        mark, tone, words = self._tested(record.name)
        test = 40 if width >= 110 else 24
        name = 14
        room = max(10, width - 5 - name - 2 - 14 - 2 - test)
        pieces: list[Piece] = [
            (" ▸ " if here else "   ", colors.accent),
            (f"{mark} ", getattr(colors, tone)),
            (fit(record.name, name), colors.strong if here else colors.base),
            (f"  {fit(kind, 14)}", colors.dim),
            (f"  {fit(place, room)}", colors.base),
            (f"  {fit(words, test - 2)}", getattr(colors, tone if tone == "bad" else "dim")),
        ]
        return padded(pieces, width, colors)

    def _tested(self, name: str) -> tuple[str, str, str]:
        """Returns mark, tone and text of the last test."""
        if name in self.state.testing:
            return "◌", "accent", "testing…"
        if self.state.keys.get(name) == "none":
            return "!", "warn", "keys are gone: press e"
        test = self.state.tested.get(name)
        if test is None:
            return "·", "dim", "not tested; t tests it"
        try:
            ago = formatting.ago(
                datetime.fromisoformat(str(test["at"])), self.state.context.clock()
            )
        except (KeyError, ValueError):
            ago = "earlier"
        if test.get("ok"):
            but = warnings(test)
            return "✓", "good", f"works, {but}, {ago}" if but else f"works, tested {ago}"
        bad = [step for step in test.get("steps") or () if step.get("level") == "error"]
        reason = str(bad[0].get("message", "")) if bad else "it does not work"
        return "✗", "bad", f"{ago}: {reason}"
