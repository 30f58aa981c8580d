"""What users write about their jobs is kept, found, merged, and goes with the record."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.world import home_at
from tests.store.job_records import job
from tui.settings import Home
from tui.store.annotations import NONE, Annotation
from tui.store.filter import parse_filter
from tui.store.reader import StoreReader
from tui.store.writer import Change, StoreWriter

FACE = Annotation(("face", "v3"), pinned=True).with_note("two\nlines")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return home_at(tmp_path)


@pytest.fixture
def writer(home: Home) -> Iterator[StoreWriter]:
    writer = StoreWriter(home)
    writer.insert(job("a"), Change(annotation=FACE))
    writer.insert(job("b"))
    writer.insert(job("c"), Change(annotation=Annotation(("Face-2",)).with_note("")))
    yield writer
    writer.close()


@pytest.fixture
def reader(home: Home, writer: StoreWriter) -> Iterator[StoreReader]:
    reader = StoreReader(home.database)
    yield reader
    reader.close()


def short(annotation: Annotation) -> Annotation:
    return Annotation(annotation.tags, annotation.pinned, annotation.has_note)


def test_it_is_read_back_whole_and_in_lists_without_the_note(
    writer: StoreWriter, reader: StoreReader
) -> None:
    assert writer.annotation("a") == reader.annotation("a") == FACE
    assert reader.annotation("b") == NONE.with_note("")
    assert reader.annotations(["a", "b"]) == {"a": short(FACE)}
    assert set(reader.annotations()) == {"a", "c"}
    rows = reader.rows(["a", "b", "c"])
    assert rows["a"].annotation == short(FACE)
    assert rows["b"].annotation == NONE
    assert reader.pinned() == {"a"}
    assert reader.tags_in_use() == ["face", "Face-2", "v3"]
    assert reader.count(parse_filter("tag:v3")) == 1


def test_a_change_is_a_revision_and_what_is_empty_leaves_no_row(
    writer: StoreWriter, reader: StoreReader
) -> None:
    before = reader.max_rev()
    writer.apply("a", Change(annotation=NONE.with_note("")))
    assert [row.annotation for row in reader.changed_since(before)] == [NONE]
    assert writer._db.execute("SELECT job_id FROM annotations").fetchall() == [("c",)]
    writer.apply("a", Change(values={"name": "new"}))
    assert reader.annotation("c").tags == ("Face-2",)
    with pytest.raises(ValueError, match="with its note"):
        writer.apply("a", Change(annotation=short(FACE)))
    assert reader.annotation("a") == NONE.with_note("")


@pytest.mark.parametrize(
    ("line", "found"),
    [("tag:face", {"a"}), ("tag:FACE tags=v3", {"a"}), ("tag:face-2", {"c"}), ("tag:fac", set()),
     ("tag:", {"a", "b", "c"}), ("has:", {"a", "b", "c"}), ("has:note", {"a"}),
     ("has:tags", {"a", "c"}), ("has:Pin", {"a"}), ("tag:%", set())],
)  # fmt: skip
def test_the_filter_finds_it(reader: StoreReader, line: str, found: set[str]) -> None:
    assert set(reader.job_ids(where=parse_filter(line))) == found


def test_two_records_of_one_job_lose_nothing(writer: StoreWriter) -> None:
    writer.insert(
        job("d", prediction_id=""),
        Change(annotation=Annotation(("V3", "mine")).with_note("first")),
    )
    writer.claim(writer.job("d"), "p-a", Change(), "a")
    assert writer.annotation("d") == Annotation(("V3", "mine", "face"), pinned=True).with_note(
        "first\n\ntwo\nlines"
    )
    writer.insert(job("e", prediction_id=""), Change(annotation=FACE))
    writer.claim(writer.job("e"), "p-b", Change(), "b")  # nothing was written about the other
    assert writer.annotation("e") == FACE
    writer.insert(job("f", prediction_id=""))
    writer.claim(writer.job("f"), "p-e", Change(), "e")
    assert writer.annotation("f") == FACE
    ids = {row[0] for row in writer._db.execute("SELECT job_id FROM annotations")}
    assert ids == {"c", "d", "f"}


def test_it_goes_with_the_record(writer: StoreWriter) -> None:
    writer.delete("a")
    assert writer._db.execute("SELECT job_id FROM annotations").fetchall() == [("c",)]
