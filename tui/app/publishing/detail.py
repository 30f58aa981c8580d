"""What is under the cursor of the artifacts, in the room that no panel needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final

from tui.app.publishing import pages
from tui.app.publishing.artifact_list import Row
from tui.app.publishing.files_summary import files_summary
from tui.app.publishing.text import place
from tui.app.terminal.text_lines import plain
from tui.app.widgets.entry_list import Entry, EntryList, entry
from tui.base import formatting
from tui.store.records import shared_folder

LEAST: Final = 6
"""Lines, its title among them, below which it is not worth a frame."""


class Detail(EntryList, can_focus=False):
    """Shows lines about something; the keys stay with the panels."""

    CURSOR: ClassVar[bool] = False

    def show(self, entries: Sequence[Entry]) -> None:
        """Shows other lines, from the first one on."""
        if list(entries) != list(self.entries):
            self.entries = entries
            self.move_to(0)


def detail_lines(
    row: Row, known: Mapping[str, Any], files: Sequence[Mapping[str, Any]], *,
    width: int, now: datetime,
) -> list[Entry]:  # fmt: skip
    """Returns what the tree does not say of a line: what `enter` or `=` would show, or a summary.

    Args:
        row: the line.
        known: what the engine said of its job; empty before it was asked.
        files: those of the line.
        width: cells of a line.
        now: the time of day.
    """
    if row.kind == "file" and row.item is not None:
        return pages.wrapped(pages.file_page(row.item), width)
    if row.kind == "missing" and row.item is not None:
        return pages.wrapped(pages.missing_page(row.item, now), width)
    checkpoints = known.get("checkpoints") or ()
    if row.open and files:  # each of them stands below the line
        mine = [one for one in checkpoints if row.kind == "job" or one["step"] == row.step]
        away = len(known.get("unfetched") or ()) if row.kind == "job" else 0
        return pages.wrapped(files_summary(files, mine, unfetched=away), width)
    if row.kind == "job" and len(checkpoints) > 1:
        return pages.wrapped(pages.compare_page(checkpoints, width), width)
    if row.kind == "job" and not known:
        return [entry("enter lists what it left.", "dim")]
    shared = shared_folder([str(file["name"]) for file in files])
    return [_file_line(file, str(file["name"]).removeprefix(shared)) for file in files]


def _file_line(file: Mapping[str, Any], name: str) -> Entry:
    """Returns size, name and copies of a file. The name comes late: it is long, and cut."""
    places = list(dict.fromkeys(place(copy["target"]) for copy in file.get("published") or ()))
    where = (f"  ✓ {', '.join(places)}", "good") if places else ("  nowhere else yet", "dim")
    return entry(
        f"{formatting.size(file['size']):>10}  ",
        "base",
        (plain(name), "base" if file["here"] else "dim"),
        where if file["here"] or places else ("  not here", "warn"),
    )
