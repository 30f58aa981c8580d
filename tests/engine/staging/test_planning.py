"""What is kept of a plan between two checks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.engine.staging.folders import picture, use_datasets
from tests.engine.world import World, edit_config
from tui.engine.staging import planning
from tui.simpletuner.config.load import load_config
from tui.simpletuner.datasets.scan import scan
from tui.simpletuner.staging.build import Built, build_manifest


async def test_refused_data_are_built_once_for_each_scan(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What follows from the scan is kept; a file that cannot be read may be readable next time."""
    folder = tmp_path / "pictures"
    captioned = picture(folder / "a.png").with_suffix(".txt")
    captioned.write_text("a")
    bare = picture(folder / "b.png", 1)
    entry = {"id": "p", "type": "local", "instance_data_dir": str(folder),
             "caption_strategy": "textfile", "resolution": 512}  # fmt: skip
    use_datasets(world, entry)
    built: list[Built] = []

    def counted(*values: Any, **named: Any) -> Built:
        built.append(build_manifest(*values, **named))
        return built[-1]

    monkeypatch.setattr(planning, "build_manifest", counted)
    config = load_config(world.config)
    report = scan(config)

    async def refusals() -> str:
        plan = await world.engine.staging.plan(world.sandbox.base_url, "here", config, report)
        return " ".join(note.message for note in plan.notes if note.level == "error")

    checks = (await world.client.check(world.draft(data="staged", staging="here")))["checks"]
    wrong = [check["message"] for check in checks if check["level"] == "error"]
    assert len(wrong) == 1, "that no dataset is left follows from it, and is told nowhere"
    built.clear()
    for _ in range(2):
        assert "no caption for 1 picture: b.png" in await refusals()
    assert len(built) == 1
    edit_config(world.config, model_family="sdxl", model_flavour=None)
    config = load_config(world.config)
    await refusals()
    assert len(built) == 2, "first frames are refused for some families"
    bare.unlink()
    captioned.write_text("another")  # one that was not read before
    report = scan(config)
    captioned.unlink()
    for _ in range(2):
        assert "the caption a.txt cannot be read" in await refusals()
    assert len(built) == 4
    captioned.write_text("a")
    assert "cannot be read" not in await refusals()
