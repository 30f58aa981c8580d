"""Records that the source of a fetched file keeps a copy, so the local one is not the only one."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from tui.base.stored_names import stored_path
from tui.destinations.common.contract import Item
from tui.engine.results.source import Remote, RemoteLocation, Source
from tui.store.records import FileRecord, JobRecord
from tui.store.transfer_records import TransferItem, TransferRecord, TransferState
from tui.store.transfers import TransferTables


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
        location = source.permanent_location(remote)
        proof = (
            "sha256" if remote.sha256 else "git" if remote.git else "etag" if remote.etag else ""
        )
        if location is None or not proof or (remote.sha256 and remote.sha256 != file.sha256):
            return
        name = stored_path(remote.name)  # the name of the local file
        identity = f"{job.job_id} {location.target}"
        transfer_id = hashlib.sha256(identity.encode()).hexdigest()[:10]
        state = path.stat()
        item = Item(
            name, location.key, path, state.st_size, state.st_mtime_ns, file.sha256,
            present=True, store=location.store, came="there",
        )  # fmt: skip
        transfer_item = TransferItem(
            0, name, str(path), file.size, file.sha256, item.to_dict(), state="verified",
            link=location.link, proof=proof,
        )  # fmt: skip
        self._put(transfer_id, job, location, transfer_item, place=source.place, now=now)

    def _put(
        self,
        transfer_id: str,
        job: JobRecord,
        location: RemoteLocation,
        transfer_item: TransferItem,
        *,
        place: str,
        now: datetime,
    ) -> None:
        try:
            self._tables.get(transfer_id)
        except KeyError:
            record = TransferRecord(
                transfer_id, job.job_id, job.api_base, location.target, now, place,
                options={"hidden": True, "collected": True}, state=TransferState.DONE,
                started_at=now, ended_at=now, link=location.link,
            )  # fmt: skip
            self._tables.insert(record, [transfer_item])
            return
        items = self._tables.items(transfer_id)
        if any(
            (other.name, other.sha256) == (transfer_item.name, transfer_item.sha256)
            for other in items
        ):
            return
        others = [other for other in items if other.name != transfer_item.name]
        numbered = [replace(other, seq=seq) for seq, other in enumerate([*others, transfer_item])]
        self._tables.replace_items(transfer_id, numbered)
