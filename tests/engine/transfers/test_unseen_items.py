"""What the keys may not see is replaced only on request, and the only copy of a file never."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.app.world import job
from tui.base.job_status import JobStatus
from tui.destinations.common.contract import Item
from tui.destinations.common.errors import PublishError
from tui.destinations.folder import FolderDestination
from tui.engine.transfers.attempt import check_overwrite
from tui.settings import Home
from tui.store.records import FileRecord
from tui.store.transfer_records import TransferItem, TransferRecord
from tui.store.writer import Change, StoreWriter

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
ITEM = Item("a.bin", "runs/a.bin", Path("a.bin"), 1, 0, "5" * 64, store="s3", unseen=True)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[StoreWriter]:
    made = StoreWriter(Home(tmp_path / "h", tmp_path / "out"))
    yield made
    made.close()


def checked(writer: StoreWriter, tmp_path: Path, *own: str, overwrite: bool = False) -> bool:
    """Whether the destination is still asked to look before it writes."""
    record = TransferRecord("t2", "j", "https://api", "s3:x", NOW, options={"overwrite": overwrite})
    place = FolderDestination(tmp_path / "place")
    [item] = check_overwrite([ITEM], place, writer.transfers, record, own)
    return item.unseen


def test_the_destination_looks_unless_it_may_replace(writer: StoreWriter, tmp_path: Path) -> None:
    assert checked(writer, tmp_path)
    assert not checked(writer, tmp_path, "a.bin")
    assert not checked(writer, tmp_path, overwrite=True)


def test_the_only_copy_is_known_without_being_seen(writer: StoreWriter, tmp_path: Path) -> None:
    other = job(1, JobStatus.COMPLETED)
    writer.insert(other)
    gone = FileRecord("x/a.bin", 1, "6" * 64, "delivered", NOW, missing="cleared")
    writer.apply(other.job_id, Change(files=[gone]))
    plan = ITEM.to_dict()
    items = [TransferItem(0, "a.bin", "/x", 1, "6" * 64, plan, {}, "verified")]
    writer.transfers.insert(TransferRecord("t1", other.job_id, "https://api", "s3:x", NOW), items)
    for overwrite in (False, True):
        with pytest.raises(PublishError, match="is the only copy of a file of the job"):
            checked(writer, tmp_path, overwrite=overwrite)
