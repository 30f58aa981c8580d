"""Describes the files of a job: their weights, checkpoints, and where they are published."""

from __future__ import annotations

import math
import os
import re
from bisect import bisect_right
from functools import lru_cache
from itertools import pairwise
from operator import itemgetter

from tui.store.artifact_json import published_json, unfetched_json
from tui.store.job_folder import folder_of, name_below
from tui.store.published_names import is_called

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from typing import Final, TypeAlias, TypedDict

    from tui.api import artifacts
    from tui.store.quick_artifacts import QuickArtifacts, QuickCopy, QuickProducer, QuickResult
    from tui.store.reader import StoreReader
    from tui.store.records import FileRecord, JobRecord
    from tui.store.transfer_records import PublishedFile

    _Copies: TypeAlias = dict[str, list[PublishedFile | QuickCopy]]

    class CheckpointFile(TypedDict):
        """What `compare` reads of a file.

        Attributes:
            name: below the job's folder.
            size: bytes.
            checkpoint: the step it belongs to; None for the final result.
            loss: at that step; None where it is not known.
        """

        name: str
        size: int
        checkpoint: int | None
        loss: float | None


_MAX_METADATA: Final = 40
_MAX_VALUE_LENGTH: Final = 400
"""Characters of one metadata value that are passed on; a file may hold values of any length."""
_MAX_CACHED: Final = 512
_CHECKPOINT: Final = re.compile(r"(?:^|/)checkpoint-(\d+)/")


def artifacts_of(
    reader: StoreReader | QuickArtifacts, job: JobRecord | QuickProducer, outputs: Path | str
) -> artifacts.JobArtifacts:
    """All collected files of a job. Blocking: it reads the files' state and headers."""
    published = _by_content(reader.published(job.job_id))
    unverified = _by_content(reader.sent_unseen(job.job_id))
    steps, losses = reader.metrics(job.job_id, "loss")
    loss_at = dict(zip(steps, losses, strict=True))
    root = str(outputs)
    rows = [
        _row(job, file, root, (published, unverified), loss_at) for file in reader.files(job.job_id)
    ]
    return {
        "job_id": job.job_id,
        "name": job.name,
        "folder": os.path.join(root, folder_of(job)),  # noqa: PTH118  a tenth of the time
        "delivered": job.submit.get("delivered") or None,
        "files": rows,
        "checkpoints": compare(rows, steps, losses, job.step),
        "unfetched": [unfetched_json(record) for record in reader.fetches(job.job_id)],
    }


def artifacts_in_store(
    reader: StoreReader | QuickArtifacts, job: str, outputs: Path | str
) -> list[artifacts.JobArtifacts]:
    """Those of one job, or of every job that produced something. Blocking.

    Args:
        reader: of the store.
        job: the beginning of a job's id; "" for all jobs.
        outputs: the folder of results.

    Raises:
        UnknownJobError: there is no such job.
    """
    jobs: Sequence[JobRecord | QuickProducer]
    jobs = [reader.find(job)] if job else reader.records()
    rows = [artifacts_of(reader, record, outputs) for record in jobs]
    return rows if job else [row for row in rows if row["files"] or row["unfetched"]]


def name_of(job: JobRecord | QuickProducer, file: FileRecord | QuickResult) -> str:
    """A file's path relative to its job's folder."""
    return name_below(job, file.path)


def checkpoint_of(name: str) -> int | None:
    """The step of a file's checkpoint; None for the final result."""
    match = _CHECKPOINT.search(name)
    return int(match[1]) if match else None


def _by_content(copies: Sequence[PublishedFile | QuickCopy]) -> _Copies:
    found: _Copies = {}
    for copy in copies:
        found.setdefault(copy.sha256, []).append(copy)
    return found


def _copies_of(copies: _Copies, name: str, sha256: str) -> list[artifacts.PublishedCopy]:
    return [published_json(copy) for copy in copies.get(sha256, []) if is_called(name, copy.name)]


def _row(
    job: JobRecord | QuickProducer,
    file: FileRecord | QuickResult,
    root: str,
    copies: tuple[_Copies, _Copies],
    loss_at: dict[int, float],
) -> artifacts.Artifact:
    name = name_of(job, file)
    path = os.path.join(root, file.path)  # noqa: PTH118  a tenth of the time
    step = checkpoint_of(name)
    return {
        "name": name,
        "path": path,
        "size": file.size,
        "sha256": file.sha256,
        "here": not file.missing and _size(path) == file.size,
        "missing": file.missing,
        "checkpoint": step,
        "loss": loss_at.get(step) if step is not None else job.loss,
        "weights": (
            weights_of(path) if name.endswith(".safetensors") and not file.missing else None
        ),
        "published": _copies_of(copies[0], name, file.sha256),
        "unverified": _copies_of(copies[1], name, file.sha256),
    }


def weights_of(path: str) -> artifacts.Weights:
    """The content of a safetensors file by its header; `problem` says why it cannot be read."""
    try:
        state = os.stat(path)  # noqa: PTH116  pathlib is slow
        return _weights(
            path, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns
        ).copy()
    except OSError as error:
        return _empty_weights() | {"problem": f"it cannot be read: {error.strerror or error}"}


def _empty_weights() -> artifacts.Weights:
    return {
        "kind": None, "rank": None, "tensors": 0, "parameters": 0, "dtypes": {}, "metadata": {},
        "problem": "", "truncated": False,
    }  # fmt: skip


@lru_cache(_MAX_CACHED)
def _weights(path: str, *_state: int) -> artifacts.Weights:
    """Read a header; cached by the file's state, since those of 50 adapters take 1 to 2 s."""
    from pathlib import Path  # most results are no weights, or not here

    from tui.destinations.common.safetensors_info import SafetensorsError, read_info

    try:
        info = read_info(Path(path))
    except SafetensorsError as error:
        return _empty_weights() | {"problem": error.message, "truncated": error.truncated}
    return _empty_weights() | {
        "kind": info.kind, "rank": info.rank, "tensors": info.tensors,
        "parameters": info.parameters, "dtypes": info.dtypes,
        "metadata": {
            name: value[:_MAX_VALUE_LENGTH]
            for name, value in list(info.metadata.items())[:_MAX_METADATA]
        },
    }  # fmt: skip


def _size(path: str) -> int | None:
    try:
        return os.stat(path).st_size  # noqa: PTH116  likewise
    except OSError:
        return None


_MIN_WINDOW: Final = 20
_MAX_WINDOW: Final = 200
"""Steps that the loss is averaged over, at least and at most."""


def compare(
    files: Iterable[CheckpointFile],
    steps: Sequence[int],
    losses: Sequence[float],
    last_step: int | None,
) -> list[artifacts.Checkpoint]:
    """Compare the job's checkpoints by their mean loss.

    The loss of a single step depends on its images and its noise. Therefore each checkpoint gets
    the mean loss of the steps before it, over the same window for all. The best is the one with the
    lowest mean, the later one of equals; checkpoints without weights are not compared, nor are
    those of a loss that was no number any more.

    Args:
        files: the job's files, such as those of `artifacts_of`.
        steps: steps at which the loss was logged, ascending.
        losses: the loss at each step; NaN and infinite values are skipped.
        last_step: the step of the final result; None if not known.

    Returns:
        The checkpoints by step, the final result last. Its `step` is None and its `at` is
        `last_step`.
    """
    groups: dict[int | None, list[CheckpointFile]] = {}
    for file in files:
        groups.setdefault(file["checkpoint"], []).append(file)
    order: list[int | None] = [*sorted(step for step in groups if step is not None)]
    if None in groups:
        order.append(None)
    step_of = {step: last_step if step is None else step for step in order}
    window = _window([step for step in step_of.values() if step is not None])
    rows: list[artifacts.Checkpoint] = []
    for step in order:
        at_step = step_of[step]
        group = groups[step]
        weights = any(file["name"].endswith(".safetensors") for file in group)
        known = weights and at_step is not None  # a loss is of weights, not of pictures beside them
        smoothed = _mean_before(steps, losses, at_step or 0, window) if known else None
        rows.append({
            "step": step, "at": at_step, "files": len(group),
            "size": sum(file["size"] for file in group),
            "weights": weights,
            "loss": group[0]["loss"] if weights else None,
            "smoothed": smoothed, "window": window, "best": False,
        })  # fmt: skip
    compared = [
        (row["smoothed"], row)
        for row in reversed(rows)
        if row["weights"] and row["smoothed"] is not None
    ]
    if compared:
        min(compared, key=itemgetter(0))[1]["best"] = True
    return rows


def _window(checkpoint_steps: Sequence[int]) -> int:
    """Steps to average over: the smallest distance of two checkpoints, from 20 to 200."""
    ordered = sorted(set(checkpoint_steps))
    gaps = [after - before for before, after in pairwise(ordered)]
    return max(_MIN_WINDOW, min(_MAX_WINDOW, min(gaps, default=_MIN_WINDOW)))


def _mean_before(
    steps: Sequence[int], losses: Sequence[float], step: int, window: int
) -> float | None:
    """The mean of the losses in the window that ends at a step; None if there are none.

    None as well when the newest of them is no finite number: the step's weights are of no use.
    """
    end = bisect_right(steps, step)
    if end and not math.isfinite(losses[end - 1]):
        return None
    begin = bisect_right(steps, step - window)
    values = [value for value in losses[begin:end] if math.isfinite(value)]
    return sum(values) / len(values) if values else None
