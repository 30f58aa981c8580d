"""What a user writes about a job, cleaned: names, tags, notes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.base.annotation_text import (
    LONGEST_NAME,
    LONGEST_TAG,
    MOST_NOTE_BYTES,
    MOST_TAGS,
    changed_tags,
    read_job_name,
    read_note,
    read_tag,
    read_tags,
)
from tui.base.text_fields import FieldError


@pytest.mark.parametrize(
    ("typed", "name"),
    [("  Cats,  rank 32 ", "Cats, rank 32"), ("a\n\tb", "a b"), ("\x1b[31mred\x07", "[31mred")],
)
def test_a_name_is_one_line_without_control_characters(typed: str, name: str) -> None:
    assert read_job_name(typed) == name


@pytest.mark.parametrize("typed", ["", " \n", "\x1b", "\u200b\u202e", "x" * (LONGEST_NAME + 1)])
def test_an_empty_or_endless_name_is_refused(typed: str) -> None:
    with pytest.raises(FieldError, match="must"):
        read_job_name(typed)


@pytest.mark.parametrize(
    ("typed", "tag"),
    [("face", "face"), (" #Face ", "Face"), ("+v3", "v3"), ("two words", "two-words"),
     ("a,b", "a-b"), ("état-2", "état-2"), ("\x1bx", "x"), ("c:d", "c:d")],
)  # fmt: skip
def test_a_tag_is_one_word(typed: str, tag: str) -> None:
    assert read_tag(typed) == tag


@pytest.mark.parametrize("typed", ["", "#", "- -", ",", "\x00", "x" * (LONGEST_TAG + 1)])
def test_what_is_no_tag_is_refused(typed: str) -> None:
    with pytest.raises(FieldError, match="must"):
        read_tag(typed)


def test_tags_are_there_once_each_and_few_enough() -> None:
    assert read_tags(["Face", "v3", "face"]) == ("Face", "v3")
    assert changed_tags(("Face", "v3"), ["new", "V3"], ["face", "gone"]) == ("v3", "new")
    every = [f"t{number}" for number in range(MOST_TAGS)]
    assert len(read_tags([*every, "T0"])) == MOST_TAGS
    assert len(changed_tags(every, ["new"], ["t0"])) == MOST_TAGS
    with pytest.raises(FieldError, match="at most 500"):
        changed_tags(every, ["new"])


def test_a_note_keeps_its_lines_and_no_more_than_its_size() -> None:
    assert (
        read_note("\n  indented\r\n\n\tb\r\x1b[2Jc\u202e\udcff \n\n") == "  indented\n\n\tb\n[2Jc"
    )
    assert read_note(" \n ") == ""
    assert len(read_note("é" * (MOST_NOTE_BYTES // 2))) == MOST_NOTE_BYTES // 2
    with pytest.raises(FieldError, match="1 MiB"):
        read_note("é" * (MOST_NOTE_BYTES // 2) + "a")


@given(st.text(st.characters(), max_size=30))
def test_cleaning_again_changes_nothing(text: str) -> None:
    for read in (read_job_name, read_tag, read_note):
        try:
            once = read(text)
        except FieldError:
            continue
        assert read(once) == once
        assert b"\x1b" not in once.encode()
