"""The table of what users write about their jobs: note, tags, pin."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

IN_ROWS: Final = """(SELECT json_array(pinned, note IS NOT NULL, json(tags)) FROM annotations
    WHERE annotations.job_id = jobs.job_id)"""
"""The annotation of a line of the list, without the note's text; for `read_in_row`."""
_SHORT: Final = "tags, pinned, note IS NOT NULL"
_VALUES: Final = 500
"""SQLite limits the values in a statement."""

Execute = Callable[[str, Sequence[Any]], object]
Query = Callable[[str, Sequence[Any]], list[Any]]


@dataclass(frozen=True, slots=True)
class Annotation:
    """What the user wrote about a job.

    Attributes:
        tags: words to find it by, in the order in which they were added.
        pinned: whether it stands first in the list.
        has_note: whether there is a note.
        note: the note; "" for none, None where it was not read.
    """

    tags: tuple[str, ...] = ()
    pinned: bool = False
    has_note: bool = False
    note: str | None = None

    def with_note(self, note: str) -> Annotation:
        """Return the same with a note; "" for none."""
        return replace(self, note=note, has_note=bool(note))


NONE: Final = Annotation()
"""Of a job of which nothing is known but what it did."""


def put_annotation(execute: Execute, job_id: str, annotation: Annotation) -> None:
    """Replace what is written about a job; part of the caller's transaction.

    Raises:
        ValueError: it was read without its note, which would be lost.
    """
    if annotation.note is None:
        raise ValueError("an annotation is written with its note")
    if not (annotation.tags or annotation.pinned or annotation.note):
        execute("DELETE FROM annotations WHERE job_id = ?", (job_id,))
        return
    execute(
        "INSERT OR REPLACE INTO annotations (job_id, pinned, tags, note) VALUES (?, ?, ?, ?)",
        (job_id, int(annotation.pinned), json.dumps(annotation.tags, ensure_ascii=False),
         annotation.note or None),
    )  # fmt: skip


def merge_annotations(execute: Execute, query: Query, job_id: str, other_id: str) -> None:
    """Join what is written about a second record of a job into the job's; nothing is dropped.

    Of a tag that both have one stays; both notes do, the job's first.
    """
    other = read_annotation(query, other_id)
    execute("DELETE FROM annotations WHERE job_id = ?", (other_id,))
    if other == NONE.with_note(""):
        return
    mine = read_annotation(query, job_id)
    known = {tag.casefold() for tag in mine.tags}
    notes = dict.fromkeys(note for note in (mine.note, other.note) if note)
    joined = Annotation(
        tags=(*mine.tags, *(tag for tag in other.tags if tag.casefold() not in known)),
        pinned=mine.pinned or other.pinned,
    )
    put_annotation(execute, job_id, joined.with_note("\n\n".join(notes)))


def read_annotation(query: Query, job_id: str) -> Annotation:
    """Return what is written about a job, with its note."""
    rows = query("SELECT tags, pinned, note FROM annotations WHERE job_id = ?", (job_id,))
    if not rows:
        return NONE.with_note("")
    tags, pinned, note = rows[0]
    return Annotation(_tags(tags), bool(pinned)).with_note(note or "")


def read_annotations(query: Query, job_ids: Sequence[str] | None = None) -> dict[str, Annotation]:
    """Return what is written about jobs, without the notes; those without anything are left out.

    Args:
        query: runs a statement.
        job_ids: about these; None for all.
    """
    if job_ids is None:
        rows = query(f"SELECT job_id, {_SHORT} FROM annotations", ())  # noqa: S608  constants
    else:
        rows = []
        for start in range(0, len(job_ids), _VALUES):
            part = job_ids[start : start + _VALUES]
            marks = ",".join("?" * len(part))
            rows += query(
                f"SELECT job_id, {_SHORT} FROM annotations WHERE job_id IN ({marks})",  # noqa: S608
                part,
            )
    return {row[0]: Annotation(_tags(row[1]), bool(row[2]), bool(row[3])) for row in rows}


def read_in_row(text: str | None) -> Annotation:
    """Return the annotation of the column `IN_ROWS`."""
    if not text:
        return NONE
    pinned, noted, tags = json.loads(text)
    return Annotation(tuple(map(str, tags)), bool(pinned), bool(noted))


def read_pinned(query: Query) -> frozenset[str]:
    """Return the ids of pinned jobs."""
    return frozenset(row[0] for row in query("SELECT job_id FROM annotations WHERE pinned", ()))


def read_tags_in_use(query: Query) -> list[str]:
    """Return the tags of all jobs, those of most jobs first."""
    rows = query(
        "SELECT value FROM annotations, json_each(tags) GROUP BY lower(value) "
        "ORDER BY COUNT(*) DESC, lower(value)",
        (),
    )
    return [str(row[0]) for row in rows]


def _tags(text: str) -> tuple[str, ...]:
    return tuple(map(str, json.loads(text)))
