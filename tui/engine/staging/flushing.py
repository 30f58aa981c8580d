"""Writes staged files one after another while those before are flushed to the disk.

Each would wait for the disk otherwise, one at a time, which takes longer than to hash them all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from tui.listener.storage.staged import StagedFolder
from tui.simpletuner.staging.manifest import StagedFile

Keep = Callable[[StagedFile, Iterable[bytes]], None]
_AT_ONCE: Final = 4
_MOST_WAITING: Final = 16
"""Files that are written and not flushed; a disk that refuses is noticed by then."""


@contextmanager
def flushing(staged: StagedFolder) -> Iterator[Keep]:
    """Give a function that writes the bytes of a file; at the end all are safe on the disk.

    Those that were written whole are kept after an error as well.

    Raises:
        ContentChangedError: the bytes are others than the manifest has.
        OSError: the disk is full or refuses.
    """
    written: list[str] = []
    waiting: deque[Future[None]] = deque()

    def keep(file: StagedFile, blocks: Iterable[bytes]) -> None:
        new = staged.write_content(blocks, file.sha256, file.size)
        written.append(file.sha256)
        waiting.append(pool.submit(new.keep))
        if len(waiting) > _MOST_WAITING:
            waiting.popleft().result()

    try:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="flush") as pool:
            yield keep
            for ended in waiting:
                ended.result()
    finally:
        staged.sync_content(written)
