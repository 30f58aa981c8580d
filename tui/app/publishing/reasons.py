"""Why an action of the Publishing screen cannot be done now, in words for the user."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from tui.app.keys.actions import Action
from tui.app.publishing.artifact_list import Row
from tui.store.transfer_records import DestinationRecord, TransferRecord, TransferState

_NO_PLACE: Final = "There is no destination yet; n on their panel adds one."
NO_CHECKPOINTS: Final = "This job has no checkpoints to compare."
_NO_ENGINE: Final = "The engine does not answer; this is possible when it does."
_NEEDS_ENGINE: Final = frozenset({
    "publish", "best", "pause", "cancel", "retry", "sooner", "later", "limit", "add", "edit",
    "test", "test_all", "delete", "fetch", "clear", "clear_all", "free",
})  # fmt: skip
_OF: Final = {
    "artifacts": frozenset({"best", "compare", "fetch", "filter", "show", "copy_hash", "left"}),
    "transfers": frozenset({"pause", "cancel", "retry", "sooner", "later", "clear", "clear_all"}),
    "destinations": frozenset({"test"}),
}
"""Actions that belong to one panel."""
_ANYWHERE: Final = frozenset({"add", "test_all", "next", "previous", "back", "limit", "free"})


_FIRST: Final = {
    "artifacts": ("open", "publish", "delete", "next", "filter", "best", "compare", "fetch", "new",
                  "copy", "show", "copy_command"),
    "transfers": ("open", "pause", "cancel", "retry", "next", "edit", "delete", "clear_all",
                  "sooner", "later", "new", "copy", "copy_command"),
    "destinations": ("new", "edit", "test", "test_all", "delete", "next", "open", "publish",
                     "copy", "copy_command"),
}  # fmt: skip
"""What the footer shows of each panel, the most important first."""
_LABELS: Final = {
    ("artifacts", "new"): "new job",
    ("transfers", "edit"): "limit",
    ("transfers", "delete"): "off the list",
    ("transfers", "new"): "new transfer",
    ("destinations", "new"): "add",
    ("destinations", "delete"): "remove",
}
"""Labels of actions that are about what the panel lists."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The panel with the keys, and what is under its cursor.

    Attributes:
        panel: `artifacts`, `transfers` or `destinations`.
        engine: whether there is an engine.
        desktop: whether there is a desktop to show a folder on.
        links: addresses of what is under the cursor.
        bare: whether the job has no file here at all.
        safe: how many files under the cursor could be deleted here.
        gone: whether files under the cursor are not here.
        checkpoints: how many the job has; None while it is not known.
        places: how many destinations there are.
    """

    panel: str
    row: Row | None
    transfer: TransferRecord | None
    destination: DestinationRecord | None
    engine: bool
    desktop: bool
    links: tuple[str, ...] = ()
    bare: bool = False
    safe: int = 0
    gone: bool = False
    checkpoints: int | None = None
    places: int = 0


def for_panel(action: Action, panel: str, *, paused: bool = False) -> Action:
    """Returns an action with its place in the footer and its label on a panel."""
    if action.group != "publishing" or action.name == "back":
        return action
    first = _FIRST[panel]
    rank = first.index(action.name) + 1 if action.name in first else 0
    label = _LABELS.get((panel, action.name), action.label)
    if action.name == "pause" and paused:
        label = "go on"
    elif action.name == "next":
        label = "panel"
    return replace(action, footer=rank, label=label)


def why_not(name: str, here: Selection) -> str:
    """Returns why an action cannot be done; empty when it can."""
    for panel, names in _OF.items():
        if name in names and panel != here.panel and name not in _ANYWHERE:
            return f"This is about {panel}; tab goes there."
    if name in _NEEDS_ENGINE and not here.engine:
        return _NO_ENGINE
    if name == "test_all":
        return "" if here.places else _NO_PLACE
    if name in _ANYWHERE:
        return ""
    if here.panel == "transfers":
        return _transfer(name, here)
    if here.panel == "destinations":
        return _destination(name, here)
    return _artifact(name, here)


def _artifact(name: str, here: Selection) -> str:
    row = here.row
    if name in ("filter", "new"):
        return ""
    if name == "edit":
        return "This is about destinations and transfers; tab goes there."
    if row is None:
        return "There are no files here yet."
    on_file = row.kind == "file"
    if name in ("publish", "delete") and row.kind in ("note", "missing"):
        return "There is no file on this line."
    if name in ("publish", "best") and here.bare:
        return "No file of this job is here; f fetches what can be had."
    if name == "publish" and on_file and row.item is not None and not row.item.get("here"):
        return "This file is not here; f fetches it again, if it can be had."
    if name == "best" and here.checkpoints == 1:
        return "This job left one result only; p publishes it."
    if name == "compare" and here.checkpoints is None:
        return "" if here.engine else _NO_ENGINE
    if name == "compare" and (here.checkpoints or 0) < 2:
        return NO_CHECKPOINTS
    if name == "delete" and not here.safe:
        return "Nothing here is safe to delete: no other copy is known. p publishes it."
    if name == "fetch" and not here.gone:
        return "Everything of this is here."
    if name in ("show", "copy_hash") and not on_file:
        return "This is about a file."
    if name == "show" and not here.desktop:
        return "There is no desktop in this session to open a folder on; y copies the path."
    if name == "copy_link" and not here.links:
        return "It is published nowhere that has an address."
    if name == "open" and row.kind == "note":
        return "There is nothing more to say about it."
    return ""


_AGAIN: Final = (TransferState.FAILED, TransferState.CANCELLED, TransferState.UNVERIFIED)


def _transfer(name: str, here: Selection) -> str:
    transfer = here.transfer
    if name in ("show", "filter"):
        return "This is about artifacts; tab goes there."
    if name == "edit":
        return ""
    if name in ("new", "publish") and here.row is None:
        return "There is nothing to publish yet."
    if name in ("new", "publish"):
        return ""
    if transfer is None:
        return "There is no transfer here. p on an artifact makes one."
    if name in ("clear", "delete") and (
        transfer.state.is_active or transfer.state is TransferState.PAUSED
    ):
        return "It has not ended; c cancels it."
    state = transfer.state
    if name == "pause" and not (state.is_active or state is TransferState.PAUSED):
        return f"This transfer is {state.value}; only one under way can be paused."
    if name == "cancel" and (state.is_complete or state is TransferState.CANCELLED):
        return f"This transfer is {state.value} already."
    if name == "retry" and state not in _AGAIN:
        return "Only a failed, cancelled or unverified transfer can be tried again."
    if name in ("sooner", "later") and not (state.is_active or state is TransferState.PAUSED):
        return "It has ended; there is no turn to change."
    if name == "copy_link" and not here.links:
        return "It has no address."
    return ""


def _destination(name: str, here: Selection) -> str:
    if name == "show":
        return "This is about artifacts; tab goes there."
    if name == "new":
        return ""
    if here.destination is None:
        return _NO_PLACE
    if name == "copy_link":
        return "This is about what is published; tab goes there."
    if name == "publish" and here.row is None:
        return "There is nothing to publish yet."
    return ""
