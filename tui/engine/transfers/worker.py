"""Runs transfers: waits for a slot, makes attempts, retries with backoff, reports the state.

The retries are our own and not a library's (tenacity, backoff): their count and time are stored,
so that they survive a restart; a pause or a cancel ends a wait at once; the server's `Retry-After`
is respected; and an attempt that made progress resets the count.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final

from tui.base.errors import RefusedError
from tui.destinations.common.contract import Resume
from tui.destinations.common.errors import PublishError, TransferCancelledError, Trouble
from tui.engine.runtime.event_bus import EventBus
from tui.engine.transfers.attempt import Attempt, Changed, Prepare
from tui.engine.transfers.destinations import Destinations
from tui.engine.transfers.transfer_progress import TransferProgress
from tui.store.transfer_records import TransferRecord, TransferState
from tui.store.transfers import TransferTables

LOG = logging.getLogger(__name__)
AT_ONCE: Final = 2
_THREADS: Final = 8
_TRIES: Final = 8
_PATIENT_TRIES: Final = 300
"""Tries of a transfer that was planned before; with the pauses below, more than a day."""
_USUAL_WAIT: Final = 30.0
_SHORT_TRIES: Final = 25
_LONGEST_WAIT: Final = 300.0
STOP: Final = "stop"
"""Name of the option that stores a requested stop (`paused`, `cancelled`) until it is done."""
_STAYS: Final = "Half-sent parts could not be removed"


def without_stop(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options without a requested stop."""
    return {name: value for name, value in options.items() if name != STOP}


class TransferWorker:
    """Carries out transfers, one at a time for each target."""

    def __init__(
        self,
        *,
        tables: TransferTables,
        places: Destinations,
        bus: EventBus,
        now: Callable[[], datetime],
        prepare: Prepare,
        forget: Callable[[str], None],
    ) -> None:
        """Take the services it works with; see `TransferQueue`."""
        self._tables = tables
        self._places = places
        self._bus = bus
        self._now = now
        self._prepare = prepare
        self._forget = forget
        self.line = TransferSlots(AT_ONCE, lambda name: tables.get(name).position)
        self._pool = ThreadPoolExecutor(_THREADS, "publish")

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def carry(self, name: str, control: TransferProgress) -> None:
        """Run a transfer until it has ended, is stopped, or fails for good."""
        while not control.reason:
            record = self._tables.get(name)
            async with self.line.turn(name, _spot(record.target), control.woken) as mine:
                if not mine or control.reason or await self._try(record, control):
                    break
            wait = self._tables.get(name).retry_at
            seconds = (wait - self._now()).total_seconds() if wait else 0.0
            try:
                await asyncio.wait_for(control.woken.wait(), max(0.0, seconds))
            except TimeoutError:
                continue
        await self._stopped(name, control.reason)

    async def _stopped(self, name: str, reason: str) -> None:
        record = self._tables.get(name)
        if not reason or record.state is TransferState.DONE:
            return
        if reason == "cancelled":
            await self.abandon(record)
        elif record.state is TransferState.FAILED:
            return
        elif reason == "paused":
            self.paused(name)
        else:
            self.tell(self._tables.update(name, state=TransferState.QUEUED, retry_at=None))

    def paused(self, name: str) -> None:
        """Set a transfer's state to paused."""
        options = without_stop(self._tables.get(name).options)
        self.tell(
            self._tables.update(
                name, state=TransferState.PAUSED, retry_at=None, message="", advice="",
                options=options,
            )
        )  # fmt: skip

    async def _try(self, record: TransferRecord, control: TransferProgress) -> bool:
        """Make one attempt; returns whether the transfer needs no further one."""
        name = record.transfer_id
        record = self._tables.update(
            name, state=TransferState.RUNNING, started_at=record.started_at or self._now(),
            retry_at=None,
        )  # fmt: skip
        self.tell(record)
        before = control.kept
        try:
            place = self._places.read(record.target)
            place.options.update(record.options.get("place", {}))
            destination = await self._places.open(place, record.api_base)
            run = Attempt(record, destination, control, self._tables, self._pool, self._prepare)
            changed = await run.go()
        except TransferCancelledError:
            return True
        except (PublishError, RefusedError) as error:
            if control.reason == "cancelled":
                # The cancel came while the request ran: the user must not see a failure first.
                return True
            if control.kept > before:  # progress was made, so this failure counts as the first
                record = self._tables.update(name, attempts=0)
            return await self._failed(record, error)
        except Exception:
            LOG.exception("transfer %s", name)
            problem = RefusedError("Something went wrong inside.", "engine.log says more.")
            return await self._failed(record, problem)
        await self._finished(name, changed)
        return True

    async def _finished(self, name: str, changed: Changed) -> None:
        await asyncio.to_thread(self._forget, name)
        self.tell(
            self._tables.update(
                name, state=TransferState.DONE, ended_at=self._now(), message="", advice="",
                kind="", place=changed.place, link=changed.link, notes=changed.notes,
                done_bytes=changed.total, total_bytes=changed.total,
            )
        )  # fmt: skip

    async def _failed(self, record: TransferRecord, error: PublishError | RefusedError) -> bool:
        tries = record.attempts + 1
        most = _PATIENT_TRIES if record.total_bytes else _TRIES
        again = isinstance(error, PublishError) and error.retryable and tries < most
        values: dict[str, Any] = {
            "message": error.message, "advice": error.advice, "attempts": tries,
            "kind": error.kind.value if isinstance(error, PublishError) else error.code,
            "state": TransferState.QUEUED if again else TransferState.FAILED,
        }  # fmt: skip
        if isinstance(error, PublishError) and again:
            seconds = min(max(error.retry_after or 0, _pause(tries)), _LONGEST_WAIT)
            values["retry_at"] = self._now() + timedelta(seconds=seconds)
        else:
            values["ended_at"] = self._now()
            if values["kind"] == Trouble.CHANGED.value:  # parts of a changed file are of no use
                values["notes"] = [*record.notes, *await self._remove_parts(record)]
            await asyncio.to_thread(self._forget, record.transfer_id)
        self.tell(self._tables.update(record.transfer_id, **values))
        return not again

    async def abandon(self, record: TransferRecord) -> None:
        """Cancel a transfer and remove its incomplete uploads; notes say what remains."""
        before = [one for one in record.notes if not one.startswith(_STAYS)]
        notes = [*before, *await self._remove_parts(record)]
        await asyncio.to_thread(self._forget, record.transfer_id)
        self.tell(
            self._tables.update(
                record.transfer_id, state=TransferState.CANCELLED, ended_at=self._now(),
                notes=notes, retry_at=None, message="", options=without_stop(record.options),
            )
        )  # fmt: skip

    async def _remove_parts(self, record: TransferRecord) -> list[str]:
        """Remove incomplete uploads; returns a note if some could not be removed."""
        half = [one for one in self._tables.items(record.transfer_id) if one.resume and one.plan]
        if not half:
            return []
        try:
            place = self._places.read(record.target)
            destination = await self._places.open(place, record.api_base)
            try:
                for one in half:
                    item = Attempt.item_of(one)
                    await asyncio.to_thread(destination.abandon, item, Resume(dict(one.resume)))
                    self._tables.update_item(record.transfer_id, one.seq, resume={})
            finally:
                await asyncio.to_thread(destination.close)
        except (PublishError, RefusedError) as error:
            return [f"{_STAYS}: {error.message} Cancel it again to try once more."]
        return []

    def report(self, name: str, control: TransferProgress) -> None:
        """Store and publish a transfer's progress."""
        self.tell(self._tables.update(name, done_bytes=control.done), control)

    def tell(self, record: TransferRecord, control: TransferProgress | None = None) -> None:
        """Publish a transfer's state."""
        speed = control.speed() if control is not None else 0.0
        left = record.total_bytes - record.done_bytes
        self._bus.publish(
            "transfer",
            transfer_id=record.transfer_id, job_id=record.job_id, state=record.state.value,
            done=record.done_bytes, total=record.total_bytes, bytes_per_second=int(speed),
            eta_seconds=int(left / speed) if speed > 0 else None, message=record.message,
            position=record.position, files=control.take_moved() if control is not None else {},
        )  # fmt: skip


def _spot(target: str) -> str:
    """A key that is equal for all spellings of a target, so one folder gets one transfer."""
    kind, _, rest = target.partition(":")
    return f"dir:{os.path.realpath(rest)}" if kind == "dir" else target


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
        self._going: dict[str, str] = {}

    @asynccontextmanager
    async def turn(self, name: str, place: str, stop: asyncio.Event) -> AsyncIterator[bool]:
        """Wait for a slot and hold it.

        A transfer whose target is in use is skipped, so that transfers to other targets can run.

        Args:
            name: the transfer.
            place: key of its target; one transfer runs for each.
            stop: ends the waiting.

        Yields:
            Whether it has a slot; False if `stop` was set before.
        """
        mine = asyncio.Event()
        self._waiting[name] = (place, mine)
        self.look()
        try:
            await _first_of(mine, stop)
            yield mine.is_set()
        finally:
            self._waiting.pop(name, None)
            self._going.pop(name, None)
            self.look()

    def look(self) -> None:
        """Assign free slots; must be called when the order has changed."""
        for name in sorted(self._waiting, key=self._position):
            if len(self._going) >= self._at_once:
                return
            place, bell = self._waiting[name]
            if place not in self._going.values():
                self._going[name] = place
                del self._waiting[name]
                bell.set()


async def _first_of(*events: asyncio.Event) -> None:
    if any(event.is_set() for event in events):
        return
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
