"""What a config leaves out has the trainer's default, in the estimates as well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.simpletuner.projects import HOSTED, write_project
from tui.simpletuner.checks.checks import check_config
from tui.simpletuner.checks.estimate import estimate, guess_memory
from tui.simpletuner.config import training_config as defaults
from tui.simpletuner.config.families import families, family, is_gated
from tui.simpletuner.config.load import TrainingConfig, load_config
from tui.simpletuner.facts.options import default_of
from tui.simpletuner.request.hardware import PROFILES


def config(root: Path, **changes: Any) -> TrainingConfig:
    return load_config(write_project(root, [HOSTED], **changes))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("train_batch_size", defaults.DEFAULT_BATCH_SIZE),
        ("checkpoint_step_interval", defaults.DEFAULT_CHECKPOINT_INTERVAL),
        ("validation_step_interval", defaults.DEFAULT_VALIDATION_INTERVAL),
        ("resolution", defaults.DEFAULT_RESOLUTION),
        ("resolution_type", defaults.DEFAULT_RESOLUTION_TYPE),
        ("lora_rank", defaults.DEFAULT_LORA_RANK),
    ],
)
def test_the_defaults_are_those_of_the_trainers_parser(name: str, value: object) -> None:
    assert default_of(name) == value


def test_a_short_config_has_the_trainers_defaults(tmp_path: Path) -> None:
    short = config(
        tmp_path,
        train_batch_size=None,
        gradient_checkpointing=None,
        checkpoint_step_interval=None,
        validation_step_interval=None,
    )
    assert short.train_batch_size == 4
    assert short.gradient_checkpointing
    assert (short.checkpoint_interval, short.validation_interval) == (500, 100)


def test_an_interval_of_zero_is_off_and_the_text_false_is_skipped(tmp_path: Path) -> None:
    stated = config(tmp_path, validation_step_interval=0, gradient_checkpointing="false")
    assert stated.validation_interval == 0
    assert stated.gradient_checkpointing
    assert not config(tmp_path, gradient_checkpointing=False).gradient_checkpointing


def test_estimates_use_the_default_batch_and_checkpointing(tmp_path: Path) -> None:
    named = config(tmp_path, train_batch_size=4, gradient_checkpointing=True)
    silent = config(tmp_path, train_batch_size=None, gradient_checkpointing=None)
    assert guess_memory(silent) == guess_memory(named)
    assert estimate(silent, PROFILES["l40s"]) == estimate(named, PROFILES["l40s"])


@pytest.mark.parametrize(
    ("name", "flavour"), [("flux", "krea"), ("hidream", "full"), ("qwen_image", "v2.1")]
)
def test_the_default_flavour_is_the_trainers(name: str, flavour: str) -> None:
    known = family(name)
    assert known is not None
    assert known.default_flavour == flavour
    assert known.size(None) == known.size(flavour)


def test_a_licence_follows_the_default_flavour() -> None:
    assert is_gated("sd3", None)
    assert not is_gated("flux2", "klein-4b")
    assert is_gated("flux2", None)


def test_the_families_with_a_size_are_families_of_the_trainer() -> None:
    path = Path(defaults.__file__).parents[1] / "families.json"
    assert set(json.loads(path.read_text("utf-8"))["families"]) <= set(families())


@pytest.mark.parametrize(
    "settings",
    [
        {"linear_dim": 10000, "factor": 16},
        {"full_matrix": True, "factor": 16},
        {"linear_dim": 100000},
    ],
)
def test_a_lokr_of_full_dimension_needs_little_memory(
    tmp_path: Path, settings: dict[str, object]
) -> None:
    path = write_project(
        tmp_path, [HOSTED], model_family="qwen_image", model_flavour="v1.0", lora_type="lycoris"
    )
    (path.parent / "lycoris_config.json").write_text(
        json.dumps({"algo": "lokr", "multiplier": 1.0, "linear_alpha": 1, **settings})
    )
    lokr = load_config(path)
    rank_32 = config(tmp_path / "b", model_family="qwen_image", model_flavour="v1.0", lora_rank=32)
    small, ordinary = guess_memory(lokr), guess_memory(rank_32)
    assert small is not None
    assert ordinary is not None
    assert small.weights_gb < ordinary.weights_gb + 1
    assert not [c for c in check_config(lokr) if c.id == "memory"]


def test_a_lokr_of_a_small_factor_needs_more(tmp_path: Path) -> None:
    guesses = []
    for factor in (2, 16):
        path = write_project(tmp_path / str(factor), [HOSTED], lora_type="lycoris")
        (path.parent / "lycoris_config.json").write_text(
            json.dumps({"algo": "lokr", "linear_dim": 10000, "factor": factor})
        )
        guess = guess_memory(load_config(path))
        assert guess is not None
        guesses.append(guess.weights_gb)
    assert guesses[0] > guesses[1] + 10
