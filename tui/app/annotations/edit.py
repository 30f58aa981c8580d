"""What is typed about a job, compared with what is there, and the completion of tags."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tui.base.annotation_text import read_job_name, read_note, read_tags
from tui.base.text_fields import FieldError

if TYPE_CHECKING:
    from tui.api.jobs import JobChange
    from tui.store.annotations import Annotation


def tags_text(tags: Iterable[str]) -> str:
    """Returns tags as they are typed, with a space behind the last for the next one."""
    return "".join(f"{tag} " for tag in tags)


def change_of(
    name: str, written: Annotation, *, typed_name: str, typed_tags: str, typed_note: str | None
) -> JobChange:
    """Returns what differs from what is there; tags that others add meanwhile stay.

    Args:
        name: the job's name.
        written: what is written about it.
        typed_name: the line of the name.
        typed_tags: the line of the tags, with spaces or commas between them.
        typed_note: the note; None where it cannot be changed here.

    Raises:
        FieldError: a value is wrong; the message begins with the field.
    """
    change: JobChange = {}
    field = "The name"
    try:
        if (new := read_job_name(typed_name)) != name:
            change["name"] = new
        field = "The tags"
        tags = read_tags(typed_tags.replace(",", " ").split())
        field = "The note"
        if typed_note is not None and (note := read_note(typed_note)) != (written.note or ""):
            change["note"] = note
    except FieldError as error:
        raise FieldError(f"{field} {error}.") from None
    kept = {tag.casefold() for tag in tags}
    known = {tag.casefold() for tag in written.tags}
    if added := [tag for tag in tags if tag.casefold() not in known]:
        change["add_tags"] = added
    if removed := [tag for tag in written.tags if tag.casefold() not in kept]:
        change["remove_tags"] = removed
    return change


def completed(typed: str, in_use: Sequence[str]) -> str | None:
    """Returns the line with its last word completed to a tag in use that is not in it yet."""
    *before, word = typed.replace(",", " ").split(" ")
    there = {tag.casefold() for tag in before}
    if not word:
        return None
    for tag in in_use:
        if tag.casefold().startswith(word.casefold()) and tag.casefold() not in there:
            return typed + tag[len(word) :] if len(tag) > len(word) else None
    return None


def title_words(written: Annotation) -> tuple[str, ...]:
    """Returns what is shown of it in a title: `pinned`, `note (i)`, `tags: face, v3`."""
    words = ["* pinned"] * written.pinned + ["note (i)"] * written.has_note
    if written.tags:
        shown = ", ".join(written.tags[:4])
        more = len(written.tags) - 4
        words.append(f"tags: {shown}" + (f" +{more}" if more > 0 else ""))
    return tuple(words)
