"""Destinations and transfers: their tables, read and written. No secret ever comes here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from tui.store.columns import Query, Tables, from_micros, to_micros
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
    """The writing half."""

    # -- destinations -------------------------------------------------------------------------

    def put_destination(self, record: DestinationRecord) -> None:
        """Add a destination, or replace the one of its name."""
        with self._transaction():
            self._execute(
                "INSERT OR REPLACE INTO destinations VALUES (?, ?, ?, ?)",
                (record.name, record.kind, json.dumps(record.options),
                 to_micros(record.created_at)),
            )  # fmt: skip

    def delete_destination(self, name: str) -> None:
        """Forget a destination; what was published there stays."""
        with self._transaction():
            self._execute("DELETE FROM destinations WHERE name = ?", (name,))

    def destinations(self) -> list[DestinationRecord]:
        """All of them, by name."""
        return read_destinations(self._query)

    # -- transfers ----------------------------------------------------------------------------

    def insert(self, record: TransferRecord, items: Iterable[TransferItem]) -> None:
        """Add a transfer with its files, behind all others."""
        with self._transaction():
            ((last,),) = self._query("SELECT COALESCE(MAX(position), 0) FROM transfers", ())
            record = replace(record, position=last + 1)
            self._insert("transfers", _TRANSFER, record)
            self._put_items(record.transfer_id, items)

    def update(self, transfer_id: str, **values: Any) -> TransferRecord:
        """Change fields of a transfer; returns it as it is then."""
        with self._transaction():
            self._update("transfers", _TRANSFER, values, "transfer_id = ?", (transfer_id,))
        return self.get(transfer_id)

    def put_in_order(self, positions: Mapping[str, int]) -> None:
        """Give transfers new places in the order, by their ids."""
        with self._transaction():
            for transfer_id, position in positions.items():
                self._execute(
                    "UPDATE transfers SET position = ? WHERE transfer_id = ?",
                    (position, transfer_id),
                )

    def replace_items(self, transfer_id: str, items: Iterable[TransferItem]) -> None:
        """Write a transfer's files anew, as after planning."""
        with self._transaction():
            self._execute("DELETE FROM transfer_items WHERE transfer_id = ?", (transfer_id,))
            self._put_items(transfer_id, items)

    def update_item(self, transfer_id: str, seq: int, **values: Any) -> None:
        """Change fields of one file of a transfer."""
        where = "transfer_id = ? AND seq = ?"
        with self._transaction():
            self._update("transfer_items", _ITEM, values, where, (transfer_id, seq))

    def get(self, transfer_id: str) -> TransferRecord:
        """One transfer.

        Raises:
            KeyError: there is none of this id.
        """
        found = read_transfers(self._query, transfer_id)
        if not found:
            raise KeyError(transfer_id)
        return found[0]

    def all(self) -> list[TransferRecord]:
        """All transfers in their order, which is that of their making unless it was changed."""
        return read_transfers(self._query)

    def items(self, transfer_id: str) -> list[TransferItem]:
        """A transfer's files in their order."""
        return read_items(self._query, transfer_id)

    def twins(self, transfer_id: str) -> list[TransferItem]:
        """Verified files of other transfers with a content that this one has too."""
        rows = self._query(
            f"SELECT {','.join(_ITEM)} FROM transfer_items "  # noqa: S608  our own names
            "WHERE state = 'verified' AND transfer_id <> ? AND sha256 IN "
            "(SELECT sha256 FROM transfer_items WHERE transfer_id = ?)",
            (transfer_id, transfer_id),
        )
        return [TransferItem(**_decoded(_ITEM, row)) for row in rows]

    def half_sent(self, target: str) -> list[str]:
        """Transfers, by id, to targets of this beginning that left something half sent there."""
        rows = self._query(
            "SELECT DISTINCT t.transfer_id FROM transfers t JOIN transfer_items i "
            "USING (transfer_id) WHERE substr(t.target, 1, ?) = ? AND i.resume <> '{}' "
            "ORDER BY t.created_at",
            (len(target), target),
        )
        return [row[0] for row in rows]

    def only_copy_of(self, store: str, target: str) -> str:
        """Whose file would be lost if another came there.

        Args:
            store: the far end, as in an item's plan.
            target: the name there.

        Returns:
            A job's name, where what was verified there is not on this machine any more and was
            published nowhere else; else nothing.
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
        """Where a job's files have arrived, oldest first."""
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
    """All destinations, by name."""
    rows = query("SELECT name, kind, options, created_at FROM destinations ORDER BY name", ())
    return [
        DestinationRecord(name, kind, json.loads(options), from_micros(at))
        for name, kind, options, at in rows
    ]


def read_transfers(query: Query, transfer_id: str | None = None) -> list[TransferRecord]:
    """Transfers in their order; with an id, that one alone."""
    where = "" if transfer_id is None else "WHERE transfer_id = ?"
    rows = query(
        f"SELECT {','.join(_TRANSFER)} FROM transfers {where} "  # noqa: S608  our own names
        "ORDER BY position, created_at, transfer_id",
        () if transfer_id is None else (transfer_id,),
    )
    return [TransferRecord(**_decoded(_TRANSFER, row)) for row in rows]


def read_items(query: Query, transfer_id: str) -> list[TransferItem]:
    """A transfer's files in their order."""
    rows = query(
        f"SELECT {','.join(_ITEM)} FROM transfer_items "  # noqa: S608  our own names
        "WHERE transfer_id = ? ORDER BY seq",
        (transfer_id,),
    )
    return [TransferItem(**_decoded(_ITEM, row)) for row in rows]


def read_published(query: Query, job_id: str) -> list[PublishedFile]:
    """Where a job's files have arrived, oldest first."""
    rows = query(
        "SELECT t.transfer_id, t.target, t.place, i.name, i.sha256, i.link, t.ended_at "
        "FROM transfers t JOIN transfer_items i USING (transfer_id) "
        "WHERE t.job_id = ? AND t.state = 'done' AND i.state = 'verified' "
        "ORDER BY t.ended_at, i.seq",
        (job_id,),
    )
    return [
        PublishedFile(transfer_id, target, place, name, sha256, link, from_micros(at))
        for transfer_id, target, place, name, sha256, link, at in rows
    ]


def _encode(name: str, value: Any) -> Any:
    if name in _JSON:
        return json.dumps(value, ensure_ascii=False)
    if name in _TIMES:
        return None if value is None else to_micros(value)
    return value.value if isinstance(value, TransferState) else value


def _decoded(names: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    found = dict(zip(names, row, strict=True))
    for name in _JSON & found.keys():
        found[name] = json.loads(found[name])
    for name in _TIMES & found.keys():
        found[name] = None if found[name] is None else from_micros(found[name])
    if "attempts" in found:  # a transfer, not a file of one
        found["state"] = TransferState(found["state"])
    return found
