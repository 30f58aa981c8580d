"""Records that the source of a fetched file keeps a copy, so the local one is not the only one."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from tui.destinations.common.contract import Item
from tui.engine.results.source import Remote, RemoteLocation, Source
from tui.store.records import FileRecord, JobRecord, visible
from tui.store.transfer_records import HIDDEN, TransferItem, TransferRecord, TransferState
from tui.store.transfers import TransferTables

_COLLECTED: Final = "collected"


class RemoteCopies:
    """Records remote copies as hidden transfers, the form in which published copies are kept."""

    def __init__(self, tables: TransferTables) -> None:
        """Take the tables of transfers."""
        self._tables = tables

    def note(
        self, job: JobRecord, source: Source, remote: Remote, *, file: FileRecord, path: Path,
        now: datetime,
    ) -> None:  # fmt: skip
        """Record the source's copy of a fetched file, if it has a checksum that was compared.

        Args:
            job: the job.
            source: where the file came from.
            remote: the file there.
            file: the file here.
            path: its path here.
            now: the time.
        """
        there = source.kept_at(remote)
        proof = (
            "sha256" if remote.sha256 else "git" if remote.git else "etag" if remote.etag else ""
        )
        if there is None or not proof or (remote.sha256 and remote.sha256 != file.sha256):
            return
        called = visible(remote.name)  # the name of the local file
        name = f"{job.job_id} {there.target}"
        transfer_id = hashlib.sha256(name.encode()).hexdigest()[:10]
        state = path.stat()
        item = Item(
            called, there.key, path, state.st_size, state.st_mtime_ns, file.sha256,
            present=True, store=there.store, came="there",
        )  # fmt: skip
        kept = TransferItem(
            0, called, str(path), file.size, file.sha256, item.to_dict(), state="verified",
            link=there.link, proof=proof,
        )  # fmt: skip
        self._put(transfer_id, job, there, kept, place=source.place, now=now)

    def _put(
        self, transfer_id: str, job: JobRecord, there: RemoteLocation, kept: TransferItem,
        *, place: str, now: datetime,
    ) -> None:  # fmt: skip
        try:
            self._tables.get(transfer_id)
        except KeyError:
            record = TransferRecord(
                transfer_id, job.job_id, job.api_base, there.target, now, place,
                options={HIDDEN: True, _COLLECTED: True}, state=TransferState.DONE,
                started_at=now, ended_at=now, link=there.link,
            )  # fmt: skip
            self._tables.insert(record, [kept])
            return
        items = self._tables.items(transfer_id)
        if any((one.name, one.sha256) == (kept.name, kept.sha256) for one in items):
            return
        others = [one for one in items if one.name != kept.name]
        numbered = [replace(one, seq=seq) for seq, one in enumerate([*others, kept])]
        self._tables.replace_items(transfer_id, numbered)
