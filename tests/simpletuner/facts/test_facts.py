"""What the trainer accepts: the packaged facts, their loaders and the update from a dump."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from importlib.resources import files

import pytest

from tui.simpletuner.facts.models import model, model_facts
from tui.simpletuner.facts.options import default_of, option_facts
from tui.simpletuner.facts.update import merge, read_parser, written


def test_the_facts_name_their_release_and_the_day_they_were_read() -> None:
    facts = option_facts()
    assert (facts.release, facts.earlier) == ("4.10.1", "4.8.0")
    assert facts.released <= facts.read
    assert len(facts.options) == 569


@pytest.mark.parametrize(
    ("name", "default"),
    [
        ("train_batch_size", 4),
        ("gradient_checkpointing", True),
        ("checkpoint_step_interval", 500),
        ("validation_step_interval", 100),
        ("num_train_epochs", 1),
        ("resolution_type", "pixel_area"),
    ],
)
def test_defaults_are_those_of_the_trainer(name: str, default: object) -> None:
    assert default_of(name) == default


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("train_batch_size", ("train_batch_size",)),
        ("validation_steps", ("validation_step_interval",)),
        ("train_batch", ("train_batch_size",)),
        ("trian_batch_size", ()),
    ],
)
def test_an_option_is_found_by_name_alias_or_unique_beginning(
    given: str, meant: tuple[str, ...]
) -> None:
    assert option_facts().find(given) == meant


def test_a_beginning_of_several_options_is_ambiguous() -> None:
    assert len(option_facts().find("validation_pro")) > 1


def test_the_families_of_the_options_file_are_those_of_the_models_file() -> None:
    assert set(option_facts().options["model_family"].choices) == set(model_facts())
    for family in model_facts().values():
        assert family.default_flavour is None or family.default_flavour in family.flavours
        named = family.needs_conditioning | family.needs_s2v | family.forces_i2v
        assert named | family.newer_flavours <= set(family.flavours)


def test_what_a_family_needs() -> None:
    flux = model("flux")
    assert flux is not None
    assert flux.default_flavour == "krea"
    assert flux.needs_conditioning == {"kontext"}
    assert model("no-such-family") is None


def _parser() -> argparse.ArgumentParser:
    def _parse_bool_flag(text: str) -> bool:
        return text == "true"

    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", "--old_steps", type=int, default=3)
    parser.add_argument("--flag", type=_parse_bool_flag, nargs="?", const=True, default=False)
    parser.add_argument("--kind", choices=["a", "b", "c"], required=True)
    return parser


def test_an_argument_parser_is_read_without_its_help_texts() -> None:
    assert read_parser(_parser()) == {
        "flag": {"type": "bool", "default": False},
        "kind": {"type": "string", "default": None, "choices": ["a", "b", "c"], "required": True},
        "steps": {"type": "int", "default": 3, "aliases": ["old_steps"]},
    }


def test_a_newer_dump_keeps_the_differences_from_the_present_release() -> None:
    present = {
        "release": "1",
        "released": "2026-01-01",
        "read": "2026-01-02",
        "earlier": "0",
        "removed": {"older": "1"},
        "renamed": {},
        "set_aside": ["gone_key"],
        "options": {
            "gone": {"type": "int", "default": 0},
            "kind": {"type": "string", "default": None, "choices": ["a"], "known": ["z"]},
        },
    }
    dump = {"release": "2", "released": "2026-02-01", "options": read_parser(_parser())}
    merged = merge(present, dump, "2026-02-02")
    assert merged["earlier"] == "1"
    assert merged["removed"] == {"gone": "2"}
    assert merged["options"]["steps"]["since"] == "2"
    assert merged["options"]["kind"]["new_choices"] == {"b": "2", "c": "2"}
    assert merged["options"]["kind"]["known"] == ["z"]
    again = merge(merged, dump, "2026-02-03")
    assert again == {**merged, "read": "2026-02-03"}
    assert json.loads(written(merged)) == merged


def test_the_packaged_file_is_as_the_update_writes_it() -> None:
    text = files("tui.simpletuner.facts").joinpath("options.json").read_text("utf-8")
    assert written(json.loads(text)) == text


def test_commands_that_check_nothing_do_not_load_the_facts() -> None:
    code = (
        "import sys, tui.cli.main, tui.simpletuner.config.overrides;"
        "print(sorted(name for name in sys.modules if name.startswith('tui.simpletuner.facts')))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
