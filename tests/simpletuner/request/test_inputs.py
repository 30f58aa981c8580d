"""What goes into the request."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simpletuner.projects import HOSTED, TEXT_CACHE, local_entry, write_project
from tests.simpletuner.request.building import (
    HUB,
    LOCAL,
    build,
    dataloader,
    options,
    schema,
)
from tui.simpletuner.config.load import TrainingConfig, load_config
from tui.simpletuner.config.secrets_found import without_secrets
from tui.simpletuner.request.container import UPLOAD_ROOT
from tui.simpletuner.request.delivery import Delivery, clean_repo_id, default_delivery_kind
from tui.simpletuner.request.inputs import hf_token_reason
from tui.simpletuner.request.schema import KNOWN_FIELDS, input_fields, misfit


@pytest.fixture
def config(tmp_path: Path) -> TrainingConfig:
    return load_config(write_project(tmp_path))


def test_local_delivery(config: TrainingConfig) -> None:
    inputs = build(config)
    assert inputs.errors == ()
    assert inputs.values["max_train_steps"] == 100
    assert inputs.values["s3_bucket"] == "outputs"
    assert inputs.values["s3_base_path"] == "job-1"
    assert inputs.secret_names == {"hf_token", "s3_access_key", "s3_secret_key"}
    assert options(inputs)["--push_to_hub"] is False


def test_every_option_is_dashed_and_none_that_the_trainer_sets_is_sent(tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "--webhook_config": {"callback_url": "http://x"},
        "--output_dir": "elsewhere",
    }
    path = write_project(tmp_path, **given)
    inputs = build(load_config(path))
    sent = options(inputs)
    assert all(name.startswith("--") for name in sent)
    plain = {name.removeprefix("--") for name in sent}
    assert not plain & {"output_dir", "webhook_config", "data_backend_config", "max_train_steps"}
    assert any(text.startswith("webhook_config") for text in inputs.dropped)


def test_secrets_are_only_in_secret_inputs(config: TrainingConfig) -> None:
    inputs = build(config)
    for text in (repr(inputs), json.dumps(inputs.values), json.dumps(inputs.shown())):
        assert "canary" not in text
    assert inputs.request()["s3_secret_key"] == "secret-canary"
    assert inputs.shown()["s3_secret_key"] == "***"


def test_a_secret_is_not_sent_in_an_input_that_is_not_secret(config: TrainingConfig) -> None:
    inputs = build(config, schema=schema(s3_secret_key={"type": "string"}))
    assert "s3_secret_key" not in inputs.request()
    assert any("s3_secret_key" in note.message for note in inputs.errors)


def test_the_hub(config: TrainingConfig) -> None:
    inputs = build(config, delivery=HUB)
    assert inputs.values["hub_model_id"] == "alice/cats"
    assert inputs.secret_names == {"hf_token"}
    assert not any(name.startswith("s3_") for name in inputs.request())
    assert any("token" in note.message for note in build(config, delivery=HUB, secrets={}).errors)
    nowhere = Delivery("hub", hub_model_id="not a repo")
    assert build(config, delivery=nowhere).errors


def test_the_hub_with_a_version_that_has_no_such_input(config: TrainingConfig) -> None:
    inputs = build(config, delivery=HUB, schema=schema(hub_model_id=None))
    assert "hub_model_id" not in inputs.values
    assert options(inputs)["--hub_model_id"] == "alice/cats"
    assert options(inputs)["--push_to_hub"] is True


def test_another_delivery_turns_the_hub_off(tmp_path: Path) -> None:
    path = write_project(tmp_path, push_to_hub="true", hub_model_id="alice/cats")
    config = load_config(path)
    assert default_delivery_kind(config) == "hub"
    inputs = build(config)
    assert "hub_model_id" not in inputs.values
    assert "--hub_model_id" not in options(inputs)
    assert options(inputs)["--push_to_hub"] is False
    assert any("push_to_hub" in text for text in inputs.dropped)


def test_a_token_is_sent_only_where_it_is_needed(tmp_path: Path) -> None:
    ungated = load_config(write_project(tmp_path, model_family="sdxl", model_flavour="base-1.0"))
    assert hf_token_reason(ungated, LOCAL) is None
    assert "hf_token" not in build(ungated).secret_names
    assert hf_token_reason(ungated, HUB)
    gated = load_config(write_project(tmp_path))
    assert "licence" in (hf_token_reason(gated, LOCAL) or "")
    hosted = load_config(write_project(tmp_path, [HOSTED], model_family="sdxl"))
    assert hf_token_reason(hosted, LOCAL)


def test_mode_both_points_the_dataloader_into_the_archive(tmp_path: Path) -> None:
    parquet = {"path": "/home/me/facts.parquet", "caption_column": "text"}
    entries = [
        local_entry("datasets/cats", id="my cats", cache_dir_vae="/abs/vae", parquet=parquet),
        HOSTED,
        local_entry("datasets/x", id="off", disabled=True),
        TEXT_CACHE | {"cache_dir": "~/cache"},
    ]
    inputs = build(load_config(write_project(tmp_path, entries)), mode="both")
    cats, domokun, text = dataloader(inputs)
    assert cats["instance_data_dir"] == f"{UPLOAD_ROOT}/my-cats"
    assert cats["parquet"]["path"] == f"{UPLOAD_ROOT}/my-cats/facts.parquet"
    assert cats["parquet"]["caption_column"] == "text"
    assert cats["cache_dir_vae"] == "cache/vae/my cats"
    assert domokun == HOSTED
    assert not text["cache_dir"].startswith(("~", "/"))
    assert inputs.values["images"] == "https://files/x.zip"


def test_folders_of_the_archive_are_used(config: TrainingConfig) -> None:
    inputs = build(config, folders={"cats": "other"})
    assert dataloader(inputs)[0]["instance_data_dir"] == f"{UPLOAD_ROOT}/other"


def test_only_images(config: TrainingConfig) -> None:
    inputs = build(config, mode="images", overrides={"resolution": None})
    assert "dataloader_json" not in inputs.values
    assert options(inputs)["--resolution"] == 256
    assert build(config, mode="images", images_url=None).errors


def test_only_hosted(tmp_path: Path) -> None:
    config = load_config(write_project(tmp_path, [local_entry("datasets/cats"), HOSTED]))
    inputs = build(config, mode="remote")
    assert [entry["id"] for entry in dataloader(inputs)] == ["domokun"]
    assert "images" not in inputs.values
    assert any("cats" in text for text in inputs.dropped)
    alone = load_config(write_project(tmp_path))
    assert any("no dataset" in note.message for note in build(alone, mode="remote").errors)


def test_keys_in_the_dataloader_are_refused(tmp_path: Path) -> None:
    entry = {
        "id": "bucket",
        "type": "aws",
        "aws_bucket_name": "photos",
        "aws_access_key_id": "AKIAABCDEFGHIJKLMNOP",
        "aws_secret_access_key": "canary",
    }
    inputs = build(load_config(write_project(tmp_path, [entry])))
    assert "canary" not in json.dumps(inputs.values)
    assert "AKIA" not in json.dumps(inputs.values)
    assert any("bucket" in note.message for note in inputs.errors)


def test_keys_in_the_config_are_left_out(tmp_path: Path) -> None:
    path = write_project(
        tmp_path,
        hub_token="hf_abcdefghijklmnopqrstuvwx",
        publishing_config=[{"provider": "s3", "bucket": "b", "secret_key": "canary"}],
        validation_prompt="a cat from https://me:canary@example.com/x",
    )
    inputs = build(load_config(path))
    assert "canary" not in json.dumps(inputs.values)
    assert "hf_abc" not in json.dumps(inputs.values)
    assert any("validation_prompt" in note.message for note in inputs.notes)


def test_lycoris_goes_by_its_own_input(tmp_path: Path) -> None:
    path = write_project(tmp_path, lora_type="lycoris", lycoris_config="config/cats/ly.json")
    (path.parent / "ly.json").write_text('{"algo": "lokr"}')
    config = load_config(path)
    inputs = build(config)
    assert json.loads(str(inputs.values["lycoris_config"])) == {"algo": "lokr"}
    assert "--lycoris_config" not in options(inputs)
    assert build(config, schema=schema(lycoris_config=None)).errors


def test_another_resolution_reaches_the_datasets(config: TrainingConfig) -> None:
    inputs = build(config, overrides={"resolution": 768}, mode="both")
    cats, text = dataloader(inputs)
    assert (cats["resolution"], cats["resolution_type"]) == (768, "pixel_area")
    assert "resolution" not in text
    assert options(inputs)["--resolution"] == 768
    assert dataloader(build(config, overrides={"resolution": 0.5}))[0]["resolution_type"] == "area"


def test_steps_and_epochs(tmp_path: Path) -> None:
    epochs = load_config(write_project(tmp_path, max_train_steps=0, num_train_epochs=3))
    assert "max_train_steps" not in build(epochs).values
    assert options(build(epochs))["--num_train_epochs"] == 3
    changed = build(epochs, overrides={"--max_train_steps": 7})
    assert changed.values["max_train_steps"] == 7
    assert options(changed)["--num_train_epochs"] == 0
    old = build(epochs, overrides={"max_train_steps": 7}, schema=schema(max_train_steps=None))
    assert options(old)["--max_train_steps"] == 7


@pytest.mark.parametrize("epochs", [None, ""])
def test_steps_without_epochs_get_them_written_as_0(tmp_path: Path, epochs: str | None) -> None:
    # The trainer's default is one epoch, and it refuses to start with steps and epochs.
    inputs = build(load_config(write_project(tmp_path, num_train_epochs=epochs)))
    assert options(inputs)["--num_train_epochs"] == 0
    assert any("num_train_epochs 0 is written" in note.message for note in inputs.notes)
    written = build(load_config(write_project(tmp_path)))
    assert options(written)["--num_train_epochs"] == 0
    assert not any("num_train_epochs" in note.message for note in written.notes)


def test_values_that_the_schema_refuses(config: TrainingConfig) -> None:
    narrow = schema(max_train_steps={"type": "integer", "maximum": 50})
    assert any("at most 50" in note.message for note in build(config, schema=narrow).errors)


def test_an_older_version_that_takes_files(config: TrainingConfig) -> None:
    inputs = build(config, schema=schema(config_json={"type": "string", "format": "uri"}))
    head, coded = str(inputs.values["config_json"]).split(",", 1)
    assert head == "data:application/json;base64"
    assert json.loads(base64.b64decode(coded))["--model_family"] == "flux"


def test_a_version_that_requires_what_the_job_lacks(config: TrainingConfig) -> None:
    demanding = schema(trigger_word={"type": "string"})
    demanding["components"]["schemas"]["Input"]["required"] = ["trigger_word"]
    assert any("trigger_word" in n.message for n in build(config, schema=demanding).errors)


def test_without_a_schema_a_note_says_so(config: TrainingConfig) -> None:
    inputs = build(config, schema=None)
    assert inputs.values["max_train_steps"] == 100
    assert any(note.level == "warn" for note in inputs.notes)


@given(st.sets(st.sampled_from(sorted(KNOWN_FIELDS))))
def test_only_inputs_of_the_schema_are_sent(names: set[str]) -> None:
    config = TrainingConfig("x", Path("x"), {"model_family": "flux", "max_train_steps": 5})
    whole = schema()["components"]["schemas"]["Input"]["properties"]
    chosen = {"type": "object", "properties": {n: e for n, e in whole.items() if n in names}}
    for delivery in (LOCAL, HUB):
        inputs = build(config, schema=chosen, delivery=delivery, mode="both")
        if names:  # an empty schema stands for "not known"
            assert inputs.request().keys() <= names
        assert "canary" not in json.dumps(inputs.values)


def test_a_schema_with_references_and_circles() -> None:
    document = {
        "components": {
            "schemas": {
                "Input": {"allOf": [{"$ref": "#/components/schemas/Base"}]},
                "Base": {
                    "properties": {
                        "mode": {"allOf": [{"$ref": "#/components/schemas/mode"}], "default": "a"},
                        "circle": {"$ref": "#/components/schemas/circle"},
                        "lost": {"$ref": "#/nowhere"},
                    }
                },
                "mode": {"type": "string", "enum": ["a", "b"]},
                "circle": {"$ref": "#/components/schemas/circle"},
            }
        }
    }
    fields = input_fields(document)
    assert fields["mode"].choices == ("a", "b")
    assert misfit(fields["mode"], "c")
    assert misfit(fields["mode"], 3)
    assert misfit(fields["mode"], "b") is None
    assert misfit(fields["circle"], "anything") is None
    assert fields.keys() == {"mode", "circle", "lost"}


@pytest.mark.parametrize(
    ("given_text", "meant"),
    [
        ("alice/cats", "alice/cats"),
        (" cats ", "cats"),
        ("https://huggingface.co/alice/cats/tree/main?x=1#y", "alice/cats"),
        ("hf.co/alice/cats", "alice/cats"),
        ("https://huggingface.co/models/alice/cats", "alice/cats"),
        ("https://example.com/alice/cats", None),
        ("alice/cats/dogs", None),
        ("../cats", None),
        ("alice/ca ts", None),
        ("", None),
    ],
)
def test_repository_names(given_text: str, meant: str | None) -> None:
    assert clean_repo_id(given_text) == meant


def test_harmless_names_are_no_secrets() -> None:
    options = {
        "tokenizer_max_length": 77,
        "placeholder_token": "<cat>",
        "validation_prompt": "a key on a table",
        "hub_token": "",
    }
    assert without_secrets(options) == (options, ())
