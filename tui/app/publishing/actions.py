"""What the Publishing screen has done by the engine, with the question before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tui.app.publishing.text import destination, is_safe, place
from tui.base import formatting
from tui.store.records import shared_folder
from tui.store.transfer_records import DestinationRecord, TransferRecord, TransferState

if TYPE_CHECKING:
    from tui.app.context import AppContext
    from tui.app.publishing.state import ShelfData
    from tui.client.client import ControlClient


class ShelfDeeds:
    """Delete, remove, pause, cancel, retry, reorder, limit.

    Args:
        app: whose engine and screens.
        data: what is known.
    """

    def __init__(self, context: AppContext, data: ShelfData) -> None:
        self._context = context
        self._data = data

    def _ask(self, question: str, details: Sequence[str], yes: str, call: Any) -> None:
        from tui.app.widgets.confirm import Confirm

        def answered(agreed: bool | None) -> None:
            if agreed:
                self._context.call_engine(call)

        self._context.push_screen(Confirm(question, details, yes=yes), answered)

    def delete_files(self, job_id: str, job: str, files: Sequence[Mapping[str, Any]]) -> None:
        """Ask, then delete local copies; only those that are known to be elsewhere."""
        busy = self._data.on_the_way(job_id, [str(file["name"]) for file in files])
        needed = [file for file in files if file.get("here") and file["name"] in busy]
        safe = [file for file in files if is_safe(file) and file["name"] not in busy]
        if not safe:
            if needed:
                self._context.tell(*_needed(needed, busy), "warning")
            else:
                advice = "Publish it first (p)."
                self._context.tell("Nothing here is safe to delete.", advice, "warning")
            return
        lines = _what_and_where(safe)
        only = len([file for file in files if file.get("here")]) - len(safe) - len(needed)
        if only:
            verb = "is" if only == 1 else "are"
            stay = "stays" if only == 1 else "stay"
            lines += ["", f"{formatting.plural(only, 'file')} {verb} nowhere else and {stay}."]
        if needed:
            lines += ["", " ".join(_needed(needed, busy))]
        lines += ["", "The other copy is looked at again before each is deleted here."]
        size = formatting.size(sum(file["size"] for file in safe))
        names = [str(file["name"]) for file in safe]

        async def clear(control: ControlClient) -> str:
            answer = await control.publishing.clear(job_id, names)
            self._data.published_changed(job_id)
            gone, kept = answer["deleted"], answer["kept"]
            if kept:
                self._context.tell(
                    f"{kept[0]['name']} stays: {kept[0]['why']}",
                    f"{len(kept) - 1} more stay as well." if len(kept) > 1 else "", "warning",
                )  # fmt: skip
            return f"{formatting.plural(len(gone), 'file')} deleted here." if gone else ""

        what = formatting.plural(len(safe), "local file")
        self._ask(f"Delete {what} of {job}, {size}?", lines, "Yes, delete here", clear)

    def remove_destination(self, one: DestinationRecord) -> None:
        """Ask, then forget a destination."""
        kind, spot = destination(one)

        mine = [row for row in self._data.transfers if row.target.startswith(f"s3:{one.name}/")]
        waiting = [row for row in mine if row.state.is_active]
        half = [row for row in mine if self._data.has_half_sent(row)]

        async def remove(control: ControlClient) -> str:
            answer = await control.publishing.remove_destination(one.name, force=bool(half))
            self._data.read_destinations()
            problem = answer.get("keyring_problem")
            if problem:
                self._context.tell(
                    f"Its keys may still be in the keyring: {problem}.", "", "warning"
                )
            return f"{one.name} is removed."

        lines = [f"{kind}: {spot}", "", "What was published there stays. Its keys are forgotten."]
        if waiting:
            lines.append(f"{formatting.plural(len(waiting), 'transfer')} to it will fail.")
        if half:
            lines.append(
                f"Half-sent parts of {formatting.plural(len(half), 'transfer')} stay in its bucket "
                "and cost money; cancelling the transfer first removes them."
            )
        self._ask(f"Remove the destination {one.name}?", lines, "Yes, remove it", remove)

    def act(self, one: TransferRecord, action: str, said: str = "") -> None:
        """Pause, resume, retry, or move a transfer in the queue."""

        async def call(control: ControlClient) -> str:
            await control.publishing.act(one.transfer_id, action)
            self._data.read_transfers()
            return said

        self._context.call_engine(call)

    def clear_list(self, one: TransferRecord | None) -> None:
        """Take an ended transfer off the list, or all of them."""

        async def call(control: ControlClient) -> str:
            cleared = await control.publishing.clear_list(one.transfer_id if one else "")
            self._data.read_transfers()
            count = formatting.plural(len(cleared), "transfer")
            return f"{count} taken off the list; what has arrived is still known."

        self._context.call_engine(call)

    def cancel(self, one: TransferRecord, job: str) -> None:
        """Ask, then cancel a transfer."""
        moves = self._data.moves(one)
        sent = f"{formatting.size(moves.done)} of {formatting.size(moves.total)} sent"

        async def call(control: ControlClient) -> str:
            await control.publishing.act(one.transfer_id, "cancel")
            self._data.read_transfers()
            return ""

        after = "Half-sent files are removed there; whole ones stay. r sends the rest later."
        lines = [f"{job} → {place(one.target)}, {sent}", "", after]
        self._ask("Cancel this transfer?", lines, "Yes, cancel it", call)


def _what_and_where(files: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each file with its size; where the other copies are is said once if it is the same of all."""
    shared = shared_folder([str(file["name"]) for file in files])
    rows = [
        (
            f"{str(file['name']).removeprefix(shared)}  {formatting.size(file['size'])}",
            ", ".join(dict.fromkeys(place(one["target"]) for one in file["published"])),
        )
        for file in files
    ]
    places = {at for _, at in rows}
    if len(places) == 1:
        return [*(name for name, _ in rows), "", f"Published at {places.pop()}."]
    return [f"{name}  → {at}" for name, at in rows]


def _needed(
    files: Sequence[Mapping[str, Any]], busy: Mapping[str, TransferRecord]
) -> tuple[str, str]:
    """What a transfer still needs here, and what to do about it."""
    one = busy[str(files[0]["name"])]
    state = "paused on the way" if one.state is TransferState.PAUSED else "on the way"
    many = len(files) > 1
    said = (
        f"{formatting.plural(len(files), 'file')} {'are' if many else 'is'} {state} to "
        f"{place(one.target)} and {'stay' if many else 'stays'} until then."
    )
    if one.state is TransferState.PAUSED:
        return said, "On the transfer, space goes on with it and c cancels it."
    return said, ""
