"""Selects the files of a job that a request publishes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.base.errors import RefusedError
from tui.base.stored_names import has_hidden
from tui.destinations.common.contract import LocalFile
from tui.engine.transfers.artifacts import checkpoint_of, compare, name_of
from tui.engine.transfers.destination_options import wrong
from tui.store.reader import StoreReader
from tui.store.records import FileRecord, JobRecord, shared_folder

if TYPE_CHECKING:
    from tui.engine.transfers.artifacts import CheckpointFile


def chosen_files(
    reader: StoreReader, job: JobRecord, outputs: Path, body: Mapping[str, Any]
) -> list[LocalFile]:
    """The files that a request selects, without hidden ones.

    Their names at the destination do not contain the folder that all files of the job share.

    Args:
        reader: reads the job's files.
        job: the job.
        outputs: the folder that the files' paths are relative to.
        body: selects by `files` (names) or by `checkpoint` (a step, `final`, or `best`, see
            `compare`); without both, all files are selected.

    Raises:
        RefusedError: no such file is on this machine.
    """
    # Earlier versions stored hidden files under their own names.
    local_files = [
        file
        for file in reader.files(job.job_id)
        if not file.missing and not has_hidden(name_of(job, file))
    ]
    if not local_files:
        raise RefusedError(
            "This job has no files on this machine.",
            "Fetch them first: simpletuner-tui collect ID",
            status=409,
            code="nothing_to_publish",
        )
    names, checkpoint = body.get("files"), body.get("checkpoint")
    if names is not None:
        chosen = _named(job, local_files, names)
    elif checkpoint is not None:
        step = _step(reader, job, local_files, checkpoint)
        chosen = [file for file in local_files if checkpoint_of(name_of(job, file)) == step]
        if not chosen:
            raise wrong("checkpoint", f"there is no checkpoint {checkpoint} here")
    else:
        chosen = local_files
    shared = shared_folder([name_of(job, file) for file in reader.files(job.job_id)])
    return [
        LocalFile(outputs / file.path, name_of(job, file).removeprefix(shared), file.sha256 or None)
        for file in chosen
    ]


def at_top(files: Sequence[LocalFile]) -> list[LocalFile]:
    """Remove the common folder from the names, to publish one checkpoint as the model.

    Libraries such as diffusers look for the weights at the top of a repository.
    """
    shared = shared_folder([file.name for file in files])
    return [replace(file, name=file.name.removeprefix(shared)) for file in files]


def _named(job: JobRecord, local_files: Sequence[FileRecord], names: object) -> list[FileRecord]:
    if not isinstance(names, list) or not names:
        raise wrong("files", "must be a list of names")
    chosen = [file for file in local_files if name_of(job, file) in names]
    missing = {str(name) for name in names} - {name_of(job, file) for file in chosen}
    if missing:
        raise wrong("files", f"{min(missing)} is not here")
    return chosen


def _step(
    reader: StoreReader, job: JobRecord, local_files: Sequence[FileRecord], checkpoint: object
) -> int | None:
    """The selected step; None for the final result."""
    if checkpoint == "final":
        return None
    if checkpoint == "best":
        steps, losses = reader.metrics(job.job_id, "loss")
        rows: list[CheckpointFile] = [
            {"name": name_of(job, file), "size": file.size, "loss": None,
             "checkpoint": checkpoint_of(name_of(job, file))}
            for file in local_files
        ]  # fmt: skip
        best = [row for row in compare(rows, steps, losses, job.step) if row["best"]]
        if not best:
            raise wrong("checkpoint", "no loss was measured, so none of them is the best")
        return best[0]["step"]
    if isinstance(checkpoint, int) and not isinstance(checkpoint, bool):
        return checkpoint
    raise wrong("checkpoint", "must be a step, final or best")
