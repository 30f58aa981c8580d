"""`config edit`: the file of a config in the user's own editor, and what came of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tui.cli import main
from tui.cli.exit_codes import FAILED, FINE, USAGE

CONFIG = '{"model_family": "flux", "learning_rate": 1e-4}\n'


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config below the working folder."""
    for name in ("VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SIMPLETUNER_TUI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "config" / "cat-lora" / "config.json"
    path.parent.mkdir(parents=True)
    path.write_text(CONFIG)
    return path


@pytest.mark.parametrize("name", ["cat-lora", "config/cat-lora", "config/cat-lora/config.json"])
def test_a_config_is_edited_by_its_name_folder_or_file(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv("EDITOR", "sed -i s/1e-4/2e-4/")
    assert main.run(["config", "edit", name]) == FINE
    assert capsys.readouterr().out == f"changed: {config}\n"
    assert config.read_text() == CONFIG.replace("1e-4", "2e-4")
    assert main.run(["config", "edit", name, "--json"]) == FINE
    answer = json.loads(capsys.readouterr().out)
    assert (answer["path"], answer["changed"]) == (str(config), False)


def test_a_config_is_found_below_the_folders_of_the_settings(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", "sed -i s/1e-4/2e-4/")
    (tmp_path / "home").mkdir()
    roots = f'[cloud]\nconfig_roots = ["{tmp_path}"]\n'
    (tmp_path / "home" / "settings.toml").write_text(roots)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main.run(["config", "edit", "cat-lora"]) == FINE
    assert "2e-4" in config.read_text()


def test_what_cannot_be_read_any_more_is_said_and_stays_as_it_was_written(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDITOR", "sed -i s/}//")
    assert main.run(["config", "edit", "cat-lora", "--json"]) == FAILED
    told = capsys.readouterr()
    answer = json.loads(told.out)
    assert answer["error"] == "invalid_config"
    assert "It is saved, and cannot be used as it is" in answer["message"]
    assert f"simpletuner-tui config edit {config}" in answer["advice"]
    assert config.read_text() == CONFIG.replace("}", "")
    monkeypatch.setenv("EDITOR", "sed -i s/1e-4/1e-4}/")  # one that is broken can be mended
    assert main.run(["config", "edit", "cat-lora"]) == FINE


def test_an_editor_that_fails_or_is_none_is_reported(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["config", "edit", "dog-lora"]) == USAGE
    assert "there is no config at dog-lora" in capsys.readouterr().err
    for editor, words in (
        ("false", "The editor ended with status 1"),
        ("/no/such/editor", "cannot be started"),
        ('nano "', "has a quote that is not closed"),
    ):
        monkeypatch.setenv("EDITOR", editor)
        assert main.run(["config", "edit", "cat-lora"]) == FAILED
        assert words in capsys.readouterr().err
    monkeypatch.delenv("EDITOR")
    monkeypatch.setenv("PATH", str(config.parent))
    assert main.run(["config", "edit", "cat-lora"]) == FAILED
    assert "There is no editor." in capsys.readouterr().err
    assert config.read_text() == CONFIG
