"""Each factor of the estimates, one at a time: what doubles, what counts once, what does not."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tui.simpletuner.checks.estimate import (
    estimate,
    guess_memory,
    step_guess,
    total_steps,
)
from tui.simpletuner.config.families import families
from tui.simpletuner.config.training_config import TrainingConfig, read_entries
from tui.simpletuner.datasets.scan import DataReport, DatasetReport
from tui.simpletuner.datasets.scan_folder import SourceFile
from tui.simpletuner.request.hardware import PROFILES

L40S = PROFILES["l40s"]
DATA = {"id": "x", "type": "local", "resolution": 1024, "resolution_type": "pixel"}


def config(*entries: dict[str, Any], **values: Any) -> TrainingConfig:
    known = {"model_family": "flux", "model_type": "lora", "train_batch_size": 1} | values
    data = read_entries([DATA | entry for entry in entries or ({},)], [])
    return TrainingConfig("x", Path("x"), known, datasets=data)


def data(images: int) -> DataReport:
    (spec,) = config().training_datasets
    sizes = ((1024, 1024, images),)
    dataset = DatasetReport(
        "x",
        "local",
        spec,
        archive_folder="x",
        images=images,
        sizes=sizes,
        files=(SourceFile("a.png", "a.png", 1, 1),),
    )
    return DataReport((dataset,))


def step(*entries: dict[str, Any], **values: Any) -> float:
    return step_guess(config(*entries, **values), L40S)


def test_a_step_grows_with_the_square_of_the_resolution() -> None:
    assert step({"resolution": 512}) == pytest.approx(step() / 4)
    assert step({"resolution": 2048}) == pytest.approx(step() * 4)


def test_a_step_of_a_video_does_not_depend_on_the_resolution_of_pictures() -> None:
    for name in ("wan", "ace_step"):  # nor that of music
        assert step({"resolution": 512}, model_family=name) == step(model_family=name)


@pytest.mark.parametrize(
    ("option", "factor"),
    [
        ({"train_batch_size": 4}, 4**0.9),
        ({"gradient_accumulation_steps": 3}, 3),
        ({"model_type": "full"}, 1.4),
        ({"gradient_checkpointing": False}, 0.8),
        ({"base_model_precision": "int8-quanto"}, 1.1),
        ({"base_model_precision": "int8-torchao"}, 1),
    ],
)
def test_an_option_makes_a_step_longer_or_shorter(option: dict[str, Any], factor: float) -> None:
    assert step(**option) == pytest.approx(step() * factor)


def test_a_faster_card_makes_a_step_shorter() -> None:
    assert step_guess(config(), PROFILES["h100"]) == pytest.approx(step() / 2.3)
    assert step_guess(config(), replace(L40S, id="new-x8")) == step()
    assert step_guess(config(), PROFILES["a100"]) == pytest.approx(step() / 1.35)


def test_steps_count_more_than_epochs_and_unknown_data_give_none() -> None:
    assert total_steps(config(max_train_steps=7, num_train_epochs=3), None) == 7
    assert total_steps(config(num_train_epochs=3), None) == 0


def test_no_more_cards_count_than_the_run_has_processes() -> None:
    eight = PROFILES["h100-x8"]
    one = estimate(config(num_train_epochs=1), eight, data(64))
    two = estimate(config(num_train_epochs=1, num_processes=2), eight, data(64))
    many = estimate(config(num_train_epochs=1, num_processes=99), eight, data(64))
    assert (one.steps, two.steps, many.steps) == (64, 32, 8)


def seconds(report: DataReport | None = None, /, **values: Any) -> int:
    return estimate(config(**values), L40S, report, step_seconds=3.0).seconds


QUIET: dict[str, Any] = {"max_train_steps": 100, "validation_disable": True}
VALIDATED: dict[str, Any] = {"max_train_steps": 100, "validation_prompt": "a cat"}


def test_the_validation_before_the_first_step_counts() -> None:
    """30 steps of inference at a third of a training step, and 5 s, for each round."""
    alone = seconds(**QUIET)
    assert seconds(**VALIDATED, validation_step_interval=0) == alone + 35
    assert seconds(**VALIDATED, validation_step_interval=200) == alone + 35
    assert seconds(**VALIDATED, validation_step_interval=50) == alone + 3 * 35
    assert seconds(**QUIET, validation_prompt="a cat", validation_step_interval=50) == alone
    few = seconds(**VALIDATED, validation_step_interval=50, validation_num_inference_steps=6)
    assert few == alone + 3 * 11


def test_a_run_whose_steps_are_not_known_counts_as_long_as_replicate_lets_it_run() -> None:
    unknown = estimate(config(validation_prompt="a cat", num_train_epochs=2), L40S)
    assert unknown.steps == 0
    assert (unknown.seconds_low, unknown.seconds, unknown.seconds_high) == (60, 1800, 1800)


def test_pictures_are_cached_once_whatever_the_steps() -> None:
    assert seconds(data(1000), **QUIET) == seconds(**QUIET) + 350


def test_the_rate_of_the_user_takes_the_place_of_the_profiles() -> None:
    own = estimate(config(**QUIET), L40S, micros_per_second=7)
    usual = estimate(config(**QUIET), L40S)
    assert (own.micros_low, own.micros, own.micros_high) == (
        own.seconds_low * 7, own.seconds * 7, own.seconds_high * 7,
    )  # fmt: skip
    assert usual.micros_high == usual.seconds_high * L40S.micros_per_second


def memory(**values: Any) -> tuple[float, float]:
    guess = guess_memory(config(**values))
    assert guess is not None
    assert guess.total_gb == guess.weights_gb + guess.activations_gb + 1.5
    return guess.weights_gb, guess.activations_gb


def test_activations_grow_with_the_batch_and_without_checkpointing() -> None:
    weights, activations = memory()
    assert activations == pytest.approx(0.25 * 12**0.5 + 0.6)
    assert memory(train_batch_size=3) == (weights, pytest.approx(activations * 3))
    assert memory(gradient_checkpointing=False) == (weights, pytest.approx(activations * 6))
    small = guess_memory(config({"resolution": 512}))
    assert small is not None
    assert small.activations_gb == pytest.approx(activations / 4)


def test_activations_of_a_video_do_not_depend_on_the_resolution_of_pictures() -> None:
    small, usual = (
        guess_memory(config({"resolution": size}, model_family="wan")) for size in (512, 1024)
    )
    assert small == usual
    assert usual is not None
    assert usual.activations_gb == pytest.approx(2 * (0.25 * 1.3**0.5 + 0.6))


def adapter(**lycoris: Any) -> float:
    """Weights of an adapter as a part of those of the base model."""
    small = replace(config(lora_type="lycoris"), lycoris=lycoris)
    bare = replace(small, lycoris={"algo": "lokr", "factor": 10**6, "full_matrix": True})
    with_it, without = guess_memory(small), guess_memory(bare)
    assert with_it is not None
    assert without is not None
    return (with_it.weights_gb - without.weights_gb) / (12 * 16)


def test_the_adapter_grows_with_its_rank_and_adds_no_more_than_the_base_has() -> None:
    assert adapter(algo="lora", linear_dim=32) == pytest.approx(2 * adapter(algo="lora"))
    assert adapter(algo="lora", linear_dim=10**9) == pytest.approx(1)
    assert adapter(algo="loha", linear_dim=10**9) == pytest.approx(1)
    assert adapter(algo="loha", linear_dim=32) == pytest.approx(
        2 * adapter(algo="lora", linear_dim=32)
    )
    assert adapter(algo="full") == pytest.approx(1)


def test_a_kronecker_adapter_adds_no_more_than_its_large_factor() -> None:
    assert adapter(algo="lokr", factor=16, linear_dim=10**9) == pytest.approx(1 / 256)
    assert adapter(algo="lokr", factor=16, full_matrix=True) == pytest.approx(1 / 256)
    assert adapter(algo="lokr", factor=4, linear_dim=16) == pytest.approx(16 * 97e-6 / 4)
    assert adapter(algo="lokr", linear_dim=10**9) == pytest.approx(1 / 48**2)
    assert adapter(algo="lokr", factor=0, linear_dim=10**9) == pytest.approx(1 / 48**2)


@pytest.mark.parametrize(
    ("precision", "size"),
    [
        ("no_change", 2.0),
        ("int8-quanto", 1.1),
        ("nf4-bnb", 0.65),
        ("int2-quanto", 0.35),
        ("fp8-torchao", 1.1),
    ],
)
def test_the_frozen_base_is_smaller_when_it_is_quantised(precision: str, size: float) -> None:
    base = memory(base_model_precision=precision)[0] - memory(base_model_precision="no_change")[0]
    assert base == pytest.approx(12 * (size - 2.0))


def test_a_full_training_keeps_the_optimiser_of_every_weight() -> None:
    assert memory(model_type="full")[0] == pytest.approx(12 * 8)
    assert memory(model_type="full", mixed_precision="fp32")[0] == pytest.approx(12 * 16)


def test_an_estimate_says_how_wide_it_is_and_what_it_rests_on() -> None:
    """100 steps: of a known time, of a family without one, of no family, of an earlier run."""

    def all_of(step_seconds: float | None = None, **values: Any) -> tuple[int, int, int, str]:
        one = estimate(config(**QUIET, **values), L40S, data(10), step_seconds=step_seconds)
        assert (one.micros_low, one.micros) == (
            one.seconds_low * L40S.micros_per_second, one.seconds * L40S.micros_per_second,
        )  # fmt: skip
        return one.seconds_low, one.seconds, one.seconds_high, one.basis

    assert all_of(3.0) == (334, 484, 845, "an earlier run like this one")
    work = 100 * step() + 3.5
    assert all_of() == (
        math.ceil(60 + 0.6 * work), math.ceil(180 + work), math.ceil(480 + 1.8 * work),
        "typical times of Flux.1",
    )  # fmt: skip
    unknown = 100 * 2.5 + 3.5
    low, middle, high, basis = all_of(model_family="none of them")
    assert (low, middle, high) == (
        math.ceil(60 + 0.4 * unknown), math.ceil(180 + unknown), math.ceil(480 + 3 * unknown)
    )  # fmt: skip
    assert basis == "the average of all families"


def test_a_long_unknown_run_is_not_shortened_to_the_limit() -> None:
    cached = estimate(config(num_train_epochs=0, max_train_steps=0), L40S, data(10_000))
    assert (cached.steps, cached.seconds) == (0, 180 + 3500)
    assert cached.seconds_high == math.ceil(480 + 1.8 * 3500)


def test_the_memory_of_an_unknown_family_is_not_guessed() -> None:
    assert guess_memory(config(model_family="none of them")) is None
    unsized = next(name for name, one in families().items() if not one.billions)
    assert guess_memory(config(model_family=unsized)) is None
    assert memory(model_type="full", mixed_precision="bf16")[0] == pytest.approx(12 * 8)
    assert memory(model_type="full", mixed_precision="fp16")[0] == pytest.approx(12 * 16)
    assert step({"resolution": 512}, model_family="none of them") == pytest.approx(2.5 / 4)
