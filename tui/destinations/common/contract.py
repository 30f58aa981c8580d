"""The protocol of destinations and readers, and the data that passes through it.

Contains `Destination` with its files, items and results, the names of partial copies, and the types
of readers (`RemoteFile`, `Reading`). All calls block and run in threads. The state that a caller
keeps between two runs of the program is JSON data: `Item.to_dict()` and `Resume.data`.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from tui.base.json_types import JsonObject
from tui.destinations.common.errors import SourceChangedError, disk_error

Progress = Callable[[int, int], None]
"""Called by the sending thread with bytes done and bytes in all, at most twenty times a second. The
bytes done may decrease when a part is sent again."""

Came = Literal["", "sent", "copied", "there"]
"""`copied` at the destination from another of its names; `there` before anything was sent."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file to publish.

    Attributes:
        path: the local file.
        name: its name at the destination, relative and with `/`.
        sha256: in hexadecimal digits if known; else the plan computes it.
    """

    path: Path
    name: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """The planned transfer of a file.

    Attributes:
        name: relative name, as the caller gave it.
        target: the object's key, its path in the repository, or its absolute file name.
        source: the local file.
        size: its size in bytes at the time of the plan.
        mtime_ns: its modification time then.
        sha256: of its content then, in hexadecimal digits.
        present: the destination has this content under this name; nothing to send.
        replaces: the destination has other content under this name.
        store: the scope within which the destination can copy, such as a bucket; "" if it cannot.
        came: how the content got under this name; "" before.
        ctime_ns: its inode change time; 0 in plans of older versions.
        inode: its inode number; 0 in plans of older versions.
        damaged: the content under this name was read back and differs, whatever checksum the
            destination reports; it is sent again, whatever a new plan says.
        unseen: the keys may not see whether something is under this name, so that it is written
            only if the destination finds nothing there.
    """

    name: str
    target: str
    source: Path
    size: int
    mtime_ns: int
    sha256: str
    present: bool = False
    replaces: bool = False
    store: str = ""
    came: Came = ""
    ctime_ns: int = 0
    inode: int = 0
    damaged: bool = False
    unseen: bool = False

    def to_dict(self) -> JsonObject:
        """Return it as JSON data for the store."""
        return asdict(self) | {"source": str(self.source)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Item:
        """Create an item from the result of `to_dict`."""
        return cls(**{**data, "source": Path(data["source"])})

    def is_still(self, state: os.stat_result) -> bool:
        """Whether a file is unchanged since the plan, judged by its `stat` result.

        Size and mtime can be the same although the content differs: rsync and editors restore the
        mtime. The ctime cannot be set.
        """
        if (state.st_size, state.st_mtime_ns) != (self.size, self.mtime_ns):
            return False
        known = (self.ctime_ns, self.inode)
        return not self.ctime_ns or (state.st_ctime_ns, state.st_ino) == known

    def check_source(self) -> None:
        """Raise SourceChangedError if the file has changed since the plan."""
        try:
            state = self.source.stat()
        except OSError as error:
            raise disk_error(error, f"{self.source} cannot be read") from error
        if not self.is_still(state):
            raise SourceChangedError(self.name)


@dataclass(slots=True)
class Resume:
    """The state of an unfinished transfer.

    Attributes:
        data: JSON data, filled by the destination; empty at the start.
        on_change: is called by the sending thread after each change that should be stored.
    """

    data: dict[str, Any] = field(default_factory=dict)
    on_change: Callable[[dict[str, Any]], None] | None = None

    def changed(self) -> None:
        """Ask the owner to store `data`."""
        if self.on_change is not None:
            self.on_change(self.data)

    def clear(self) -> None:
        """Drop the state: the transfer is complete or abandoned."""
        if self.data:
            self.data.clear()
            self.changed()


@dataclass(frozen=True, slots=True)
class Verified:
    """The proof that an item has arrived.

    Attributes:
        how: `etag`, `sha256`, `git` (the destination's own checksum) or `read back` (the content
            was downloaded and hashed).
        checksum: the value that was equal on both sides.
    """

    size: int
    how: Literal["etag", "sha256", "git", "read back"]
    checksum: str


@dataclass(frozen=True, slots=True)
class Step:
    """A finding of a test."""

    name: str
    level: Literal["ok", "warn", "error"]
    message: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class TestReport:
    """The findings of a destination's test, in order."""

    __test__ = False  # keeps pytest from collecting it for its name

    steps: tuple[Step, ...]

    @property
    def ok(self) -> bool:
        """Whether no step failed."""
        return all(step.level != "error" for step in self.steps)


class Destination(Protocol):
    """Something that files can be published to.

    The order of calls: `prepare` once, `plan`, `send` for each item that is not present (several
    at once, each in a thread of its own), `finish` for all of them, `verify` for each.
    """

    kind: str
    keeps_history: bool
    """Whether replaced files can be restored there."""

    def describe(self) -> str:
        """Return one line for the screen, without secrets."""

    def test(self, cancel: threading.Event | None = None) -> TestReport:
        """Test whether publishing would work; leaves nothing behind."""

    def prepare(self) -> None:
        """Create what must exist before files are sent (the repository, the folder)."""

    def plan(self, files: Sequence[LocalFile], cancel: threading.Event | None = None) -> list[Item]:
        """Choose the targets, compute missing hashes, and compare with existing files."""

    def send(
        self,
        item: Item,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
        resume: Resume | None = None,
    ) -> None:
        """Send the content of an item.

        Raises:
            PublishError: it failed; `resume` holds the state for the next attempt.
        """

    def copy(
        self, item: Item, source: str, cancel: threading.Event | None = None
    ) -> Literal["", "copied", "there"]:
        """Have the destination copy an item from another of its names.

        Args:
            item: the item.
            source: the `target` that has the same content, in the item's `store`.
            cancel: stops it when set.

        Returns:
            How the content came, or "" when the destination cannot copy or the source has other
            content by now: then the item has to be sent.

        Raises:
            PublishError: it was cancelled, or the local file cannot be read.
        """

    def finish(self, items: Sequence[Item], message: str = "") -> None:
        """Make sent items visible, where that is a separate step (a commit)."""

    def verify(
        self, item: Item, *, deep: bool = False, cancel: threading.Event | None = None
    ) -> Verified:
        """Compare size and checksum at the destination; `deep` reads the content back.

        Raises:
            MismatchError: the content differs from the plan.
        """

    def abandon(self, item: Item, resume: Resume) -> None:
        """Delete what a transfer that will not be resumed left at the destination."""

    def link(self, item: Item) -> str | None:
        """Return a URL for the browser, or None."""

    def close(self) -> None:
        """Close the connections."""


_HEAD_BYTES: Final = 100
"""Bytes of the file's name in that of its partial copy; file systems limit names to 255 bytes
(eCryptfs: 143)."""


def part_stem(name: str) -> str:
    """Return the common prefix of the names of a file's partial copies."""
    raw = os.fsencode(name)
    head = raw[:_HEAD_BYTES].decode(errors="ignore")  # drops a character that was cut in the middle
    return f".{head}.{hashlib.sha256(raw).hexdigest()[:8]}"


def part_name(name: str, own: str = "") -> str:
    """Return the hidden name of a partial copy.

    Args:
        name: the name of the complete file.
        own: distinguishes it from other partial copies of the same file.
    """
    return f"{part_stem(name)}{own and f'.{own}'}.part"


@dataclass(frozen=True, slots=True)
class Reading:
    """An open remote file.

    Attributes:
        start: offset of the first byte that `read` returns; 0 if the server ignores ranges.
        read: returns the next bytes, at most the given number; b"" at the end. Raises PublishError.
    """

    start: int
    read: Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file in a bucket or repository.

    Attributes:
        name: relative to the listed prefix.
        size: in bytes.
        mark: an identifier that changes with the content (ETag or hash).
        sha256: in hexadecimal digits; "" when unknown.
        git: git's blob hash; "" when unknown.
    """

    name: str
    size: int
    mark: str
    sha256: str = ""
    git: str = ""
