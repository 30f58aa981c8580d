"""What every destination can do, and the plain data that goes in and out.

All calls block and are meant for threads. Everything that a caller has to remember between two
runs of the program is plain data: `Item.to_dict()` and the dictionary inside `Resume`.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from tui.destinations.common.errors import SourceChangedError, disk_error

Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all; may go back when a part is sent again. It is called
from the thread that sends, at most some twenty times a second."""

Came = Literal["", "sent", "copied", "there"]
"""`copied` by the far end from another of its names; `there` before anything was sent."""


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file to publish.

    Attributes:
        path: where it is.
        name: its name at the destination, relative and with `/`.
        sha256: in hex, when it is known already; else the plan computes it.
    """

    path: Path
    name: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One planned transfer.

    Attributes:
        name: relative name, as the caller gave it.
        target: the object's key, its path in the repository, or its absolute file name.
        source: the local file.
        size: its bytes when the plan was made.
        mtime_ns: its time of change then.
        sha256: of its content then, in hex.
        present: the destination has exactly this content under this name; nothing to send.
        replaces: the destination has something else under this name.
        store: what the far end can copy within, such as a bucket; empty where it cannot copy.
        came: how the content got under this name; empty before.
        ctime_ns: when the file or what is kept of it changed last; 0 in plans of older versions.
        inode: which file of its disk it is; 0 in plans of older versions.
        damaged: what lies under this name was read back and is other content, whatever the far end
            says of it; so it is sent again, whatever a plan finds.
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

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for the store."""
        return asdict(self) | {"source": str(self.source)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Item:
        """The item that `to_dict` described."""
        return cls(**(data | {"source": Path(data["source"])}))

    def is_still(self, state: os.stat_result) -> bool:
        """Whether a file in this state is the planned one, as far as that shows without reading.

        Size and time of change can be what they were although a byte is another: rsync and editors
        set the time back. The time of the last change of the file's record cannot be set.
        """
        if (state.st_size, state.st_mtime_ns) != (self.size, self.mtime_ns):
            return False
        known = (self.ctime_ns, self.inode)
        return not self.ctime_ns or (state.st_ctime_ns, state.st_ino) == known

    def check_source(self) -> None:
        """SourceChangedError when the file is not in the planned state any more."""
        try:
            state = self.source.stat()
        except OSError as error:
            raise disk_error(error, f"{self.source} cannot be read") from error
        if not self.is_still(state):
            raise SourceChangedError(self.name)


@dataclass(slots=True)
class Resume:
    """What is known of a half-done transfer.

    Attributes:
        data: plain data that JSON can hold. Empty at the beginning; the destination fills it.
        on_change: called after each change worth keeping, from the thread that sends.
    """

    data: dict[str, Any] = field(default_factory=dict)
    on_change: Callable[[dict[str, Any]], None] | None = None

    def changed(self) -> None:
        """Tell the owner to keep `data`."""
        if self.on_change is not None:
            self.on_change(self.data)

    def clear(self) -> None:
        """Nothing is half done any more."""
        if self.data:
            self.data.clear()
            self.changed()


@dataclass(frozen=True, slots=True)
class Verified:
    """Proof that an item arrived.

    Attributes:
        how: `etag`, `sha256`, `git` (the far end's own checksum) or `read back` (we hashed what
            the far end gives back).
        checksum: the value that was equal on both sides.
    """

    size: int
    how: Literal["etag", "sha256", "git", "read back"]
    checksum: str


@dataclass(frozen=True, slots=True)
class Step:
    """One finding of a test."""

    name: str
    level: Literal["ok", "warn", "error"]
    message: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class TestReport:
    """What a test of a destination found, in the order in which it looked."""

    __test__ = False  # it is no test of ours, whatever its name makes pytest think

    steps: tuple[Step, ...]

    @property
    def ok(self) -> bool:
        """Whether publishing there can work."""
        return all(step.level != "error" for step in self.steps)


class Destination(Protocol):
    """A place that files can be published to.

    The order of calls: `prepare` once, `plan`, `send` for each item that is not present (several
    at once, each in a thread of its own), `finish` for all of them, `verify` for each.
    """

    kind: str
    keeps_history: bool
    """Whether what is replaced there can still be had."""

    def describe(self) -> str:
        """One line for people; holds no secret."""

    def test(self, cancel: threading.Event | None = None) -> TestReport:
        """Try whether publishing would work; leaves nothing behind."""

    def prepare(self) -> None:
        """Make what has to exist before anything is sent (the repository, the folder)."""

    def plan(self, files: Sequence[LocalFile], cancel: threading.Event | None = None) -> list[Item]:
        """Name the targets, hash what is not hashed, find out what is there already."""

    def send(
        self,
        item: Item,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
        resume: Resume | None = None,
    ) -> None:
        """Bring one item's bytes to the far end.

        Raises:
            PublishError: it did not work; `resume` holds what can be used the next time.
        """

    def copy(
        self, item: Item, source: str, cancel: threading.Event | None = None
    ) -> Literal["", "copied", "there"]:
        """Let the far end make an item from the same content under another name of its own.

        Args:
            item: what shall be there.
            source: the `target` that has this content, in the item's `store`.
            cancel: stops it.

        Returns:
            How it came, or "" where the far end cannot or the source is not that content any more:
            then the item has to be sent.

        Raises:
            PublishError: it was stopped, or the local file cannot be read.
        """

    def finish(self, items: Sequence[Item], message: str = "") -> None:
        """Make sent items visible where that is a step of its own (a commit)."""

    def verify(
        self, item: Item, *, deep: bool = False, cancel: threading.Event | None = None
    ) -> Verified:
        """Compare size and checksum at the far end; `deep` reads everything back.

        Raises:
            MismatchError: what is there is not what was planned.
        """

    def abandon(self, item: Item, resume: Resume) -> None:
        """Remove what a transfer that will not be resumed left at the far end."""

    def link(self, item: Item) -> str | None:
        """An address for people, or None."""

    def close(self) -> None:
        """Let go of connections."""


_HEAD_BYTES: Final = 100
"""Enough to recognise it; the limit of 255 (eCryptfs: 143) is in bytes, not in letters."""


def part_stem(name: str) -> str:
    """What the names of all unfinished copies of a file begin with."""
    raw = os.fsencode(name)
    head = raw[:_HEAD_BYTES].decode(errors="ignore")  # not half a letter at its end
    return f".{head}.{hashlib.sha256(raw).hexdigest()[:8]}"


def part_name(name: str, own: str = "") -> str:
    """The hidden name of an unfinished copy.

    Args:
        name: what it will be called when it is whole.
        own: what sets it apart from unfinished copies of the same file that others make.
    """
    return f"{part_stem(name)}{own and f'.{own}'}.part"


@dataclass(frozen=True, slots=True)
class Reading:
    """An opened file.

    Attributes:
        start: the first byte that comes; 0 when the far end takes no ranges.
        read: the next bytes, at most as many as asked for; empty at the end. Raises PublishError.
    """

    start: int
    read: Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class FarFile:
    """A file at a far end.

    Attributes:
        name: relative to what was listed.
        size: bytes.
        mark: changes when the content does.
        sha256: in hex; "" where the far end does not tell.
        git: git's hash; "" where the far end does not tell.
    """

    name: str
    size: int
    mark: str
    sha256: str = ""
    git: str = ""
