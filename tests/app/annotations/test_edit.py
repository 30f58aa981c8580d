"""What is typed in the sheet: what differs, what is completed, what a title says."""

from __future__ import annotations

from typing import Any

import pytest

from tui.app.annotations.edit import change_of, completed, tags_text, title_words
from tui.app.shell.jobs_model import pinned_first
from tui.base.text_fields import FieldError
from tui.store.annotations import Annotation

WRITTEN = Annotation(("face", "v3")).with_note("why")


def change(name: str = "cat", tags: str = "face v3 ", note: str | None = "why") -> Any:
    return change_of("cat", WRITTEN, typed_name=name, typed_tags=tags, typed_note=note)


def test_only_what_differs_is_sent() -> None:
    assert change() == change(" cat ", "V3,face", "why\n") == change(note=None) == {}
    assert tags_text(WRITTEN.tags) == "face v3 "
    assert change("dog", "face, new", "") == {
        "name": "dog", "note": "", "add_tags": ["new"], "remove_tags": ["v3"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"name": " "}, "The name must not be empty"), ({"tags": "a #"}, "The tags must not"),
     ({"note": "x" * 2_000_000}, "The note must have at most 1 MiB")],
)  # fmt: skip
def test_a_wrong_field_is_named(wrong: dict[str, str], words: str) -> None:
    with pytest.raises(FieldError, match=words):
        change(**wrong)


@pytest.mark.parametrize(
    ("typed", "line"),
    [("fa", "face"), ("v3 FA", "v3 FAce"), ("x,fa", "x,face"), ("face fa", "face fast"),
     ("face", None), ("", None), ("face ", None), ("zz", None)],
)  # fmt: skip
def test_the_last_word_is_completed_to_a_tag_in_use(typed: str, line: str | None) -> None:
    assert completed(typed, ["face", "fast", "v3"]) == line


def test_a_title_names_some_tags_and_counts_the_rest() -> None:
    assert title_words(Annotation()) == ()
    tags = tuple(f"t{number}" for number in range(500))
    written = Annotation(tags, pinned=True).with_note("a")
    assert title_words(written) == ("* pinned", "note (i)", "tags: t0, t1, t2, t3 +496")


def test_pinned_jobs_stand_first_in_the_order_of_the_list() -> None:
    ids = ["d", "c", "b", "a"]
    assert pinned_first(ids, frozenset()) is ids
    assert pinned_first(ids, frozenset({"a", "c", "not here"})) == ["c", "a", "d", "b"]
