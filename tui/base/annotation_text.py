"""Parses what a user writes about a job: its name, its note, its tags.

Forms use these functions before they send anything, and the engine uses them again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from tui.base.text_fields import FieldError

LONGEST_NAME: Final = 200
"""Characters; a draft's run name has as many."""
LONGEST_TAG: Final = 100
MOST_TAGS: Final = 500
MOST_NOTE_BYTES: Final = 1024 * 1024

_NOT_IN_A_NOTE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+"
)
"""What could command a terminal or turn a line round; a line feed and a tab stay."""
_GAPS: Final = re.compile(r"[\s,]+")


def read_job_name(text: str) -> str:
    """Return a job's name on one line, without control characters.

    Raises:
        FieldError: nothing is left, or it is too long.
    """
    name = _printable(" ".join(text.split()))
    if not name:
        raise FieldError("must not be empty")
    if len(name) > LONGEST_NAME:
        raise FieldError(f"must have at most {LONGEST_NAME} characters")
    return name


def read_tag(text: str) -> str:
    """Return a tag: one word, so that `tag:word` finds it and a list of tags can be typed.

    A `#`, `+` or `-` before it is how tags are typed, and no part of it.

    Raises:
        FieldError: nothing is left, or it is too long.
    """
    words = _GAPS.sub("-", text.strip().strip(","))
    tag = _printable(words).lstrip("#+-").rstrip("-")
    if not tag:
        raise FieldError("must not be empty")
    if len(tag) > LONGEST_TAG:
        raise FieldError(f"must have at most {LONGEST_TAG} characters")
    return tag


def read_tags(texts: Iterable[str]) -> tuple[str, ...]:
    """Return tags in their order, each once; one that differs in case alone is the same.

    Raises:
        FieldError: one of them is wrong, or there are too many.
    """
    tags: dict[str, str] = {}
    for text in texts:
        tag = read_tag(text)
        tags.setdefault(tag.casefold(), tag)
    if len(tags) > MOST_TAGS:
        raise FieldError(f"must be at most {MOST_TAGS}")
    return tuple(tags.values())


def changed_tags(
    tags: Iterable[str], add: Iterable[str] = (), remove: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return tags with some taken away and others added at the end.

    Raises:
        FieldError: one is wrong, or there would be too many.
    """
    gone = {tag.casefold() for tag in read_tags(remove)}
    return read_tags([*(tag for tag in tags if tag.casefold() not in gone), *add])


def read_note(text: str) -> str:
    """Return a note without control characters, and without white space around it.

    Raises:
        FieldError: it is too long.
    """
    note = _NOT_IN_A_NOTE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    note = note.rstrip().strip("\n")
    if len(note.encode()) > MOST_NOTE_BYTES:
        raise FieldError(f"must have at most {MOST_NOTE_BYTES // 1024 // 1024} MiB")
    return note


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(filter(str.isprintable, text)).strip()
