"""What of a run arrives: the last weights that leave the trainer, and whether they are final.

By S3, to a bucket or to this machine, the trainer uploads its run folder after a validation only;
the final weights lie in the folder's root after the last validation, so they arrive as the last
step's checkpoint or not at all. To the Hub it sends the final weights at the end in any case.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypedDict

from tui.simpletuner.checks.buckets import aspect_buckets
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.config.values import as_int, as_text
from tui.simpletuner.datasets.scan import DataReport
from tui.simpletuner.delivery_schedule.plan import Plan, read_plan
from tui.simpletuner.delivery_schedule.uploads import Lifetimes, Run, carried

Way = Literal["s3", "local", "hub"]
Promise = Literal["yes", "no", "unknown"]
_NOT_TRAINED: Final = frozenset({"conditioning", "eval", "caption"})
"""Kinds of datasets whose samples make no batches of their own."""
_SAMPLED: Final = ("probability", "max_num_samples")
"""Options of a dataset after which an epoch does not hold each sample once."""
_CHECKPOINT: Final = re.compile(r"checkpoint-(\d{1,9})/?$")


@dataclass(frozen=True, slots=True)
class Batches:
    """Micro-batches of one epoch on one GPU.

    Attributes:
        count: the sum over the aspect buckets; where these are not known, the least there are.
        exact: whether it is certain: one dataset of known buckets, on one GPU.
    """

    count: int
    exact: bool


class ExpectedWeights(TypedDict):
    """What leaves the trainer, as it is stored with a job.

    Attributes:
        steps: optimizer steps of the run; 0 when they depend on unknown data.
        weights: steps of the checkpoints that leave.
        last: step of the last weights that leave; None for none.
        final: whether weights outside of any checkpoint leave.
        promise: whether the final weights leave for certain.
        way: how they leave.
    """

    steps: int
    weights: list[int]
    last: int | None
    final: bool
    promise: Promise
    way: Way


@dataclass(frozen=True, slots=True)
class DeliverySchedule:
    """What leaves the trainer in a run, and whether the final weights do.

    Attributes:
        way: `s3`, `local` (S3 to this machine) or `hub`.
        steps: optimizer steps of the run; 0 when they depend on unknown data.
        weights: steps of the checkpoints that leave; of a long run the last ones.
        last: step of the last weights that leave; None for none.
        final: whether these are the weights of the last step.
        promise: whether the final weights leave for certain.
        reason: why they do not, or why that cannot be told; "" otherwise.
        certain: whether `last` holds for certain.
        uploads: how often the run folder is uploaded; None when unknown.
        sends: how many checkpoints all uploads carry together.
        at_end: whether the final weights are sent after the run, outside of any checkpoint.
    """

    way: Way
    steps: int
    weights: tuple[int, ...]
    last: int | None
    final: bool
    promise: Promise
    reason: str = ""
    certain: bool = True
    uploads: int | None = None
    sends: int = 0
    at_end: bool = False

    @property
    def line(self) -> str:
        """The outcome in one line, for the screen."""
        of = f" of {self.steps}" if self.steps else ""
        if self.promise == "yes" and self.at_end:
            where = "to the Hub" if self.way == "hub" else "out of the trainer"
            return f"the final weights go {where} at the end of the run"
        if self.promise == "yes":
            return f"last weights that leave the trainer: step {self.last}{of}, the final ones"
        if self.promise == "unknown":
            most = ""
            if self.last is not None and not self.final:
                most = f"; as far as counted here step {self.last}{of} is the last that leaves"
            return f"it cannot be promised that the final weights leave the trainer{most}"
        if self.last is None:
            return "no weights leave the trainer"
        return f"last weights that leave the trainer: step {self.last}{of}; the final ones do not"

    def expected(self) -> ExpectedWeights:
        """The outcome as it is stored with a job, to be compared with what arrived."""
        return {
            "steps": self.steps,
            "weights": list(self.weights),
            "last": self.last,
            "final": self.at_end,
            "promise": self.promise,
            "way": self.way,
        }


def count_batches(config: TrainingConfig, report: DataReport | None, gpus: int) -> Batches | None:
    """Count the micro-batches of an epoch; None when a dataset's size is not known here."""
    trained = [spec for spec in config.training_datasets if spec.dataset_type not in _NOT_TRAINED]
    if report is None or not trained:
        return None
    scanned = {dataset.id: dataset for dataset in report.local}
    count, exact = 0, len(trained) == 1 and gpus == 1
    for spec in trained:
        dataset = scanned.get(spec.id)
        if dataset is None or not dataset.images:
            return None
        batch = max(1, as_int(spec.raw.get("train_batch_size")) or config.train_batch_size) * gpus
        buckets = aspect_buckets(dataset, config) if spec.dataset_type == "image" else None
        exact = exact and buckets is not None and not any(map(spec.raw.get, _SAMPLED))
        left_out = len(dataset.small_images) if spec.minimum_pixels else 0
        sizes = [dataset.images - left_out] if buckets is None else [b.images for b in buckets]
        count += sum(math.ceil(images * (spec.repeats + 1) / batch) for images in sizes)
    return Batches(max(1, count), exact)


def delivery_schedule(
    values: Mapping[str, Any],
    *,
    way: Way,
    batches: Batches | None = None,
    publishes_final: bool = False,
    pushes: bool | None = None,
) -> DeliverySchedule:
    """Compute what leaves the trainer.

    Args:
        values: the config's options by plain name, as they will be sent.
        way: how results are delivered.
        batches: micro-batches of an epoch on one GPU; None when unknown.
        publishes_final: whether the container uploads the final weights by S3 as well.
        pushes: whether checkpoints go to the Hub, where the request decides it.
    """
    plan = read_plan(values, pushes=pushes)
    resumed = _resumed_step(values)
    run = _run(plan, batches, resumed)
    if way == "hub":
        return _by_hub(plan, run, known=_is_known(plan, batches))
    if publishes_final:
        return _with_final(way, plan, run)
    if plan.off:
        steps = run.steps if run is not None else plan.steps
        return DeliverySchedule(
            way, steps, (), None, final=False, promise="no", reason=plan.off,
            uploads=int(plan.benchmark),
        )  # fmt: skip
    if run is None:
        reason = "the number of steps depends on data that is not known here"
        return DeliverySchedule(
            way, 0, (), None, final=False, promise="unknown", reason=reason, certain=False
        )
    schedule = _by_s3(way, plan, run)
    if schedule.promise == "yes" and plan.doubt:
        return replace(schedule, promise="unknown", reason=plan.doubt)
    return _with_doubts(schedule, plan, batches, resumed)


def _run(plan: Plan, batches: Batches | None, resumed: int) -> Run | None:
    """The run; of unknown data one whose first epoch does not end."""
    if batches is not None:
        return Run(plan, batches.count, resumed)
    if not plan.steps:
        return None
    return Run(plan, plan.steps * plan.accumulation + 1, resumed)


def _by_hub(plan: Plan, run: Run | None, *, known: bool) -> DeliverySchedule:
    if run is None:
        return DeliverySchedule("hub", 0, (), None, final=True, promise="yes", at_end=True)
    pushed = {moment.step for moment in run.pushes} if plan.pushes and known else set()
    return DeliverySchedule(
        "hub", run.steps, tuple(sorted(pushed)), run.steps, final=True, promise="yes", at_end=True
    )


def _with_final(way: Way, plan: Plan, run: Run | None) -> DeliverySchedule:
    """The schedule of a trainer that uploads the run folder once more after the last save."""
    steps = run.steps if run is not None else plan.steps
    if run is None or plan.off:
        return DeliverySchedule(
            way, steps, (), steps or None, final=True, promise="yes",
            uploads=None if run is None else 1 + plan.benchmark, at_end=True,
        )  # fmt: skip
    schedule = _by_s3(way, plan, run)
    return replace(
        schedule, last=steps, final=True, promise="yes", reason="",
        uploads=(schedule.uploads or 0) + 1, at_end=True,
    )  # fmt: skip


def _weights(run: Run) -> Lifetimes:
    return carried(run, run.checkpoints, run.validations)


def _by_s3(way: Way, plan: Plan, run: Run) -> DeliverySchedule:
    lifetimes = _weights(run)
    last = max(lifetimes.weights, default=None)
    final = last is not None and last == run.steps
    return DeliverySchedule(
        way,
        run.steps,
        lifetimes.weights,
        last,
        final=final,
        promise="yes" if final else "no",
        reason="" if final else _why_not(plan, run),
        uploads=len(run.validations) + plan.benchmark,
        sends=lifetimes.sends,
    )


def _why_not(plan: Plan, run: Run) -> str:
    """Why the final weights do not leave a run whose validations upload."""
    steps, interval = run.steps, plan.checkpoint_steps
    if steps < 2:
        return "the trainer validates no run of a single step"
    if not run.checkpoints:
        due = f"the first checkpoint is due at step {interval}, the run has {steps}"
        return due if interval else "checkpoint_step_interval is 0, so no checkpoint is written"
    if interval and steps % interval and run.checkpoints[-1].step != steps:
        return f"checkpoint_step_interval {interval} does not divide {steps} steps"
    late = max(plan.after_step, 0)
    if late > steps:
        return f"validations start after step {late}"
    every = plan.validation_steps
    if every > steps:
        return f"the first validation is due at step {every}, the run has {steps}"
    if every and steps % every:
        return f"validation_step_interval {every} does not divide {steps} steps"
    if plan.accumulation > 1:
        return (
            f"with gradient_accumulation_steps {plan.accumulation} the last step's validation "
            "does not take place"
        )
    return "no validation follows the last checkpoint"


def _with_doubts(
    schedule: DeliverySchedule, plan: Plan, batches: Batches | None, resumed: int
) -> DeliverySchedule:
    """The schedule, its promise withdrawn where it depends on what is not known for certain."""
    if plan.accumulation > 1:
        needed = plan.steps * plan.accumulation
        if plan.steps and batches is not None and batches.count >= needed and not resumed:
            return schedule
        over = "several epochs" if batches is not None else "an unknown number of epochs"
        reason = f"gradient_accumulation_steps {plan.accumulation} over {over}"
        return _doubted(schedule, reason, batches)
    if batches is not None and batches.exact:
        return schedule
    if not plan.steps:
        reason = "the number of steps depends on how the images fall into buckets"
        return _doubted(schedule, reason, batches)
    if plan.after_epoch > 1:
        reason = f"validations start in epoch {plan.after_epoch}, and its first step is not known"
        return _doubted(schedule, reason, batches)
    if plan.validation_epochs or plan.checkpoint_epochs:
        by_steps = replace(plan, validation_epochs=0, checkpoint_epochs=0)
        endless = Run(by_steps, plan.steps * plan.accumulation + 1, resumed)
        if not _by_s3(schedule.way, by_steps, endless).final:
            return _doubted(schedule, "it is not known at which steps the epochs end", batches)
    return schedule


def _doubted(schedule: DeliverySchedule, reason: str, batches: Batches | None) -> DeliverySchedule:
    """The schedule without its promise; a loss that was counted exactly stays a loss."""
    if batches is None:
        return replace(
            schedule, promise="unknown", reason=reason, certain=False,
            weights=(), last=None, final=False, uploads=None, sends=0,
        )  # fmt: skip
    if batches.exact and schedule.promise == "no":
        return schedule
    return replace(schedule, promise="unknown", reason=reason, certain=batches.exact)


def _is_known(plan: Plan, batches: Batches | None) -> bool:
    """Whether it can be told which checkpoints are sent to the Hub."""
    if batches is not None:
        return batches.exact or (plan.accumulation == 1 and not plan.checkpoint_epochs)
    return plan.steps > 0 and plan.accumulation == 1 and not plan.checkpoint_epochs


def _resumed_step(values: Mapping[str, Any]) -> int:
    """The step of a checkpoint that is named; `latest` finds none in a fresh container."""
    match = _CHECKPOINT.search(as_text(values.get("resume_from_checkpoint")) or "")
    return int(match[1]) if match else 0
