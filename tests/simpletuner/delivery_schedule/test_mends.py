"""Changes after which the final weights leave the trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tui.simpletuner.config.overrides import OVERRIDES, with_options
from tui.simpletuner.config.training_config import DatasetSpec, TrainingConfig
from tui.simpletuner.delivery_schedule.job import DeliveryOutlook, delivery_outlook, job_schedule
from tui.simpletuner.delivery_schedule.mends import Mend
from tui.simpletuner.request.delivery import Delivery

LOCAL = Delivery("local", bucket="outputs")
_HOSTED = DatasetSpec("cats", "huggingface", "image", None, "huggingface", raw={"id": "cats"})


def config_of(**values: Any) -> TrainingConfig:
    base = {"model_family": "flux", "model_type": "lora", "num_train_epochs": 0}
    return TrainingConfig("cats", Path("config.json"), base | values, (_HOSTED,))


def outlook(config: TrainingConfig) -> DeliveryOutlook:
    return delivery_outlook(config, LOCAL)


def mend_of(config: TrainingConfig, identity: str) -> Mend:
    return next(mend for mend in outlook(config).mends if mend.id == identity)


def test_a_run_that_delivers_needs_no_mend() -> None:
    config = config_of(
        max_train_steps=1000, checkpoint_step_interval=250, validation_step_interval=250
    )
    assert outlook(config).mends == ()


@pytest.mark.parametrize(
    ("values", "identity", "words"),
    [
        (
            {"checkpoint_step_interval": 250, "validation_step_interval": 2000},
            "intervals",
            "validation_step_interval: 2000 → 250",
        ),
        (
            {"max_train_steps": 400},
            "intervals",
            "checkpoint_step_interval: 500 (default) → 100",
        ),
        (
            {"max_train_steps": 997, "checkpoint_step_interval": 250},
            "steps",
            "max_train_steps: 997 → 1000, validation_step_interval: 100 (default) → 250",
        ),
        (
            {
                "gradient_accumulation_steps": 4,
                "train_batch_size": 2,
                "checkpoint_step_interval": 250,
                "validation_step_interval": 250,
            },
            "accumulation",
            "train_batch_size: 2 → 8, gradient_accumulation_steps: 4 → 1",
        ),
        (
            {"validation_disable": True, "checkpoint_step_interval": 250},
            "intervals",
            "validation_step_interval: 100 (default) → 250, validation_disable: true → false",
        ),
        (
            {
                "validation_method": "external-script",
                "checkpoint_step_interval": 250,
                "validation_step_interval": 250,
            },
            "intervals",
            "validation_method: external-script → simpletuner-local",
        ),
        (
            {"validation_disable": True, "hub_model_id": "me/cats"},
            "hub",
            "delivery: local → hub, me/cats",
        ),
        ({"max_train_steps": 1}, "steps", "max_train_steps: 1 → 2"),
    ],
)
def test_a_mend_is_shown_as_a_diff(values: dict[str, Any], identity: str, words: str) -> None:
    mend = mend_of(config_of(**({"max_train_steps": 1000} | values)), identity)
    assert words in mend.words
    assert mend.schedule.promise == "yes"


def test_a_validation_by_a_divisor_keeps_its_interval() -> None:
    config = config_of(
        max_train_steps=1000, checkpoint_step_interval=300, validation_step_interval=50
    )
    assert mend_of(config, "intervals").overrides == {"checkpoint_step_interval": 50}


def test_without_a_repository_nothing_is_sent_to_the_hub() -> None:
    config = config_of(max_train_steps=1000, validation_disable=True)
    assert "hub" not in [mend.id for mend in outlook(config).mends]


_OPTIONS = st.fixed_dictionaries(
    {"max_train_steps": st.integers(1, 5000)},
    optional={
        "checkpoint_step_interval": st.integers(0, 1500),
        "validation_step_interval": st.integers(0, 1500),
        "gradient_accumulation_steps": st.integers(1, 8),
        "train_batch_size": st.integers(1, 4),
        "validation_disable": st.booleans(),
        "validation_disable_unconditional": st.booleans(),
        "validation_method": st.sampled_from(["simpletuner-local", "external-script"]),
        "validate_after_step": st.integers(0, 6000),
        "validate_after_epoch": st.integers(0, 3),
        "checkpoints_total_limit": st.integers(0, 5),
    },
)


@given(_OPTIONS)
@settings(max_examples=400, deadline=None)
def test_every_mend_keeps_its_promise(values: dict[str, Any]) -> None:
    config = config_of(**values)
    before = outlook(config)
    assume(before.schedule is not None and before.schedule.promise != "yes")
    assert before.mends, "a run by steps can always be mended"
    for mend in before.mends:
        assert mend.overrides.keys() <= OVERRIDES.keys()
        mended = job_schedule(with_options(config, mend.overrides), LOCAL)
        assert mended is not None
        assert (mended.promise, mended.final) == ("yes", True)
        assert mend.schedule == mended
        assert mend.changes
        assert all(change.before != change.after for change in mend.changes)
