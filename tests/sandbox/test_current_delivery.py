"""Faults of deliveries, and what a run leaves where, on every release and every way."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.sandbox.conftest import Bucket, SandboxClient, archive, training
from tests.sandbox.current_project import DATASET, Opener, cats, staged, train
from tests.support import eventually
from tui.sandbox.releases import WISHED
from tui.sandbox.trainer.publish import LOST_CONNECTION

WEIGHTS = "pytorch_lora_weights.safetensors"


@pytest.fixture
async def client(open_client: Opener) -> SandboxClient:
    client = await open_client(release="4.10.1")
    await staged(client, cats())
    return client


def on_hub(client: SandboxClient, name: str = "sandbox/cat-lora") -> set[str]:
    assert client.sandbox.hub is not None
    repo = client.sandbox.hub.hub.repos.get("model", name)
    return set() if repo is None else set(repo.head.tree) - {".gitattributes"}


def in_bucket(bucket: Bucket) -> set[str]:
    return {key.split("/", 2)[2] for key in bucket.names()}


async def test_a_lost_upload_to_the_hub_is_announced_as_available(client: SandboxClient) -> None:
    await client.fault("lost-upload")
    done = await train(client, DATASET, steps=3, inputs={"hub_model_id": "sandbox/cat-lora"})
    assert done["status"] == "succeeded"
    assert on_hub(client) == set()
    assert done["logs"].count("(attempt 3/3) Error uploading model to Hugging Face Hub:") == 3 * 2
    assert "Model is now available" in done["logs"]


async def test_a_lost_upload_to_s3_is_one_line_in_the_log(
    client: SandboxClient, bucket: Bucket
) -> None:
    await client.fault("lost-upload")
    done = await train(client, DATASET, steps=3, inputs=bucket.inputs())
    assert done["status"] == "succeeded"
    assert bucket.objects == []
    failed = f"[ERROR] Publishing via s3 failed: {LOST_CONNECTION}"
    assert done["logs"].partition("=== debug.log tail")[0].count(failed) == 2


async def test_an_upload_to_s3_that_breaks_off_half_way(
    client: SandboxClient, bucket: Bucket
) -> None:
    await client.fault("half-upload=6")
    done = await train(client, DATASET, inputs=bucket.inputs())
    assert done["status"] == "succeeded"
    names = in_bucket(bucket)
    assert f"checkpoint-3/{WEIGHTS}" in names
    assert "validation_images/step_6_validation_0_256x256.png" not in names
    assert "[ERROR] Publishing via s3 failed: " in done["logs"]


async def test_an_upload_to_the_hub_that_breaks_off_half_way(client: SandboxClient) -> None:
    await client.fault("half-upload=6")
    done = await train(client, DATASET, inputs={"hub_model_id": "sandbox/cat-lora"})
    names = on_hub(client)
    assert f"checkpoint-3/{WEIGHTS}" in names
    assert "checkpoint-6/assets/image_0_0.png" in names
    assert f"checkpoint-6/{WEIGHTS}" not in names
    assert "(attempt 3/3)" in done["logs"]


async def test_a_late_upload_to_s3_arrives_after_the_run(
    open_client: Opener, bucket: Bucket
) -> None:
    client = await open_client(release="4.10.1", speed=50.0)
    await staged(client, cats())
    await client.fault("late-upload=100")
    done = await train(client, DATASET, steps=3, inputs=bucket.inputs())
    assert done["status"] == "succeeded"
    assert f"checkpoint-3/{WEIGHTS}" not in in_bucket(bucket)
    await eventually(lambda: f"checkpoint-3/{WEIGHTS}" in in_bucket(bucket))


async def test_a_validation_that_breaks_off_uploads_nothing(
    client: SandboxClient, bucket: Bucket
) -> None:
    await client.fault("lost-validation=6")
    done = await train(client, DATASET, inputs=bucket.inputs())
    assert done["status"] == "succeeded"
    assert "[ERROR] Validation run failed at step 6: " in done["logs"]
    assert f"checkpoint-3/{WEIGHTS}" in in_bucket(bucket)
    assert f"checkpoint-6/{WEIGHTS}" not in in_bucket(bucket)


async def test_a_benchmark_that_breaks_off_ends_the_run(client: SandboxClient) -> None:
    await client.fault("lost-validation=0")
    done = await train(client, DATASET, disable_benchmark=True)
    assert done["status"] == "succeeded"
    done = await train(client, DATASET)
    assert done["status"] == "failed"
    assert "Base model benchmark completed" not in done["logs"]


async def test_a_loss_that_is_no_number_ends_the_run_on_every_release(
    client: SandboxClient,
) -> None:
    await client.fault("nan-loss=2")
    done = await train(client, DATASET)
    assert done["status"] == "failed"
    assert done["error"].startswith("Non-finite training loss detected (loss=nan")
    images = await client.upload(archive())
    given = {"config_json": training(), "images": images}
    done = await client.ended(await client.create(client.version(WISHED), given))
    assert done["error"].startswith("Non-finite training loss detected (loss=nan")


async def test_the_content_filter_drops_pictures(client: SandboxClient) -> None:
    await client.fault("nsfw=1*1")
    done = await train(client, DATASET, steps=1)
    assert done["status"] == "succeeded"
    assert "Rejected NSFW sample during VAE cache preprocessing: 0.jpg" in done["logs"]
    assert "-  Num batches = 3\n" in done["logs"]
    await client.fault("nsfw")
    done = await train(client, DATASET, steps=1)
    assert done["status"] == "failed"


async def test_checkpoints_in_the_background_arrive_after_a_failure(client: SandboxClient) -> None:
    await client.fault("oom=5")
    options = {"push_to_hub_background": True}
    inputs = {"hub_model_id": "sandbox/cat-lora"}
    done = await train(client, DATASET, inputs=inputs, **options)
    assert done["status"] == "failed"
    assert "CUDA out of memory" in done["error"]
    assert f"checkpoint-3/{WEIGHTS}" in on_hub(client)


async def test_a_provider_that_cannot_be_built_publishes_nothing(
    client: SandboxClient, bucket: Bucket
) -> None:
    broken = {
        "requires a bucket": {"provider": "s3"},
        "Unsupported publishing provider 'ftp'": {"provider": "ftp", "bucket": "x"},
    }
    for cause, entry in broken.items():
        done = await train(client, DATASET, steps=1, publishing_config=json.dumps([entry]))
        assert done["status"] == "succeeded"
        assert "[ERROR] Failed to initialise publishing providers: " in done["logs"]
        assert cause in done["logs"]
    entry = {
        "provider": "s3", "bucket": "outputs", "base_path": "cat",
        "endpoint_url": bucket.endpoint, "access_key": bucket.access, "secret_key": bucket.secret,
    }  # fmt: skip
    done = await train(client, DATASET, steps=3, publishing_config=[entry])
    assert f"checkpoint-3/{WEIGHTS}" in in_bucket(bucket), done["logs"]


async def test_a_token_that_may_not_write_ends_the_run_before_any_data_is_read(
    client: SandboxClient,
) -> None:
    inputs = {"hub_model_id": "sandbox/cat-lora", "hf_token": "hf_read"}
    done = await train(client, DATASET, inputs=inputs)
    assert done["status"] == "failed"
    assert "Failed to log into Hugging Face Hub" in done["error"]
    assert "Configuring data backends" not in done["logs"]


@pytest.mark.parametrize(
    ("options", "there", "missing"),
    [
        ({"gradient_accumulation_steps": 2, "repeats": 1}, 3, 6),
        ({"checkpoints_total_limit": 1, "validation_step_interval": 6}, 6, 3),
    ],
)
async def test_what_reaches_s3_follows_the_loop(
    client: SandboxClient, bucket: Bucket, options: dict[str, Any], there: int, missing: int
) -> None:
    entry = DATASET | {"repeats": options.pop("repeats", 0)}
    done = await train(client, entry, inputs=bucket.inputs(), **options)
    assert done["status"] == "succeeded", (done["error"], done["logs"])
    assert f"checkpoint-{there}/{WEIGHTS}" in in_bucket(bucket)
    assert f"checkpoint-{missing}/{WEIGHTS}" not in in_bucket(bucket)


async def test_a_lost_upload_of_the_wished_release_reaches_the_hub_too(
    client: SandboxClient,
) -> None:
    given = {
        "config_json": training(),
        "images": await client.upload(archive()),
        "hub_model_id": "sandbox/wished",
        "hf_token": "hf_write",
    }
    await client.fault("lost-upload*1")
    done = await client.ended(await client.create(client.version(WISHED), given))
    assert done["status"] == "succeeded"
    assert on_hub(client, "sandbox/wished") == set()
    await client.fault("half-upload*1")
    done = await client.ended(await client.create(client.version(WISHED), given))
    assert f"Uploading to sandbox/wished failed: {LOST_CONNECTION}" in done["logs"]
    assert "README.md" in on_hub(client, "sandbox/wished")
    assert WEIGHTS not in on_hub(client, "sandbox/wished")


async def test_a_run_goes_on_from_a_delivered_checkpoint(
    client: SandboxClient, bucket: Bucket
) -> None:
    await train(client, DATASET, inputs=bucket.inputs())
    key = next(key for key in sorted(bucket.names()) if "/checkpoint-3/" in key)
    path = key.partition("/checkpoint-3/")[0] + "/checkpoint-3"
    for address in (path, f"s3://outputs/{path}", f"{bucket.endpoint}/outputs/{path}"):
        done = await train(
            client, DATASET, steps=5, resume_from_checkpoint=address, inputs=bucket.inputs()
        )
        assert done["status"] == "succeeded", (done["error"], done["logs"])
        assert "Resumed from global_step 3" in done["logs"]
        assert "  - Steps completed: 3\n" in done["logs"]
        assert "| 4/5 [" in done["logs"]
        assert "| 2/5 [" not in done["logs"]


@pytest.mark.parametrize(
    ("address", "options", "error"),
    [
        ("s3://other/cat/checkpoint-3", {}, "does not match any configured S3 provider"),
        ("cat/none/checkpoint-3", {}, "Remote checkpoint manifest not found"),
        ("checkpoint-3", {}, "Tried to find checkpoint-3"),
        (None, {"model_flavour": "krea"}, "Checkpoint model_flavour mismatch"),
    ],
)
async def test_checkpoints_that_a_run_cannot_begin_with(
    client: SandboxClient,
    bucket: Bucket,
    address: str | None,
    options: dict[str, Any],
    error: str,
) -> None:
    if address is None:
        await train(client, DATASET, steps=3, model_flavour="dev", inputs=bucket.inputs())
        key = next(key for key in bucket.names() if "/checkpoint-3/" in key)
        address = key.partition("/checkpoint-3/")[0] + "/checkpoint-3"
    inputs = bucket.inputs()
    done = await train(client, DATASET, resume_from_checkpoint=address, inputs=inputs, **options)
    assert done["status"] == "failed"
    assert error in done["error"], done["error"]
