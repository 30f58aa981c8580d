"""Transfers: files of a job on their way to a destination."""

from __future__ import annotations

from typing import Literal, NotRequired, Required, TypeAlias

from tui.api.base import Timestamp, TypedDict
from tui.api.destinations import DestinationKind

TransferState: TypeAlias = Literal[
    "queued", "running", "paused", "done", "unverified", "failed", "cancelled"
]
TransferAction: TypeAlias = Literal["pause", "resume", "cancel", "retry", "up", "down", "top"]
FileState: TypeAlias = Literal["waiting", "sent", "there", "verified", "unverified"]
TroubleKind: TypeAlias = Literal[
    "", "credentials", "permission", "missing", "region", "clock", "quota", "tls", "network",
    "busy", "name", "taken", "changed", "mismatch", "disk_full", "local", "cancelled", "refused",
]  # fmt: skip
"""The kind of trouble of a failed or waiting transfer; empty for none."""


class TransferFile(TypedDict):
    """One file of a transfer.

    Attributes:
        name: relative, as at the destination.
        size: bytes; 0 before everything is planned.
        sha256: of its content, in hex; empty before that is known.
        state: `there` where nothing had to be sent.
        link: an address for people; may be empty.
        proof: how it was verified; empty before.
        came: sent, copied by the far end, or there before; empty before that is known.
    """

    name: str
    size: int
    sha256: str
    state: FileState
    link: str
    proof: str
    came: Literal["", "sent", "copied", "there"]


class Transfer(TypedDict):
    """Files of one job on their way to one place.

    Attributes:
        transfer_id: its id.
        job_id: whose files.
        api_base: whose tokens count.
        target: the place, such as `hub:owner/name`.
        created_at: when it was asked for.
        place: the place for people; empty before it is opened.
        state: where it stands; `unverified` when all was sent and the place lets nobody look.
        done_bytes: arrived or there already.
        total_bytes: 0 until everything is planned.
        message: what went wrong or is being waited for.
        advice: what to do; may be empty.
        kind: the kind of trouble.
        attempts: how many tries have failed in a row.
        retry_at: when the next try begins.
        link: an address for people; may be empty.
        notes: what is worth knowing although nothing went wrong.
        started_at: of the first try.
        ended_at: when it ended.
        position: its place in the order of all transfers; the lowest one goes first.
        files: its files.
        ahead: how many go before it; null where it does not wait. Only in the list.
    """

    transfer_id: str
    job_id: str
    api_base: str
    target: str
    created_at: Timestamp
    place: str
    state: TransferState
    done_bytes: int
    total_bytes: int
    message: str
    advice: str
    kind: TroubleKind
    attempts: int
    retry_at: Timestamp | None
    link: str
    notes: list[str]
    started_at: Timestamp | None
    ended_at: Timestamp | None
    position: int
    files: list[TransferFile]
    ahead: NotRequired[int | None]


class TransferList(TypedDict):
    """All transfers that were not taken off the list, in their order."""

    transfers: list[Transfer]


class PublishOptions(TypedDict, total=False):
    """Which files of a job are published, and how; without `files` and `checkpoint` all of them.

    Attributes:
        files: by name.
        checkpoint: a step, `final`, or `best` (the lowest smoothed loss).
        card: whether a model card is written; true without it.
        overwrite_card: also over somebody else's.
        overwrite: replace other files of the same names.
        private: whether a repository is made private.
    """

    files: list[str] | None
    checkpoint: int | Literal["final", "best"] | None
    card: bool
    overwrite_card: bool
    overwrite: bool
    private: bool | None


class PublishRequest(PublishOptions, total=False):
    """Files of a job and where they shall go.

    Attributes:
        job_id: the job, also by the beginning of its id.
        to: `hub:owner/name`, `s3:profile/prefix`, `dir:PATH` or a destination's name.
    """

    job_id: Required[str]
    to: Required[str]


class PublishPreview(TypedDict):
    """What a publication would do.

    Attributes:
        job_id: the job's whole id.
        target: the place in its plain form.
        kind: of the place.
        size: bytes of all files.
        files: their names at the destination.
        replaces: names that other files there have; empty where the place keeps what is replaced,
            or does not answer soon.
        card: whose model card is there: none, ours, ours but edited, somebody else's; `none` where
            there are no cards.
        card_problem: why it is not known; else empty.
    """

    job_id: str
    target: str
    kind: DestinationKind
    size: int
    files: list[str]
    replaces: list[str]
    card: Literal["missing", "ours", "edited", "foreign", "none", "unknown"]
    card_problem: str


class ClearListRequest(TypedDict, total=False):
    """The transfer to be taken off the list; without one all that have ended."""

    id: str | None


class ListCleared(TypedDict):
    """Ids of the transfers that were taken off the list."""

    cleared: list[str]


class BandwidthChange(TypedDict):
    """How fast all transfers together may be, as typed: `5 MiB/s`, `800k`, or `off`."""

    bandwidth: str | int | None


class Bandwidth(TypedDict):
    """The limit in bytes per second; 0 is none."""

    bandwidth: int
