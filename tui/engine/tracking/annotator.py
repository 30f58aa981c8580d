"""Changes what the user writes about a job, and notes it in the job's history."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from tui.api.jobs import JobChange
from tui.base.annotation_text import changed_tags, read_job_name, read_note
from tui.base.errors import refused_fields
from tui.base.formatting import plural
from tui.base.text_fields import FieldError
from tui.engine.tracking.recorder import JobRecorder
from tui.engine.tracking.run_warnings import dismissed
from tui.store.annotations import Annotation
from tui.store.job_folder import FOLDER, folder_of
from tui.store.job_values import JobValues
from tui.store.records import JobRecord
from tui.store.writer import Change

_NAMED: Final = 5
"""Tags that one line of the history names."""


class Annotator:
    """Writes names, notes, tags and pins."""

    def __init__(self, recorder: JobRecorder, now: Callable[[], datetime]) -> None:
        """Use the recorder that owns the jobs.

        Args:
            recorder: stores the change and tells of it.
            now: returns the time.
        """
        self._recorder = recorder
        self._now = now

    def change(self, job: JobRecord, wanted: JobChange) -> JobRecord:
        """Change what is written about a job, all of it or nothing; returns its record.

        What is as it was already is neither written nor noted in the history.

        Raises:
            RefusedError: a value is wrong.
        """
        job = self._recorder.writer.job(job.job_id)  # `submit` changes while a job runs
        before = self._recorder.writer.annotation(job.job_id)
        values, after = _wanted(job, before, wanted)
        words = _words(job, values.get("name", job.name), before, after)
        warnings = list(job.warnings)
        for kind in wanted.get("dismiss", ()):
            if any(row["kind"] == kind and not row["dismissed"] for row in warnings):
                warnings = dismissed(warnings, kind)
                values["warnings"] = warnings
                words.append(f"Warning put away: {kind.replace('_', ' ')}.")
        events = [(self._now(), "local", "annotation", text) for text in words]
        if not events:
            return job
        return self._recorder.write(
            job.job_id, Change(values=values, events=events, annotation=after)
        )


def _wanted(job: JobRecord, before: Annotation, wanted: JobChange) -> tuple[JobValues, Annotation]:
    """The fields of the record that change, and what is written then."""
    values: JobValues = {}
    after, field = before, "name"
    try:
        if "name" in wanted and (name := read_job_name(wanted["name"])) != job.name:
            values["name"] = name
            values["submit"] = {**job.submit, FOLDER: folder_of(job)}
        field = "note"
        if "note" in wanted:
            after = after.with_note(read_note(wanted["note"]))
        field = "tags"
        tags = changed_tags(
            before.tags, wanted.get("add_tags", ()), wanted.get("remove_tags", ())
        )  # fmt: skip
        after = replace(after, tags=tags, pinned=wanted.get("pinned", before.pinned))
    except FieldError as error:
        raise refused_fields({field: str(error)}) from error
    return values, after


def _words(job: JobRecord, name: str, before: Annotation, after: Annotation) -> list[str]:
    """What has changed, a line for each."""
    words = []
    if name != job.name:
        words.append(f"Renamed from “{job.name}” to “{name}”.")
    if before.note != after.note:
        lines = len((after.note or "").splitlines())
        words.append(f"Note written, {plural(lines, 'line')}." if lines else "Note deleted.")
    added = [tag for tag in after.tags if tag not in before.tags]
    removed = [tag for tag in before.tags if tag not in after.tags]
    words += [
        f"{what}: {_some(tags)}."
        for what, tags in (("Tagged", added), ("Tags removed", removed))
        if tags
    ]
    if before.pinned != after.pinned:
        words.append("Pinned." if after.pinned else "No longer pinned.")
    return words


def _some(tags: Iterable[str]) -> str:
    first = list(tags)
    more = len(first) - _NAMED
    return ", ".join(first[:_NAMED]) + (f" and {more} more" if more > 0 else "")
