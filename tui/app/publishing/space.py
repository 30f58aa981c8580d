"""The choice of which old runs' files go from this disk: only what is safe elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from tui.app.publishing.text import is_safe
from tui.base import formatting
from tui.store.retention import Freeable, choices, disk_use, needed_runs

if TYPE_CHECKING:
    from collections.abc import Callable

    from tui.api.artifacts import FilesCleared
    from tui.app.context import AppContext
    from tui.app.publishing.state import PublishingState
    from tui.client.client import ControlClient

_SHOWN: Final = 12
"""Runs that the question names."""


class SpaceActions:
    """Asks what may go, asks again by name and size, and has the engine delete it.

    Args:
        context: the app.
        state: knows the files of jobs.
        ask: asks a question, and makes a call after a yes.
    """

    def __init__(
        self, context: AppContext, state: PublishingState, ask: Callable[..., None]
    ) -> None:
        self._context = context
        self._state = state
        self._ask = ask

    def choose(self) -> None:
        """Opens the choice; says so where nothing may go."""
        from tui.app.widgets.picker import Picker

        context, reader = self._context, self._context.reader
        rows = list(reader.rows(reader.job_ids()).values())
        needed = needed_runs(reader, rows)
        offered = choices(rows, self._safe_files, context.clock(), needed)
        if not offered:
            context.tell(
                f"{formatting.size(disk_use(rows))} are here, and none of it may go: only files "
                "of ended, unpinned runs that are published elsewhere may.", "p publishes.",
            )  # fmt: skip
            return
        entries = []
        for number, (words, runs) in enumerate(offered):
            size = formatting.size(sum(one.bytes for one in runs))
            entries.append((str(number), words, f"{formatting.plural(len(runs), 'run')}, {size}"))

        def chosen(name: str | None) -> None:
            if name is not None:
                self._sure(offered[int(name)][1])

        context.push_screen(Picker("Delete local files that are safe elsewhere", entries), chosen)

    def _safe_files(self, job_id: str) -> list[tuple[str, int]]:
        files: Sequence[Mapping[str, Any]] = self._state.known(job_id).get("files") or ()
        busy = self._state.on_the_way(job_id, [str(file["name"]) for file in files])
        return [
            (str(file["name"]), int(file["size"]))
            for file in files
            if is_safe(file) and file["name"] not in busy
        ]

    def _sure(self, chosen: Sequence[Freeable]) -> None:
        runs = formatting.plural(len(chosen), "run")
        total = formatting.size(sum(one.bytes for one in chosen))
        lines = [
            f"{one.row.name}  {formatting.plural(len(one.names), 'file')}, "
            f"{formatting.size(one.bytes)}"
            for one in chosen[:_SHOWN]
        ]
        if len(chosen) > _SHOWN:
            lines.append(f"and {formatting.plural(len(chosen) - _SHOWN, 'more run')}")
        lines += ["", "The other copy of each is looked at again before it is deleted here."]

        async def clear(control: ControlClient) -> str:
            answers: list[FilesCleared] = []
            for one in chosen:
                if one.row.job_id in self._context.reader.pinned():
                    continue  # it was pinned meanwhile
                answers.append(await control.publishing.clear(one.row.job_id, list(one.names)))
                self._state.published_changed(one.row.job_id)
            kept = [left for answer in answers for left in answer["kept"]]
            if kept:
                self._context.tell(
                    f"{kept[0]['name']} stays: {kept[0]['why']}",
                    f"{len(kept) - 1} more stay as well." if len(kept) > 1 else "", "warning",
                )  # fmt: skip
            deleted = sum(len(answer["deleted"]) for answer in answers)
            return f"{formatting.plural(deleted, 'file')} deleted here." if deleted else ""

        self._ask(f"Delete local files of {runs}, {total}?", lines, "Yes, delete here", clear)
