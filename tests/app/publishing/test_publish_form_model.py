"""Where the publish form begins, and what it says of places: pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from tui.app.publishing.publish_form_model import (
    PublishFormModel,
    PublishHistory,
    PublishRequest,
    first_place,
)
from tui.store.records import JobRow
from tui.store.transfer_records import DestinationRecord

NOW = datetime(2026, 11, 23, 14, 2, 10, tzinfo=UTC)
HUB = DestinationRecord("hub", "hub", {"repo": "alice/cat", "private": True}, NOW)
NAS = DestinationRecord(
    "nas", "s3", {"preset": "minio", "bucket": "models", "prefix": "runs", "endpoint": "http://n:9"},
    NOW,
)  # fmt: skip
DISK = DestinationRecord("disk", "folder", {"path": "/srv/models"}, NOW)
ALL = [DISK, HUB, NAS]


@pytest.mark.parametrize(
    ("history", "first"),
    [
        (PublishHistory(), "disk"),
        (PublishHistory(failing=frozenset({"disk"})), "hub"),
        (PublishHistory(failing=frozenset({"disk"}), working=frozenset({"nas"})), "nas"),
        (PublishHistory(used=("s3:nas/runs/x", "hub:alice/cat")), "nas"),
        (PublishHistory(used=("hub:bob/dog", "dir:/srv/models/cat-1")), "disk"),
        (PublishHistory(used=("s3:nas/x", "hub:alice/cat"), failing=frozenset({"nas"})), "hub"),
        (PublishHistory(failing=frozenset({"disk", "hub", "nas"})), "disk"),
    ],
)
def test_it_begins_with_the_place_used_last_or_one_that_works(
    history: PublishHistory, first: str
) -> None:
    assert first_place(ALL, history) == first


def test_without_a_destination_no_place_is_chosen() -> None:
    assert first_place([], PublishHistory(used=("hub:a/b",))) == ""


def test_it_says_the_folder_and_what_fails() -> None:
    job: Any = cast("JobRow", type("Row", (), {"name": "cat", "file_count": 2, "file_bytes": 9})())
    history = PublishHistory(failing=frozenset({"disk"}), folder="cat-job1")
    model = PublishFormModel(cast("Any", None), ALL, PublishRequest((job,)), history)
    item = next(one for one in model.items() if one.key == "to")
    said = {name: quiet for name, _, quiet in item.choices}
    assert said["disk"] == "its last test failed · folder, /srv/models/cat-job1"
    assert said["nas"] == "MinIO, models/runs/cat-job1 at n:9"
    assert said["hub"] == "Hub, alice/cat, private"
    two = PublishFormModel(cast("Any", None), ALL, PublishRequest((job, job)), history)
    item = next(one for one in two.items() if one.key == "to")
    assert "a folder for each job" in {name: quiet for name, _, quiet in item.choices}["nas"]
