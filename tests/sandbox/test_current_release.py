"""The release that runs as SimpleTuner 4.10.1 does: archive, rules, data, schedule, log."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.sandbox.conftest import Bucket, SandboxClient, archive
from tests.sandbox.current_project import (
    DATASET,
    Opener,
    cats,
    config,
    finish,
    staged,
    train,
)


@pytest.fixture
async def client(open_client: Opener) -> SandboxClient:
    return await open_client(release="4.10.1")


async def test_an_archive_is_refused_without_a_dataloader_and_ignored_with_one(
    client: SandboxClient,
) -> None:
    images = await client.upload(archive())
    alone = await finish(client, {"config_json": config(), "images": images})
    assert alone["status"] == "failed"
    assert alone["error"].startswith("Unsafe zip path detected: photographs/")
    local = json.dumps([{"id": "cats", "type": "local", "instance_data_dir": "photographs"}])
    given = {"config_json": config(), "images": images, "dataloader_json": local}
    both = await finish(client, given)
    assert both["status"] == "failed"
    assert "The following dataset directories do not exist: photographs" in both["error"]


async def test_staged_pictures_are_trained_on_and_the_last_checkpoint_is_delivered(
    client: SandboxClient, bucket: Bucket
) -> None:
    await staged(client, cats())
    done = await train(client, DATASET, inputs=bucket.inputs())
    assert done["status"] == "succeeded", (done["error"], done["logs"])
    names = {key.split("/", 2)[2] for key in bucket.names()}
    assert {
        "checkpoint-3/pytorch_lora_weights.safetensors",
        "checkpoint-6/pytorch_lora_weights.safetensors",
        "validation_images/step_0_unconditional_0_256x256.png",
        "validation_images/step_6_validation_0_256x256.png",
    } <= names
    # Written after the last upload: it never leaves the container.
    assert "pytorch_lora_weights.safetensors" not in names
    # Every file goes again at each of the three uploads.
    first = [item for item in bucket.objects if "step_0_unconditional" in item.key]
    assert len(first) == 3
    log = done["logs"]
    assert "Wrote:" not in log
    assert "This run is simulated" not in log
    assert "-  Num batches = 4" in log
    assert "[STAGE] ✓ Benchmarking base model (100.0%): Base model benchmark completed." in log
    assert re.search(r"\[INFO\] Checkpoint: `(Step 3 of 6: .*)`: Checkpoint: `\1`", log)


async def test_nothing_is_delivered_where_no_validation_is_due_at_the_end(
    client: SandboxClient, bucket: Bucket
) -> None:
    await staged(client, cats())
    done = await train(client, DATASET, inputs=bucket.inputs(), validation_step_interval=4, steps=6)
    assert done["status"] == "succeeded", (done["error"], done["logs"])
    names = {key.split("/", 2)[2] for key in bucket.names()}
    assert "checkpoint-3/pytorch_lora_weights.safetensors" in names
    assert not any(name.startswith("checkpoint-6") for name in names)
    assert done["output"].endswith("/outputs/cat")


async def test_the_hub_gets_every_checkpoint_and_the_final_weights(client: SandboxClient) -> None:
    await staged(client, cats())
    done = await train(
        client, DATASET, validation_disable=True, inputs={"hub_model_id": "sandbox/cat-lora"}
    )
    assert done["status"] == "succeeded", (done["error"], done["logs"])
    assert done["output"] == "https://huggingface.co/sandbox/cat-lora"
    repo = client.sandbox.hub.hub.repos.get("model", "sandbox/cat-lora")  # type: ignore[union-attr]
    assert repo is not None
    assert {
        "pytorch_lora_weights.safetensors", "README.md", "simpletuner_config.json",
        "checkpoint-3/pytorch_lora_weights.safetensors",
        "checkpoint-6/pytorch_lora_weights.safetensors",
    } <= set(repo.head.tree)  # fmt: skip


@pytest.mark.parametrize(
    ("options", "seen", "error"),
    [
        ({"lora_rnk": 4}, "unrecognized arguments: --lora_rnk=4", ""),
        ({"mixed_precision": "bf32"}, "argument --mixed_precision: invalid choice: 'bf32'", ""),
        ({"train_batch_size": 1.5}, "argument --train_batch_size: invalid int value: '1.5'", ""),
        ({"push_to_hub": "maybe"}, "Expected a boolean value, got 'maybe'", ""),
        ({"report_to": "clearml"}, "Unsupported --report_to value", ""),
        ({"publishing_config": "mine.json"}, "Could not load publishing_config", ""),
        ({"optimizer": None}, "the following arguments are required: --optimizer", ""),
        ({"num_train_epochs": None}, "", r"you must set --num_train_epochs .* to 0"),
        ({"optimizer": "adam"}, "", "Optimizer adam not found"),
        ({"model_flavour": "pro"}, "", "Model flavour pro not found in"),
        ({"lora_type": "lycoris"}, "", "expected str, bytes or os.PathLike object, not NoneType"),
        ({"model_type": "full", "base_model_precision": "int8-quanto"}, "", "not compatible with"),
        ({"validation_resolution": "big"}, "", "Invalid validation resolution"),
        ({"max_train_steps": 0}, "", "You must specify either --max_train_steps or"),
        ({"train_batch_size": 8}, "", r"zero usable batches[\s\S]*Minimum repeats required: 1"),
        ({"model_flavour": "kontext"}, "", "Model requires a conditioning dataset"),
        ({"num_processes": 2}, "", "CUDA error: invalid device ordinal"),
        ({"gradient_accumulation_steps": 0}, "", "Invalid gradient_accumulation_steps"),
    ],
)
async def test_settings_that_the_trainer_refuses(
    client: SandboxClient, options: dict[str, Any], seen: str, error: str
) -> None:
    await staged(client, cats())
    done = await train(client, DATASET, **options)
    assert done["status"] == "failed"
    if seen:
        assert "usage: train.py" in done["logs"]
        assert seen in done["logs"]
        assert done["error"].startswith("Training configuration could not be parsed")
    else:
        assert re.search(error, done["error"]), done["error"]
        assert f"[ERROR] Fatal Error: Failed to run training: {done['error']}" in done["logs"]


async def test_a_unique_beginning_of_an_option_is_that_option(client: SandboxClient) -> None:
    await staged(client, cats())
    done = await train(client, DATASET, max_train_steps=None, max_train_st=2)
    assert done["status"] == "succeeded", (done["error"], done["logs"])
    assert "-  Total optimization steps = 2" in done["logs"]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"type": "folder"}, "Unknown data backend type: folder"),
        ({"dataset_type": "picture"}, "Unknown dataset_type: picture"),
        ({"dataset_name": None}, "dataset_name is required for HuggingFace"),
        ({"caption_strategy": "textfile"}, "caption_strategy must be set to 'huggingface'"),
        ({"metadata_backend": "discovery"}, "metadata_backend must be set to 'huggingface'"),
        ({"caption_strategy": "instanceprompt"}, "no instance_prompt was provided"),
        ({"maximum_image_size": 2048}, "must also provide a value for target_downsample_size"),
        ({"resolution": "big"}, "Resolution type 'pixel_area' requires"),
        ({"crop_aspect": "wide"}, "crop_aspect must be one of"),
        ({"start_epoch": 2}, "must be available at the start of training"),
        ({"conditioning_data": "poses"}, "Conditioning data backend poses not found"),
        ({"text_embeds": "cache"}, "Text embed backend cache not found"),
        ({"type": "aws"}, "Missing required AWS configuration keys: aws_bucket_name"),
        ({"type": "csv", "caption_strategy": "csv"}, "Missing required CSV configuration keys"),
        ({"id": ""}, "Each dataset needs a unique 'id' field"),
        ({"dataset_name": "sandbox/dogs"}, "'sandbox/dogs' doesn't exist on the Hub or cannot be"),
        ({"split": "validation"}, 'Unknown split "validation". Should be one of ['),
        ({"minimum_image_size": 128}, "Dataset produced no usable samples"),
        ({"huggingface": {"caption_column": "text"}}, "No datasets are active at the start"),
    ],
)
async def test_entries_that_the_trainer_refuses(
    client: SandboxClient, change: dict[str, Any], error: str
) -> None:
    await staged(client, cats())
    done = await train(client, DATASET | change)
    assert done["status"] == "failed"
    assert error in done["error"], done["error"]
    assert "[STAGE] ✗ Configuring data backends: Failed to load data backends: " in done[
        "logs"
    ] or error.startswith("No datasets")


@pytest.mark.parametrize(
    ("token", "error"),
    [
        (None, "doesn't exist on the Hub or cannot be accessed"),
        ("hf_expired", "401 Unauthorized"),
    ],
)
async def test_a_private_dataset_is_read_with_the_token_of_the_inputs_alone(
    client: SandboxClient, monkeypatch: pytest.MonkeyPatch, token: str | None, error: str
) -> None:
    await staged(client, cats())
    monkeypatch.setenv("HF_TOKEN", "hf_write")
    done = await train(client, DATASET, inputs={"hf_token": token})
    assert done["status"] == "failed"
    assert error in done["error"]
    read = await train(client, DATASET, inputs={"hf_token": "hf_read"})
    assert read["status"] == "succeeded", read["logs"]


async def test_with_an_evaluation_dataset_only_that_one_is_checked(client: SandboxClient) -> None:
    await staged(client, cats())
    shown = DATASET | {"id": "shown", "dataset_type": "eval"}
    done = await train(client, DATASET, shown, train_batch_size=8, eval_dataset_id="shown", steps=1)
    assert done["status"] == "succeeded", (done["error"], done["logs"])


@pytest.mark.parametrize(
    ("change", "batch", "error"),
    [
        ({"dataset_type": "conditioning"}, 8, "single bucket with fewer than 8 images"),
        ({"dataset_type": "caption"}, 1, None),
    ],
)
async def test_other_kinds_of_datasets(
    client: SandboxClient, change: dict[str, Any], batch: int, error: str | None
) -> None:
    await staged(client, cats())
    main = DATASET | {"repeats": 1}
    done = await train(
        client, main, DATASET | {"id": "b"} | change, train_batch_size=batch, steps=1
    )
    assert (done["status"], error) in {("succeeded", None), ("failed", error)}
    assert error is None or error in done["error"]


async def test_a_caption_dataset_alone_cannot_be_trained_on(client: SandboxClient) -> None:
    await staged(client, cats())
    done = await train(client, DATASET | {"dataset_type": "caption"})
    assert "Caption dataset cats cannot be used without a distiller" in done["error"]


async def test_a_run_that_reports_to_its_folder_delivers_the_numbers(
    client: SandboxClient, bucket: Bucket
) -> None:
    await staged(client, cats())
    await train(client, DATASET, report_to="simpletuner", inputs=bucket.inputs())
    last = {item.key.split("/", 2)[2]: item for item in bucket.objects}
    lines = last["training_metrics.jsonl"].path.read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4, 5, 6]
    media = last["validation_media.jsonl"].path.read_text().splitlines()
    assert {json.loads(line)["path"] for line in media} <= set(last)
    assert {json.loads(line)["label"] for line in media} == {"unconditional", "validation"}
