"""What is under the cursor of the Publishing screen, as the reasons of its actions need it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tui.app.publishing.reasons import Selection
from tui.app.publishing.text import is_safe
from tui.app.terminal.control import desktop_opener

if TYPE_CHECKING:
    from tui.app.context import AppContext
    from tui.app.publishing.artifact_list import Row
    from tui.app.publishing.panels import Panels
    from tui.app.publishing.state import PublishingState


class SelectionReader:
    """Describes what is under the cursor, and keeps the description while nothing changes.

    Args:
        context: the app.
        state: what the screen knows.
        panels: the lists with their cursors.
    """

    def __init__(self, context: AppContext, state: PublishingState, panels: Panels) -> None:
        self._context = context
        self._state = state
        self._panels = panels
        self._cached: tuple[tuple[object, ...], Selection] | None = None

    def now(self) -> Selection:
        """Describes what is under the cursor.

        The footer asks for the reason of each key, one after the other, so the description is kept
        until something that it was made from is another object.
        """
        panels = self._panels
        row = panels.artifacts.row
        known = self._state.known(row.job_id) if row is not None else {}
        made_from: tuple[object, ...] = (
            row, known, panels.transfers.transfer, panels.destinations.destination,
            self._context.control, panels.current,
        )  # fmt: skip
        if self._cached is not None:
            before, selection = self._cached
            if all(new is old for new, old in zip(made_from, before, strict=True)):
                return selection
        selection = self._describe(row, known)
        self._cached = (made_from, selection)
        return selection

    def _describe(self, row: Row | None, known: Mapping[str, Any]) -> Selection:
        panels = self._panels
        files, checkpoints = panels.files, known.get("checkpoints")
        job = panels.job(row.job_id) if row is not None else None
        return Selection(
            panel=panels.current,
            row=row,
            transfer=panels.transfers.transfer,
            destination=panels.destinations.destination,
            engine=self._context.control is not None,
            desktop=desktop_opener() is not None,
            links=tuple(panels.links),
            safe=sum(map(is_safe, files)),
            bare=job is not None and not job.file_count,
            gone=any(not file.get("here") for file in files) or bool(known.get("unfetched")),
            checkpoints=None if checkpoints is None else len(checkpoints),
            places=panels.destinations.count,
        )
