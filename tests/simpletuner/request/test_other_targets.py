"""Places besides the job's own that a config sends results to, and scripts after an upload."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.simpletuner.projects import write_project
from tests.simpletuner.request.building import HUB, LOCAL, build, options
from tui.simpletuner.config.load import load_config
from tui.simpletuner.request.delivery import Delivery
from tui.simpletuner.request.inputs import PredictorInputs

AZURE = {"provider": "azure_blob", "container": "runs", "base_path": "cats"}
DROPBOX = {"provider": "dropbox", "base_path": "/cats"}
SCRIPTS = {"post_upload_script": "/opt/tell.sh {remote_checkpoint_path}",
           "post_checkpoint_script": "/opt/each.sh"}  # fmt: skip
OWN_BUCKET = Delivery("s3", bucket="mine", base_path="runs", destination="mine")


def inputs_of(tmp_path: Path, delivery: Delivery, **values: Any) -> PredictorInputs:
    return build(load_config(write_project(tmp_path, **values)), delivery=delivery)


def notes(inputs: PredictorInputs, level: str) -> str:
    return " | ".join(note.message for note in inputs.notes if note.level == level)


@pytest.mark.parametrize("target", [AZURE, DROPBOX])
def test_beside_the_hub_a_target_is_sent_unchanged(tmp_path: Path, target: dict[str, Any]) -> None:
    inputs = inputs_of(tmp_path, HUB, publishing_config=[target])
    assert options(inputs)["--publishing_config"] == [target]
    label = {"azure_blob": "Azure Blob", "dropbox": "Dropbox"}[target["provider"]]
    assert f"results go to {label} as well" in notes(inputs, "ok")
    assert "gets nothing" not in notes(inputs, "warn")


@pytest.mark.parametrize(
    ("target", "keys"),
    [
        (AZURE, {"connection_string": "AccountName=a;AccountKey=canary"}),
        (AZURE, {"account_key": "canary"}),
        (DROPBOX, {"token": "canary"}),
        (DROPBOX, {"access_token": "canary"}),
    ],
)
def test_keys_of_a_target_are_left_out_with_a_note(
    tmp_path: Path, target: dict[str, Any], keys: dict[str, str]
) -> None:
    inputs = inputs_of(tmp_path, HUB, publishing_config=[{**target, **keys}, {"provider": "x"}])
    assert "canary" not in json.dumps(inputs.values)
    first, second = options(inputs)["--publishing_config"]
    assert {name: first.get(name) for name in target} == target
    assert second == {"provider": "x"}
    label = {"azure_blob": "Azure Blob", "dropbox": "Dropbox"}[target["provider"]]
    assert f"{label} of publishing_config gets nothing" in notes(inputs, "warn")


@pytest.mark.parametrize("delivery", [OWN_BUCKET, LOCAL])
def test_a_jobs_own_bucket_replaces_other_targets_with_a_warning(
    tmp_path: Path, delivery: Delivery
) -> None:
    inputs = inputs_of(tmp_path, delivery, publishing_config=[AZURE, DROPBOX])
    assert "--publishing_config" not in options(inputs)
    assert "nothing goes to Azure Blob, Dropbox" in notes(inputs, "warn")
    assert any(text.startswith("publishing_config") for text in inputs.dropped)


@pytest.mark.parametrize("delivery", [HUB, OWN_BUCKET, LOCAL])
def test_scripts_are_sent_unchanged(tmp_path: Path, delivery: Delivery) -> None:
    inputs = inputs_of(tmp_path, delivery, **SCRIPTS)
    for name, value in SCRIPTS.items():
        assert options(inputs)[f"--{name}"] == value
        assert f"{name} goes along unchanged" in notes(inputs, "ok")
