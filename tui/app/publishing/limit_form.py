"""How fast all transfers together may be."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tui.app.cloud.card import Item, Said
from tui.app.publishing.form import Draft
from tui.base import formatting

if TYPE_CHECKING:
    from tui.app.app import SimpleTunerApp
    from tui.client.client import ControlClient


class LimitDraft(Draft):
    """One line.

    Args:
        app: settings.
        after: told when it was changed.
    """

    TITLE = "Speed limit"
    SENDS = "limit"

    def __init__(self, app: SimpleTunerApp, after: Callable[[], None]) -> None:
        super().__init__(app)
        self._after = after

    def items(self) -> list[Item]:
        """The limit as it is."""
        now = self.app.settings.publishing.bandwidth
        words = f"{formatting.size(now)}/s" if now else "off"
        note = "all transfers together; like 5 MiB/s or 800k, or off"
        typed = self.values.get("limit", words)
        return [Item("limit", "At most", "text", words, note, current=typed)]

    def item_of(self, field: str) -> str:  # noqa: ARG002  there is one
        """The only one."""
        return "limit"

    async def apply(self, control: ControlClient, key: str, value: str) -> Said:  # noqa: ARG002  there is one
        """Change it; it counts at once, for what runs as well."""
        self.put("limit", value)
        limit = await control.publishing.limit(value)
        self._after()
        words = f"at most {formatting.size(limit)}/s" if limit else "as fast as the line"
        return Said(f"Transfers go {words}.")
