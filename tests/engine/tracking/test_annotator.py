"""What a user writes about a job: all of it or nothing, and each change in the history once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.world import NOW, home_at, job
from tui.api.jobs import JobChange
from tui.base.annotation_text import MOST_TAGS
from tui.base.errors import ApiError
from tui.base.job_status import JobStatus
from tui.engine.runtime.event_bus import EventBus
from tui.engine.tracking.annotator import Annotator
from tui.engine.tracking.recorder import JobRecorder
from tui.engine.transfers.artifacts import artifacts_in_store, name_of
from tui.store.annotations import Annotation
from tui.store.job_folder import folder_of
from tui.store.quick_artifacts import QuickArtifacts
from tui.store.quick_reader import open_quickly
from tui.store.reader import StoreReader
from tui.store.records import FileRecord
from tui.store.writer import Change, StoreWriter

JOB, OTHER = job(1, JobStatus.COMPLETED), job(2, JobStatus.COMPLETED)


class Written:
    """A store with two jobs, and the annotator over it."""

    def __init__(self, folder: Path) -> None:
        home = home_at(folder)
        self.recorder = JobRecorder(StoreWriter(home), home, EventBus())
        self.reader = StoreReader(home.database)
        for record in (JOB, OTHER):
            self.recorder.insert(record)

    def change(self, wanted: JobChange) -> str:
        """Change the job; returns its name afterwards."""
        job = self.recorder.writer.job(JOB.job_id)
        return Annotator(self.recorder, lambda: NOW).change(job, wanted).name

    def history(self) -> list[str]:
        return [event.message for event in self.reader.events(JOB.job_id)]


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    written = Written(tmp_path)
    yield written
    written.reader.close()
    written.recorder.writer.close()


def test_a_renamed_job_keeps_the_folder_that_its_trainer_writes_into(
    written: Written, tmp_path: Path
) -> None:
    path = f"{folder_of(JOB)}/checkpoint-50/a.safetensors"
    kept = FileRecord(path, 1, "1" * 64, "delivered", NOW)
    written.recorder.writer.apply(JOB.job_id, Change(files=[kept]))
    for name in ("other", "another"):
        written.change({"name": name})
        job = written.reader.find(JOB.job_id)
        assert (job.name, folder_of(job)) == (name, folder_of(JOB))
        assert name_of(job, kept) == "checkpoint-50/a.safetensors"
    [slow] = artifacts_in_store(written.reader, JOB.job_id, tmp_path)
    assert slow["folder"] == str(tmp_path / folder_of(JOB))
    query = open_quickly(str(home_at(tmp_path).database))
    assert query is not None
    for job_id in (JOB.job_id, ""):
        assert artifacts_in_store(QuickArtifacts(query), job_id, tmp_path) == [slow]
    query.close()
    # One that was renamed before its folder was kept:
    written.recorder.writer.apply(JOB.job_id, Change(values={"submit": {}}))
    assert name_of(written.reader.find(JOB.job_id), kept) == "checkpoint-50/a.safetensors"


def test_each_change_is_in_the_history_and_what_is_the_same_is_not(written: Written) -> None:
    wanted: JobChange = {
        "name": f" {OTHER.name}\n", "note": "one\n\nthree\x1b[2J", "pinned": True,
        "add_tags": ["face", "v3", "Face"], "remove_tags": ["never-there"],
    }  # fmt: skip
    assert written.change(wanted) == OTHER.name  # names need not differ; ids do
    annotation = Annotation(("face", "v3"), pinned=True).with_note("one\n\nthree[2J")
    assert written.reader.annotation(JOB.job_id) == annotation
    assert written.history() == [
        f"Renamed from “{JOB.name}” to “{OTHER.name}”.", "Note written, 3 lines.",
        "Tagged: face, v3.", "Pinned.",
    ]  # fmt: skip
    revision = written.reader.max_rev()
    assert written.change(wanted) == written.change({}) == OTHER.name
    assert written.reader.max_rev() == revision
    written.change({"note": "", "pinned": False, "remove_tags": ["FACE"]})
    assert written.history()[4:] == ["Note deleted.", "Tags removed: face.", "No longer pinned."]
    assert written.reader.annotation(OTHER.job_id) == Annotation().with_note("")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": " \x1b\n"}, "name must not be empty"),
        ({"name": "x" * 201}, "name must have at most 200"),
        ({"note": "é" * 600_000}, "note must have at most 1 MiB"),
        ({"add_tags": ["#"]}, "tags must not be empty"),
        ({"add_tags": [f"t{number}" for number in range(MOST_TAGS + 1)]}, "tags must be at most"),
    ],
)
def test_a_wrong_value_changes_nothing_at_all(
    written: Written, wrong: JobChange, field: str
) -> None:
    with pytest.raises(ApiError, match=field):
        written.change({"note": "fine", "pinned": True, **wrong})
    assert written.reader.annotation(JOB.job_id) == Annotation().with_note("")
    assert written.history() == []


def test_five_hundred_tags_are_one_line_of_history(written: Written) -> None:
    written.change({"add_tags": [f"t{number}" for number in range(MOST_TAGS)]})
    assert len(written.reader.annotation(JOB.job_id).tags) == MOST_TAGS
    assert written.history() == ["Tagged: t0, t1, t2, t3, t4 and 495 more."]


def test_a_warning_is_put_away_once_and_only_where_the_run_has_it(written: Written) -> None:
    since = NOW.isoformat()
    rows = [
        {"kind": kind, "step": 3, "since": since, "ratio": None, "dismissed": False}
        for kind in ("diverging", "stalled")
    ]
    written.recorder.write(JOB.job_id, Change(values={"warnings": rows}))
    written.change({"dismiss": ["stalled", "slower"]})
    kept = written.recorder.writer.job(JOB.job_id).warnings
    assert [(row["kind"], row["dismissed"]) for row in kept] == [
        ("diverging", False), ("stalled", True),
    ]  # fmt: skip
    written.change({"dismiss": ["stalled"]})
    assert written.history() == ["Warning put away: stalled."]
