"""Which weights leave the trainer: worked cases, what switches uploads off, what is not known."""

from __future__ import annotations

from typing import Any

import pytest

from tui.simpletuner.delivery_schedule.schedule import (
    Batches,
    DeliverySchedule,
    Way,
    delivery_schedule,
)


def options(
    steps: int, checkpoint: int | None, validation: int | None, accumulation: int = 1, **more: Any
) -> dict[str, Any]:
    values = {
        "max_train_steps": steps,
        "num_train_epochs": 0,
        "checkpoint_step_interval": checkpoint,
        "validation_step_interval": validation,
        "gradient_accumulation_steps": accumulation,
        "validation_prompt": "a cat",
    }
    return values | more


def exact(count: int) -> Batches:
    return Batches(count, exact=True)


def by_s3(values: dict[str, Any], batches: Batches | None = None) -> DeliverySchedule:
    return delivery_schedule(values, way="s3", batches=batches)


@pytest.mark.parametrize(
    ("values", "batches", "weights", "promise"),
    [
        (options(1000, 500, 100), None, (500, 1000), "yes"),
        (options(1000, 500, 300), None, (500,), "no"),
        (options(900, 500, 100), None, (500,), "no"),
        (options(400, None, 100), None, (), "no"),
        (options(1000, 250, 250, 4), exact(12), (250, 500, 750), "no"),
        (options(1000, 250, 250), None, (250, 500, 750, 1000), "yes"),
        (options(1000, 250, 250, validation_disable=True), None, (), "no"),
        (options(1000, 300, 100, checkpoints_total_limit=1), None, (300, 600, 900), "no"),
        (
            options(0, 37, 37, num_train_epochs=2),
            exact(37),
            (37, 74),
            "yes",
        ),
        (options(1, 1, 1), None, (), "no"),
        (options(2, 1, 1), None, (1, 2), "yes"),
        (options(0, 6, 6, 4, num_train_epochs=2), exact(10), (), "no"),
    ],
)
def test_worked_cases_of_s3(
    values: dict[str, Any], batches: Batches | None, weights: tuple[int, ...], promise: str
) -> None:
    schedule = by_s3(values, batches)
    assert (schedule.weights, schedule.promise) == (weights, promise)
    assert schedule.final == (promise == "yes")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (options(1000, 1000, 1001), "the first validation is due at step 1001, the run has 1000"),
        (options(1000, 1001, 100), "the first checkpoint is due at step 1001, the run has 1000"),
        (options(1000, 100, 100, validate_after_step=1001), "validations start after step 1001"),
        (options(1, 1, 1), "the trainer validates no run of a single step"),
        (options(1000, 300, 100), "checkpoint_step_interval 300 does not divide 1000 steps"),
        (options(1000, 500, 300), "validation_step_interval 300 does not divide 1000 steps"),
    ],
)
def test_why_the_final_weights_do_not_leave(values: dict[str, Any], reason: str) -> None:
    assert by_s3(values).reason == reason


def test_an_interval_as_long_as_the_run_is_reached() -> None:
    """So it is never named as the reason: what else the run lacks is."""
    assert by_s3(options(1000, 1000, 1000)).promise == "yes"
    assert by_s3(options(2, 2, 2)).promise == "yes"
    assert by_s3(options(100, 100, 100, validate_after_step=100)).promise == "yes"
    for steps, batches in ((100, 10), (2, 3)):
        lacks = by_s3(options(steps, steps, steps, 2, validate_after_step=steps), exact(batches))
        assert "gradient_accumulation_steps 2" in lacks.reason


def test_validations_can_be_off_for_the_hub() -> None:
    values = options(1000, 250, 250, validation_disable=True, push_checkpoints_to_hub=True)
    schedule = delivery_schedule(values, way="hub")
    assert (schedule.promise, schedule.last) == ("yes", 1000)
    assert schedule.weights == (250, 500, 750, 1000)
    assert "at the end of the run" in schedule.line


@pytest.mark.parametrize(
    ("accumulation", "batches", "steps", "interval", "fired", "final"),
    [
        (1, 10, 40, 20, (20, 40), True),
        (2, 40, 20, 10, (10, 20), True),
        (2, 10, 20, 10, (), False),
        (2, 7, 20, 10, (10,), False),
        (4, 10, 20, 10, (), False),
        (4, 20, 20, 10, (10,), False),
        (3, 9, 21, 7, (7, 14, 21), True),
    ],
)
def test_the_accumulation_trap(
    accumulation: int, batches: int, steps: int, interval: int, fired: tuple[int, ...], final: bool
) -> None:
    schedule = by_s3(options(steps, interval, interval, accumulation), exact(batches))
    assert schedule.weights == fired
    assert schedule.final is final
    if accumulation > 1 and batches < steps * accumulation:
        assert schedule.promise == ("unknown" if final else "no")
        assert schedule.promise != "yes"


@pytest.mark.parametrize("batches", [None, Batches(9, exact=False), exact(9)])
def test_accumulation_over_several_epochs_is_never_promised(batches: Batches | None) -> None:
    schedule = by_s3(options(21, 7, 7, 3), batches)
    assert schedule.promise == "unknown"
    assert "cannot be promised" in schedule.line
    assert "gradient_accumulation_steps 3" in schedule.reason


def test_accumulation_within_one_epoch_is_promised() -> None:
    assert by_s3(options(20, 10, 10, 2), Batches(40, exact=False)).promise == "yes"
    assert by_s3(options(20, 10, 10, 2), Batches(39, exact=False)).promise == "unknown"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"validation_disable": "true"}, "validation_disable is on"),
        (
            {"validation_disable_unconditional": True, "validation_prompt": ""},
            "no validation prompt",
        ),
        ({"validation_method": "external-script"}, "external-script never uploads"),
        ({"model_family": "ideogram"}, "ideogram"),
        ({"deepspeed_config": {"zero_optimization": {"stage": 3}}}, "ZeRO stage 3"),
        ({"deepspeed_config": '{"zero_optimization": {"stage": 3}}'}, "ZeRO stage 3"),
        ({"validation_step_interval": 0}, "validation_step_interval is 0"),
        ({"validate_after_step": 1001}, "start after step 1001"),
        ({"validation_step_interval": 2000}, "due at step 2000, the run has 1000"),
        ({"max_train_steps": 1}, "single step"),
    ],
)
def test_what_keeps_everything_in_the_trainer(change: dict[str, Any], reason: str) -> None:
    schedule = by_s3(options(1000, 250, 250) | change)
    assert (schedule.weights, schedule.last, schedule.promise) == ((), None, "no")
    assert schedule.line == "no weights leave the trainer"
    assert reason in schedule.reason


@pytest.mark.parametrize(
    "change",
    [
        {"validation_prompt": ""},  # the empty, unconditional prompt is validated
        {"validation_step_interval": None, "validation_steps": 250},
        {"model_family": "ideogram", "ideogram_validation": True},
        {"deepspeed_config": {"zero_optimization": {"stage": 2}}},
        {"validate_after_step": 1000},
        {"validation_epoch_interval": 1},  # the validation by steps goes on beside it
        {"disable_validation": True},  # no option of the trainer
    ],
)
def test_what_does_not_keep_the_final_weights(change: dict[str, Any]) -> None:
    schedule = by_s3(options(1000, 250, 250) | change)
    assert (schedule.last, schedule.promise) == (1000, "yes")
    assert "step 1000 of 1000, the final ones" in schedule.line


def test_null_is_the_default_and_not_off() -> None:
    assert by_s3(options(1000, None, None)).weights == (500, 1000)


def test_the_line_says_what_is_lost() -> None:
    schedule = by_s3(options(1000, 300, 100, checkpoints_total_limit=1))
    said = "last weights that leave the trainer: step 900 of 1000; the final ones do not"
    assert schedule.line == said
    assert schedule.expected() == {
        "steps": 1000, "weights": [300, 600, 900], "last": 900, "final": False,
        "promise": "no", "way": "s3",
    }  # fmt: skip


@pytest.mark.parametrize("batches", [None, Batches(37, exact=False)])
def test_epochs_alone_cannot_be_promised_without_the_exact_batches(
    batches: Batches | None,
) -> None:
    assert by_s3(options(0, 37, 37, num_train_epochs=2), batches).promise == "unknown"


def test_an_epochs_end_of_unknown_data_promises_nothing() -> None:
    values = options(1000, 250, 300, validation_epoch_interval=1)
    assert by_s3(values).promise == "unknown"
    assert by_s3(values, exact(10)).promise == "yes"  # step 1000 is the last of epoch 100


def test_a_trainer_that_publishes_the_final_weights_needs_no_validation() -> None:
    values = options(400, 500, 100, validation_disable=True)
    schedule = delivery_schedule(values, way="local", publishes_final=True)
    assert (schedule.promise, schedule.last, schedule.at_end) == ("yes", 400, True)


@pytest.mark.parametrize("way", ["s3", "local", "hub"])
def test_endless_runs_are_computed_at_once(way: Way) -> None:
    values = options(10**12, 1, 1, 3, push_checkpoints_to_hub=True)
    schedule = delivery_schedule(values, way=way, batches=exact(1001))
    assert schedule.steps == 10**12


def test_uploads_and_what_they_send_again() -> None:
    schedule = by_s3(options(1000, 500, 250))
    assert schedule.uploads == 5  # the benchmark of the base model, and four validations
    assert schedule.sends == 1 + 1 + 2  # at 500, 750 and 1000


def test_a_resumed_run_sends_what_comes_after_its_checkpoint() -> None:
    values = options(1000, 250, 250, resume_from_checkpoint="s3://bucket/run/checkpoint-500")
    assert by_s3(values).weights == (750, 1000)
    assert by_s3(values | {"resume_from_checkpoint": "latest"}).weights[0] == 250
