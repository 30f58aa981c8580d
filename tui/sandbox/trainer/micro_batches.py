"""The trainer's loop, micro-batch by micro-batch: when it saves, validates, publishes and ends.

This is a simulation, not a formula. It keeps the trainer's two counters: `global_step`, the
optimizer steps, and `passes`, every pass of the inner loop, which are the micro-batches and the
empty fetch that ends an epoch. Whatever computes a schedule in closed form can be compared with it.

Source: `simpletuner/helpers/training/trainer.py` and `validation.py` of SimpleTuner 4.10.1.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from tui.simpletuner.config.values import as_bool, as_float, as_int, as_text

Kind = Literal[
    "step", "checkpoint", "rotated", "validation", "publish", "hub-push", "final-save", "end"
]
Way = Literal["s3", "hub", "both"]
DEFAULT_EPOCHS: Final = 1
DEFAULT_CHECKPOINT_INTERVAL: Final = 500
DEFAULT_CHECKPOINTS_KEPT: Final = 5
DEFAULT_VALIDATION_INTERVAL: Final = 100
_PROMPTS: Final = (
    "validation_prompt",
    "validation_prompt_library",
    "user_prompt_library",
    "validation_input",
)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a run.

    Attributes:
        kind: `step`: an optimizer step is done; `checkpoint`: a checkpoint is written; `rotated`:
            an old checkpoint is deleted; `validation`: a validation round begins; `publish`: the
            run folder is uploaded by S3; `hub-push`: a checkpoint, or after `final-save` the final
            weights, are uploaded to the Hub; `final-save`; `end`.
        step: the number of optimizer steps so far; for `rotated`, that of the deleted checkpoint.
    """

    kind: Kind
    step: int


class EndlessRunError(ValueError):
    """Neither a number of steps nor a number of epochs is given."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The options that decide when something happens, with the trainer's defaults.

    Attributes:
        batches: micro-batches per epoch.
        accumulation: micro-batches per optimizer step.
        steps_per_epoch: optimizer steps per epoch as the trainer counts them, rounded up.
        steps: optimizer steps after which the run ends.
        epochs: number of epochs; the run ends after them only if `strict`.
        strict: whether the run ends with the last epoch.
        checkpoint_steps: steps between checkpoints; 0 for none.
        checkpoint_epochs: epochs between checkpoints; 0 for none.
        kept: how many checkpoints are kept; 0 for all.
        validation_steps: steps between validations; 0 for none.
        validation_epochs: epochs between validations; 0 for none.
        after_step: scheduled validations do not start before this step.
        after_epoch: scheduled validations do not start before this epoch.
    """

    batches: int
    accumulation: int
    steps_per_epoch: int
    steps: int
    epochs: int
    strict: bool
    checkpoint_steps: int
    checkpoint_epochs: int
    kept: int
    validation_steps: int
    validation_epochs: int
    after_step: int
    after_epoch: int

    @classmethod
    def read(cls, options: Mapping[str, object], batches: int) -> Schedule:
        """Read the options of a config, keys without dashes.

        Raises:
            EndlessRunError: neither steps nor epochs are given.
            ValueError: an epoch has no batch.
        """
        if batches < 1:
            raise ValueError("an epoch has no batch")
        accumulation = max(1, as_int(options.get("gradient_accumulation_steps")) or 1)
        per_epoch = math.ceil(batches / accumulation)
        steps = max(0, as_int(options.get("max_train_steps")) or 0)
        given = options.get("num_train_epochs")
        wanted = DEFAULT_EPOCHS if given is None else as_float(given) or 0.0
        epochs = math.ceil(max(0.0, wanted) * per_epoch) / per_epoch
        strict = as_bool(options.get("strict_epoch_limit"))
        if not steps and not epochs:
            raise EndlessRunError(
                "You must specify either --max_train_steps or --num_train_epochs with a value > 0"
            )
        if not steps:
            steps, strict = math.ceil(epochs * per_epoch), True
        if not epochs:
            epochs = steps / per_epoch
        return cls(
            batches,
            accumulation,
            per_epoch,
            steps,
            math.ceil(epochs),
            strict,
            _interval(
                options,
                ("checkpoint_step_interval", "checkpointing_steps"),
                DEFAULT_CHECKPOINT_INTERVAL,
            ),
            _interval(options, ("checkpoint_epoch_interval",), 0),
            _interval(
                options, ("checkpoints_total_limit", "save_total_limit"), DEFAULT_CHECKPOINTS_KEPT
            ),
            _interval(
                options,
                ("validation_step_interval", "validation_steps"),
                DEFAULT_VALIDATION_INTERVAL,
            ),
            _interval(options, ("validation_epoch_interval",), 0),
            _interval(options, ("validate_after_step",), 0),
            _interval(options, ("validate_after_epoch",), 0),
        )


@dataclass(frozen=True, slots=True)
class Validation:
    """Whether validations run, and whether one uploads.

    Attributes:
        runs: there is something to validate.
        publishes: a scheduled round that reaches its end is followed by an upload.
        benchmark: the base model is validated at step 0; that round always publishes.
        external: rounds are run by a script, which needs a checkpoint.
    """

    runs: bool
    publishes: bool
    benchmark: bool
    external: bool

    @classmethod
    def read(cls, options: Mapping[str, object]) -> Validation:
        """Read the options of a config, keys without dashes."""
        family = as_text(options.get("model_family"))
        runs = has_prompts(options) and not (
            as_bool(options.get("validation_disable"))
            or (family == "ideogram" and not as_bool(options.get("ideogram_validation")))
            or _is_zero_stage_three(options.get("deepspeed_config"))
        )
        external = as_text(options.get("validation_method")) == "external-script"
        benchmark = runs and not as_bool(options.get("disable_benchmark"))
        return cls(runs, runs and not external, benchmark, external)


def has_prompts(options: Mapping[str, object]) -> bool:
    """Whether a validation has a prompt; the empty, unconditional one counts."""
    if not as_bool(options.get("validation_disable_unconditional")):
        return True
    return any(options.get(name) not in (None, "", "None", False) for name in _PROMPTS)


def events(
    options: Mapping[str, object],
    batches_per_epoch: int,
    *,
    way: Way,
    resume_step: int = 0,
    lost: Container[int] = (),
) -> Iterator[Event]:
    """Everything that happens in a run except its single steps; see `walk`."""
    for event in walk(options, batches_per_epoch, way=way, resume_step=resume_step, lost=lost):
        if event.kind != "step":
            yield event


def walk(
    options: Mapping[str, object],
    batches_per_epoch: int,
    *,
    way: Way,
    resume_step: int = 0,
    lost: Container[int] = (),
) -> Iterator[Event]:
    """Everything that happens in a run, in the trainer's order.

    A step can be validated twice, when two of the passes after it fulfil the condition.

    Args:
        options: the training config, keys without dashes.
        batches_per_epoch: micro-batches of one epoch on one GPU.
        way: `s3`, whose uploads follow validations, `hub`, whose uploads follow checkpoints, or
            both.
        resume_step: step of the checkpoint that the run begins with; 0 for a fresh run. The first
            epoch then has only the micro-batches that were not used before that checkpoint.
        lost: steps whose validation breaks off, so that its upload does not happen.

    Raises:
        EndlessRunError: neither steps nor epochs are given.
        ValueError: an epoch has no batch.
    """
    schedule = Schedule.read(options, batches_per_epoch)
    return _Loop(
        schedule,
        Validation.read(options),
        way,
        lost,
        pushes=way != "s3" and as_bool(options.get("push_checkpoints_to_hub")),
        resume_step=resume_step,
        global_step=resume_step,
        passes=resume_step,
        saved=[resume_step] if resume_step else [],
    ).run()


@dataclass
class _Loop:
    schedule: Schedule
    validation: Validation
    way: Way
    lost: Container[int]
    pushes: bool
    resume_step: int
    global_step: int
    passes: int
    """All passes of the inner loop; a resumed run begins with the number of its step."""
    saved: list[int]
    """Steps of the checkpoints in the run folder, oldest first."""
    epoch: int = 1
    accumulated: int = 0
    """Micro-batches since the last optimizer step; it is not reset at the end of an epoch."""
    validated_epochs: set[int] = field(default_factory=set)
    open_epoch: int | None = None
    """An epoch whose validation has begun and not reached its end."""

    def run(self) -> Iterator[Event]:
        # A resumed run has a new container, so it has no benchmark of the base model either.
        if self.validation.benchmark:
            yield Event("validation", 0)
            if self.way != "hub":
                yield Event("publish", 0)
        used = self.resume_step * self.schedule.accumulation
        first = max(1, math.ceil(used / self.schedule.batches))
        left = first * self.schedule.batches - used
        last = self.schedule.epochs if self.schedule.strict else math.inf
        self.epoch = first
        while self.epoch <= last and self.global_step < self.schedule.steps:
            yield from self._epoch(left)
            left = self.schedule.batches
            self.epoch += 1
        yield Event("final-save", self.global_step)
        if self.way != "s3":
            yield Event("hub-push", self.global_step)
        yield Event("end", self.global_step)

    def _epoch(self, batches: int) -> Iterator[Event]:
        has_just_saved = False
        for _ in range(batches):
            self.passes += 1
            self.accumulated += 1
            has_stepped = self.accumulated == self.schedule.accumulation
            pushes = False
            if has_stepped:
                self.accumulated = 0
                self.global_step += 1
                yield Event("step", self.global_step)
                interval = self.schedule.checkpoint_steps
                has_just_saved = interval > 0 and self.global_step % interval == 0
                if has_just_saved:
                    yield from self._save()
                    pushes = self._is_aligned()
            if self._step_is_due() or self._epoch_is_due():
                yield from self._validate()
            if pushes:
                yield from self._push()
            if self.global_step >= self.schedule.steps:
                return
        # The fetch that finds nothing is a pass too, and no micro-batch.
        self.passes += 1
        interval = self.schedule.checkpoint_epochs
        saves = (
            interval > 0
            and self.epoch % interval == 0
            and not has_just_saved
            and self.global_step > self.resume_step
        )
        if saves:
            yield from self._save()
        if self._epoch_is_due(at_end=True):
            yield from self._validate()
        if saves:
            yield from self._push()

    def _save(self) -> Iterator[Event]:
        if self.global_step not in self.saved:
            self.saved.append(self.global_step)
        yield Event("checkpoint", self.global_step)
        while 0 < self.schedule.kept < len(self.saved):
            yield Event("rotated", self.saved.pop(0))

    def _push(self) -> Iterator[Event]:
        if self.pushes and self.global_step > self.resume_step:
            yield Event("hub-push", self.global_step)

    def _is_aligned(self) -> bool:
        return self.passes % self.schedule.accumulation == 0

    def _has_begun(self) -> bool:
        """Whether scheduled validations may run; step 1 is never validated."""
        return (
            self.validation.runs
            and self.global_step > max(1, self.resume_step)
            and self.global_step >= self.schedule.after_step
            and self.epoch >= self.schedule.after_epoch
        )

    def _step_is_due(self) -> bool:
        interval = self.schedule.validation_steps
        return (
            self._has_begun()
            and interval > 0
            and self.global_step % interval == 0
            and self._is_aligned()
        )

    def _epoch_is_due(self, *, at_end: bool = False) -> bool:
        interval = self.schedule.validation_epochs
        # The trainer multiplies the rounded steps per epoch, so its count of the epoch's end is
        # right only where the accumulation divides the batches.
        is_last_step = self.global_step == self.epoch * self.schedule.steps_per_epoch
        if not (self._has_begun() and interval > 0 and (at_end or is_last_step)):
            return False
        if self.open_epoch == self.epoch:
            return True
        if self.epoch % interval or self.epoch in self.validated_epochs:
            return False
        self.open_epoch = self.epoch
        return True

    def _validate(self) -> Iterator[Event]:
        if self.validation.external and not self.saved:
            return
        yield Event("validation", self.global_step)
        if self.global_step in self.lost:
            return
        if self.way != "hub" and self.validation.publishes:
            yield Event("publish", self.global_step)
        if self.open_epoch == self.epoch:
            self.validated_epochs.add(self.epoch)
            self.open_epoch = None


def _interval(options: Mapping[str, object], names: tuple[str, ...], default: int) -> int:
    """The first of some options that is set, at least 0; null means the default, not off."""
    for name in names:
        value = options.get(name)
        if as_text(value) not in {None, "None"}:
            return max(0, as_int(value) or 0)
    return default


def _is_zero_stage_three(config: object) -> bool:
    if not isinstance(config, Mapping):
        return False
    zero = config.get("zero_optimization")
    return isinstance(zero, Mapping) and as_int(zero.get("stage")) == 3
