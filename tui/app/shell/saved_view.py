"""Where the user was: screen, order, filter, selection and theme, kept from one run to the next.

A small file beside the last frame. It is never needed: one that is missing, broken or of another
version changes nothing. Nothing but names and a filter is in it.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from tui.store.reader import SORT_COLUMNS

if TYPE_CHECKING:
    from tui.settings import Home

SCREENS: Final = ("cloud", "jobs", "publishing")
_FORMAT: Final = 1
_LARGEST: Final = 64 * 1024
_LONGEST_TEXT: Final = 2000


@dataclass(frozen=True, slots=True)
class SavedView:
    """Where the user was.

    Attributes:
        screen: the one that was open last.
        sort: column of the job list's order.
        descending: its direction.
        filter: the list's filter as typed.
        job: id of the job under the cursor.
        theme: the theme, and
        theme_set: the theme of the settings then; a setting changed since wins over `theme`.
        told: the moved keys that the user was told about.
        columns: the columns of the list that were chosen, in their order.
        filters: filters by their names, as JSON.
        charts: the order of the charts that was chosen, one name in each line.
    """

    screen: str = "jobs"
    sort: str = "created"
    descending: bool = True
    filter: str = ""
    job: str = ""
    theme: str = ""
    theme_set: str = ""
    told: str = ""
    columns: str = ""
    filters: str = ""
    charts: str = ""


def load_view(home: Home) -> SavedView:
    """Returns the view that was saved; the defaults where there is none that can be read."""
    try:
        with (home.root / "place.json").open("rb") as file:
            data = json.loads(file.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return SavedView()
    if not isinstance(data, dict) or data.get("format") != _FORMAT:
        return SavedView()
    known: dict[str, Any] = {}
    for item in fields(SavedView):
        value = data.get(item.name)
        if type(value) is type(item.default) and len(str(value)) <= _LONGEST_TEXT:
            known[item.name] = value
    if known.get("screen") not in SCREENS:
        known.pop("screen", None)
    if known.get("sort") not in SORT_COLUMNS:
        known.pop("sort", None)
    return SavedView(**known)


def save_view(home: Home, view: SavedView) -> None:
    """Saves the view for the next run; a full disk is not worth a message."""
    from tui.settings import write_atomically

    text = json.dumps({"format": _FORMAT, **asdict(view)}, ensure_ascii=False)
    with contextlib.suppress(OSError):
        write_atomically(home.root / "place.json", text)
