"""The queue of transfers: add, pause, resume, cancel, reorder, and resume after a restart."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Literal

from tui.base.errors import RefusedError
from tui.destinations.common.contract import LocalFile
from tui.engine.runtime.event_bus import EventBus
from tui.engine.runtime.tasks import TaskOwner
from tui.engine.transfers.attempt import Prepare
from tui.engine.transfers.destinations import Destinations
from tui.engine.transfers.transfer_progress import Stop, TransferProgress
from tui.engine.transfers.worker import TransferWorker, without_stop
from tui.store.transfer_records import (
    TransferItem,
    TransferOptions,
    TransferRecord,
    TransferState,
    is_hidden,
)
from tui.store.transfers import TransferTables

_CLOSE_TIMEOUT: Final = 20.0
_UNFINISHED: Final = (TransferState.QUEUED, TransferState.RUNNING, TransferState.PAUSED)


def _ignore(_transfer_id: str) -> None:
    """The default callback."""


class TransferQueue:
    """Owns the tasks of all transfers."""

    def __init__(
        self,
        *,
        tables: TransferTables,
        destinations: Destinations,
        bus: EventBus,
        tasks: TaskOwner,
        now: Callable[[], datetime],
        prepare: Prepare,
        forget: Callable[[str], None] = _ignore,
    ) -> None:
        """Take the services it works with.

        Args:
            tables: where transfers are stored.
            destinations: opens targets.
            bus: publishes changes.
            tasks: owns the tasks.
            now: the clock.
            prepare: generates the companions of a transfer.
            forget: deletes the companions of a transfer, by its id.
        """
        self._tables = tables
        self._tasks = tasks
        self._now = now
        self._progress: dict[str, TransferProgress] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._worker = TransferWorker(
            tables=tables,
            destinations=destinations,
            bus=bus,
            now=now,
            prepare=prepare,
            forget=forget,
        )

    def start(self) -> None:
        """Resume the transfers that were active when the engine ended."""
        for record in self._tables.all():
            ended = record.state.is_complete or record.state is TransferState.CANCELLED
            stop = "" if ended else record.options.get("stop")
            if stop == "cancelled":
                self._abandon(record)
            elif stop == "paused" and record.state.is_active:
                self._worker.set_paused(record.transfer_id)
            elif record.state.is_active:
                self._begin(self._tables.update(record.transfer_id, state=TransferState.QUEUED))

    async def aclose(self) -> None:
        """Stop all transfers; the next start resumes them."""
        for progress in self._progress.values():
            progress.stop("closing")
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=_CLOSE_TIMEOUT)
        self._worker.close()

    # -- requests -----------------------------------------------------------------------------

    def add(
        self,
        *,
        job_id: str,
        api_base: str,
        target: str,
        files: Sequence[LocalFile],
        options: TransferOptions,
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
        progress = self._progress.get(record.transfer_id)
        if progress is None:
            raise _state_error("paused", record)
        return self._stop(record, progress, "paused")

    def resume(self, transfer_id: str) -> TransferRecord:
        """Continue a paused transfer.

        Raises:
            RefusedError: there is no such transfer, or it is not paused.
        """
        return self._restart(transfer_id, TransferState.PAUSED)

    def retry(self, transfer_id: str) -> TransferRecord:
        """Start a failed, cancelled or unverified transfer again; what arrived is not sent again.

        Raises:
            RefusedError: there is no such transfer, or it is in another state.
        """
        return self._restart(
            transfer_id, TransferState.FAILED, TransferState.CANCELLED, TransferState.UNVERIFIED
        )

    def _restart(self, transfer_id: str, *states: TransferState) -> TransferRecord:
        record = self._get(transfer_id)
        if record.state not in states or record.transfer_id in self._running:
            raise _state_error("started again", record)
        record = self._tables.update(
            record.transfer_id,
            state=TransferState.QUEUED,
            message="",
            advice="",
            kind="",
            attempts=0,
            options=_without_hidden(without_stop(record.options)),
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
        progress = self._progress.get(record.transfer_id)
        if progress is not None:
            return self._stop(record, progress, "cancelled")
        if record.transfer_id in self._running:  # its cancellation is running
            return record
        ended = record.state is TransferState.CANCELLED and not self._half_sent(record)
        if ended or record.state.is_complete:
            raise _state_error("cancelled", record)
        self._abandon(record)
        return record

    def _stop(
        self, record: TransferRecord, progress: TransferProgress, reason: Stop
    ) -> TransferRecord:
        """Store the request, then carry it out, which may take long if the server is silent."""
        requested = record.options.get("stop")
        stop = "cancelled" if requested == "cancelled" else reason
        record = self._tables.update(
            record.transfer_id,
            options={**record.options, "stop": stop},
            message=f"It is being {stop}; what is on the line comes to its end first.",
        )
        self._worker.publish(record, progress)
        progress.stop(stop)
        return record

    def _half_sent(self, record: TransferRecord) -> bool:
        return any(item.resume for item in self._tables.items(record.transfer_id))

    def _abandon(self, record: TransferRecord) -> None:
        """Cancel a transfer without a running attempt; it stays in `_running` until that ends."""
        transfer_id = record.transfer_id
        # A restarted engine finishes the cancel.
        options: TransferOptions = {**record.options, "stop": "cancelled"}
        record = self._tables.update(transfer_id, options=options)

        async def abandon() -> None:
            try:
                await self._worker.abandon(record)
            finally:
                self._running.pop(transfer_id, None)

        self._running[transfer_id] = self._tasks.start(abandon(), f"cancel transfer {transfer_id}")

    def move(self, transfer_id: str, where: Literal["up", "down", "top"]) -> TransferRecord:
        """Move a transfer in the queue; a running one is not interrupted.

        Raises:
            RefusedError: there is no such transfer, or it has ended.
        """
        record = self._get(transfer_id)
        unfinished = [transfer for transfer in self._tables.all() if transfer.state in _UNFINISHED]
        names = [transfer.transfer_id for transfer in unfinished]
        if record.transfer_id not in names:
            raise _state_error("moved", record)
        old_index = names.index(record.transfer_id)
        new_index = {"up": old_index - 1, "down": old_index + 1, "top": 0}[where]
        names.insert(max(0, min(new_index, len(names) - 1)), names.pop(old_index))
        destinations = [transfer.position for transfer in unfinished]
        changed = {
            name: position
            for name, position, transfer in zip(names, destinations, unfinished, strict=True)
            if name != transfer.transfer_id
        }
        self._tables.put_in_order(changed)
        self._worker.slots.assign()
        for name in changed:
            self._worker.publish(self._tables.get(name), self._progress.get(name))
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
            transfer for transfer in chosen
            if transfer.state not in _UNFINISHED and transfer.transfer_id not in self._running
            and not is_hidden(transfer) and not self._half_sent(transfer)
        ]  # fmt: skip
        if transfer_id and not ended:
            raise _state_error("taken off the list", chosen[0])
        for transfer in ended:
            options: TransferOptions = {**transfer.options, "hidden": True}
            self._worker.publish(self._tables.update(transfer.transfer_id, options=options))
        return [transfer.transfer_id for transfer in ended]

    def place_in_line(self) -> dict[str, int]:
        """Number of transfers before each one that has not ended, by id."""
        unfinished = [transfer for transfer in self._tables.all() if transfer.state in _UNFINISHED]
        return {transfer.transfer_id: number for number, transfer in enumerate(unfinished)}

    def _get(self, transfer_id: str) -> TransferRecord:
        matches = [
            transfer
            for transfer in self._tables.all()
            if transfer.transfer_id.startswith(transfer_id)
        ]
        if transfer_id and len(matches) == 1:
            return matches[0]
        raise RefusedError(
            f"There is no transfer {transfer_id!r}.",
            "`simpletuner-tui transfers` shows them.",
            status=404,
            code="not_found",
        )

    def _begin(self, record: TransferRecord) -> None:
        transfer_id = record.transfer_id
        progress = TransferProgress(lambda: self._report(transfer_id))
        self._progress[transfer_id] = progress
        task = self._tasks.start(self._run(transfer_id, progress), f"transfer {transfer_id}")
        self._running[transfer_id] = task
        self._worker.publish(record)

    async def _run(self, transfer_id: str, progress: TransferProgress) -> None:
        try:
            await self._worker.run(transfer_id, progress)
        finally:
            self._progress.pop(transfer_id, None)
            self._running.pop(transfer_id, None)

    def _report(self, transfer_id: str) -> None:
        progress = self._progress.get(transfer_id)
        if progress is not None:
            self._worker.report(transfer_id, progress)


def _without_hidden(options: TransferOptions) -> TransferOptions:
    shown = options.copy()
    shown.pop("hidden", None)
    return shown


def _state_error(action: str, record: TransferRecord) -> RefusedError:
    return RefusedError(
        f"Transfer {record.transfer_id} is {record.state.value} and cannot be {action}.",
        status=409,
        code="state",
    )
