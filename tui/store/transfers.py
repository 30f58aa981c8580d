"""The tables of destinations and transfers. They contain no secrets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from tui.store.columns import Query, Tables
from tui.store.moments import from_micros, to_micros
from tui.store.transfer_records import (
    DestinationRecord,
    PublishedFile,
    TransferItem,
    TransferRecord,
    TransferState,
)

_TRANSFER: Final = tuple(TransferRecord.__dataclass_fields__)
_ITEM: Final = tuple(TransferItem.__dataclass_fields__)
_TIMES: Final = frozenset({"created_at", "retry_at", "started_at", "ended_at"})
_JSON: Final = frozenset({"options", "notes", "plan", "resume"})


class TransferTables(Tables):
    """Writes and reads the tables."""

    # -- destinations -------------------------------------------------------------------------

    def put_destination(self, record: DestinationRecord) -> None:
        """Insert a destination, or replace the one of its name."""
        with self._transaction():
            self._execute(
                "INSERT OR REPLACE INTO destinations VALUES (?, ?, ?, ?)",
                (record.name, record.kind, json.dumps(record.options),
                 to_micros(record.created_at)),
            )  # fmt: skip

    def delete_destination(self, name: str) -> None:
        """Delete a destination; published files stay there."""
        with self._transaction():
            self._execute("DELETE FROM destinations WHERE name = ?", (name,))

    def destinations(self) -> list[DestinationRecord]:
        """Return all destinations, by name."""
        return read_destinations(self._query)

    # -- transfers ----------------------------------------------------------------------------

    def insert(self, record: TransferRecord, items: Iterable[TransferItem]) -> None:
        """Insert a transfer with its files, at the end of the queue."""
        with self._transaction():
            ((last,),) = self._query("SELECT COALESCE(MAX(position), 0) FROM transfers", ())
            record = replace(record, position=last + 1)
            self._insert("transfers", _TRANSFER, record)
            self._put_items(record.transfer_id, items)

    def update(self, transfer_id: str, **values: Any) -> TransferRecord:
        """Change fields of a transfer; returns the changed record."""
        with self._transaction():
            self._update("transfers", _TRANSFER, values, "transfer_id = ?", (transfer_id,))
        return self.get(transfer_id)

    def put_in_order(self, positions: Mapping[str, int]) -> None:
        """Set the positions of transfers in the queue, by their ids."""
        with self._transaction():
            for transfer_id, position in positions.items():
                self._execute(
                    "UPDATE transfers SET position = ? WHERE transfer_id = ?",
                    (position, transfer_id),
                )

    def replace_items(self, transfer_id: str, items: Iterable[TransferItem]) -> None:
        """Replace a transfer's files, as after planning."""
        with self._transaction():
            self._execute("DELETE FROM transfer_items WHERE transfer_id = ?", (transfer_id,))
            self._put_items(transfer_id, items)

    def update_item(self, transfer_id: str, seq: int, **values: Any) -> None:
        """Change fields of a transfer's file."""
        where = "transfer_id = ? AND seq = ?"
        with self._transaction():
            self._update("transfer_items", _ITEM, values, where, (transfer_id, seq))

    def get(self, transfer_id: str) -> TransferRecord:
        """Return a transfer.

        Raises:
            KeyError: there is no transfer of this id.
        """
        transfers = read_transfers(self._query, transfer_id)
        if not transfers:
            raise KeyError(transfer_id)
        return transfers[0]

    def all(self) -> list[TransferRecord]:
        """Return all transfers in queue order."""
        return read_transfers(self._query)

    def items(self, transfer_id: str) -> list[TransferItem]:
        """Return a transfer's files in order."""
        return read_items(self._query, transfer_id)

    def twins(self, transfer_id: str) -> list[TransferItem]:
        """Return verified files of other transfers with the same content as files of this one."""
        rows = self._query(
            f"SELECT {','.join(_ITEM)} FROM transfer_items "  # noqa: S608  our own names
            "WHERE state = 'verified' AND transfer_id <> ? AND sha256 IN "
            "(SELECT sha256 FROM transfer_items WHERE transfer_id = ?)",
            (transfer_id, transfer_id),
        )
        return [TransferItem(**_decoded(_ITEM, row)) for row in rows]

    def half_sent(self, target: str) -> list[str]:
        """Return ids of transfers, to targets with this prefix, that left partly sent files."""
        rows = self._query(
            "SELECT DISTINCT t.transfer_id FROM transfers t JOIN transfer_items i "
            "USING (transfer_id) WHERE substr(t.target, 1, ?) = ? AND i.resume <> '{}' "
            "ORDER BY t.created_at",
            (len(target), target),
        )
        return [row[0] for row in rows]

    def only_copy_of(self, store: str, target: str) -> str:
        """Return the job whose only copy of a file would be lost by overwriting a target.

        Args:
            store: the store at the destination, as in an item's plan.
            target: the name in that store.

        Returns:
            The job's name, if the file verified there is no longer on this machine and was
            published nowhere else; else "".
        """
        last = self._query(
            "SELECT j.name, t.job_id, i.sha256 FROM transfer_items i "
            "JOIN transfers t USING (transfer_id) JOIN jobs j USING (job_id) "
            "WHERE i.state = 'verified' AND json_extract(i.plan, '$.target') = ? "
            "AND json_extract(i.plan, '$.store') = ? ORDER BY t.ended_at DESC LIMIT 1",
            (target, store),
        )
        if not last:
            return ""
        name, job_id, sha256 = last[0]
        rows = self._query(
            "SELECT missing FROM files WHERE sha256 = ? ORDER BY job_id = ? DESC", (sha256, job_id)
        )
        others = self._query(
            "SELECT 1 FROM transfer_items WHERE state = 'verified' AND sha256 = ? AND NOT "
            "(json_extract(plan, '$.target') = ? AND json_extract(plan, '$.store') = ?) LIMIT 1",
            (sha256, target, store),
        )
        gone = bool(rows) and all(missing for (missing,) in rows)
        return str(name) if gone and not others else ""

    def published(self, job_id: str) -> list[PublishedFile]:
        """Return where a job's files were published, oldest first."""
        return read_published(self._query, job_id)

    def _put_items(self, transfer_id: str, items: Iterable[TransferItem]) -> None:
        for item in items:
            self._insert("transfer_items", _ITEM, item, {"transfer_id": transfer_id})

    def _insert(
        self,
        table: str,
        names: Sequence[str],
        record: object,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        values = {**(more or {}), **{name: _encode(name, getattr(record, name)) for name in names}}
        marks = ",".join("?" * len(values))
        self._execute(
            f"INSERT INTO {table} ({','.join(values)}) VALUES ({marks})",  # noqa: S608  our names
            tuple(values.values()),
        )

    def _update(
        self,
        table: str,
        names: Sequence[str],
        values: Mapping[str, Any],
        where: str,
        key: tuple[Any, ...],
    ) -> None:
        unknown = set(values) - set(names)
        if unknown:
            raise ValueError(f"not fields of {table}: {', '.join(sorted(unknown))}")
        changes = ", ".join(f"{name} = ?" for name in values)
        self._execute(
            f"UPDATE {table} SET {changes} WHERE {where}",  # noqa: S608  names checked above
            (*(_encode(name, value) for name, value in values.items()), *key),
        )


def read_destinations(query: Query) -> list[DestinationRecord]:
    """Return all destinations, by name."""
    rows = query("SELECT name, kind, options, created_at FROM destinations ORDER BY name", ())
    return [
        DestinationRecord(name, kind, json.loads(options), from_micros(at))
        for name, kind, options, at in rows
    ]


def read_transfers(query: Query, transfer_id: str | None = None) -> list[TransferRecord]:
    """Return transfers in queue order; with an id, only that one."""
    where = "" if transfer_id is None else "WHERE transfer_id = ?"
    rows = query(
        f"SELECT {','.join(_TRANSFER)} FROM transfers {where} "  # noqa: S608  our own names
        "ORDER BY position, created_at, transfer_id",
        () if transfer_id is None else (transfer_id,),
    )
    return [TransferRecord(**_decoded(_TRANSFER, row)) for row in rows]


def read_items(query: Query, transfer_id: str) -> list[TransferItem]:
    """Return a transfer's files in order."""
    rows = query(
        f"SELECT {','.join(_ITEM)} FROM transfer_items "  # noqa: S608  our own names
        "WHERE transfer_id = ? ORDER BY seq",
        (transfer_id,),
    )
    return [TransferItem(**_decoded(_ITEM, row)) for row in rows]


def read_published(
    query: Query, job_id: str, transfer: str = "done", item: str = "verified"
) -> list[PublishedFile]:
    """Return where a job's files were published, oldest first.

    Args:
        query: runs a statement on the store.
        job_id: the whole id.
        transfer: the state of the transfers.
        item: the state of their files.
    """
    rows = query(
        "SELECT t.transfer_id, t.target, t.place, i.name, i.sha256, i.link, t.ended_at "
        "FROM transfers t JOIN transfer_items i USING (transfer_id) "
        "WHERE t.job_id = ? AND t.state = ? AND i.state = ? "
        "ORDER BY t.ended_at, i.seq",
        (job_id, transfer, item),
    )
    return [
        PublishedFile(transfer_id, target, place, name, sha256, link, from_micros(at))
        for transfer_id, target, place, name, sha256, link, at in rows
    ]


def read_disk_use(query: Query) -> tuple[int, int]:
    """Return the bytes of all results that are here, and of those that are elsewhere as well."""
    rows = query(
        "SELECT COALESCE(SUM(size), 0), COALESCE(SUM(size * ((job_id, sha256) IN ("
        "SELECT t.job_id, i.sha256 FROM transfer_items i JOIN transfers t USING (transfer_id) "
        "WHERE t.state = 'done' AND i.state = 'verified'))), 0) FROM files WHERE missing = ''",
        (),
    )
    return (rows[0][0], rows[0][1]) if rows else (0, 0)  # no row where there is no database yet


def _encode(name: str, value: Any) -> Any:
    if name in _JSON:
        return json.dumps(value, ensure_ascii=False)
    if name in _TIMES:
        return None if value is None else to_micros(value)
    return value.value if isinstance(value, TransferState) else value


def _decoded(names: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    values = dict(zip(names, row, strict=True))
    for name in _JSON & values.keys():
        values[name] = json.loads(values[name])
    for name in _TIMES & values.keys():
        values[name] = None if values[name] is None else from_micros(values[name])
    if "attempts" in values:  # a transfer, not a file of one
        values["state"] = TransferState(values["state"])
    return values
