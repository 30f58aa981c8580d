"""A config written under another name is the same run, and replaces nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.simpletuner.projects import write_project
from tui.simpletuner.config.load import load_config
from tui.simpletuner.config.overrides import with_options
from tui.simpletuner.config.save import save_as
from tui.simpletuner.errors import ConfigError


def test_what_is_saved_is_read_as_the_same_config(tmp_path: Path) -> None:
    config = load_config(write_project(tmp_path, hf_token="hf_" + "a" * 30))
    changed = with_options(config, {"lora_rank": 64, "seed": None, "resolution": 512})
    changed = replace(changed, lycoris={"algo": "lokr"})
    for root in (tmp_path, tmp_path / "elsewhere"):
        path, secrets = save_as(changed, root, "second")
        assert path == root / "config" / "second" / "config.json"
        assert secrets == ("hf_token",)
        assert "hf_aaa" not in path.read_text()
        again = load_config(path)
        assert again.notes == ()
        own = {"output_dir", "data_backend_config", "lycoris_config", "tracker_run_name"}
        kept = {name: value for name, value in changed.values.items() if name != "hf_token"}
        assert {n: v for n, v in again.values.items() if n not in own} == {
            n: v for n, v in kept.items() if n not in own
        }
        assert [spec.path for spec in again.datasets] == [spec.path for spec in config.datasets]
        assert again.local_datasets[0].resolution_pixels == 512
        assert json.loads((path.parent / "lycoris_config.json").read_text()) == {"algo": "lokr"}


def test_nothing_is_replaced(tmp_path: Path) -> None:
    config = load_config(write_project(tmp_path))
    folder = tmp_path / "config"
    (folder / "single.json").write_text("{}")
    (folder / "toml").mkdir()
    (folder / "toml" / "config.toml").write_text("")
    (folder / "half").mkdir()
    (folder / "half" / "multidatabackend.json").write_text("[]")
    (folder / "linked").mkdir()
    (folder / "linked" / "config.json").symlink_to(tmp_path / "nowhere")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for name in (config.name, "single", "toml", "half", "linked", "", "../up", ".hidden", "a\nb"):
        with pytest.raises(ConfigError):
            save_as(config, tmp_path, name)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(ConfigError, match="no dataloader"):
        save_as(replace(config, datasets=()), tmp_path, "new")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="Not a directory"):
        save_as(config, tmp_path / "file", "new")
