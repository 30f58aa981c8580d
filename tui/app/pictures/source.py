"""Which pictures of a job there are, and why there are none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from tui.simpletuner.config.values import as_bool, as_text
from tui.simpletuner.validation_media import MEDIA_FILE, Medium, read_name, read_records
from tui.store.reader import StoreReader
from tui.store.records import FileRecord, JobRecord

_LARGEST_RECORDS: Final = 16 << 20
_PROMPTS: Final = ("validation_prompt", "validation_prompt_library", "user_prompt_library")


def draws_pictures(config: Mapping[str, Any]) -> bool:
    """Whether a run of this config draws validation pictures."""
    return not as_bool(config.get("validation_disable")) and any(
        as_text(config.get(name)) not in (None, "", "False", "false") for name in _PROMPTS
    )


def has_pictures(job: JobRecord | None, reader: StoreReader) -> bool:
    """Whether a job draws pictures or some are here."""
    if job is None or draws_pictures(job.config):
        return job is not None
    files = reader.files(job.job_id) if job.file_count else ()
    return any(read_name(file.path) is not None for file in files)


def media_of(files: Iterable[FileRecord], outputs: Path) -> list[Medium]:
    """Return the media among a job's files. Reads a file: call it in a thread.

    What the trainer's own list says counts more than a name; media that it lists and that are not
    here are returned as well, for they are on their way.

    Args:
        files: the job's files.
        outputs: the folder that their paths are relative to.
    """
    media: dict[str, Medium] = {}
    lists: list[str] = []
    for file in files:
        if PurePosixPath(file.path).name == MEDIA_FILE and not file.missing:
            lists.append(file.path)
        elif (medium := read_name(file.path)) is not None:
            media[file.path] = medium
    for path in lists:
        for medium in read_records(_read(outputs / path), str(PurePosixPath(path).parent)):
            media[medium.path] = medium
    return list(media.values())


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_RECORDS).decode("utf-8", "replace")
    except OSError:
        return ""


def why_none(job: JobRecord) -> str:
    """Return why a job has no pictures here, for its user."""
    if as_bool(job.config.get("validation_disable")):
        return "No pictures: validation is off in this config."
    if not draws_pictures(job.config):
        return "No pictures: the config has no validation prompt."
    if job.delivery == "hub":
        return "No pictures yet: the Hub gets only those of a checkpoint; f fetches what is there."
    if job.status.is_active:
        return "No pictures yet: they come with the first validation that is delivered."
    return "No pictures have arrived; f fetches what there is."
