"""What the store alone says of a job's files: enough to show them before the engine has looked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tui.store.job_json import published_json, unfetched_json
from tui.store.reader import StoreReader
from tui.store.records import is_called


def files_known(reader: StoreReader, job_id: str, outputs: Path) -> dict[str, Any]:
    """The engine's answer about a job's artifacts, without what the files hold.

    `checkpoints` is None: only the engine can tell them.

    Raises:
        StoreError: the store cannot be read.
    """
    published = reader.published(job_id)
    files, folder = [], outputs
    for file in reader.files(job_id):
        path = outputs / file.path
        folder = outputs / file.path.partition("/")[0] if "/" in file.path else outputs
        name = file.path.partition("/")[2] or file.path  # the job's own folder comes first
        files.append({
            "name": name, "path": str(path), "size": file.size, "sha256": file.sha256,
            "here": not file.missing and _size(path) == file.size, "missing": file.missing,
            "checkpoint": None, "loss": None, "weights": None,
            "published": [
                published_json(one) for one in published
                if one.sha256 == file.sha256 and is_called(name, one.name)
            ],
        })  # fmt: skip
    return {
        "job_id": job_id, "folder": str(folder), "files": files, "checkpoints": None,
        "unfetched": [unfetched_json(one) for one in reader.fetches(job_id)],
    }  # fmt: skip


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
