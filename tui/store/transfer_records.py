"""The records of publishing and fetching: destinations, transfers and their files."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, TypeAlias, TypedDict

from tui.base.json_types import JsonObject

Origin: TypeAlias = Literal["replicate", "hub", "s3"]
"""Where a result is that was not fetched yet."""
FetchState: TypeAlias = Literal["waiting", "fetching", "failed"]
"""`failed` is not retried automatically."""


class TransferState(StrEnum):
    """The state of a transfer."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    UNVERIFIED = "unverified"
    """Everything was sent, and the destination does not let us verify it."""
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_complete(self) -> bool:
        """Whether everything was sent, verified or not."""
        return self in (TransferState.DONE, TransferState.UNVERIFIED)

    @property
    def is_active(self) -> bool:
        """Whether it is running or queued."""
        return self in (TransferState.QUEUED, TransferState.RUNNING)


@dataclass(frozen=True, slots=True)
class DestinationRecord:
    """A named destination, without its keys.

    Attributes:
        kind: `hub`, `s3` or `folder`.
        options: the options of its kind, as JSON data.
    """

    name: str
    kind: str
    options: dict[str, Any]
    created_at: datetime


class PlaceOptions(TypedDict, total=False):
    """What a request says of the place itself.

    Attributes:
        private: whether a repository that is made there is private.
    """

    private: bool


class TransferOptions(TypedDict, total=False):
    """What a transfer was asked for, and what is stored with it. Old records have fewer.

    Attributes:
        files: names at the destination.
        card: whether a model card is written.
        overwrite_card: also over somebody else's card.
        overwrite: whether other files of the same names are replaced.
        place: options that count before those of the place.
        stop: a requested stop (`paused`, `cancelled`) that is not done yet.
        hidden: whether the user removed it from the list; its record is kept, as it says where
            files were published.
        collected: whether it stands for files that were fetched from there, and sends nothing.
    """

    files: list[str]
    card: bool
    overwrite_card: bool
    overwrite: bool
    place: PlaceOptions
    stop: str
    hidden: bool
    collected: bool


@dataclass(frozen=True, slots=True)
class TransferRecord:
    """The transfer of a job's files to a target.

    Attributes:
        api_base: the API base whose tokens are used.
        target: the target as the user named it, such as `hub:owner/name`.
        place: the target as text for the screen.
        options: further options of the request.
        done_bytes: bytes sent or present; `total_bytes` is 0 until all files are planned.
        message: the failure, or what the transfer waits for.
        kind: the kind of failure, for scripts.
        attempts: failed attempts in a row.
        retry_at: time of the next attempt, None when none is planned.
        link: a URL for the browser.
        notes: remarks that are no failures.
        position: its position in the queue; the lowest goes first.
    """

    transfer_id: str
    job_id: str
    api_base: str
    target: str
    created_at: datetime
    place: str = ""
    options: TransferOptions = field(default_factory=TransferOptions)
    state: TransferState = TransferState.QUEUED
    done_bytes: int = 0
    total_bytes: int = 0
    message: str = ""
    advice: str = ""
    kind: str = ""
    attempts: int = 0
    retry_at: datetime | None = None
    link: str = ""
    notes: list[str] = field(default_factory=list)
    started_at: datetime | None = None
    ended_at: datetime | None = None
    position: int = 0


def is_hidden(transfer: TransferRecord) -> bool:
    """Whether the user removed a transfer from the list."""
    return bool(transfer.options.get("hidden"))


@dataclass(frozen=True, slots=True)
class TransferItem:
    """A file of a transfer.

    Attributes:
        name: its relative name at the destination.
        source: the path of the local file.
        plan: the destination's plan (`Item.to_dict`), empty before planning.
        resume: the destination's state of a partly sent file.
        state: `waiting`, `sent`, `there` (nothing had to be sent), `verified`, or `unverified`
            (sent, and it cannot be verified).
        proof: how it was verified.
        came: `sent`, `copied` (at the destination, from another name) or `there` (already
            present); "" until known.
    """

    seq: int
    name: str
    source: str
    size: int = 0
    sha256: str = ""
    plan: JsonObject = field(default_factory=dict)
    resume: dict[str, Any] = field(default_factory=dict)
    state: str = "waiting"
    link: str = ""
    proof: str = ""

    @property
    def came(self) -> str:
        """How the content got under its name; "" until known."""
        return str(self.plan.get("came", ""))


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file that was verified at a destination."""

    transfer_id: str
    target: str
    place: str
    name: str
    sha256: str
    link: str
    at: datetime


class FetchNotes(TypedDict, total=False):
    """How far a download of a file is, for the next try.

    Attributes:
        mark: what the far end calls this content, such as its ETag.
        size: bytes of the whole file.
        parts: bytes of each part that are here, by its number.
        least: bytes that the disk had no space for.
    """

    mark: str | None
    size: int | None
    parts: dict[str, int]
    least: int


@dataclass(frozen=True, slots=True)
class FetchRecord:
    """A result of a job that is elsewhere and not fetched yet, or cannot be fetched.

    Attributes:
        name: its relative path in the job's folder; for a source that cannot be listed, the name
            of the source.
        origin: where it is.
        size: in bytes, None when unknown.
        state: what happens to it.
        message: why it is not here yet; "" without a problem.
        until: time of its deletion there; None when unknown.
        notes: state of a partly fetched file. No secrets, no signed URLs.
    """

    job_id: str
    name: str
    origin: Origin
    size: int | None = None
    done_bytes: int = 0
    state: FetchState = "waiting"
    message: str = ""
    advice: str = ""
    until: datetime | None = None
    notes: FetchNotes = field(default_factory=FetchNotes)
