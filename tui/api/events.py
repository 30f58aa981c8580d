"""The engine's event stream, and the stream of a job's log: server-sent events.

Each message of the engine's stream has a name (its kind) and JSON data. A subscriber that does not
keep up gets `resync` instead of what it missed, and reads everything anew.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypeAlias

from tui.api.base import Empty, Timestamp, TypedDict
from tui.api.jobs import JobStatus
from tui.api.transfers import TransferState


class JobEvent(TypedDict):
    """`job`: a job's record has changed.

    Attributes:
        job_id: which.
        rev: of the record; it only grows. -1 for a job that was deleted.
        status: where it stands.
    """

    job_id: str
    rev: int
    status: JobStatus | Literal["deleted"]


class UploadEvent(TypedDict):
    """`upload`: a job's data are packed, uploaded or staged; a few times a second at most.

    Attributes:
        job_id: which.
        phase: what happens.
        done: bytes of it.
        total: bytes of all.
    """

    job_id: str
    phase: Literal["packing", "uploading", "staging"]
    done: int
    total: int


class FetchEvent(TypedDict):
    """`fetch`: a job's result is fetched; a few times a second at most.

    Attributes:
        job_id: which.
        name: the file; empty where the list of files has changed.
        done: bytes of it that are here.
        total: bytes of it; null where that is not known.
    """

    job_id: str
    name: str
    done: int
    total: int | None


class TransferEvent(TypedDict):
    """`transfer`: files are on their way to a destination; a few times a second at most.

    Attributes:
        transfer_id: which.
        job_id: whose files.
        state: where it stands.
        done: bytes that have arrived or were there.
        total: bytes of all; 0 before everything is planned.
        bytes_per_second: the present speed; 0 where nothing moves.
        eta_seconds: until it is done; null where that is not known.
        message: what went wrong or is being waited for.
        retry_at: when the next try begins; null where none is waited for.
        position: its place in the order of all transfers.
        files: bytes that are done of the files that have moved since the last message, by the
            file's number in the transfer, from 0.
    """

    transfer_id: str
    job_id: str
    state: TransferState
    done: int
    total: int
    bytes_per_second: int
    eta_seconds: int | None
    message: str
    retry_at: Timestamp | None
    position: int
    files: dict[str, int]


class NoticeEvent(TypedDict):
    """`notice`: something the user should know.

    Attributes:
        level: how bad it is.
        message: what it is.
        advice: what to do; may be empty.
        job_id: the job it is about; missing for others.
    """

    level: Literal["error", "warn", "warning", "info"]
    message: str
    advice: str
    job_id: NotRequired[str]


class FactEvent(TypedDict):
    """`fact`: a fact of the store has changed; its name may end in `@` and an API base."""

    name: str


class LogDone(TypedDict):
    """`done`: the last message of a log's stream, whose data is the job's state as plain text."""

    status: JobStatus


SettingsEvent: TypeAlias = Empty
"""`settings`: the settings have changed."""
ResyncEvent: TypeAlias = Empty
"""`resync`: messages were missed; read everything anew."""
ByeEvent: TypeAlias = Empty
"""`bye`: the engine ends."""

EventKind: TypeAlias = Literal[
    "job", "upload", "fetch", "transfer", "notice", "fact", "settings", "resync", "bye"
]
EVENTS: dict[EventKind, type] = {
    "job": JobEvent,
    "upload": UploadEvent,
    "fetch": FetchEvent,
    "transfer": TransferEvent,
    "notice": NoticeEvent,
    "fact": FactEvent,
    "settings": Empty,
    "resync": Empty,
    "bye": Empty,
}
"""The data of each kind of message."""
