"""The folder of a job's results."""

from __future__ import annotations

import re

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final, Protocol

    class Named(Protocol):
        """What a folder follows from: a `JobRecord` or a `QuickProducer`."""

        @property
        def job_id(self) -> str: ...  # noqa: D102  see JobRecord
        @property
        def name(self) -> str: ...  # noqa: D102
        @property
        def submit(self) -> Mapping[str, Any]: ...  # noqa: D102


FOLDER: Final = "folder"
"""Where `submit` keeps the folder of a job that was renamed."""


def folder_of(job: Named) -> str:
    """Return the job's folder below the outputs root: its name in safe characters, and its id.

    It stays that of the first name when the job is renamed: a trainer may be writing into it.
    """
    if kept := job.submit.get(FOLDER):
        return str(kept)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", job.name).strip("-.")[:60]
    return f"{name or 'job'}-{job.job_id}"


def name_below(job: Named, path: str) -> str:
    """A file's path relative to its job's folder, whatever the job was called then."""
    top, slash, rest = path.partition("/")
    return rest if slash and top.endswith(f"-{job.job_id}") else path
