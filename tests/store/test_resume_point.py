"""From which checkpoint a later job can go on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.app.world import NOW, job
from tui.base.job_status import JobStatus
from tui.store.records import FileRecord, JobRecord
from tui.store.resume_point import MANIFEST, local_key, resume_point

FOLDER = "cats-abc"
NAMES = ["pytorch_lora_weights.safetensors", "training_state.json", "optimizer.bin"]


def stopped(**more: Any) -> JobRecord:
    known = {
        "status": JobStatus.FAILED, "diagnosis": {"rule": "time-limit"}, "delivery": "local",
        "total_steps": 1000,
    }  # fmt: skip
    return replace(job(1, JobStatus.FAILED), **{**known, **more})


def arrive(
    outputs: Path, step: int, names: list[str], *, manifest: bool = True
) -> list[FileRecord]:
    """Files of a checkpoint as they arrived; the manifest names all of NAMES."""
    head = f"{FOLDER}/simpletuner/cog-1/checkpoint-{step}"
    folder = outputs / head
    folder.mkdir(parents=True)
    if manifest:
        (folder / MANIFEST).write_text(json.dumps({"version": 1, "files": NAMES}))
        names = [*names, MANIFEST]
    return [FileRecord(f"{head}/{name}", 1, "", "delivered", NOW) for name in names]


def test_the_newest_checkpoint_whose_files_all_arrived(tmp_path: Path) -> None:
    files = [
        *arrive(tmp_path, 250, NAMES),
        *arrive(tmp_path, 500, NAMES),
        *arrive(tmp_path, 750, NAMES[:2]),
        *arrive(tmp_path, 800, NAMES, manifest=False),
    ]
    point = resume_point(stopped(), files, tmp_path)
    assert point is not None
    assert (point.step, point.total) == (500, 1000)
    assert point.address == "s3://outputs/simpletuner/cog-1/checkpoint-500"
    assert local_key(point.address) == "simpletuner/cog-1/checkpoint-500"


def test_a_bucket_of_the_user_is_named_with_its_prefix(tmp_path: Path) -> None:
    files = [
        replace(file, path=file.path.replace("/simpletuner/", "/"))
        for file in arrive(tmp_path, 500, NAMES)
    ]
    source = tmp_path / FOLDER / "simpletuner" / "cog-1"
    source.rename(tmp_path / FOLDER / "cog-1")
    inputs = {"s3_bucket": "mine", "s3_base_path": "runs/abc/"}
    point = resume_point(stopped(delivery="s3", inputs=inputs), files, tmp_path)
    assert point is not None
    assert point.address == "s3://mine/runs/abc/cog-1/checkpoint-500"


@pytest.mark.parametrize(
    "changes",
    [
        {"diagnosis": {"rule": "out-of-memory"}},
        {"delivery": "hub"},
        {"status": JobStatus.COMPLETED},
        {"status": JobStatus.CANCELLED, "cancel_requested": True, "submit": {"cancel_after": 9}},
        {"status": JobStatus.CANCELLED},
        {"total_steps": 500},
    ],
)
def test_nothing_is_offered_for_other_ends(tmp_path: Path, changes: dict[str, Any]) -> None:
    files = arrive(tmp_path, 500, NAMES)
    assert resume_point(stopped(), files, tmp_path) is not None
    assert resume_point(stopped(**changes), files, tmp_path) is None


def test_the_limit_that_a_job_was_started_with_counts(tmp_path: Path) -> None:
    files = arrive(tmp_path, 500, NAMES)
    ended = stopped(status=JobStatus.CANCELLED, diagnosis={}, submit={"cancel_after": 60})
    assert resume_point(ended, files, tmp_path) is not None


@pytest.mark.parametrize("text", ["", "[]", '{"files": []}', '{"files": [1]}', '{"files": "x"}'])
def test_a_manifest_that_cannot_be_used_offers_nothing(tmp_path: Path, text: str) -> None:
    files = arrive(tmp_path, 500, NAMES)
    (tmp_path / Path(files[0].path).parent / MANIFEST).write_text(text)
    assert resume_point(stopped(), files, tmp_path) is None
