"""From which checkpoint a later job can go on: the newest one whose files all arrived.

SimpleTuner 4.10 writes `checkpoint_manifest.json` into each checkpoint, with the names of its
files, and fetches a checkpoint by it from the bucket that the job publishes to (its
`publishing/providers/s3.py`). It cannot fetch one from the Hub.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from tui.base.job_status import JobStatus
from tui.base.stored_names import stored_path
from tui.store.records import FileRecord, JobRecord

MANIFEST: Final = "checkpoint_manifest.json"
LOCAL_BUCKET: Final = "outputs"
_CHECKPOINT: Final = re.compile(r"checkpoint-(\d{1,12})")
_DEFAULT_PREFIX: Final = "simpletuner"
_MOST_BYTES: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """A checkpoint that a later job can go on from.

    Attributes:
        step: steps that it holds.
        total: steps of the whole run; None when unknown.
        address: the value of `resume_from_checkpoint`.
    """

    step: int
    total: int | None
    address: str


def resume_point(job: JobRecord, files: Sequence[FileRecord], outputs: Path) -> ResumePoint | None:
    """Return the newest checkpoint that left the container of a job that a limit stopped.

    Args:
        job: the job.
        files: its files on this machine.
        outputs: the folder that their paths are relative to.
    """
    if not stopped_by_a_limit(job) or job.delivery not in ("local", "s3"):
        return None
    found: dict[int, tuple[str, set[str]]] = {}
    for file in files:
        if file.missing:
            continue
        folder, *names = PurePosixPath(file.path).parts
        for place, name in enumerate(names[:-1]):
            match = _CHECKPOINT.fullmatch(name)
            if match is not None:
                head = "/".join(names[: place + 1])
                _, arrived = found.setdefault(int(match[1]), (f"{folder}/{head}", set()))
                arrived.add("/".join(names[place + 1 :]))
                break
    for step in sorted(found, reverse=True):
        path, arrived = found[step]
        if (job.total_steps or step + 1) > step and _is_complete(outputs / path, arrived):
            return ResumePoint(step, job.total_steps, _address(job, path.partition("/")[2]))
    return None


def stopped_by_a_limit(job: JobRecord) -> bool:
    """Whether a time limit ended a job: Replicate's, or the one it was started with."""
    if job.status is JobStatus.FAILED:
        return job.diagnosis.get("rule") == "time-limit"
    return (
        job.status is JobStatus.CANCELLED
        and not job.cancel_requested
        and bool(job.submit.get("cancel_after"))
    )


def _is_complete(folder: Path, arrived: set[str]) -> bool:
    """Whether every file that a checkpoint's manifest names arrived."""
    if MANIFEST not in arrived:
        return False
    try:
        with (folder / MANIFEST).open("rb") as file:
            manifest = json.loads(file.read(_MOST_BYTES))
    except (OSError, ValueError):
        return False
    names = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(names, list) or not names:
        return False
    return all(isinstance(name, str) and stored_path(name) in arrived for name in names)


def _address(job: JobRecord, key: str) -> str:
    if job.delivery == "local":
        return f"s3://{LOCAL_BUCKET}/{key}"
    prefix = str(job.inputs.get("s3_base_path") or _DEFAULT_PREFIX).strip("/")
    return f"s3://{job.inputs.get('s3_bucket')}/{prefix}/{key}"


def local_key(address: str) -> str:
    """The key of a checkpoint in our own storage; empty for any other address."""
    start = f"s3://{LOCAL_BUCKET}/"
    return address.removeprefix(start).strip("/") if address.startswith(start) else ""
