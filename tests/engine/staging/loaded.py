"""Loads a staged dataset with the real `datasets` library, as SimpleTuner's Hub reader does.

The library reads the Hub's address when it is imported, so it runs in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

needs_datasets = pytest.mark.skipif(
    find_spec("datasets") is None, reason="the datasets library is not installed (test extra)"
)

_SCRIPT = """
import hashlib, json, sys
from datasets import load_dataset, load_dataset_builder
entry = json.loads(sys.argv[1])
name, revision = entry["dataset_name"], entry.get("revision")
load_dataset_builder(name)  # the trainer looks at main first
rows = []
for row in load_dataset(name, split=entry["split"], revision=revision):
    image = row.pop("image").convert("RGB")
    rows.append({**row, "size": image.size, "pixels": hashlib.sha256(image.tobytes()).hexdigest()})
print(json.dumps(rows))
"""


async def load(
    entry: dict[str, Any], hub_url: str, token: str, cache: Path
) -> list[dict[str, Any]]:
    """The rows of a dataloader entry: columns, size and SHA-256 of the RGB pixels."""
    environ = {
        "PATH": os.environ["PATH"], "HOME": str(cache), "HF_HOME": str(cache / "hf"),
        "HF_ENDPOINT": hub_url, "HF_TOKEN": token, "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1",
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SCRIPT, json.dumps(entry),
        env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()[-3000:]
    rows: list[dict[str, Any]] = json.loads(out.decode().splitlines()[-1])
    return rows
