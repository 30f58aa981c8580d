"""What counts as progress of a transfer, which makes the next failure the first one again."""

from __future__ import annotations

from tui.engine.transfers.transfer_progress import TransferProgress


async def test_a_file_that_is_sent_again_is_no_progress() -> None:
    """Small files of the Hub travel with the commit, and are sent again when it fails."""
    progress = TransferProgress(lambda: None)
    progress.file_arrived("a.txt", "1" * 64)
    progress.file_arrived("b.txt", "2" * 64)
    first = progress.arrived
    progress.file_arrived("a.txt", "1" * 64)
    progress.file_arrived("b.txt", "2" * 64)
    assert (first, progress.arrived) == (2, 2)
    progress.file_arrived("b.txt", "3" * 64)
    assert progress.arrived == 3
