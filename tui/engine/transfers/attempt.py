"""One attempt of a transfer: plan, send, commit, verify; and the guard against overwriting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from tui.destinations.common.contract import Came, Destination, Item, LocalFile, Resume
from tui.destinations.common.errors import (
    MismatchError,
    PublishError,
    TransferCancelledError,
    Trouble,
    UnverifiableError,
)
from tui.engine.transfers.transfer_progress import TransferProgress
from tui.store.transfer_records import TransferItem, TransferRecord
from tui.store.transfers import TransferTables

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Companions:
    """Generated files that are published with a transfer's own files.

    Attributes:
        files: the generated files, such as a model card.
        notes: messages for the user about them.
        leave: names that must not be written at the destination.
    """

    files: list[LocalFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    leave: frozenset[str] = frozenset()


Prepare = Callable[[TransferRecord, Destination], Companions]
"""Generates the companions of a transfer. Blocking."""
_MAX_FILES: Final = 3
_SAVE_TIMEOUT: Final = 30.0
"""Seconds that a sending thread waits for the event loop to store its resume data."""


@dataclass(frozen=True, slots=True)
class TransferOutcome:
    """The outcome of a finished transfer.

    Attributes:
        place: name of the place for the user.
        link: web address of the main file; "" if there is none.
        notes: messages for the user.
        total: bytes of all files.
        unverifiable: why files that were sent could not be verified; None when all were.
    """

    place: str
    link: str
    notes: list[str]
    total: int
    unverifiable: UnverifiableError | None = None


@dataclass(slots=True)
class Attempt:
    """One attempt of a transfer.

    Attributes:
        record: the transfer.
        destination: where the files go; closed at the end.
        progress: stops the attempt and counts its bytes.
        tables: where plans and resume data are stored.
        pool: threads for the blocking calls.
        prepare: generates the companions.
    """

    record: TransferRecord
    destination: Destination
    progress: TransferProgress
    tables: TransferTables
    pool: ThreadPoolExecutor
    prepare: Prepare
    _resumes: dict[str, dict[str, Any]] = field(default_factory=dict)
    _sources: dict[tuple[str, str], str] = field(default_factory=dict)
    _unverifiable: UnverifiableError | None = None

    @staticmethod
    def item_of(record: TransferItem) -> Item:
        """The planned item of a stored file."""
        return Item.from_dict(record.plan)

    async def run(self) -> TransferOutcome:
        """Carry out the attempt and close the destination.

        Raises:
            TransferCancelledError: the transfer was stopped.
            PublishError: the attempt failed.
        """
        try:
            return await self._run()
        finally:
            await asyncio.to_thread(self.destination.close)

    async def _run(self) -> TransferOutcome:
        await self._in_thread(self.destination.prepare)
        companions = await self._in_thread(self.prepare, self.record, self.destination)
        items = await self._plan(companions)
        replaced = [item.name for item in items if item.replaces]
        limit = asyncio.Semaphore(_MAX_FILES)
        await self._gather([self._send_content(group, limit) for group in self._by_content(items)])
        await self._in_thread(self.destination.finish, items)
        await self._gather([self._verify(seq, item, limit) for seq, item in enumerate(items)])
        main = min(items, key=_link_priority, default=None)  # no items if every file is skipped
        return TransferOutcome(
            self.destination.describe(),
            (self.destination.link(main) or "") if main is not None else "",
            [*companions.notes, *_replaced_note(self.destination, replaced)],
            sum(item.size for item in items),
            self._unverifiable,
        )

    async def _in_thread(self, call: Callable[..., T], *values: Any) -> T:
        if self.progress.cancel.is_set():
            raise TransferCancelledError
        context = copy_context()  # the caller's way to the destination, as in the task
        return await asyncio.get_running_loop().run_in_executor(
            self.pool, partial(context.run, call, *values)
        )

    async def _gather(self, coroutines: Sequence[Any]) -> None:
        """Run all coroutines to their end, then raise the first failure."""
        results = await asyncio.gather(*coroutines, return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        for failure in failures:
            if not isinstance(failure, TransferCancelledError):
                raise failure
        if failures:
            raise failures[0]

    async def _plan(self, companions: Companions) -> list[Item]:
        """Plan the files, with the hashes and resume data of an earlier attempt."""
        transfer_id = self.record.transfer_id
        stored = self.tables.items(transfer_id)
        self._resumes = {record.name: record.resume for record in stored if record.resume}
        chosen = set(self.record.options.get("files", [])) - companions.leave
        known = [record for record in stored if record.name in chosen]
        files = [
            LocalFile(Path(record.source), record.name, _known_hash(record)) for record in known
        ]
        plan = partial(self.destination.plan, [*files, *companions.files], self.progress.cancel)
        items = await self._in_thread(plan)
        before = {record.name: Attempt.item_of(record).came for record in stored if record.plan}
        items = [
            replace(item, came=before.get(item.name) or "there") if item.present else item
            for item in items
        ]
        damaged = {record.name for record in stored if record.plan.get("damaged")}
        items = [
            replace(item, present=False, replaces=True, came="", damaged=True)
            if item.name in damaged else item
            for item in items
        ]  # fmt: skip
        for record, item in zip(known, items, strict=False):
            if record.sha256 and record.sha256 != item.sha256:
                raise changed_error(item.name)
        own_names = damaged | {name for name, came in before.items() if came in ("sent", "copied")}
        items = check_overwrite(items, self.destination, self.tables, self.record, own_names)
        self.tables.replace_items(
            transfer_id,
            [
                TransferItem(
                    seq, item.name, str(item.source), item.size, item.sha256, item.to_dict(),
                    self._resumes.get(item.name, {}), "there" if item.present else "waiting",
                )
                for seq, item in enumerate(items)
            ],
        )  # fmt: skip
        self.progress.total = sum(item.size for item in items)
        for seq, item in enumerate(items):
            self.progress.set_done(seq, item.size if item.present else 0)
        self.tables.update(
            transfer_id, total_bytes=self.progress.total, done_bytes=self.progress.done,
            place=self.destination.describe(),
        )  # fmt: skip
        return items

    def _by_content(self, items: list[Item]) -> list[list[tuple[int, Item]]]:
        """Group the missing files by content, and note which stored file has which content."""
        stored = [
            Item.from_dict(record.plan) for record in self.tables.twins(self.record.transfer_id)
        ]
        for item in [*stored, *(item for item in items if item.present)]:
            if item.store:
                self._sources[item.store, item.sha256] = item.target
        groups: dict[str, list[tuple[int, Item]]] = {}
        for seq, item in enumerate(items):
            if not item.present:
                groups.setdefault(item.sha256, []).append((seq, item))
        return list(groups.values())

    async def _send_content(self, group: list[tuple[int, Item]], limit: asyncio.Semaphore) -> None:
        """Send a content once; its other names are copied from it at the destination."""
        for seq, item in group:
            async with limit:
                came = await self._copy(item) or await self._send(seq, item)
            self._sources[item.store, item.sha256] = item.target
            self.progress.set_done(seq, item.size)
            self.progress.file_arrived(item.target, item.sha256)
            plan = replace(item, came=came, damaged=False).to_dict()
            self.tables.update_item(
                self.record.transfer_id, seq, state="sent", resume={}, plan=plan
            )

    async def _copy(self, item: Item) -> Came:
        source = self._sources.get((item.store, item.sha256)) if item.size and item.store else None
        # A started upload is resumed and not replaced by a copy: its parts would stay and cost.
        if source in (None, item.target) or self._resumes.get(item.name):
            return ""
        copy = partial(self.destination.copy, item, source, self.progress.cancel)
        return await self._in_thread(copy)

    async def _send(self, seq: int, item: Item) -> Came:
        name, loop = self.record.transfer_id, asyncio.get_running_loop()

        def keep(data: Mapping[str, Any]) -> None:
            """Store the resume data. Called by the sending thread, which waits for the store."""
            written: Future[None] = Future()
            copy = dict(data)

            def write() -> None:
                try:
                    self.tables.update_item(name, seq, resume=copy)
                    self.progress.part_kept(item.target, item.sha256, kept_amount(copy))
                    written.set_result(None)
                except Exception as error:  # noqa: BLE001  handed to the thread that sends
                    written.set_exception(error)

            loop.call_soon_threadsafe(write)
            written.result(_SAVE_TIMEOUT)

        def report(done: int, _total: int) -> None:
            self.progress.advance(seq, done)

        resume = Resume(dict(self._resumes.get(item.name, {})), keep)
        send = partial(self.destination.send, item, report, self.progress.cancel, resume)
        await self._in_thread(send)
        return "sent"

    async def _verify(self, seq: int, item: Item, limit: asyncio.Semaphore) -> None:
        async with limit:
            verify = partial(self.destination.verify, item, cancel=self.progress.cancel)
            try:
                proof = await self._in_thread(verify)
            except MismatchError:
                # The destination lists the damaged file as present, so the next plan must know.
                plan = replace(item, damaged=True).to_dict()
                self.tables.update_item(self.record.transfer_id, seq, plan=plan)
                raise
            except UnverifiableError as error:
                self._unverifiable = error
                self.tables.update_item(self.record.transfer_id, seq, state="unverified")
                return
        self.tables.update_item(
            self.record.transfer_id, seq, state="verified", proof=proof.how,
            link=self.destination.link(item) or "",
        )  # fmt: skip


def _link_priority(item: Item) -> tuple[bool, int, bool, int]:
    """Sort key for the file to link to: final weights first, then the least nested."""
    weights = item.name.endswith((".safetensors", ".bin", ".pt"))
    return not weights, item.name.count("/"), "checkpoint-" in item.name, -item.size


def _replaced_note(destination: Destination, names: Sequence[str]) -> list[str]:
    if not names:
        return []
    message = f"{names[0]} was" if len(names) == 1 else f"{len(names)} files were"
    if destination.keeps_history:
        return [f"{message} replaced there; what was there stays in the repository's history."]
    return [f"{message} replaced there, as was said."]


def kept_amount(resume: Mapping[str, Any]) -> int:
    """How much of a file has arrived for good by its resume data: parts, or bytes of a folder."""
    return len(resume.get("parts", ())) or int(resume.get("synced", 0))


def _known_hash(record: TransferItem) -> str | None:
    """The hash of an earlier plan, if the file's size and times are unchanged."""
    if not record.plan:
        return None
    try:
        state = Path(record.source).stat()
    except OSError:
        return None
    return record.sha256 if Attempt.item_of(record).is_still(state) else None


def check_overwrite(
    items: Sequence[Item],
    destination: Destination,
    tables: TransferTables,
    record: TransferRecord,
    own_names: Collection[str],
) -> list[Item]:
    """Refuse a transfer that would replace files irrecoverably.

    Existing files are replaced only with the option `overwrite`, and the only copy of another
    published file never. A destination that keeps history is not restricted. What the keys may not
    see is left to the destination, which writes an `unseen` item only where nothing lies.

    Args:
        items: the planned files.
        destination: where they go.
        tables: what was published before.
        record: the transfer.
        own_names: names that this transfer has sent itself, which it may repair.

    Returns:
        The items as they may be sent.

    Raises:
        PublishError: a file would be replaced (`Trouble.TAKEN`).
    """
    if destination.keeps_history:
        return list(items)
    may_replace = bool(record.options.get("overwrite"))
    replaced = [item for item in items if item.replaces and item.name not in own_names]
    if replaced and not may_replace:
        raise taken_error(replaced)
    unseen = [item for item in items if item.unseen and item.name not in own_names]
    for item in [*replaced, *unseen]:
        owner = tables.only_copy_of(item.store, item.target)
        if owner:
            raise _only_copy_error(item, owner)
    return [
        replace(item, unseen=item.unseen and not may_replace and item.name not in own_names)
        for item in items
    ]


def changed_error(name: str) -> PublishError:
    """The error for a local file whose content is not the collected one any more."""
    return PublishError(
        f"{name} here is not the file that was collected: its content is another.",
        "If you changed it on purpose, send it with the place's own tools; else move it away and "
        "fetch it again (f, or `simpletuner-tui collect`).",
        Trouble.CHANGED,
    )


def _only_copy_error(item: Item, job: str) -> PublishError:
    return PublishError(
        f"{item.target} is the only copy of a file of the job {job}; it is not replaced.",
        "Publish to another folder, or bring that file elsewhere first.",
        Trouble.TAKEN,
    )


def taken_error(replaced: Sequence[Item]) -> PublishError:
    """The error for other files of the same names at the destination."""
    first = replaced[0].target
    others = f" and {len(replaced) - 1} more" if len(replaced) > 1 else ""
    return PublishError(
        f"Another {first}{others} lies there already.",
        "Publish to another folder, or publish again and let it be replaced (--overwrite).",
        Trouble.TAKEN,
    )
