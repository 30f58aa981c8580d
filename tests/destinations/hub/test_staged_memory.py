"""The memory that staging many pictures at once takes."""

from __future__ import annotations

import hashlib
import os
import threading
import tracemalloc
from pathlib import Path

from tests.benchmarks.bench_publish import _hub
from tui.destinations.common.meter import Meter
from tui.destinations.hub.client import open_api
from tui.destinations.hub.staged_dataset import StagedRepository
from tui.replicate.secret import Secret
from tui.settings import NetworkSettings
from tui.simpletuner.staging.manifest import StagedDataset, StagedFile

_FILES = 64
_SIZE = 128 * 1024


def test_a_batch_of_pictures_is_not_held_in_memory(tmp_path: Path) -> None:
    files = []
    for number in range(_FILES):
        path, content = tmp_path / f"{number}.png", os.urandom(_SIZE)
        path.write_bytes(content)
        files.append(
            StagedFile(
                path.name, str(path), hashlib.sha256(content).hexdigest(), _SIZE,
                source_size=_SIZE, source_mtime_ns=path.stat().st_mtime_ns,
            )
        )  # fmt: skip
    dataset = StagedDataset("cats", {"id": "cats"}, tuple(files))
    with _hub(tmp_path / "hub") as endpoint:  # in a process of its own
        api = open_api(endpoint, Secret("hf_write"), NetworkSettings())
        repository = StagedRepository(api, "sandbox/staged-cats", "here")
        meter = Meter(dataset.bytes, lambda _done, _total: None, threading.Event())
        tracemalloc.start()
        try:
            commit = repository.send(dataset, meter)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert repository.holds(commit)
    assert peak < 32 * 2**20, f"{peak / 2**20:.0f} MiB for {dataset.bytes / 2**20:.0f} MiB"
