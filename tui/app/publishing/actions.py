"""Actions of the Publishing screen that the engine carries out, and the questions before them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tui.app.publishing.space import SpaceActions
from tui.app.publishing.text import destination, is_safe, place
from tui.base import formatting
from tui.store.records import shared_folder
from tui.store.transfer_records import DestinationRecord, TransferRecord, TransferState

if TYPE_CHECKING:
    from tui.api.transfers import TransferAction
    from tui.app.context import AppContext, EngineCall
    from tui.app.publishing.form import FormScreen
    from tui.app.publishing.state import PublishingState
    from tui.client.client import ControlClient


class PublishingActions:
    """Changes files, transfers and destinations.

    Args:
        context: the app.
        state: what the screen knows; it reads again what an action has changed.
        saved: called with the name of a destination that was saved.
    """

    def __init__(
        self, context: AppContext, state: PublishingState, *, saved: Callable[[str], None]
    ) -> None:
        self._context = context
        self._state = state
        self._saved = saved
        self.space = SpaceActions(context, state, self._ask)

    def _ask(self, question: str, details: Sequence[str], yes: str, call: EngineCall) -> None:
        """Asks, and makes the call after a yes."""
        from tui.app.widgets.confirm import Confirm

        def answered(agreed: bool | None) -> None:
            if agreed:
                self._context.call_engine(call)

        self._context.push_screen(Confirm(question, details, yes=yes), answered)

    # -- files --------------------------------------------------------------------------------

    def delete_files(self, job_id: str, job: str, files: Sequence[Mapping[str, Any]]) -> None:
        """Asks, then deletes local copies; only those that are known to be elsewhere.

        Args:
            job_id: the job of the files.
            job: the job's name.
            files: as in the engine's answer about artifacts.
        """
        busy = self._state.on_the_way(job_id, [str(file["name"]) for file in files])
        needed = [file for file in files if file.get("here") and file["name"] in busy]
        safe = [file for file in files if is_safe(file) and file["name"] not in busy]
        if not safe:
            if needed:
                self._context.tell(*_still_needed(needed, busy), "warning")
            else:
                advice = "Publish it first (p)."
                self._context.tell("Nothing here is safe to delete.", advice, "warning")
            return
        lines = _copies(safe)
        only = len([file for file in files if file.get("here")]) - len(safe) - len(needed)
        if only:
            verb = "is" if only == 1 else "are"
            stay = "stays" if only == 1 else "stay"
            lines += ["", f"{formatting.plural(only, 'file')} {verb} nowhere else and {stay}."]
        if needed:
            lines += ["", " ".join(_still_needed(needed, busy))]
        lines += ["", "The other copy is looked at again before each is deleted here."]
        size = formatting.size(sum(file["size"] for file in safe))
        names = [str(file["name"]) for file in safe]

        async def clear(control: ControlClient) -> str:
            answer = await control.publishing.clear(job_id, names)
            self._state.published_changed(job_id)
            deleted, kept = answer["deleted"], answer["kept"]
            if kept:
                self._context.tell(
                    f"{kept[0]['name']} stays: {kept[0]['why']}",
                    f"{len(kept) - 1} more stay as well." if len(kept) > 1 else "", "warning",
                )  # fmt: skip
            return f"{formatting.plural(len(deleted), 'file')} deleted here." if deleted else ""

        what = formatting.plural(len(safe), "local file")
        self._ask(f"Delete {what} of {job}, {size}?", lines, "Yes, delete here", clear)

    # -- destinations -------------------------------------------------------------------------

    def edit_destination(self, record: DestinationRecord | None) -> FormScreen:
        """Opens the form of a destination; None makes a new one."""
        from tui.app.publishing.destination_form import DestinationFormModel
        from tui.app.publishing.form import FormScreen

        model = DestinationFormModel(
            self._context,
            [other.name for other in self._state.destinations],
            record,
            self._saved,
            keys=self._state.keys.get(record.name, "") if record is not None else "",
            hub_token=lambda: self._state.hub_token,
        )
        form = FormScreen(model)
        self._context.push_screen(form)
        return form

    def remove_destination(self, record: DestinationRecord) -> None:
        """Asks, then removes a destination and forgets its keys."""
        kind, spot = destination(record)
        mine = [row for row in self._state.transfers if row.target.startswith(f"s3:{record.name}/")]
        waiting = [row for row in mine if row.state.is_active]
        half_sent = [row for row in mine if self._state.has_half_sent(row)]

        async def remove(control: ControlClient) -> str:
            answer = await control.publishing.remove_destination(record.name, force=bool(half_sent))
            self._state.read_destinations()
            problem = answer.get("keyring_problem")
            if problem:
                message = f"Its keys may still be in the keyring: {problem}."
                self._context.tell(message, "", "warning")
            return f"{record.name} is removed."

        lines = [f"{kind}: {spot}", "", "What was published there stays. Its keys are forgotten."]
        if waiting:
            lines.append(f"{formatting.plural(len(waiting), 'transfer')} to it will fail.")
        if half_sent:
            lines.append(
                f"Half-sent parts of {formatting.plural(len(half_sent), 'transfer')} stay in its "
                "bucket and cost money; cancelling the transfer first removes them."
            )
        self._ask(f"Remove the destination {record.name}?", lines, "Yes, remove it", remove)

    # -- transfers ----------------------------------------------------------------------------

    def act(self, transfer: TransferRecord, action: TransferAction) -> None:
        """Pauses, resumes or retries a transfer, or moves it in the queue.

        Args:
            transfer: the transfer.
            action: `pause`, `resume`, `retry`, `up` or `down`.
        """

        async def call(control: ControlClient) -> str:
            await control.publishing.act(transfer.transfer_id, action)
            self._state.read_transfers()
            return ""

        self._context.call_engine(call)

    def clear_list(self, transfer: TransferRecord | None) -> None:
        """Takes an ended transfer off the list; None takes all of them."""

        async def call(control: ControlClient) -> str:
            transfer_id = transfer.transfer_id if transfer else ""
            cleared = await control.publishing.clear_list(transfer_id)
            self._state.read_transfers()
            count = formatting.plural(len(cleared), "transfer")
            return f"{count} taken off the list; what has arrived is still known."

        self._context.call_engine(call)

    def cancel(self, transfer: TransferRecord, job: str) -> None:
        """Asks, then cancels a transfer.

        Args:
            transfer: the transfer.
            job: the name of its job.
        """
        moves = self._state.moves(transfer)
        sent = f"{formatting.size(moves.done)} of {formatting.size(moves.total)} sent"

        async def call(control: ControlClient) -> str:
            await control.publishing.act(transfer.transfer_id, "cancel")
            self._state.read_transfers()
            return ""

        after = "Half-sent files are removed there; whole ones stay. r sends the rest later."
        lines = [f"{job} → {place(transfer.target)}, {sent}", "", after]
        self._ask("Cancel this transfer?", lines, "Yes, cancel it", call)

    def ask_limit(self, changed: Callable[[], None]) -> None:
        """Asks how fast all transfers together may be."""
        from tui.app.publishing.form import FormScreen, LimitFormModel

        self._context.push_screen(FormScreen(LimitFormModel(self._context, changed)))


def _copies(files: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lists files with their sizes; where the copies are stands once if all are at one place."""
    shared = shared_folder([str(file["name"]) for file in files])
    rows = [
        (
            f"{str(file['name']).removeprefix(shared)}  {formatting.size(file['size'])}",
            ", ".join(dict.fromkeys(place(copy["target"]) for copy in file["published"])),
        )
        for file in files
    ]
    places = {where for _, where in rows}
    if len(places) == 1:
        return [*(name for name, _ in rows), "", f"Published at {places.pop()}."]
    return [f"{name}  → {where}" for name, where in rows]


def _still_needed(
    files: Sequence[Mapping[str, Any]], busy: Mapping[str, TransferRecord]
) -> tuple[str, str]:
    """Returns a message about files that a transfer still needs here, and the advice to it."""
    transfer = busy[str(files[0]["name"])]
    paused = transfer.state is TransferState.PAUSED
    many = len(files) > 1
    message = (
        f"{formatting.plural(len(files), 'file')} {'are' if many else 'is'} "
        f"{'paused on the way' if paused else 'on the way'} to "
        f"{place(transfer.target)} and {'stay' if many else 'stays'} until then."
    )
    return message, "On the transfer, space goes on with it and c cancels it." if paused else ""
