"""Small datasets and configs for the trainer of today."""

from __future__ import annotations

import io
import json
from collections.abc import Awaitable, Callable
from typing import Any

from huggingface_hub import HfApi
from PIL import Image

from tests.sandbox.conftest import SandboxClient
from tui.sandbox.releases import CURRENT

Opener = Callable[..., Awaitable[SandboxClient]]
HUB = {"hf_token": "hf_write"}
DATASET: dict[str, Any] = {
    "id": "cats",
    "type": "huggingface",
    "dataset_name": "sandbox/cats",
    "crop": True,
    "crop_aspect": "square",
    "resolution": 512,
    "resolution_type": "pixel_area",
}


def config(steps: int = 6, **options: Any) -> str:
    """A config_json that the trainer accepts."""
    values = {
        "model_family": "flux",
        "model_type": "lora",
        "lora_rank": 2,
        "optimizer": "adamw_bf16",
        "max_train_steps": steps,
        "num_train_epochs": 0,
        "train_batch_size": 1,
        "checkpoint_step_interval": 3,
        "validation_prompt": "a cat",
        "validation_step_interval": 3,
        "validation_num_inference_steps": 2,
        **options,
    }
    return json.dumps({f"--{key}": value for key, value in values.items() if value is not None})


def picture(width: int = 64, height: int = 64, **save: Any) -> bytes:
    target = io.BytesIO()
    mode = save.pop("mode", "RGB")
    Image.new(mode, (width, height)).save(target, save.pop("format", "PNG"), **save)
    return target.getvalue()


def cats(count: int = 4, **rows: Any) -> dict[str, bytes]:
    """The files of a small dataset: pictures and their captions."""
    files = {f"photo {number}.png": picture() for number in range(count)}
    lines = [
        json.dumps({"file_name": name, "caption": f"cat {number}"} | rows)
        for number, name in enumerate(files)
    ]
    return files | {"metadata.jsonl": "\n".join(lines).encode()}


def stage(client: SandboxClient, files: dict[str, bytes], name: str = "sandbox/cats") -> str:
    """Upload a private dataset to the sandbox's Hub; returns the commit."""
    api = HfApi(endpoint=client.sandbox.hub_url, token="hf_write")
    api.create_repo(name, repo_type="dataset", private=True, exist_ok=True)
    from huggingface_hub import CommitOperationAdd

    operations = [CommitOperationAdd(path, data) for path, data in files.items()]
    return str(api.create_commit(name, operations, commit_message="data", repo_type="dataset").oid)


async def staged(client: SandboxClient, files: dict[str, bytes]) -> str:
    import asyncio

    return await asyncio.to_thread(stage, client, files)


async def finish(client: SandboxClient, given: dict[str, Any]) -> dict[str, Any]:
    return await client.ended(await client.create(client.version(CURRENT), given))


async def train(
    client: SandboxClient, *entries: dict[str, Any], steps: int = 6, **more: Any
) -> dict[str, Any]:
    inputs = more.pop("inputs", {})
    given = {
        "config_json": config(steps, **more),
        "dataloader_json": json.dumps(list(entries)),
        **HUB,
        **inputs,
    }
    return await finish(client, given)
