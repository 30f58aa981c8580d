"""Keys that live in the engine's memory keep it alive while a transfer needs them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.engine.world import running_engine
from tests.support import eventually
from tui.api.destinations import DestinationChange
from tui.settings import Home
from tui.store.transfer_records import TransferRecord, TransferState

BUCKET: DestinationChange = {
    "bucket": "buck",
    "endpoint": "http://127.0.0.1:9",
    "access_key": "A",
    "secret_key": "not-a-secret",
    "session_only": True,
}


@pytest.fixture
def home() -> Iterator[Home]:
    root = Path(tempfile.mkdtemp(prefix="st-"))
    yield Home(root / "h", root / "h" / "cloud_outputs")
    shutil.rmtree(root, ignore_errors=True)


async def test_a_paused_transfer_keeps_its_keys(home: Home) -> None:
    async with running_engine(home) as (engine, client):

        async def grows() -> None:
            first = engine.idle_seconds()
            await eventually(lambda: engine.idle_seconds() > first)

        await client.publishing.add_destination(name="mine", kind="s3", **BUCKET)
        await client.publishing.add_destination(name="mine-too", kind="s3", **BUCKET)
        await grows()  # keys that nothing uses are no reason to stay
        record = TransferRecord(
            "0123456789", "job", "http://127.0.0.1:1/v1", "s3:mine-too/runs", datetime.now(UTC),
            state=TransferState.PAUSED, options={"files": [], "card": False},
        )  # fmt: skip
        engine.recorder.writer.transfers.insert(record, [])
        assert engine.idle_seconds() == pytest.approx(0, abs=0.01)
        await client.publishing.remove_destination("mine")
        assert engine.idle_seconds() == pytest.approx(0, abs=0.01)
        engine.recorder.writer.transfers.update(record.transfer_id, state=TransferState.CANCELLED)
        await grows()
        engine.recorder.writer.transfers.update(record.transfer_id, state=TransferState.PAUSED)
        assert engine.idle_seconds() == pytest.approx(0, abs=0.01)
        await client.publishing.remove_destination("mine-too")
        await grows()
