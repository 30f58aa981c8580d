"""Runs transfers: waits for a slot, makes attempts, retries with backoff, reports the state.

The retries are our own and not a library's (tenacity, backoff): their count and time are stored,
so that they survive a restart; a pause or a cancel ends a wait at once; the server's `Retry-After`
is respected; and an attempt that made progress resets the count.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from tui.base.errors import RefusedError
from tui.base.json_types import JsonObject
from tui.base.real_paths import real_path
from tui.destinations.common.contract import Resume
from tui.destinations.common.errors import PublishError, TransferCancelledError, Trouble
from tui.engine.runtime.event_bus import EventBus
from tui.engine.transfers.attempt import Attempt, Prepare, TransferOutcome
from tui.engine.transfers.destinations import Destinations
from tui.engine.transfers.transfer_progress import TransferProgress
from tui.store.transfer_records import TransferOptions, TransferRecord, TransferState
from tui.store.transfers import TransferTables

LOG = logging.getLogger(__name__)
MAX_TRANSFERS: Final = 2
_THREADS: Final = 8
_TRIES: Final = 8
_PATIENT_TRIES: Final = 300
"""Tries of a transfer that was planned before; with the pauses below, more than a day."""
_USUAL_WAIT: Final = 30.0
_SHORT_TRIES: Final = 25
_LONGEST_WAIT: Final = 300.0
_PARTS_LEFT: Final = "Half-sent parts could not be removed"


def without_stop(options: TransferOptions) -> TransferOptions:
    """Options without a requested stop."""
    rest = options.copy()
    rest.pop("stop", None)
    return rest


class TransferWorker:
    """Carries out transfers, one at a time for each target."""

    def __init__(
        self,
        *,
        tables: TransferTables,
        destinations: Destinations,
        bus: EventBus,
        now: Callable[[], datetime],
        prepare: Prepare,
        forget: Callable[[str], None],
    ) -> None:
        """Take the services it works with; see `TransferQueue`."""
        self._tables = tables
        self._destinations = destinations
        self._bus = bus
        self._now = now
        self._prepare = prepare
        self._forget = forget
        self.slots = TransferSlots(MAX_TRANSFERS, lambda name: tables.get(name).position)
        self._pool = ThreadPoolExecutor(_THREADS, "publish")
        self._began = now()

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def run(self, transfer_id: str, progress: TransferProgress) -> None:
        """Run a transfer until it has ended, is stopped, or fails for good."""
        while not progress.reason:
            record = self._tables.get(transfer_id)
            async with self.slots.slot(
                transfer_id, _target_key(record.target), progress.stop_event
            ) as has_slot:
                if not has_slot or progress.reason or await self._attempt(record, progress):
                    break
            retry_at = self._tables.get(transfer_id).retry_at
            seconds = (retry_at - self._now()).total_seconds() if retry_at else 0.0
            try:
                await asyncio.wait_for(progress.stop_event.wait(), max(0.0, seconds))
            except TimeoutError:
                continue
        await self._end_stopped(transfer_id, progress.reason)

    async def _end_stopped(self, transfer_id: str, reason: str) -> None:
        record = self._tables.get(transfer_id)
        if not reason or record.state.is_complete:
            return
        if reason == "cancelled":
            await self.abandon(record)
        elif record.state is TransferState.FAILED:
            return
        elif reason == "paused":
            self.set_paused(transfer_id)
        else:
            self.publish(
                self._tables.update(transfer_id, state=TransferState.QUEUED, retry_at=None)
            )

    def set_paused(self, transfer_id: str) -> None:
        """Set a transfer's state to paused."""
        options = without_stop(self._tables.get(transfer_id).options)
        self.publish(
            self._tables.update(
                transfer_id, state=TransferState.PAUSED, retry_at=None, message="", advice="",
                options=options,
            )
        )  # fmt: skip

    async def _attempt(self, record: TransferRecord, progress: TransferProgress) -> bool:
        """Make one attempt; returns whether the transfer needs no further one."""
        transfer_id = record.transfer_id
        record = self._tables.update(
            transfer_id, state=TransferState.RUNNING, started_at=record.started_at or self._now(),
            retry_at=None,
        )  # fmt: skip
        self.publish(record)
        arrived_before = progress.arrived
        try:
            target = self._destinations.read(record.target)
            target.options.update(record.options.get("place", {}))
            if target.kind == "hub" and record.created_at < self._began:
                await self._destinations.await_hub_token(record.api_base)
            destination = await self._destinations.open(target, record.api_base)
            attempt = Attempt(
                record, destination, progress, self._tables, self._pool, self._prepare
            )
            outcome = await attempt.run()
        except TransferCancelledError:
            return True
        except (PublishError, RefusedError) as error:
            if progress.reason == "cancelled":
                # The cancel came while the request ran: the user must not see a failure first.
                return True
            if progress.arrived > arrived_before:
                # Progress was made, so this failure counts as the first one.
                record = self._tables.update(transfer_id, attempts=0)
            return await self._record_failure(record, error, progress)
        except Exception:
            LOG.exception("transfer %s", transfer_id)
            problem = RefusedError("Something went wrong inside.", "engine.log says more.")
            return await self._record_failure(record, problem, progress)
        await self._record_success(transfer_id, outcome)
        return True

    async def _record_success(self, transfer_id: str, outcome: TransferOutcome) -> None:
        await asyncio.to_thread(self._forget, transfer_id)
        doubt = outcome.unverifiable
        self.publish(
            self._tables.update(
                transfer_id, ended_at=self._now(),
                state=TransferState.UNVERIFIED if doubt else TransferState.DONE,
                message=doubt.message if doubt else "", advice=doubt.advice if doubt else "",
                kind=doubt.kind.value if doubt else "", place=outcome.place, link=outcome.link,
                notes=outcome.notes,
                done_bytes=outcome.total, total_bytes=outcome.total,
            )
        )  # fmt: skip

    async def _record_failure(
        self,
        record: TransferRecord,
        error: PublishError | RefusedError,
        progress: TransferProgress,
    ) -> bool:
        tries = record.attempts + 1
        max_tries = _PATIENT_TRIES if record.total_bytes else _TRIES
        retry = isinstance(error, PublishError) and error.retryable and tries < max_tries
        values: JsonObject = {
            "message": error.message, "advice": error.advice, "attempts": tries,
            "kind": error.kind.value if isinstance(error, PublishError) else error.code,
            "state": TransferState.QUEUED if retry else TransferState.FAILED,
        }  # fmt: skip
        if isinstance(error, PublishError) and retry:
            seconds = min(max(error.retry_after or 0, _pause(tries)), _LONGEST_WAIT)
            values["retry_at"] = self._now() + timedelta(seconds=seconds)
        else:
            values["ended_at"] = self._now()
            if values["kind"] == Trouble.CHANGED.value:  # parts of a changed file are of no use
                values["notes"] = [*record.notes, *await self._remove_parts(record)]
            await asyncio.to_thread(self._forget, record.transfer_id)
        if progress.reason == "cancelled":  # meanwhile
            return True
        self.publish(self._tables.update(record.transfer_id, **values))
        return not retry

    async def abandon(self, record: TransferRecord) -> None:
        """Cancel a transfer and remove its incomplete uploads; notes say what remains."""
        kept_notes = [note for note in record.notes if not note.startswith(_PARTS_LEFT)]
        notes = [*kept_notes, *await self._remove_parts(record)]
        await asyncio.to_thread(self._forget, record.transfer_id)
        self.publish(
            self._tables.update(
                record.transfer_id, state=TransferState.CANCELLED, ended_at=self._now(),
                notes=notes, retry_at=None, message="", options=without_stop(record.options),
            )
        )  # fmt: skip

    async def _remove_parts(self, record: TransferRecord) -> list[str]:
        """Remove incomplete uploads; returns a note if some could not be removed."""
        incomplete = [
            item_record
            for item_record in self._tables.items(record.transfer_id)
            if item_record.resume and item_record.plan
        ]
        if not incomplete:
            return []
        try:
            target = self._destinations.read(record.target)
            destination = await self._destinations.open(target, record.api_base)
            try:
                for item_record in incomplete:
                    item = Attempt.item_of(item_record)
                    await asyncio.to_thread(
                        destination.abandon, item, Resume(dict(item_record.resume))
                    )
                    self._tables.update_item(record.transfer_id, item_record.seq, resume={})
            finally:
                await asyncio.to_thread(destination.close)
        except (PublishError, RefusedError) as error:
            return [f"{_PARTS_LEFT}: {error.message} Cancel it again to try once more."]
        return []

    def report(self, transfer_id: str, progress: TransferProgress) -> None:
        """Store and publish a transfer's progress."""
        self.publish(self._tables.update(transfer_id, done_bytes=progress.done), progress)

    def publish(self, record: TransferRecord, progress: TransferProgress | None = None) -> None:
        """Publish a transfer's state."""
        speed = progress.speed() if progress is not None else 0.0
        remaining = record.total_bytes - record.done_bytes
        self._bus.publish(
            "transfer",
            transfer_id=record.transfer_id, job_id=record.job_id, state=record.state.value,
            done=record.done_bytes, total=record.total_bytes, bytes_per_second=int(speed),
            eta_seconds=int(remaining / speed) if speed > 0 else None, message=record.message,
            retry_at=record.retry_at.isoformat() if record.retry_at else None,
            position=record.position, files=progress.take_changed() if progress is not None else {},
        )  # fmt: skip


def _target_key(target: str) -> str:
    """A key that is equal for all spellings of a target, so one folder gets one transfer."""
    kind, _, rest = target.partition(":")
    with contextlib.suppress(OSError):  # the transfer says what is wrong with it
        return f"dir:{real_path(Path(rest))}" if kind == "dir" else target
    return target


def _pause(tries: int) -> float:
    """Seconds after so many failures in a row: doubling to 30 s; 300 s from the 25th on."""
    return min(2.0 ** (min(tries, 10) - 1), _USUAL_WAIT if tries < _SHORT_TRIES else _LONGEST_WAIT)


class TransferSlots:
    """Slots for running transfers, and the queue of those that wait for one."""

    def __init__(self, at_once: int, position: Callable[[str], int]) -> None:
        """Take the number of slots, and the position of a transfer (the lowest runs first)."""
        self._at_once = at_once
        self._position = position
        self._waiting: dict[str, tuple[str, asyncio.Event]] = {}
        self._running: dict[str, str] = {}

    @asynccontextmanager
    async def slot(
        self, transfer_id: str, target_key: str, stop: asyncio.Event
    ) -> AsyncIterator[bool]:
        """Wait for a slot and hold it.

        A transfer whose target is in use is skipped, so that transfers to other targets can run.

        Args:
            transfer_id: the transfer.
            target_key: key of its target; one transfer runs for each.
            stop: ends the waiting.

        Yields:
            Whether it has a slot; False if `stop` was set before.
        """
        granted = asyncio.Event()
        self._waiting[transfer_id] = (target_key, granted)
        self.assign()
        try:
            await _wait_first(granted, stop)
            yield granted.is_set()
        finally:
            self._waiting.pop(transfer_id, None)
            self._running.pop(transfer_id, None)
            self.assign()

    def assign(self) -> None:
        """Assign free slots; must be called when the order has changed."""
        for transfer_id in sorted(self._waiting, key=self._position):
            if len(self._running) >= self._at_once:
                return
            target_key, granted = self._waiting[transfer_id]
            if target_key not in self._running.values():
                self._running[transfer_id] = target_key
                del self._waiting[transfer_id]
                granted.set()


async def _wait_first(*events: asyncio.Event) -> None:
    if any(event.is_set() for event in events):
        return
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
