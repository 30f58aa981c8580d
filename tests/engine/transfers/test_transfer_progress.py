"""What counts as progress of a transfer, which makes the next failure the first one again."""

from __future__ import annotations

from tui.engine.transfers.attempt import kept_amount
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


async def test_parts_that_are_sent_again_are_no_progress() -> None:
    """A server that forgets a half-done upload each time would be sent to for ever."""
    progress = TransferProgress(lambda: None)

    def send(parts: int) -> int:
        """Keep the resume data of an upload that begins anew and gets so many parts there."""
        before = progress.arrived
        for count in range(parts + 1):
            kept = {"upload_id": "u", "parts": {str(number): {} for number in range(count)}}
            progress.part_kept("a.bin", "1" * 64, kept_amount(kept))
        return progress.arrived - before

    assert [send(3), send(3), send(2), send(4), send(4)] == [3, 0, 0, 1, 0]
    progress.part_kept("b.bin", "2" * 64, kept_amount({"synced": 0, "part": "x"}))
    progress.part_kept("b.bin", "2" * 64, kept_amount({}))
    assert progress.arrived == 4
    progress.part_kept("b.bin", "2" * 64, kept_amount({"synced": 10, "part": "x"}))
    assert progress.arrived == 5
