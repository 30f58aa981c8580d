"""Lists all files below a folder, with what tells a changed file from the one of before.

Two listings are equal only while no file was added, removed, replaced or written: the time of a
folder is not enough, since a file that is edited in place changes nothing but itself. No content is
read, so a folder of ten thousand files is listed in about a tenth of a second.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from tui.simpletuner.datasets.safety import skipped_folder, unsafe_name
from tui.simpletuner.errors import CancelledByUser

_FACTS: Final = 5
_INODE_BITS: Final = 2**63 - 1
TICK_NS: Final = 20_000_000
"""Twice the longest step of the clock that file times are taken from (Linux: 10 ms at 100 Hz)."""


class Target(NamedTuple):
    """Where a symbolic link leads; of another file only why nothing is known about it.

    Attributes:
        path: the resolved path; "" for what is no link.
        problem: why its size and times are unknown; "" when they are known.
    """

    path: str
    problem: str = ""


class Listed(NamedTuple):
    """One file or folder of a listing; mode, inode, size and times are those of a link's target.

    Attributes:
        name: the last part of its path.
        mode: `st_mode`.
        inode: number of the inode: another file under the same name has another one.
        size: in bytes.
        mtime_ns: time of the last change of the content.
        ctime_ns: time of the last change of content or attributes; no program can set it.
        target: for symbolic links, and for files that nothing is known about.
    """

    name: str
    mode: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    target: Target | None = None


class Folder(NamedTuple):
    """One folder of a listing.

    What it holds stands in two rows of plain values: objects for a hundred thousand files would be
    looked through by the garbage collector while everything else waits.

    Attributes:
        prefix: its path below the base, with `/` at the end; "" for the base itself.
        path: its whole path.
        names: of what it holds, in the system's order.
        facts: mode, inode, size and the two times of each of these, one after the other.
        targets: by the place of a name, for links and files that nothing is known about.
        problem: why it cannot be listed; "" when it can.
    """

    prefix: str
    path: str
    names: list[str]
    facts: array[int]
    targets: dict[int, Target]
    problem: str = ""

    def entries(self) -> Iterator[Listed]:
        """What it holds."""
        for place, name in enumerate(self.names):
            at = place * _FACTS
            mode, inode, size, mtime, ctime = self.facts[at : at + _FACTS]
            yield Listed(name, mode, inode, size, mtime, ctime, self.targets.get(place))


@dataclass(frozen=True, slots=True)
class Walk:
    """The listing of a folder and all folders below it, except those that are never data.

    Attributes:
        folders: the folder itself, and those below.
        newest_ns: the latest time of change of a file.
        started_ns: when the listing began.
    """

    folders: tuple[Folder, ...]
    newest_ns: int
    started_ns: int

    @property
    def files(self) -> int:
        """Number of entries in all folders."""
        return sum(len(folder.names) for folder in self.folders)

    def same_as(self, other: Walk) -> bool:
        """Whether nothing differs from another listing of the same folder."""
        return self.folders == other.folders

    def is_settled(self, ctime_ns: int) -> bool:
        """Whether a later change of a file with this time of change shows in its times.

        A file that is written twice within one step of the clock keeps the times of the first.
        """
        return ctime_ns < self.started_ns - TICK_NS

    @property
    def settled(self) -> bool:
        """Whether every later change shows in another listing."""
        return self.is_settled(self.newest_ns)


def walk(base: Path, cancel: threading.Event | None = None) -> Walk:
    """List the files below a folder whose links are resolved. Blocking.

    Raises:
        OSError: the folder itself cannot be listed.
        CancelledByUser: `cancel` was set.
    """
    started = time.time_ns()
    folders: list[Folder] = []
    waiting = [(str(base), "")]
    newest = 0
    while waiting:
        if cancel is not None and cancel.is_set():
            raise CancelledByUser("the scan was stopped")
        path, prefix = waiting.pop()
        folder = Folder(prefix, path, [], array("q"), {})
        try:
            listing = os.scandir(path)
        except OSError as error:
            if not prefix:
                raise
            folders.append(folder._replace(problem=error.strerror or "unknown reason"))
            continue
        folders.append(folder)
        with listing:
            for item in listing:
                mode, ctime = _add(item, folder)
                if stat.S_ISDIR(mode):
                    if not (skipped_folder(item.name) or unsafe_name(item.name)):
                        waiting.append((item.path, f"{prefix}{item.name}/"))
                elif ctime > newest:
                    newest = ctime
    return Walk(tuple(folders), newest, started)


def _add(item: os.DirEntry[str], folder: Folder) -> tuple[int, int]:
    """Add an entry to its folder; returns its mode, 0 for links, and its time of change."""
    link = item.is_symlink()
    if link:
        folder.targets[len(folder.names)] = Target(os.path.realpath(item.path))
    try:
        facts = item.stat()
    except OSError as error:
        path = folder.targets[len(folder.names)].path if link else ""
        folder.targets[len(folder.names)] = Target(path, error.strerror or "unknown reason")
        folder.names.append(item.name)
        folder.facts.extend((0,) * _FACTS)
        return 0, 0
    folder.names.append(item.name)
    mode, ctime = facts.st_mode, facts.st_ctime_ns
    folder.facts.extend((mode, facts.st_ino & _INODE_BITS, facts.st_size, facts.st_mtime_ns, ctime))
    return (0 if link else mode), ctime
