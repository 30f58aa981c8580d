"""Noting that what was fetched stays where it came from: it is no only copy then."""

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
    """Files that lie at a far end without our having sent them, kept as publications are."""

    def __init__(self, tables: TransferTables) -> None:
        """Args: where publications are kept."""
        self._tables = tables

    def note(
        self, job: JobRecord, source: Source, remote: Remote, *, file: FileRecord, path: Path,
        now: datetime,
    ) -> None:  # fmt: skip
        """A file is here, and was compared with what the far end says of it.

        Args:
            job: whose it is.
            source: where it came from.
            remote: the file there.
            file: the file here.
            path: where it is here.
            now: the time.
        """
        there = source.kept_at(remote)
        proof = (
            "sha256" if remote.sha256 else "git" if remote.git else "etag" if remote.etag else ""
        )
        if there is None or not proof or (remote.sha256 and remote.sha256 != file.sha256):
            return
        called = visible(remote.name)  # as the file here is called
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
