"""The computed schedule against the sandbox's simulation of the trainer's loop."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import examples
from tui.sandbox.trainer.micro_batches import events
from tui.simpletuner.delivery_schedule.plan import read_plan
from tui.simpletuner.delivery_schedule.uploads import Run, carried

_INTERVALS = st.one_of(st.integers(1, 12), st.integers(1, 80))


@st.composite
def schedules(draw: st.DrawFn) -> tuple[dict[str, Any], int, int]:
    """Options, batches per epoch, and the step that the run is resumed at."""
    options: dict[str, Any] = {
        "gradient_accumulation_steps": draw(st.one_of(st.just(1), st.integers(1, 7))),
        "checkpoint_step_interval": draw(_INTERVALS),
        "validation_step_interval": draw(_INTERVALS),
        "disable_benchmark": draw(st.booleans()),
    }
    resumed = 0
    if draw(st.integers(0, 3)):
        options |= {"max_train_steps": draw(st.integers(1, 90)), "num_train_epochs": 0}
        if draw(st.booleans()):
            options["strict_epoch_limit"] = True
        if draw(st.integers(0, 3)) == 0:
            resumed = draw(st.integers(1, 40))
    else:
        epochs = st.integers(1, 6)
        options["num_train_epochs"] = draw(epochs)
    optional = {
        "checkpoint_epoch_interval": st.integers(1, 3),
        "validation_epoch_interval": st.integers(1, 3),
        "checkpoints_total_limit": st.integers(0, 4),
        "validate_after_step": st.integers(0, 60),
        "validate_after_epoch": st.integers(0, 4),
    }
    for name, values in optional.items():
        if draw(st.integers(0, 2)) == 0:
            options[name] = draw(values)
    batches = draw(st.one_of(st.integers(1, 12), st.integers(1, 120)))
    return options, batches, resumed


def simulated_s3(options: dict[str, Any], batches: int, resumed: int) -> tuple[Any, ...]:
    """End, weights that leave, uploads, and checkpoints that all uploads carry together."""
    present: list[int] = []
    weights: set[int] = set()
    uploads = carried_in_all = end = 0
    for event in events(options, batches, way="s3", resume_step=resumed):
        if event.kind == "checkpoint" and event.step not in present:
            present.append(event.step)
        elif event.kind == "rotated" and event.step in present:
            present.remove(event.step)
        elif event.kind == "publish":
            uploads += 1
            weights |= set(present)
            carried_in_all += len(present)
        elif event.kind == "end":
            end = event.step
    return end, sorted(weights), uploads, carried_in_all


@given(schedules())
@settings(max_examples=examples(1000), deadline=None)
def test_the_same_weights_leave_by_s3(case: tuple[dict[str, Any], int, int]) -> None:
    options, batches, resumed = case
    run = Run(read_plan(options), batches, resumed)
    lifetimes = carried(run, run.checkpoints, run.validations)
    uploads = len(run.validations) + run.plan.benchmark
    assert (run.steps, list(lifetimes.weights), uploads, lifetimes.sends) == simulated_s3(*case)


@given(schedules())
@settings(max_examples=examples(200), deadline=None)
def test_the_same_checkpoints_go_to_the_hub(case: tuple[dict[str, Any], int, int]) -> None:
    options, batches, resumed = case
    options["push_checkpoints_to_hub"] = True
    run = Run(read_plan(options), batches, resumed)
    pushed = [
        event.step
        for event in events(options, batches, way="hub", resume_step=resumed)
        if event.kind == "hub-push"
    ]
    assert [moment.step for moment in run.pushes] + [run.steps] == pushed
