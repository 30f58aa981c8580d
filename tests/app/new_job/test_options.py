"""Every option of a config in the form: found, changed, checked, and shown as a diff."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

from tests.app.conftest import opened, text_of, wait_for
from tests.app.job.world import fill_jobs
from tests.app.new_job.check_answer import answer
from tests.app.new_job.steps import CHECK, asked, open_form
from tests.app.stand_in_engine import StandInEngine
from tests.simpletuner.projects import write_project
from tui.app.new_job import form
from tui.app.new_job.editor import editor_command
from tui.app.new_job.form import option_changes
from tui.app.new_job.options import change_entries, judge, matching, option_rows
from tui.app.new_job.options_sheet import OptionsSheet
from tui.settings import Home
from tui.simpletuner.checks.options import option_checks
from tui.simpletuner.config.load import load_config
from tui.simpletuner.facts.options import SET_BY_JOB, option_facts


def names(query: str, draft: dict[str, Any], path: Path) -> list[str]:
    return [row.name for row in matching(option_rows(load_config(path), draft), query)]


def test_an_option_is_found_by_any_part_of_its_name_and_by_other_trainers_words(
    tmp_path: Path,
) -> None:
    path = write_project(tmp_path, lr_scheduler="cosine", warp_drive=9)
    assert names("sched", {}, path)[0] == "lr_scheduler"  # the file has it
    assert names("val step", {}, path)[0] == "validation_step_interval"
    assert names("validation-num-inference-steps", {}, path)[0] == "validation_num_inference_steps"
    assert "learning_rate" in names("lr", {}, path)
    assert "checkpoint_step_interval" in names("save every", {}, path)
    assert names("optimzer", {}, path) == ["optimizer"]
    assert names("qqqq", {}, path) == []
    every = names("", {"overrides": {"use_ema": True}}, path)
    assert every[0] == "use_ema"
    assert {*every} == {*option_facts().options, "warp_drive"} - SET_BY_JOB


@pytest.mark.parametrize(
    ("name", "text", "level", "words"),
    [
        ("lr_scheduler", "cosine", "", ""),
        ("lr_scheduler", "sin", "error", "not one of the trainer's choices"),
        ("optimizer", "adamw", "error", "Did you mean adamw_bf16?"),
        ("seed", "x", "error", "whole number"),
        ("metadata_update_interval", "", "", ""),
        ("report_to", "wandb,nonsense", "error", "nonsense"),
        ("output_dir", "x", "error", "set by the job itself"),
    ],
)
def test_a_value_is_judged_as_the_check_of_a_config_would(
    tmp_path: Path, name: str, text: str, level: str, words: str
) -> None:
    found = judge(name, text)
    assert found[0] == level
    assert words in found[1]
    if level == "error" and name in ("lr_scheduler", "optimizer", "report_to"):
        config = load_config(write_project(tmp_path))
        config = replace(config, values={**config.values, name: text})
        messages = [row[2] for row in option_checks(config, None) if row[1] == "error"]
        assert any(message in found[1] for message in messages)


def test_the_sum_of_the_changes_is_a_diff_with_what_follows_from_them(tmp_path: Path) -> None:
    config = load_config(write_project(tmp_path, num_train_epochs=3, max_train_steps=0, seed=1))
    config = replace(config, values={**config.values, "lr_scheduler": "cosine"})
    draft: dict[str, Any] = {"overrides": {"max_train_steps": 50, "resolution": 512, "repeats": 2},
                             "unset": ["seed"]}  # fmt: skip
    text = [line.text for line in change_entries(config, draft)]
    for words in ("- max_train_steps = 0", "+ max_train_steps = 50", "- num_train_epochs = 3",
                  "+ num_train_epochs = 0", "- seed = 1", "+ resolution = 512"):  # fmt: skip
        assert words in text, words
    assert not any("+ seed" in line for line in text)
    assert any(line.startswith("+ dataset ") and line.endswith("repeats = 2") for line in text)
    assert "what the file says" in change_entries(config, {})[-1].text
    spelled = json.loads(config.path.read_text())
    spelled |= {"--max-train-steps": 7, "--seed": 2}
    config.path.write_text(json.dumps(spelled))
    text = [line.text for line in change_entries(load_config(config.path), draft)]
    assert len(text) == len(set(text))
    assert [line for line in text if "max_train_steps" in line] == [
        "- max_train_steps = 7", "+ max_train_steps = 50",
    ]  # fmt: skip
    assert [line for line in text if "seed" in line] == ["- seed = 2"]


def test_a_change_is_taken_back_whole() -> None:
    draft: dict[str, Any] = {"overrides": {"seed": 3}, "unset": ["use_ema"]}
    assert form.set_field(draft, f"{form.OPTION}use_ema", "true") == ""
    assert draft == {"overrides": {"seed": 3, "use_ema": True}, "unset": []}
    assert form.clear_option(draft, "seed")
    assert not form.clear_option(draft, "seed")
    assert draft["overrides"] == {"use_ema": True}


async def test_an_option_is_found_and_changed_by_keys(
    home: Home, engine: StandInEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_jobs(home)
    file = load_config(write_project(tmp_path, lr_scheduler="cosine", seed=42)).path
    told = answer()
    told["config"] = {**told["config"], "path": str(file)}
    engine.answers[CHECK] = (200, told)
    before = json.loads(file.read_text())
    async with opened(home, engine, size=(80, 24)) as (app, pilot):
        screen = await open_form(app, pilot, {"config": str(file)})
        await pilot.press("slash")
        await wait_for(pilot, lambda: isinstance(app.screen, OptionsSheet))
        await pilot.press(*"sched", "enter")
        await wait_for(pilot, lambda: "in the file cosine" in text_of(app))
        await pilot.press("enter")
        await wait_for(pilot, lambda: "left out" in text_of(app))
        await pilot.press("j", "enter")
        await wait_for(pilot, lambda: "1 changed" in text_of(app))
        assert "the file: cosine" in text_of(app)
        await pilot.press("slash", *"seed", "enter", "enter")
        await wait_for(pilot, lambda: app.focused is not None and "seed" in text_of(app))
        line = app.focused
        assert isinstance(line, Input)
        line.value = "x"
        await wait_for(pilot, lambda: "must be a whole number" in text_of(app))
        await pilot.press("enter")
        assert app.focused is line  # it is not taken
        line.value = "7"
        await pilot.press("enter")
        await wait_for(pilot, lambda: "2 changed" in text_of(app))
        await wait_for(pilot, lambda: not screen.flow.checking)
        sent = asked(engine, CHECK)[-1]
        assert sent["overrides"] == {"lr_scheduler": "cosine_with_restarts", "seed": 7}
        await pilot.press("d")
        await wait_for(pilot, lambda: screen.flow.draft.get("unset") == ["seed"])
        assert "seed" not in screen.flow.draft["overrides"]
        await pilot.press("delete")
        await wait_for(pilot, lambda: "1 changed" in text_of(app))
        await pilot.press("escape", "equals_sign")
        await wait_for(pilot, lambda: '+ lr_scheduler = "cosine_with_restarts"' in text_of(app))
        assert '- lr_scheduler = "cosine"' in text_of(app)
        await pilot.press("escape")
        await wait_for(pilot, lambda: app.screen is screen)
        assert "Lr scheduler" in text_of(app)
        assert json.loads(file.read_text()) == before  # the file stays as it is
        await pilot.press("W")
        await wait_for(pilot, lambda: "New name below" in text_of(app))
        line = app.focused
        assert isinstance(line, Input)
        line.value = "cats"
        await pilot.press("enter")
        await wait_for(pilot, lambda: "holds a config already" in text_of(app))
        line.value = "more-cats"
        await pilot.press("enter")
        saved = tmp_path / "config" / "more-cats" / "config.json"
        await wait_for(pilot, lambda: screen.flow.draft["config"] == str(saved))
        assert json.loads(saved.read_text())["lr_scheduler"] == "cosine_with_restarts"
        assert not option_changes(screen.flow.draft)
        monkeypatch.delenv("VISUAL", raising=False)
        monkeypatch.delenv("EDITOR", raising=False)
        await pilot.press("e")
        await wait_for(pilot, lambda: "EDITOR is not set" in str(app.notices))
        monkeypatch.setenv("EDITOR", "true")  # a test has no terminal to lend
        await pilot.press("e")
        await wait_for(pilot, lambda: "cannot be lent" in str(app.notices))


def test_an_editor_is_a_program_with_options_and_no_line_for_a_shell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "code --wait 'a b' ; rm -rf /")
    assert editor_command() == ["code", "--wait", "a b", ";", "rm", "-rf", "/"]
    monkeypatch.setenv("VISUAL", "vim 'x")
    assert "quote" in editor_command()
