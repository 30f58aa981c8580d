"""A file on its way to the Hub: counted, held to the bandwidth limit, stopped when asked."""

from __future__ import annotations

import io
import os
from pathlib import Path

from tui.destinations.common.meter import Meter


class CountingReader(io.BufferedReader):
    """What `CommitOperationAdd` takes as a file.

    The library reads a little of it to guess its kind, then seeks back and sends it; a broken
    request seeks back to where that part begins. What lies behind the position is not sent.
    """

    def __init__(self, path: Path, meter: Meter) -> None:
        super().__init__(io.FileIO(path, "rb"), 1024 * 1024)
        self._meter = meter
        self._counted = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes."""
        piece = super().read(size)
        ahead = self.tell() - self._counted
        if ahead > 0:
            self._counted += ahead
            self._meter.add(ahead)
        return piece

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move; looking up the end is no progress, going back takes progress off."""
        place = super().seek(offset, whence)
        if whence == os.SEEK_SET and place < self._counted:
            self._meter.back(self._counted - place)
            self._counted = place
        return place
