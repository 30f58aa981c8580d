"""Carrying one transfer from its turn to its end: tries, waits, and what is said about them."""

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
"""For a transfer that has got through before: with the pauses below, more than a day."""
_USUAL_WAIT: Final = 30.0
_SHORT_TRIES: Final = 25
_LONGEST_WAIT: Final = 300.0
STOP: Final = "stop"
"""The option of a transfer that says what it shall become, from the wish until it is so."""
_STAYS: Final = "Half-sent parts could not be removed"


def without_stop(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a transfer that shall not stop, or has."""
    return {name: value for name, value in options.items() if name != STOP}


class TransferWorker:
    """Does what the queue asks for, one transfer at a time for each place."""

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
        """Args: the services it works with, how files of our own are made, and removed again."""
        self._tables = tables
        self._places = places
        self._bus = bus
        self._now = now
        self._prepare = prepare
        self._forget = forget
        self.line = TransferSlots(AT_ONCE, lambda name: tables.get(name).position)
        self._pool = ThreadPoolExecutor(_THREADS, "publish")

    def close(self) -> None:
        """No more threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def carry(self, name: str, control: TransferProgress) -> None:
        """One transfer until it has come to an end, is stopped, or cannot go on."""
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
        """It stands still until somebody lets it go on."""
        options = without_stop(self._tables.get(name).options)
        self.tell(
            self._tables.update(
                name, state=TransferState.PAUSED, retry_at=None, message="", advice="",
                options=options,
            )
        )  # fmt: skip

    async def _try(self, record: TransferRecord, control: TransferProgress) -> bool:
        """One try; False when another one is due."""
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
                # Cancelled while the answer was under way: a window must not see it fail first.
                return True
            if control.kept > before:  # the way is open: what failed now is a trouble of its own
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
            if values["kind"] == Trouble.CHANGED.value:  # parts of what is no more help nobody
                values["notes"] = [*record.notes, *await self._remove_parts(record)]
            await asyncio.to_thread(self._forget, record.transfer_id)
        self.tell(self._tables.update(record.transfer_id, **values))
        return not again

    async def abandon(self, record: TransferRecord) -> None:
        """Cancel: remove half-sent files; what could not be removed is said."""
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
        """Remove what is half sent; what stands in the way."""
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
        """Tell how far a transfer is."""
        self.tell(self._tables.update(name, done_bytes=control.done), control)

    def tell(self, record: TransferRecord, control: TransferProgress | None = None) -> None:
        """An event for the windows."""
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
    """The same for all spellings of a place, so that two transfers are not in one folder."""
    kind, _, rest = target.partition(":")
    return f"dir:{os.path.realpath(rest)}" if kind == "dir" else target


def _pause(tries: int) -> float:
    """Seconds after so many failures in a row: a line that comes back is soon noticed."""
    return min(2.0 ** (min(tries, 10) - 1), _USUAL_WAIT if tries < _SHORT_TRIES else _LONGEST_WAIT)


class TransferSlots:
    """A line of transfers that wait for their turn."""

    def __init__(self, at_once: int, position: Callable[[str], int]) -> None:
        """Args: how many may go at once, and where a transfer stands (the lowest goes first)."""
        self._at_once = at_once
        self._position = position
        self._waiting: dict[str, tuple[str, asyncio.Event]] = {}
        self._going: dict[str, str] = {}

    @asynccontextmanager
    async def turn(self, name: str, place: str, stop: asyncio.Event) -> AsyncIterator[bool]:
        """Wait for one's turn, then hold it; False when `stop` was set before it came.

        While two go to different places, a third one to one of them lets others pass.
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
        """Let go whoever may; to be called when the order has changed."""
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
