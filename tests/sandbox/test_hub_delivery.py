"""The trainer delivers to the sandbox's own Hub with the real `huggingface_hub`."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi, ModelCard
from huggingface_hub.utils._xet import abort_xet_session

from tests.sandbox.conftest import SandboxClient, archive, training


@pytest.mark.parametrize("part_bytes", [None, 100_000])
async def test_a_run_is_delivered_completely(open_client: Any, part_bytes: int | None) -> None:
    client: SandboxClient = await open_client(hub_part_bytes=part_bytes)
    given = {
        "config_json": training(),
        "images": await client.upload(archive()),
        "hub_model_id": "https://huggingface.co/sandbox/cat-lora?x=1",
        "hf_token": "hf_write",
    }
    done = await client.ended(await client.create(client.version(), given))
    abort_xet_session()
    assert done["status"] == "succeeded"
    assert done["output"] == "https://huggingface.co/sandbox/cat-lora"
    assert "Model published to: https://huggingface.co/sandbox/cat-lora" in done["logs"]
    hub = client.sandbox.hub
    assert hub is not None
    assert hub.url == client.sandbox.hub_url
    repo = hub.hub.repos.get("model", "sandbox/cat-lora")
    assert repo is not None
    assert repo.private
    tree = repo.head.tree
    assert {
        "pytorch_lora_weights.safetensors", "simpletuner_config.json", "README.md",
        "assets/image_0_0.png",
    } <= set(tree)  # fmt: skip
    digests = dict(re.findall(r"(\S+\.safetensors) · \d+ bytes · sha256 (\w{64})", done["logs"]))
    assert {name: tree[name].sha256 for name in digests} == digests
    for name, digest in digests.items():
        stored = hub.hub.blobs.large(digest)
        assert stored is not None
        assert hashlib.sha256(stored.read_bytes()).hexdigest() == digest, name


@pytest.mark.parametrize(
    ("options", "private", "tag", "note"),
    [
        ({}, True, "not-for-all-audiences", ""),
        (
            {"model_card_private": False, "model_card_safe_for_work": True,
             "model_card_note": "My *own* words: yes"},
            False, "safe-for-work", "My *own* words: yes",
        ),
    ],
)  # fmt: skip
async def test_the_trainer_writes_a_card(
    client: SandboxClient,
    tmp_path: Path,
    options: dict[str, Any],
    private: bool,
    tag: str,
    note: str,
) -> None:
    given = {
        "config_json": training(pretrained_model_name_or_path="a-lab/base-1", **options),
        "images": await client.upload(archive()),
        "hub_model_id": "sandbox/cat-lora",
        "hf_token": "hf_write",
    }
    await client.ended(await client.create(client.version(), given))
    abort_xet_session()
    api = HfApi(endpoint=client.sandbox.hub_url, token="hf_write")
    call = functools.partial(api.snapshot_download, local_dir=tmp_path / "got")
    got = Path(await asyncio.to_thread(call, "sandbox/cat-lora"))
    card = ModelCard.load(got / "README.md")
    assert card.data.base_model == "a-lab/base-1"
    assert {"simpletuner", "lora", tag} <= set(card.data.tags)
    assert note in card.text
    assert "| Rank |" in card.text
    pictures = [one["output"]["url"] for one in card.data.widget]
    assert pictures
    for name in pictures:
        assert (got / name).read_bytes().startswith(b"\x89PNG")
    assert (await asyncio.to_thread(api.model_info, "sandbox/cat-lora")).private is private


@pytest.mark.parametrize("token", ["hf_read", "hf_expired"])
async def test_a_token_that_may_not_write_is_logged(client: SandboxClient, token: str) -> None:
    given = {
        "config_json": training(),
        "images": await client.upload(archive()),
        "hub_model_id": "sandbox/cat-lora",
        "hf_token": token,
    }
    done = await client.ended(await client.create(client.version(), given))
    assert done["status"] == "succeeded"
    assert "[ERROR]" in done["logs"]
    assert "Uploading to sandbox/cat-lora failed" in done["logs"]


async def test_delivered_files_can_be_downloaded(client: SandboxClient, tmp_path: Path) -> None:
    given = {
        "config_json": training(),
        "images": await client.upload(archive()),
        "hub_model_id": "sandbox-lab/cat-lora",
        "hf_token": "hf_write",
    }
    await client.ended(await client.create(client.version(), given))
    abort_xet_session()
    api = HfApi(endpoint=client.sandbox.hub_url, token="hf_write")
    path = await asyncio.to_thread(
        api.snapshot_download, "sandbox-lab/cat-lora", local_dir=tmp_path / "got"
    )
    names = {item.name for item in Path(path).iterdir()}
    assert "pytorch_lora_weights.safetensors" in names
