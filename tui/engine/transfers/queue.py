"""The queue of transfers: add, pause, resume, cancel, reorder, and resume after a restart."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from tui.base.errors import RefusedError
from tui.destinations.common.contract import LocalFile
from tui.engine.runtime.event_bus import EventBus
from tui.engine.runtime.tasks import TaskOwner
from tui.engine.transfers.attempt import Prepare
from tui.engine.transfers.destinations import Destinations
from tui.engine.transfers.transfer_progress import Stop, TransferProgress
from tui.engine.transfers.worker import STOP, TransferWorker, without_stop
from tui.store.transfer_records import (
    HIDDEN,
    TransferItem,
    TransferRecord,
    TransferState,
    is_hidden,
)
from tui.store.transfers import TransferTables

_CLOSE_LIMIT: Final = 20.0
_STANDING: Final = (TransferState.QUEUED, TransferState.RUNNING, TransferState.PAUSED)


def _nothing(_transfer_id: str) -> None:
    """The default callback."""


class TransferQueue:
    """Owns the tasks of all transfers."""

    def __init__(
        self,
        *,
        tables: TransferTables,
        places: Destinations,
        bus: EventBus,
        tasks: TaskOwner,
        now: Callable[[], datetime],
        prepare: Prepare,
        forget: Callable[[str], None] = _nothing,
    ) -> None:
        """Take the services it works with.

        Args:
            tables: where transfers are stored.
            places: opens targets.
            bus: publishes changes.
            tasks: owns the tasks.
            now: the clock.
            prepare: generates the companions of a transfer.
            forget: deletes the companions of a transfer, by its id.
        """
        self._tables = tables
        self._tasks = tasks
        self._now = now
        self._controls: dict[str, TransferProgress] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._carrier = TransferWorker(
            tables=tables, places=places, bus=bus, now=now, prepare=prepare, forget=forget
        )

    def start(self) -> None:
        """Resume the transfers that were active when the engine ended."""
        for record in self._tables.all():
            over = record.state in (TransferState.DONE, TransferState.CANCELLED)
            stop = "" if over else record.options.get(STOP)
            if stop == "cancelled":
                self._abandon(record)
            elif stop == "paused" and record.state.is_active:
                self._carrier.paused(record.transfer_id)
            elif record.state.is_active:
                self._begin(self._tables.update(record.transfer_id, state=TransferState.QUEUED))

    async def aclose(self) -> None:
        """Stop all transfers; the next start resumes them."""
        for control in self._controls.values():
            control.stop("closing")
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=_CLOSE_LIMIT)
        self._carrier.close()

    # -- requests -----------------------------------------------------------------------------

    def add(
        self,
        *,
        job_id: str,
        api_base: str,
        target: str,
        files: Sequence[LocalFile],
        options: dict[str, Any],
    ) -> TransferRecord:
        """Queue files for a target.

        An active transfer of the same files to the same target is returned instead of a new one.
        """
        names = [(file.name, str(file.path)) for file in files]
        for record in self._tables.all():
            if (record.job_id, record.target) != (job_id, target) or not record.state.is_active:
                continue
            if record.options.get("files") == [name for name, _ in names]:
                return record
        record = TransferRecord(
            secrets.token_hex(5), job_id, api_base, target, self._now(),
            options={**options, "files": [name for name, _ in names]},
        )  # fmt: skip
        items = [
            TransferItem(seq, file.name, str(file.path), sha256=file.sha256 or "")
            for seq, file in enumerate(files)
        ]
        self._tables.insert(record, items)
        self._begin(record)
        return record

    def pause(self, transfer_id: str) -> TransferRecord:
        """Pause a transfer; what was sent is kept.

        Raises:
            RefusedError: there is no such transfer, or it is not active.
        """
        record = self._get(transfer_id)
        control = self._controls.get(record.transfer_id)
        if control is None:
            raise _cannot("paused", record)
        return self._stop(record, control, "paused")

    def resume(self, transfer_id: str) -> TransferRecord:
        """Continue a paused transfer.

        Raises:
            RefusedError: there is no such transfer, or it is not paused.
        """
        return self._again(transfer_id, TransferState.PAUSED)

    def retry(self, transfer_id: str) -> TransferRecord:
        """Start a failed or cancelled transfer again; files that arrived are not sent again.

        Raises:
            RefusedError: there is no such transfer, or it is in another state.
        """
        return self._again(transfer_id, TransferState.FAILED, TransferState.CANCELLED)

    def _again(self, transfer_id: str, *states: TransferState) -> TransferRecord:
        record = self._get(transfer_id)
        if record.state not in states or record.transfer_id in self._running:
            raise _cannot("started again", record)
        record = self._tables.update(
            record.transfer_id,
            state=TransferState.QUEUED,
            message="",
            advice="",
            kind="",
            attempts=0,
            options=_shown(without_stop(record.options)),
        )
        self._begin(record)
        return record

    def cancel(self, transfer_id: str) -> TransferRecord:
        """Cancel a transfer and remove its incomplete uploads; complete files stay.

        A cancelled transfer can be cancelled again if some parts could not be removed.

        Raises:
            RefusedError: there is no such transfer, or it has ended.
        """
        record = self._get(transfer_id)
        control = self._controls.get(record.transfer_id)
        if control is not None:
            return self._stop(record, control, "cancelled")
        if record.transfer_id in self._running:  # its cancellation is running
            return record
        over = record.state is TransferState.CANCELLED and not self._half_sent(record)
        if over or record.state is TransferState.DONE:
            raise _cannot("cancelled", record)
        self._abandon(record)
        return record

    def _stop(
        self, record: TransferRecord, control: TransferProgress, reason: Stop
    ) -> TransferRecord:
        """Store the request, then carry it out, which may take long if the server is silent."""
        before = record.options.get(STOP)
        wish = "cancelled" if before == "cancelled" else reason
        record = self._tables.update(
            record.transfer_id,
            options={**record.options, STOP: wish},
            message=f"It is being {wish}; what is on the line comes to its end first.",
        )
        self._carrier.tell(record, control)
        control.stop(wish)
        return record

    def _half_sent(self, record: TransferRecord) -> bool:
        return any(one.resume for one in self._tables.items(record.transfer_id))

    def _abandon(self, record: TransferRecord) -> None:
        """Cancel a transfer without a running attempt; it stays in `_running` until that ends."""
        name = record.transfer_id
        options = {**record.options, STOP: "cancelled"}  # a restarted engine finishes the cancel
        record = self._tables.update(name, options=options)

        async def abandon() -> None:
            try:
                await self._carrier.abandon(record)
            finally:
                self._running.pop(name, None)

        self._running[name] = self._tasks.start(abandon(), f"cancel transfer {name}")

    def move(self, transfer_id: str, where: Literal["up", "down", "top"]) -> TransferRecord:
        """Move a transfer in the queue; a running one is not interrupted.

        Raises:
            RefusedError: there is no such transfer, or it has ended.
        """
        record = self._get(transfer_id)
        line = [one for one in self._tables.all() if one.state in _STANDING]
        names = [one.transfer_id for one in line]
        if record.transfer_id not in names:
            raise _cannot("moved", record)
        here = names.index(record.transfer_id)
        there = {"up": here - 1, "down": here + 1, "top": 0}[where]
        names.insert(max(0, min(there, len(names) - 1)), names.pop(here))
        places = [one.position for one in line]
        changed = {
            name: place
            for name, place, one in zip(names, places, line, strict=True)
            if name != one.transfer_id
        }
        self._tables.put_in_order(changed)
        self._carrier.line.look()
        for name in changed:
            self._carrier.tell(self._tables.get(name), self._controls.get(name))
        return self._tables.get(record.transfer_id)

    def clear(self, transfer_id: str = "") -> list[str]:
        """Hide ended transfers from the list: one, or all of them.

        Their records stay, because they say where files are published. A transfer that left parts
        behind stays on the list, so that it can be cancelled again.

        Returns:
            The ids of the hidden transfers.

        Raises:
            RefusedError: there is no such transfer, or it has not ended.
        """
        chosen = [self._get(transfer_id)] if transfer_id else self._tables.all()
        ended = [
            one for one in chosen
            if one.state not in _STANDING and one.transfer_id not in self._running
            and not is_hidden(one) and not self._half_sent(one)
        ]  # fmt: skip
        if transfer_id and not ended:
            raise _cannot("taken off the list", chosen[0])
        for one in ended:
            options = {**one.options, HIDDEN: True}
            self._carrier.tell(self._tables.update(one.transfer_id, options=options))
        return [one.transfer_id for one in ended]

    def place_in_line(self) -> dict[str, int]:
        """Number of transfers before each one that has not ended, by id."""
        line = [one for one in self._tables.all() if one.state in _STANDING]
        return {one.transfer_id: number for number, one in enumerate(line)}

    def _get(self, transfer_id: str) -> TransferRecord:
        found = [one for one in self._tables.all() if one.transfer_id.startswith(transfer_id)]
        if transfer_id and len(found) == 1:
            return found[0]
        raise RefusedError(
            f"There is no transfer {transfer_id!r}.",
            "`simpletuner-tui transfers` shows them.",
            status=404,
            code="not_found",
        )

    def _begin(self, record: TransferRecord) -> None:
        name = record.transfer_id
        control = TransferProgress(lambda: self._report(name))
        self._controls[name] = control
        task = self._tasks.start(self._carry(name, control), f"transfer {name}")
        self._running[name] = task
        self._carrier.tell(record)

    async def _carry(self, name: str, control: TransferProgress) -> None:
        try:
            await self._carrier.carry(name, control)
        finally:
            self._controls.pop(name, None)
            self._running.pop(name, None)

    def _report(self, name: str) -> None:
        control = self._controls.get(name)
        if control is not None:
            self._carrier.report(name, control)


def _shown(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != HIDDEN}


def _cannot(what: str, record: TransferRecord) -> RefusedError:
    return RefusedError(
        f"Transfer {record.transfer_id} is {record.state.value} and cannot be {what}.",
        status=409,
        code="state",
    )
