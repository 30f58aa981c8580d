"""Whether the disk of delivered files has room for what a job will deliver to this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from tui.base.formatting import size
from tui.listener.storage.grants import DiskSpace, StorageLimits, disk_space
from tui.simpletuner.checks.checks import Check

_LITTLE: Final = 2 * 1024**3
"""Bytes, less than a checkpoint of a large model: worth a warning where no size is known."""


def receivable(disk: DiskSpace) -> int:
    """Bytes that the storage receiver takes before it refuses: it keeps a part of the disk free."""
    return max(0, disk.free - disk.kept(StorageLimits().keep_free_fraction))


def space_of(folder: Path) -> DiskSpace:
    """The space of the disk that a folder is on, or will be on.

    Raises:
        OSError: the disk cannot be read.
    """
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return disk_space(existing)


def room_check(folder: Path, expected: int | None, *, promised: int = 0) -> Check:
    """Compare what a job will deliver with the room for it.

    Args:
        folder: the folder of delivered files.
        expected: estimated bytes of the job; None when unknown.
        promised: estimated bytes of jobs that deliver here now.
    """
    try:
        room = receivable(space_of(folder))
    except OSError as error:
        message = f"{folder} cannot be read: {error.strerror}"
        return Check("delivery-room", "error", message, "Is the disk still there?")
    if not _writable(folder):
        return Check(
            "delivery-room", "error", f"{folder} cannot be written", "Correct its permissions."
        )
    free = f"{size(room)} are free for it in {folder}"
    others = f", beside {size(promised)} of jobs under way" if promised else ""
    advice = (
        "Make room, set cloud.outputs_dir to a larger disk, save fewer checkpoints, or deliver to "
        "the Hub."
    )
    if expected is None:
        message = f"how much will arrive is not known; {free}{others}"
        if room - promised < _LITTLE:
            return Check("delivery-room", "warn", message, advice)
        return Check("delivery-room", "ok", message)
    message = f"about {size(expected)} will arrive{others}; {free}"
    if expected + promised > room:
        return Check("delivery-room", "error", message, advice)
    return Check("delivery-room", "ok", message)


def _writable(folder: Path) -> bool:
    return not folder.exists() or os.access(folder, os.W_OK | os.X_OK)
