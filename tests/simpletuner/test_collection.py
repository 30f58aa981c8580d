"""No collection of cycles, which stops every thread, while a folder is read or staged."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from PIL import Image

from tui.base.collection import paused
from tui.engine.submission.prepare import Preparer
from tui.simpletuner.config.load import load_config
from tui.simpletuner.datasets.scan import ScanMemory, scan
from tui.simpletuner.staging.build import build_manifest


@contextmanager
def collections() -> Iterator[list[str]]:
    """The collections in this block; outside of `paused` each new container would start one."""
    seen: list[str] = []

    def note(phase: str, _info: dict[str, int]) -> None:
        seen.append(phase)

    before = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    gc.callbacks.append(note)
    try:
        yield seen
    finally:
        gc.callbacks.remove(note)
        gc.set_threshold(*before)


def test_a_scan_and_a_build_collect_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "cats"
    folder.mkdir()
    for number in range(20):
        Image.new("RGB", (8, 8), number).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text("a cat")
    rows = [{"id": "cats", "type": "local", "instance_data_dir": str(folder)}]
    (tmp_path / "data.json").write_text(json.dumps(rows))
    values = {"model_family": "flux", "data_backend_config": str(tmp_path / "data.json")}
    (tmp_path / "config.json").write_text(json.dumps(values))
    config = load_config(tmp_path)
    with collections() as seen:
        report = scan(config)
        scanned = len(seen)
        seen.clear()
        built = build_manifest(config, report)
        staged = len(seen)
        seen.clear()
        Preparer._scan(cast("Preparer", SimpleNamespace(_scans=ScanMemory())), config)
        prepared = len(seen)
        seen.clear()
        _ = [{number} for number in range(100)]
        after = len(seen)
    assert built.manifest.images == 20
    assert after > 50, "collections go on"
    assert max(scanned, staged, prepared) < 30, "but for the calls' own beginnings and ends"


def test_blocks_overlap_and_failures_end_them() -> None:
    assert gc.isenabled()
    with paused():
        with pytest.raises(ZeroDivisionError), paused():
            _ = 1 / 0
        assert not gc.isenabled()
    assert gc.isenabled()


def test_only_what_is_much_is_set_aside() -> None:
    before = gc.get_freeze_count()  # the tests' own modules
    with paused():
        few: list[list[int]] = [[] for _ in range(100)]
    assert len(few) == 100
    assert gc.get_freeze_count() <= before
    with paused():
        many: list[list[int]] = [[] for _ in range(60_000)]
    assert gc.get_freeze_count() > before + len(many)
