"""Reads the files of a manifest as they are sent, and notices those that have changed."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tui.destinations.common.errors import (
    PublishError,
    SourceChangedError,
    TransferCancelledError,
    Trouble,
)
from tui.simpletuner.staging.convert import converted
from tui.simpletuner.staging.manifest import StagedFile

_BLOCK: Final = 1024 * 1024


def sent_blocks(file: StagedFile, cancel: threading.Event) -> Iterator[bytes]:
    """Yield the bytes of a file as they are sent.

    Raises:
        SourceChangedError: it is not the file of the manifest any more.
        TransferCancelledError: `cancel` was set.
        SimpleTunerError: it cannot be converted.
    """
    path = Path(file.source)
    check_source(file)
    if file.transform == "rgb":
        if cancel.is_set():
            raise TransferCancelledError
        yield converted(file.source)
        return
    try:
        with path.open("rb") as opened:
            while block := opened.read(_BLOCK):
                if cancel.is_set():
                    raise TransferCancelledError
                yield block
    except OSError as error:
        raise SourceChangedError(path.name) from error
    check_source(file)


def check_source(file: StagedFile) -> None:
    """Check that a file has the size and time of the manifest.

    Raises:
        SourceChangedError: it has not, or is gone.
    """
    path = Path(file.source)
    try:
        state = path.stat()
    except OSError as error:
        raise SourceChangedError(path.name) from error
    if (state.st_size, state.st_mtime_ns) != (file.source_size, file.source_mtime_ns):
        raise SourceChangedError(path.name)


def disk_problem(error: OSError, place: str) -> PublishError:
    """Return the error for a disk that took no more."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return PublishError(
            f"The disk is full: {place} has no room for the pictures.",
            "Free some space, then go on: what is there is not copied again.",
            Trouble.DISK_FULL,
        )
    return PublishError(
        f"{place} cannot be written: {error.strerror or error}.",
        "Look at its permissions and its disk.",
        Trouble.LOCAL,
    )
