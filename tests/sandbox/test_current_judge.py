"""The real `datasets` library judges how the sandbox's trainer reads layouts on the Hub.

The library reads the Hub's address when it is imported, so it runs in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.sandbox.conftest import SandboxClient
from tests.sandbox.current_project import DATASET, Opener, picture, stage
from tests.sandbox.judged_rows import LOADS, ONE, REFUSED, rows
from tui.sandbox.registry import Registry
from tui.sandbox.trainer.current import hub_data
from tui.sandbox.worker import ProgramError, RunContext, Sink, Task

pytestmark = pytest.mark.skipif(
    find_spec("datasets") is None, reason="the datasets library is not installed (test extra)"
)

_SCRIPT = """
import json, sys
from datasets import load_dataset, load_dataset_builder
from datasets.utils.logging import set_verbosity_error
set_verbosity_error()
found = []
for entry in json.loads(sys.stdin.read()):
    name, config = entry["dataset_name"], entry.get("dataset_config")
    try:
        load_dataset_builder(name, config)  # the trainer looks at main first
        split = entry.get("split", "train")
        data = load_dataset(name, config, split=split, revision=entry.get("revision"))
        rows = []
        for row in data:
            image = row.pop("image", None)
            rows.append([list(image.size) if image is not None else None, row])
        found.append(rows)
    except Exception as error:
        found.append(f"{type(error).__name__}: {error}")
print(json.dumps(found))
"""


def exif_turned() -> bytes:
    exif = Image.Exif()
    exif[274] = 6
    return picture(300, 200, format="JPEG", exif=exif)


NAMES = ("b", "a", "Z", "10", "9")
MORE: list[tuple[str, dict[str, bytes], dict[str, Any]]] = [
    ("turned", {"a.jpg": exif_turned(), "metadata.jsonl": rows(
        {"file_name": "a.jpg", "caption": "x"})}, {}),
    ("several captions", {"a.png": picture(), "metadata.jsonl": rows(
        {"file_name": "a.png", "caption_0": "x", "caption_1": "y"})},
        {"huggingface": {"caption_column": ["caption_0", "caption_1"]}}),
    ("two folders without a card", {"x/a.png": picture(), "x/metadata.jsonl": rows(ONE),
        "y/a.png": picture(), "y/metadata.jsonl": rows(ONE)}, {}),
    ("a word inside a name", {"train_station/a.png": picture(),
        "train_station/metadata.jsonl": rows(ONE)}, {}),
    ("an order of its own", {f"{name}.png": picture(64 + number, 64)
        for number, name in enumerate(NAMES)} | {"metadata.jsonl": rows(
            *({"file_name": f"{name}.png", "caption": name} for name in NAMES))}, {}),
    ("an order by path", {f"{name}.png": picture(64 + number, 64)
        for number, name in enumerate(NAMES)},
        {"caption_strategy": "instanceprompt", "instance_prompt": "x"}),
    ("another split", {"a.png": picture(), "metadata.jsonl": rows(ONE)}, {"split": "dev"}),
]  # fmt: skip


def read_here(client: SandboxClient, entry: dict[str, Any], folder: Path) -> Any:
    """The samples as the sandbox's trainer sees them, or its error."""
    registry = Registry("sandbox", "4.10.1")
    version = registry.models["simpletuner/advanced-trainer-l40s"].versions[0]
    task = Task("judged", version, {"hf_token": "hf_write"}, folder, {})
    sink = Sink(lambda _: None, lambda _: None, lambda: None)
    run = RunContext(task, sink, client.sandbox.core.config, threading.Event())
    try:
        found = hub_data.load(run, entry).rows
    except ProgramError as error:
        return str(error)
    return [([row.width, row.height], list(row.captions)) for row in found]


def captions(entry: dict[str, Any], row: dict[str, Any]) -> list[str]:
    if entry.get("caption_strategy") == "instanceprompt":
        return [entry["instance_prompt"]]
    column = entry.get("huggingface", {}).get("caption_column", "caption")
    names = column if isinstance(column, list) else [column]
    return [row[name] for name in names if row.get(name) is not None]


async def test_the_library_reads_every_layout_as_the_sandbox_does(
    open_client: Opener, tmp_path: Path
) -> None:
    client = await open_client(release="4.10.1")
    # The refusal of CMYK is the trainer's own, after loading.
    layouts = [
        (str(item.id), *item.values[:2]) for item in LOADS + REFUSED if item.id != "CMYK"
    ] + MORE
    entries, here = [], []
    for number, (_, files, change) in enumerate(layouts):
        name = f"sandbox/judged-{number}"
        await asyncio.to_thread(stage, client, files, name)
        entries.append(DATASET | change | {"dataset_name": name})
        folder = tmp_path / str(number)
        folder.mkdir()
        here.append(await asyncio.to_thread(read_here, client, entries[-1], folder))
    environ = {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "HF_HOME": str(tmp_path / "hf"),
        "HF_ENDPOINT": str(client.sandbox.hub_url), "HF_TOKEN": "hf_write",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SCRIPT, env=environ, stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate(json.dumps(entries).encode())
    assert process.returncode == 0, err.decode()[-3000:]
    judged = json.loads(out.decode().splitlines()[-1])
    for (name, _, _), entry, ours, theirs in zip(layouts, entries, here, judged, strict=True):
        if isinstance(theirs, str):
            assert isinstance(ours, str), (name, theirs, ours)
            continue
        expected = [(size, captions(entry, row)) for size, row in theirs if size is not None]
        assert ours == expected, (name, ours, theirs)
