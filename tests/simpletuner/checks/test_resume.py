"""Which checkpoints a job can resume from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.simpletuner.projects import HOSTED, write_project
from tui.simpletuner.checks.checks import Check, check_config
from tui.simpletuner.config.load import load_config
from tui.simpletuner.request.delivery import Delivery

BUCKET = Delivery("s3", bucket="mybucket", destination="mine")


def resume(root: Path, wanted: str, delivery: Delivery, **changes: Any) -> list[Check]:
    path = write_project(root, [HOSTED], resume_from_checkpoint=wanted, **changes)
    return [c for c in check_config(load_config(path), delivery=delivery) if c.id == "resume"]


@pytest.mark.parametrize(
    ("wanted", "delivery", "level", "part"),
    [
        ("latest", BUCKET, "ok", "step 0"),
        ("s3://mybucket/runs/a/checkpoint-500", BUCKET, "ok", "checkpoint-500"),
        ("runs/a/checkpoint-500", BUCKET, "ok", "mybucket/runs/a"),
        ("https://files.example.org/runs/checkpoint-500", BUCKET, "ok", "files.example.org"),
        ("s3://other/runs/a/checkpoint-500", BUCKET, "warn", "mybucket alone"),
        ("s3://mybucket/runs/a", BUCKET, "warn", "no checkpoint"),
        ("s3://mybucket/a/checkpoint-5", Delivery("local", bucket="o"), "warn", "its own files"),
        ("s3://mybucket/a/checkpoint-5", Delivery("hub"), "error", "no access"),
        ("s3://mybucket/a/checkpoint-5", Delivery("none"), "error", "no access"),
        ("runs/a/checkpoint-500", Delivery("hub"), "error", "container"),
        ("/home/me/checkpoint-5", BUCKET, "error", "container"),
        ("~/checkpoint-5", BUCKET, "error", "container"),
        ("checkpoint-500", BUCKET, "error", "container"),
    ],
)
def test_a_checkpoint_is_fetched_from_where_the_results_go(
    tmp_path: Path, wanted: str, delivery: Delivery, level: str, part: str
) -> None:
    (check,) = resume(tmp_path, wanted, delivery)
    assert (check.level, part in check.message) == (level, True)
    assert bool(check.advice) == (level != "ok")


def test_a_bucket_of_the_publishing_config_serves_as_well(tmp_path: Path) -> None:
    target = [{"provider": "s3", "bucket": "mybucket"}]
    wanted = "s3://mybucket/a/checkpoint-5"
    (check,) = resume(tmp_path, wanted, Delivery("hub"), publishing_config=target)
    assert check.level == "ok"


@pytest.mark.parametrize("wanted", ["", "none", "False"])
def test_no_checkpoint_needs_no_check(tmp_path: Path, wanted: str) -> None:
    assert resume(tmp_path, wanted, BUCKET) == []
