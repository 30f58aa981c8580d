"""Destinations and transfers in the store."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tui.settings import Home
from tui.store.reader import StoreReader
from tui.store.transfer_records import (
    DestinationRecord,
    TransferItem,
    TransferRecord,
    TransferState,
)
from tui.store.writer import StoreWriter

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_written_transfers_are_read_back(tmp_path: Path) -> None:
    home = Home(tmp_path / "h", tmp_path / "out")
    writer, reader = StoreWriter(home), StoreReader(home.database)
    try:
        place = DestinationRecord("backup", "s3", {"bucket": "runs"}, NOW)
        writer.transfers.put_destination(place)
        record = TransferRecord(
            "t1", "job", "https://api", "s3:backup/x", NOW, options={"card": True}
        )
        items = [TransferItem(number, f"{number}.bin", f"/x/{number}") for number in range(2)]
        writer.transfers.insert(record, items)
        assert reader.destinations() == [place]
        assert reader.transfers() == [replace(record, position=1)]
        assert reader.transfer_items("t1") == items

        writer.transfers.update_item("t1", 1, state="verified", sha256="ab", link="https://x")
        assert reader.published("job") == []
        done = writer.transfers.update("t1", state=TransferState.DONE, ended_at=NOW, notes=["n"])
        assert (done.state, done.notes) == (TransferState.DONE, ["n"])
        (published,) = reader.published("job")
        assert (published.name, published.at) == ("1.bin", NOW)

        writer.transfers.replace_items("t1", items[:1])
        writer.transfers.delete_destination("backup")
        assert (reader.transfer_items("t1"), reader.destinations()) == (items[:1], [])
        with pytest.raises(ValueError, match="not fields"):
            writer.transfers.update("t1", nonsense=1)
        with pytest.raises(KeyError):
            writer.transfers.get("t2")
    finally:
        reader.close()
        writer.close()
