"""What the store holds of publishing, as plain data: places, transfers, their files."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final


class TransferState(StrEnum):
    """Where a transfer stands."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_active(self) -> bool:
        """Whether the engine works on it, or soon will."""
        return self in (TransferState.QUEUED, TransferState.RUNNING)


@dataclass(frozen=True, slots=True)
class DestinationRecord:
    """A place with a name, without what opens it.

    Attributes:
        kind: `hub`, `s3` or `folder`.
        options: plain data that the kind knows.
    """

    name: str
    kind: str
    options: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class TransferRecord:
    """Files of one job on their way to one place.

    Attributes:
        api_base: whose tokens count.
        target: the place as it was named, such as `hub:owner/name`.
        place: the same, for people.
        options: what was asked for besides.
        done_bytes: arrived or there already; `total_bytes` is 0 until everything is planned.
        message: what went wrong or is being waited for.
        kind: the kind of trouble, for scripts.
        attempts: how many tries have failed in a row.
        retry_at: when the next try begins, None when none is planned.
        link: an address for people.
        notes: what is worth knowing although nothing went wrong.
        position: its place in the order of all transfers; the lowest one goes first.
    """

    transfer_id: str
    job_id: str
    api_base: str
    target: str
    created_at: datetime
    place: str = ""
    options: dict[str, Any] = field(default_factory=dict)
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


HIDDEN: Final = "hidden"
"""The option of a transfer that was taken off the list; it still tells where files are."""


def is_hidden(one: TransferRecord) -> bool:
    """Whether a transfer was taken off the list."""
    return bool(one.options.get(HIDDEN))


@dataclass(frozen=True, slots=True)
class TransferItem:
    """One file of a transfer.

    Attributes:
        name: relative, as at the destination.
        source: the local file.
        plan: what the destination planned (`Item.to_dict`), empty before.
        resume: what the destination needs to go on with a half-sent file.
        state: `waiting`, `sent`, `there` (nothing had to be sent) or `verified`.
        proof: how it was verified.
        came: `sent`, `copied` (by the far end, from another name), `there` (before); empty before.
    """

    seq: int
    name: str
    source: str
    size: int = 0
    sha256: str = ""
    plan: dict[str, Any] = field(default_factory=dict)
    resume: dict[str, Any] = field(default_factory=dict)
    state: str = "waiting"
    link: str = ""
    proof: str = ""

    @property
    def came(self) -> str:
        """How the content got under its name; empty while that is not known."""
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


@dataclass(frozen=True, slots=True)
class FetchRecord:
    """Something a job produced elsewhere that is not here yet, or cannot be had.

    Attributes:
        name: relative, as it will lie in the job's folder; for a whole place that cannot be
            read, the place.
        origin: `replicate`, `hub`, `s3`.
        size: bytes, None while nobody has told.
        state: `waiting`, `fetching` or `failed` (not tried again by itself).
        message: why it is not here yet; empty while all is well.
        until: when it is deleted there; None when nothing says that it will be.
        notes: what is needed to go on with a half-fetched file. No secret, no signed address.
    """

    job_id: str
    name: str
    origin: str
    size: int | None = None
    done_bytes: int = 0
    state: str = "waiting"
    message: str = ""
    advice: str = ""
    until: datetime | None = None
    notes: dict[str, Any] = field(default_factory=dict)
