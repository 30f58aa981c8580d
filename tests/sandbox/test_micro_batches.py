"""The trainer's loop against schedules that were worked out or run on the real trainer."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from tui.sandbox.trainer.micro_batches import EndlessRunError, Event, Schedule, events, walk


def options(steps: int, checkpoint: int | None, validation: int, accumulation: int = 1) -> Any:
    given: dict[str, Any] = {
        "max_train_steps": steps,
        "num_train_epochs": 0,
        "validation_prompt": "a cat",
        "validation_step_interval": validation,
        "gradient_accumulation_steps": accumulation,
    }
    if checkpoint is not None:
        given["checkpoint_step_interval"] = checkpoint
    return given


def steps_of(kind: str, given: Any, batches: int, way: Literal["s3", "hub"] = "s3") -> list[int]:
    return [event.step for event in events(given, batches, way=way) if event.kind == kind]


def arrived(given: Any, batches: int) -> tuple[list[int], set[int]]:
    """Steps at which something is published, and the checkpoints that were there to be sent."""
    there: set[int] = set()
    sent: set[int] = set()
    published: list[int] = []
    for event in events(given, batches, way="s3"):
        if event.kind == "checkpoint":
            there.add(event.step)
        elif event.kind == "rotated":
            there.remove(event.step)
        elif event.kind == "publish":
            published.append(event.step)
            sent |= there
    return published, sent


@pytest.mark.parametrize(
    ("given", "batches", "published", "sent"),
    [
        pytest.param(
            options(1000, 500, 100), 40, list(range(0, 1001, 100)), {500, 1000}, id="row 1"
        ),
        pytest.param(options(1000, 500, 300), 40, [0, 300, 600, 900], {500}, id="row 2"),
        pytest.param(options(900, 500, 100), 40, list(range(0, 901, 100)), {500}, id="row 3"),
        pytest.param(options(400, None, 100), 40, [0, 100, 200, 300, 400], set(), id="row 4"),
        pytest.param(
            options(1000, 250, 250, 4), 12, [0, 250, 500, 750], {250, 500, 750}, id="row 5"
        ),
        pytest.param(
            options(1000, 250, 250), 40, [0, 250, 500, 750, 1000], {250, 500, 750, 1000}, id="row 6"
        ),
        pytest.param(
            options(1000, 250, 250) | {"validation_disable": True}, 40, [], set(), id="row 7"
        ),
        pytest.param(
            options(1000, 300, 100) | {"checkpoints_total_limit": 1},
            40,
            list(range(0, 1001, 100)),
            {300, 600, 900},
            id="row 9",
        ),
        pytest.param(
            {
                "num_train_epochs": 2,
                "checkpoint_step_interval": 37,
                "validation_step_interval": 37,
            },
            37,
            [0, 37, 74],
            {37, 74},
            id="row 10",
        ),
        pytest.param(options(1, 1, 1), 40, [0], set(), id="row 11"),
        pytest.param(options(2, 1, 1), 40, [0, 2], {1, 2}, id="row 11, with two steps"),
        pytest.param(
            {
                "num_train_epochs": 2,
                "gradient_accumulation_steps": 4,
                "checkpoint_step_interval": 6,
                "validation_step_interval": 6,
            },
            10,
            [0],
            set(),
            id="row 12",
        ),
    ],
)
def test_what_a_run_delivers_by_s3(
    given: Any, batches: int, published: list[int], sent: set[int]
) -> None:
    assert arrived(given, batches) == (published, sent)


@pytest.mark.parametrize(
    ("accumulation", "batches", "steps", "interval", "fired"),
    [
        (1, 10, 40, 20, [20, 40]),
        (2, 40, 20, 10, [10, 20]),
        (2, 10, 20, 10, []),
        (2, 7, 20, 10, [10]),
        (4, 10, 20, 10, []),
        (4, 20, 20, 10, [10]),
        (3, 9, 21, 7, [7, 14, 21]),
    ],
)
def test_accumulation_moves_validations_away_from_their_steps(
    accumulation: int, batches: int, steps: int, interval: int, fired: list[int]
) -> None:
    given = options(steps, 500, interval, accumulation) | {"disable_benchmark": True}
    assert steps_of("validation", given, batches) == fired


def test_the_order_within_a_step() -> None:
    given = options(4, 2, 2) | {
        "checkpoints_total_limit": 1,
        "disable_benchmark": True,
        "push_checkpoints_to_hub": True,
    }
    assert list(events(given, 10, way="s3")) == [
        Event("checkpoint", 2), Event("validation", 2), Event("publish", 2),
        Event("checkpoint", 4), Event("rotated", 2), Event("validation", 4), Event("publish", 4),
        Event("final-save", 4), Event("end", 4),
    ]  # fmt: skip
    assert list(events(given, 10, way="hub")) == [
        Event("checkpoint", 2), Event("validation", 2), Event("hub-push", 2),
        Event("checkpoint", 4), Event("rotated", 2), Event("validation", 4), Event("hub-push", 4),
        Event("final-save", 4), Event("hub-push", 4), Event("end", 4),
    ]  # fmt: skip


def test_the_hub_gets_the_final_weights_without_any_validation() -> None:
    given = options(1000, 250, 250) | {"validation_disable": True}
    assert steps_of("hub-push", given, 40, "hub") == [1000]
    given["push_checkpoints_to_hub"] = True
    assert steps_of("hub-push", given, 40, "hub") == [250, 500, 750, 1000, 1000]


def test_accumulation_holds_back_pushes_of_step_checkpoints_but_not_of_epoch_checkpoints() -> None:
    given = options(20, 10, 10, 2) | {"push_checkpoints_to_hub": True}
    assert steps_of("hub-push", given, 10, "hub") == [20]
    given |= {"checkpoint_step_interval": 0, "checkpoint_epoch_interval": 2}
    # Each epoch has five steps; the run ends in the last of the fourth epoch, before its end.
    assert steps_of("hub-push", given, 10, "hub") == [10, 20]
    assert steps_of("checkpoint", given, 10, "hub") == [10]


@pytest.mark.parametrize(
    "switch",
    [
        {"validation_disable": True},
        {"validation_disable_unconditional": True, "validation_prompt": None},
        {"model_family": "ideogram"},
        {"deepspeed_config": {"zero_optimization": {"stage": 3}}},
    ],
)
def test_what_switches_publishing_off_completely(switch: dict[str, Any]) -> None:
    given = options(10, 5, 5)
    assert steps_of("publish", given, 10) == [0, 5, 10]
    assert steps_of("publish", given | switch, 10) == []


def test_validations_that_do_not_publish() -> None:
    given = options(10, 5, 5)
    external = given | {"validation_method": "external-script"}
    assert steps_of("publish", external, 10) == [0]
    assert steps_of("validation", external, 10) == [0, 5, 10]
    late = given | {"validate_after_step": 11}
    assert steps_of("publish", late, 10) == [0]
    assert steps_of("publish", given | {"validate_after_epoch": 2}, 5) == [0, 10]
    assert steps_of("publish", given | {"validation_step_interval": 0}, 10) == [0]
    hundred = given | {"max_train_steps": 100, "validation_step_interval": None}
    assert steps_of("publish", hundred, 10) == [0, 100]
    kept = options(10, 5, 5) | {"validation_prompt": None}
    assert steps_of("publish", kept, 10) == [0, 5, 10], "the empty prompt is validated"


def test_a_validation_that_breaks_off_publishes_nothing() -> None:
    run = events(options(10, 5, 5), 10, way="s3", lost={5})
    assert [event.step for event in run if event.kind == "publish"] == [0, 10]


@pytest.mark.parametrize(
    ("accumulation", "batches", "steps", "fired"),
    [
        # The last step is the last of an epoch, and the accumulation divides the batches.
        (1, 10, 40, [10, 20, 30, 40]),
        (2, 10, 20, [5, 10, 15, 20]),
        # It does not divide them: only the ends of epochs before the end of the run count.
        (4, 10, 5, [2]),
        (1, 10, 25, [10, 20]),
    ],
)
def test_validations_by_epoch_do_not_look_at_the_passes(
    accumulation: int, batches: int, steps: int, fired: list[int]
) -> None:
    given = options(steps, 500, 0, accumulation)
    given |= {"validation_epoch_interval": 1, "disable_benchmark": True}
    assert steps_of("publish", given, batches) == fired


def test_epochs_alone_plan_more_steps_than_are_done() -> None:
    given = {"num_train_epochs": 2, "gradient_accumulation_steps": 4}
    assert Schedule.read(given, 10).steps == 6
    assert steps_of("end", given, 10) == [5]
    assert steps_of("end", given | {"gradient_accumulation_steps": 5}, 10) == [4]


def test_a_strict_epoch_limit_ends_before_the_steps() -> None:
    given = options(6, 500, 0, 4) | {"num_train_epochs": 2, "strict_epoch_limit": True}
    assert steps_of("end", given, 10) == [5]
    given["strict_epoch_limit"] = False
    assert steps_of("end", given, 10) == [6]


def test_a_resumed_run_goes_on_behind_its_checkpoint() -> None:
    given = options(30, 10, 10)
    kinds = {"checkpoint", "validation", "end"}
    run = [event for event in events(given, 12, way="s3", resume_step=10) if event.kind in kinds]
    assert run == [
        Event("validation", 0),
        Event("checkpoint", 20), Event("validation", 20),
        Event("checkpoint", 30), Event("validation", 30), Event("end", 30),
    ]  # fmt: skip
    steps = [event for event in walk(given, 12, way="s3", resume_step=28) if event.kind == "step"]
    assert steps == [Event("step", 29), Event("step", 30)]


def test_a_run_resumed_at_an_odd_step_pushes_nothing_in_its_first_epoch() -> None:
    given = options(20, 1, 0, 2) | {"push_checkpoints_to_hub": True, "disable_benchmark": True}
    pushed = [e.step for e in events(given, 40, way="hub", resume_step=5) if e.kind == "hub-push"]
    assert pushed == [20], "the final weights alone"
    pushed = [e.step for e in events(given, 40, way="hub", resume_step=6) if e.kind == "hub-push"]
    assert pushed[:2] == [7, 8]


def test_a_run_without_an_end_is_refused() -> None:
    with pytest.raises(EndlessRunError):
        list(events({"max_train_steps": 0, "num_train_epochs": 0}, 10, way="s3"))
    assert steps_of("end", {}, 10) == [10], "one epoch is the trainer's default"
