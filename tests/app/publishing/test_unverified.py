"""A transfer whose files were sent and cannot be verified, as the screen shows it."""

from __future__ import annotations

from datetime import timedelta

from tests.app.world import NOW
from tui.app.publishing.pages import transfer_page
from tui.store.transfer_records import TransferItem, TransferRecord, TransferState


def test_it_is_neither_a_tick_nor_a_failure() -> None:
    transfer = TransferRecord(
        "0123456789", "job", "https://api", "s3:mine/runs", NOW - timedelta(minutes=5),
        state=TransferState.UNVERIFIED, message="a.bin was sent, and cannot be verified.",
        advice="Let the keys read there.", kind="permission",
    )  # fmt: skip
    item = TransferItem(0, "a.bin", "/a.bin", 10, "1" * 64, {"came": "sent"}, state="unverified")
    text = "\n".join(
        "".join(words for words, _ in entry.words)
        for entry in transfer_page(transfer, "cat", [item], {})
    )
    assert "▲ sent, cannot be verified" in text
    assert "cannot be verified" in text.splitlines()[-1]
    assert "simpletuner-tui transfers retry 0123456789" in text
    assert "✓" not in text
    assert "✗" not in text
