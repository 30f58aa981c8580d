"""Artifacts: what jobs produced, where it has been published, and clearing local copies."""

from __future__ import annotations

from typing import Literal

from tui.api.base import Timestamp, TypedDict
from tui.api.jobs import DeliveredState


class Weights(TypedDict):
    """What a safetensors file says it holds.

    Attributes:
        kind: such as `lora`; null where that cannot be told.
        rank: of an adapter.
        tensors: how many.
        parameters: how many.
        dtypes: tensors by type of number.
        metadata: the file's own, cut to a reasonable length.
        problem: why it cannot be read; else empty.
        truncated: whether the file ends too early.
    """

    kind: str | None
    rank: int | None
    tensors: int
    parameters: int
    dtypes: dict[str, int]
    metadata: dict[str, str]
    problem: str
    truncated: bool


class PublishedCopy(TypedDict):
    """Where a file has arrived.

    Attributes:
        target: the place, such as `hub:owner/name`.
        place: the same for people.
        link: an address for people; may be empty.
        at: when that was verified; for a place that lets nobody look, when it was sent.
    """

    target: str
    place: str
    link: str
    at: Timestamp


class Artifact(TypedDict):
    """A file of a job.

    Attributes:
        name: below the job's folder.
        path: absolute.
        size: bytes.
        sha256: of its content, in hex; empty where it was not computed yet.
        here: whether it is on this machine, as large as it should be.
        missing: why it is not on this machine; else empty.
        checkpoint: the step it belongs to; null for the final result.
        loss: at that step.
        weights: what it holds; null for other files.
        published: where copies of it are.
        unverified: where it was sent and nobody may look, so that it is not known to be there.
    """

    name: str
    path: str
    size: int
    sha256: str
    here: bool
    missing: str
    checkpoint: int | None
    loss: float | None
    weights: Weights | None
    published: list[PublishedCopy]
    unverified: list[PublishedCopy]


class Checkpoint(TypedDict):
    """A checkpoint beside the others.

    Attributes:
        step: null for the final result.
        at: its step all the same.
        files: how many.
        size: bytes of all of them.
        weights: whether weights are among them.
        loss: at that step; null where no weights are among the files.
        smoothed: the mean of the losses before it; null likewise.
        window: of how many steps.
        best: whether that is the lowest.
    """

    step: int | None
    at: int | None
    files: int
    size: int
    weights: bool
    loss: float | None
    smoothed: float | None
    window: int
    best: bool


class Unfetched(TypedDict):
    """Something a job produced elsewhere that is not on this machine yet, or cannot be had.

    Attributes:
        name: relative, as it will be called; for a place that cannot be read, the place.
        origin: where it is.
        size: bytes; null while nobody has told.
        done: bytes that are here.
        state: `failed` is not tried again by itself.
        why: why it is not here yet; empty while all is well.
        advice: what to do; may be empty.
        until: when it is deleted there; null when nothing says that it will be.
    """

    name: str
    origin: Literal["replicate", "hub", "s3"]
    size: int | None
    done: int
    state: Literal["waiting", "fetching", "failed"]
    why: str
    advice: str
    until: Timestamp | None


class JobArtifacts(TypedDict):
    """What one job produced.

    Attributes:
        job_id: the job's whole id.
        name: the job's.
        folder: the job's, absolute.
        delivered: whether the trainer's results are where it was to deliver them; null before
            anybody looked.
        files: its files.
        checkpoints: compared.
        unfetched: what is not on this machine.
    """

    job_id: str
    name: str
    folder: str
    delivered: DeliveredState | None
    files: list[Artifact]
    checkpoints: list[Checkpoint]
    unfetched: list[Unfetched]


class ArtifactsQuery(TypedDict, total=False):
    """The job, also by the beginning of its id; without one all jobs that produced something."""

    job: str


class ArtifactList(TypedDict):
    """What jobs produced, the newest job first."""

    jobs: list[JobArtifacts]


class ClearFilesRequest(TypedDict):
    """Local copies to be deleted, by name, where the same file is safe elsewhere."""

    job_id: str
    files: list[str]


class DeletedCopy(TypedDict):
    """A local copy that was deleted, and where its copy is."""

    name: str
    at: str


class KeptCopy(TypedDict):
    """A local copy that stays, and why."""

    name: str
    why: str


class FilesCleared(TypedDict):
    """What became of the local copies."""

    job_id: str
    deleted: list[DeletedCopy]
    kept: list[KeptCopy]
