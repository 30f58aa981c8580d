"""SimpleTuner's examples are found in each layout, and imported with what they need."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simpletuner.config.sample_examples import NAME, write_examples
from tui.simpletuner.config.examples import find_examples, load_example, usual_folders
from tui.simpletuner.config.load import load_config
from tui.simpletuner.config.save import save_as
from tui.simpletuner.errors import ConfigError


@pytest.mark.parametrize(
    ("inside", "named"),
    [
        ("simpletuner/examples", ""), ("simpletuner/examples", "simpletuner"),
        ("simpletuner/examples", "simpletuner/examples"), ("config/examples", ""),
        ("lib/python3.12/site-packages/simpletuner/examples", ""),
        (".venv/lib/python3.11/site-packages/simpletuner/examples", ""),
    ],
)  # fmt: skip
def test_examples_are_found_where_simpletuner_is(tmp_path: Path, inside: str, named: str) -> None:
    write_examples(tmp_path / "clone" / inside)
    folders = usual_folders(tmp_path / "nowhere", {"VIRTUAL_ENV": str(tmp_path / "clone" / named)})
    assert [ref.name for ref in find_examples(folders)] == [NAME, "plain.peft-lora"]
    assert find_examples([tmp_path]) == []


def test_an_example_becomes_a_config_of_the_project(tmp_path: Path) -> None:
    place = write_examples(tmp_path / "clone" / "simpletuner" / "examples")
    project = tmp_path / "project"
    example = load_example(place / NAME / "config.json", project)
    path, secrets = save_as(example, project, "mine")
    assert secrets == ()
    config = load_config(path)
    assert config.notes == ()
    assert config.lycoris == {"algo": "lokr"}
    assert [spec.id for spec in config.datasets] == ["pictures", "mine", "text"]
    assert config.local_datasets[0].path == project / "datasets" / "mine"
    with pytest.raises(ConfigError, match="trailing comma"):
        load_example(place / "plain.peft-lora" / "config.json", project)
    (place / "shared.json").write_text("{}")
    with pytest.raises(ConfigError, match="no list of datasets"):
        load_example(place / NAME / "config.json", project)
    (place / "shared.json").unlink()
    with pytest.raises(ConfigError, match="does not exist"):
        load_example(place / NAME / "config.json", project)
