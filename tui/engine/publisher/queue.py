"""The queue of transfers: what waits, what runs, what is taken up after a crash."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, Final

from tui.engine.errors import RefusedError
from tui.engine.hub import Hub
from tui.engine.publisher.control import Control
from tui.engine.publisher.places import Places
from tui.engine.publisher.run import Changed, Run
from tui.engine.tasks import TaskOwner
from tui.publishing.contract import LocalFile, Resume
from tui.publishing.errors import PublishError, TransferCancelledError
from tui.store.transfer_records import TransferItem, TransferRecord, TransferState
from tui.store.transfers import TransferTables

LOG = logging.getLogger(__name__)
AT_ONCE: Final = 2
_THREADS: Final = 8
_TRIES: Final = 8
_LONGEST_WAIT: Final = 300.0
_CLOSE_LIMIT: Final = 20.0


class TransferQueue:
    """Owns every transfer."""

    def __init__(
        self,
        *,
        tables: TransferTables,
        places: Places,
        hub: Hub,
        tasks: TaskOwner,
        now: Callable[[], datetime],
        prepare: Callable[[TransferRecord, Any], Any],
    ) -> None:
        """Args: `prepare(record, destination)` makes files of our own, such as a model card."""
        self._tables = tables
        self._places = places
        self._hub = hub
        self._tasks = tasks
        self._now = now
        self._prepare = prepare
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._locks: dict[str, asyncio.Lock] = {}
        self._controls: dict[str, Control] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._pool = ThreadPoolExecutor(_THREADS, "publish")

    def start(self) -> None:
        """Take up what was under way when the engine ended."""
        for record in self._tables.all():
            if record.state.is_active:
                self._begin(self._tables.update(record.transfer_id, state=TransferState.QUEUED))

    async def aclose(self) -> None:
        """Stop everything; it is taken up at the next start."""
        for control in self._controls.values():
            control.stop("closing")
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=_CLOSE_LIMIT)
        self._pool.shutdown(wait=False, cancel_futures=True)

    # -- what can be asked --------------------------------------------------------------------

    def add(
        self,
        *,
        job_id: str,
        api_base: str,
        target: str,
        files: Sequence[LocalFile],
        options: dict[str, Any],
    ) -> TransferRecord:
        """Queue files for a place; what is on its way there already is not queued twice."""
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
        """Stop for now; what was sent is kept."""
        record = self._get(transfer_id)
        control = self._controls.get(record.transfer_id)
        if control is None:
            raise _cannot("paused", record)
        control.stop("paused")
        return record

    def resume(self, transfer_id: str) -> TransferRecord:
        """Go on with a paused transfer."""
        return self._again(transfer_id, TransferState.PAUSED)

    def retry(self, transfer_id: str) -> TransferRecord:
        """Try a failed or cancelled one again; what has arrived is not sent again."""
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
        )
        self._begin(record)
        return record

    def cancel(self, transfer_id: str) -> TransferRecord:
        """Stop for good and remove what is half sent; whole files at the far end stay."""
        record = self._get(transfer_id)
        if record.state in (TransferState.DONE, TransferState.CANCELLED):
            raise _cannot("cancelled", record)
        control = self._controls.get(record.transfer_id)
        if control is not None:
            control.stop("cancelled")
        else:
            self._tasks.start(self._abandon(record), f"cancel transfer {record.transfer_id}")
        return record

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

    # -- the work -----------------------------------------------------------------------------

    def _begin(self, record: TransferRecord) -> None:
        name = record.transfer_id
        self._controls[name] = Control(lambda: self._report(name))
        task = self._tasks.start(self._carry(name), f"transfer {name}")
        self._running[name] = task
        self._tell(record)

    async def _carry(self, name: str) -> None:
        """One transfer from its turn to its end, tries and waits included."""
        control = self._controls[name]
        try:
            while not control.reason:
                record = self._tables.get(name)
                lock = self._locks.setdefault(record.target, asyncio.Lock())
                async with self._slots, lock:
                    if control.reason or await self._try(record, control):
                        break
                wait = self._tables.get(name).retry_at
                seconds = (wait - self._now()).total_seconds() if wait else 0.0
                try:
                    await asyncio.wait_for(control.woken.wait(), max(0.0, seconds))
                except TimeoutError:
                    continue
        finally:
            self._controls.pop(name, None)
            self._running.pop(name, None)
        await self._stopped(name, control.reason)

    async def _stopped(self, name: str, reason: str) -> None:
        record = self._tables.get(name)
        if not reason or record.state in (TransferState.DONE, TransferState.FAILED):
            return
        if reason == "cancelled":
            await self._abandon(record)
        else:
            state = TransferState.PAUSED if reason == "paused" else TransferState.QUEUED
            self._tell(self._tables.update(name, state=state, retry_at=None))

    async def _try(self, record: TransferRecord, control: Control) -> bool:
        """One try; False when another one is due."""
        name = record.transfer_id
        record = self._tables.update(
            name, state=TransferState.RUNNING, started_at=record.started_at or self._now(),
            retry_at=None,
        )  # fmt: skip
        self._tell(record)
        try:
            place = self._places.read(record.target)
            place.options.update(record.options.get("place", {}))
            destination = await self._places.open(place, record.api_base)
            run = Run(record, destination, control, self._tables, self._pool, self._prepare)
            changed = await run.go()
        except TransferCancelledError:
            return True
        except (PublishError, RefusedError) as error:
            return self._failed(record, error)
        except Exception:
            LOG.exception("transfer %s", name)
            problem = RefusedError("Something went wrong inside.", "engine.log says more.")
            return self._failed(record, problem)
        self._finished(name, changed)
        return True

    def _finished(self, name: str, changed: Changed) -> None:
        self._tell(
            self._tables.update(
                name, state=TransferState.DONE, ended_at=self._now(), message="", advice="",
                kind="", place=changed.place, link=changed.link, notes=changed.notes,
                done_bytes=changed.total, total_bytes=changed.total,
            )
        )  # fmt: skip

    def _failed(self, record: TransferRecord, error: PublishError | RefusedError) -> bool:
        tries = record.attempts + 1
        again = isinstance(error, PublishError) and error.retryable and tries < _TRIES
        values: dict[str, Any] = {
            "message": error.message, "advice": error.advice, "attempts": tries,
            "kind": error.kind.value if isinstance(error, PublishError) else error.code,
            "state": TransferState.QUEUED if again else TransferState.FAILED,
        }  # fmt: skip
        if isinstance(error, PublishError) and again:
            seconds = error.retry_after or 2.0 ** (tries - 1)
            values["retry_at"] = self._now() + timedelta(seconds=min(seconds, _LONGEST_WAIT))
        else:
            values["ended_at"] = self._now()
        self._tell(self._tables.update(record.transfer_id, **values))
        return not again

    async def _abandon(self, record: TransferRecord) -> None:
        """Remove half-sent files; what could not be removed is said."""
        notes = list(record.notes)
        half = [one for one in self._tables.items(record.transfer_id) if one.resume and one.plan]
        try:
            if half:
                place = self._places.read(record.target)
                destination = await self._places.open(place, record.api_base)
                for one in half:
                    item = Run.item_of(one)
                    await asyncio.to_thread(destination.abandon, item, Resume(dict(one.resume)))
                    self._tables.update_item(record.transfer_id, one.seq, resume={})
                await asyncio.to_thread(destination.close)
        except (PublishError, RefusedError) as error:
            notes.append(f"Half-sent parts could not be removed: {error.message}")
        self._tell(
            self._tables.update(
                record.transfer_id, state=TransferState.CANCELLED, ended_at=self._now(),
                notes=notes, retry_at=None,
            )
        )  # fmt: skip

    # -- telling ------------------------------------------------------------------------------

    def _report(self, name: str) -> None:
        control = self._controls.get(name)
        if control is not None:
            self._tell(self._tables.update(name, done_bytes=control.done), control)

    def _tell(self, record: TransferRecord, control: Control | None = None) -> None:
        speed = control.speed() if control is not None else 0.0
        left = record.total_bytes - record.done_bytes
        self._hub.publish(
            "transfer",
            transfer_id=record.transfer_id, job_id=record.job_id, state=record.state.value,
            done=record.done_bytes, total=record.total_bytes, bytes_per_second=int(speed),
            eta_seconds=int(left / speed) if speed > 0 else None, message=record.message,
        )  # fmt: skip


def _cannot(what: str, record: TransferRecord) -> RefusedError:
    return RefusedError(
        f"Transfer {record.transfer_id} is {record.state.value} and cannot be {what}.",
        status=409,
        code="state",
    )
