"""Pictures that lie in a staged folder more than once."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

from tui.destinations.common.meter import Meter
from tui.destinations.hub.client import open_api
from tui.destinations.hub.staged_dataset import StagedRepository
from tui.replicate.secret import Secret
from tui.sandbox.hub import RunningHub
from tui.settings import NetworkSettings
from tui.simpletuner.staging.manifest import StagedDataset, StagedFile

_SIZE = 300_000


def test_pictures_of_the_same_content_are_sent_once(hub: RunningHub, tmp_path: Path) -> None:
    """A Hub gives an upload for each name; one content must not be read by two of them at once."""
    contents = {name: os.urandom(_SIZE) for name in ("twice", "once", "thrice")}
    names = ["twice", "once", "twice", "thrice", "thrice", "thrice"]
    files = []
    for number, name in enumerate(names):
        path = tmp_path / f"{number}.png"
        path.write_bytes(contents[name])
        files.append(
            StagedFile(
                path.name, str(path), hashlib.sha256(contents[name]).hexdigest(), _SIZE,
                source_size=_SIZE, source_mtime_ns=path.stat().st_mtime_ns,
            )
        )  # fmt: skip
    dataset = StagedDataset("cats", {"id": "cats"}, tuple(files))
    api = open_api(hub.url, Secret("hf_write"), NetworkSettings())
    repository = StagedRepository(api, "sandbox/staged-cats", "here")
    seen: list[tuple[int, int]] = []
    meter = Meter(dataset.bytes, lambda done, total: seen.append((done, total)), threading.Event())
    commit = repository.send(dataset, meter)
    repository.verify(dataset, commit, threading.Event())
    assert hub.hub.received_bytes == len(contents) * _SIZE
    meter.finish()
    assert seen[-1] == (dataset.bytes, dataset.bytes)
