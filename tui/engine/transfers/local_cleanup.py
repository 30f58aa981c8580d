"""Deletes local files that are published elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import itertools
import os
import stat
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tui.base.clock import Clock
from tui.base.errors import RefusedError
from tui.destinations.common.contract import Destination, Item
from tui.destinations.common.errors import PublishError
from tui.engine.transfers.artifacts import name_of
from tui.engine.transfers.destinations import Destinations
from tui.store.published_names import is_called
from tui.store.records import FileRecord, JobRecord
from tui.store.transfer_records import PublishedFile
from tui.store.transfers import TransferTables
from tui.store.writer import Change

if TYPE_CHECKING:
    from tui.api import artifacts


class LocalCleanup:
    """Deletes a local file only after its published copy was verified again."""

    def __init__(
        self,
        tables: TransferTables,
        destinations: Destinations,
        outputs: Path,
        write: Callable[[str, Change], object],
        now: Clock,
    ) -> None:
        """Take the services it works with; `write` applies a change to a job's record."""
        self._tables = tables
        self._destinations = destinations
        self._outputs = outputs
        self._write = write
        self._now = now

    async def clear(
        self,
        job: JobRecord,
        files: list[FileRecord],
        names: Collection[str],
        refusal: Callable[[], str] = lambda: "",
        by: str = "",
    ) -> artifacts.FilesCleared:
        """Delete the local copies of some files of a job.

        Args:
            job: the job.
            files: the records of its files.
            names: names of the files to delete.
            refusal: asked for each file right before it is deleted: why it stays; "" for nothing.
            by: who deletes them, for the job's history; "" for the user.

        Returns:
            `{job_id, deleted: [{name, at}], kept: [{name, why}]}`; `at` is where the copy is.
        """
        deleted: list[artifacts.DeletedCopy] = []
        kept: list[artifacts.KeptCopy] = []
        opened: dict[str, Destination] = {}
        published = self._tables.published(job.job_id)
        in_progress = self._targets_in_progress(job)
        try:
            for file in files:
                name = name_of(job, file)
                if name not in names:
                    continue
                target = next(
                    (
                        sent_to
                        for sent_name, sent_to in in_progress.items()
                        if is_called(name, sent_name)
                    ),
                    "",
                )
                if target:
                    kept.append({"name": name, "why": f"it is on its way to {target}"})
                    continue
                copies = [
                    copy
                    for copy in published
                    if copy.sha256 == file.sha256 and is_called(name, copy.name)
                ]
                verified, reason = await self._verified_copy(file, copies, opened)
                if verified is None:
                    kept.append({"name": name, "why": reason})
                    continue
                try:
                    await asyncio.to_thread(check_unchanged, self._outputs, file)
                    if why := refusal():  # no `await` between the answer and the deletion
                        kept.append({"name": name, "why": why})
                        continue
                    self._delete(job, file, verified, by)
                except ChangedError as error:
                    kept.append({"name": name, "why": str(error)})
                except OSError as error:
                    kept.append({"name": name, "why": f"it cannot be deleted: {error.strerror}"})
                else:
                    deleted.append({"name": name, "at": verified.link or verified.place})
        finally:
            for destination in opened.values():
                await asyncio.to_thread(destination.close)
        return {"job_id": job.job_id, "deleted": deleted, "kept": kept}

    def _targets_in_progress(self, job: JobRecord) -> dict[str, str]:
        """The target of each file that an unfinished transfer sends, by name."""
        return {
            name: record.target
            for record in self._tables.all()
            if record.job_id == job.job_id and (record.state.is_active or record.state == "paused")
            for name in record.options.get("files", [])
        }

    async def _verified_copy(
        self, file: FileRecord, copies: list[PublishedFile], opened: dict[str, Destination]
    ) -> tuple[PublishedFile | None, str]:
        """A verified copy elsewhere; else None and the reason."""
        reason = "" if copies else "it is published nowhere"
        for copy in reversed(copies):
            try:
                destination = await self._open(copy, opened)
                item = self._item(copy)
                if self._is_same_file(item, file):
                    reason = reason or "its only copy is this very file"
                    continue
                await asyncio.to_thread(destination.verify, item)
            except (PublishError, RefusedError) as error:
                reason = f"{copy.target}: {error.message}"
                continue
            return copy, ""
        return None, reason

    async def _open(self, copy: PublishedFile, opened: dict[str, Destination]) -> Destination:
        if copy.target not in opened:
            record = self._tables.get(copy.transfer_id)
            target = self._destinations.read(copy.target)
            options = {**target.options, **record.options.get("place", {})}
            opened[copy.target] = await self._destinations.open(
                replace(target, options=options), record.api_base
            )
        return opened[copy.target]

    def _item(self, copy: PublishedFile) -> Item:
        for record in self._tables.items(copy.transfer_id):
            if record.name == copy.name and record.plan:
                return Item.from_dict(record.plan)
        raise RefusedError("It is not known any more what was sent there.")

    def _is_same_file(self, item: Item, file: FileRecord) -> bool:
        """Whether a copy in a folder is the local file itself, by another path or a link."""
        try:
            return Path(item.target).samefile(self._outputs / file.path)
        except OSError:
            return False

    def _delete(self, job: JobRecord, file: FileRecord, copy: PublishedFile, by: str) -> None:
        path = self._outputs / file.path
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # other files are in it, or it is gone already
            path.parent.rmdir()
        where = copy.link or copy.place or copy.target
        words = f"deleted here by {by}" if by else "deleted here"
        event = (self._now(), "local", "file", f"{file.path} {words}; a copy is at {where}")
        deleted = replace(file, missing=f"deleted here; a copy is at {where}")
        self._write(job.job_id, Change(files=[deleted], events=[event]))


class ChangedError(Exception):
    """A local file is not the one in its record; the text says what differs."""


def check_unchanged(outputs: Path, file: FileRecord) -> None:
    """Check that a local file is the one in its record, the one that the published copy is of.

    Args:
        outputs: the outputs folder.
        file: the record.

    Raises:
        ChangedError: it has other content, is a link, or lies behind one.
        OSError: it cannot be read.
    """
    path = outputs / file.path
    folders = itertools.takewhile(lambda folder: folder != outputs, path.parents)
    if ".." in path.parts or any(folder.is_symlink() for folder in folders):
        raise ChangedError("its folder is a link to somewhere else")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return  # there is nothing to delete
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ChangedError("it is a link to somewhere else") from None
        raise
    with os.fdopen(descriptor, "rb") as opened:
        state = os.fstat(opened.fileno())
        if not stat.S_ISREG(state.st_mode) or state.st_size != file.size:
            raise ChangedError("it was changed here since it came")
        if file.sha256 and hashlib.file_digest(opened, "sha256").hexdigest() != file.sha256:
            raise ChangedError("it was changed here since it came")
