"""The moments at which a run saves and uploads, computed from its plan without simulating it.

A moment is the number of micro-batches done so far and a rank within it: the trainer saves a step's
checkpoint, then validates; the empty fetch at an epoch's end may save and validate once more.

The trainer has two clocks: optimizer steps, and passes of its inner loop, which count the empty
fetch of each epoch as well. A validation by steps needs `passes % accumulation == 0`. With `m`
micro-batches done in epoch `e` of a fresh run the passes are `m + e - 1`, so that after `r` further
micro-batches of a step the condition is `(r + e - 1) % accumulation == 0`.

Source: SimpleTuner 4.10.1, `helpers/training/trainer.py` (7031-7669), `helpers/training/
validation.py` (2597-2913).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

from tui.simpletuner.delivery_schedule.plan import Plan, planned_steps

MOST: Final = 5_000
"""How many validations, checkpoints and epochs are looked at; of longer runs the last ones."""
_SAVE, _VALIDATE, _EPOCH_SAVE, _EPOCH_VALIDATE = range(4)


class Moment(NamedTuple):
    """When something happens: after `micro` micro-batches, in the order of `rank`, at `step`."""

    micro: int
    rank: int
    step: int


@dataclass(frozen=True)
class Run:
    """One run: its plan, its data and the checkpoint that it begins with.

    Attributes:
        plan: the options.
        batches: micro-batches per epoch on one GPU, at least 1.
        resumed: step of the checkpoint that it begins with; 0 for a fresh run.
    """

    plan: Plan
    batches: int
    resumed: int = 0

    @cached_property
    def planned(self) -> int:
        """Optimizer steps that the trainer plans."""
        return planned_steps(self.plan, self.batches)

    @cached_property
    def first_epoch(self) -> int:
        """The epoch that the run begins in."""
        return max(1, math.ceil(self.resumed * self.plan.accumulation / self.batches))

    @cached_property
    def micro_batches(self) -> int:
        """Number of the last micro-batch, those before a resumed checkpoint included."""
        most = self.planned * self.plan.accumulation
        if self.plan.steps and not self.plan.strict:
            return most
        epochs = math.ceil(self.planned / math.ceil(self.batches / self.plan.accumulation))
        return min(most, epochs * self.batches)

    @cached_property
    def steps(self) -> int:
        """Optimizer steps that are really done."""
        return max(self.resumed, self.micro_batches // self.plan.accumulation)

    @property
    def starts_anything(self) -> bool:
        """Whether the run does a step at all."""
        return self.planned > self.resumed

    @cached_property
    def saves(self) -> list[Moment]:
        """Every saving of a checkpoint, oldest first; of a long run the last ones."""
        if not self.starts_anything:
            return []
        moments = []
        plan = self.plan
        if plan.checkpoint_steps:
            moments += [
                Moment(step * plan.accumulation, _SAVE, step)
                for step in _multiples(plan.checkpoint_steps, self.resumed + 1, self.steps)
            ]
        for epoch in self._epochs(plan.checkpoint_epochs):
            end = epoch * self.batches
            step, before = end // plan.accumulation, (end - self.batches) // plan.accumulation
            by_steps = plan.checkpoint_steps and step % plan.checkpoint_steps == 0
            has_stepped = step > max(self.resumed, before)
            if self._is_fetched(epoch) and step > self.resumed and not (by_steps and has_stepped):
                moments.append(Moment(end, _EPOCH_SAVE, step))
        return sorted(moments)[-MOST:]

    @cached_property
    def checkpoints(self) -> list[Moment]:
        """The first saving of each checkpoint, oldest first."""
        return [
            moment
            for number, moment in enumerate(self.saves)
            if not number or self.saves[number - 1].step != moment.step
        ]

    @cached_property
    def validations(self) -> list[Moment]:
        """The scheduled validations, oldest first, without the benchmark; of long runs the last."""
        if not self.starts_anything:
            return []
        moments = []
        least = max(2, self.resumed + 1, self.plan.after_step)
        if self.plan.validation_steps:
            for step in _multiples(self.plan.validation_steps, least, self.steps):
                moments += self._step_validations(step)
        for epoch in self._epochs(self.plan.validation_epochs):
            moment = self._epoch_validation(epoch)
            if moment is not None and moment.step >= least:
                moments.append(moment)
        return sorted(moments)[-MOST:]

    @cached_property
    def pushes(self) -> list[Moment]:
        """The savings after which a checkpoint is sent to the Hub, if checkpoints are."""
        return [
            moment
            for moment in self.saves
            if moment.rank == _EPOCH_SAVE or self._is_aligned(moment.micro)
        ]

    def _epochs(self, interval: int) -> Sequence[int]:
        if not interval:
            return ()
        return _multiples(interval, self.first_epoch, self._epoch_of(self.micro_batches))

    def _epoch_of(self, micro: int) -> int:
        return max(self.first_epoch, -(-micro // self.batches))

    def _is_fetched(self, epoch: int) -> bool:
        """Whether the loop reaches the empty fetch that ends an epoch.

        It leaves in the very pass that does the last step.
        """
        end = epoch * self.batches
        return end <= self.micro_batches and end < self.planned * self.plan.accumulation

    def _is_aligned(self, micro: int) -> bool:
        """Whether the passes after a micro-batch are a multiple of the accumulation."""
        since = micro - self.resumed * self.plan.accumulation
        passes = self.resumed + since + self._epoch_of(micro) - self.first_epoch
        return passes % self.plan.accumulation == 0

    def _step_validations(self, step: int) -> list[Moment]:
        """The validations of a step: in each epoch that its micro-batches touch, at most one."""
        size, accumulation = self.batches, self.plan.accumulation
        begin = step * accumulation
        end = min(begin + accumulation - 1, self.micro_batches)
        moments = []
        for epoch in range(self._epoch_of(begin), self._epoch_of(end) + 1):
            if epoch < self.plan.after_epoch:
                continue
            micro = begin + (self.first_epoch - self.resumed - epoch) % accumulation
            inside = (epoch - 1) * size < micro <= epoch * size
            if inside and micro <= end:
                moments.append(Moment(micro, _VALIDATE, step))
        return moments

    def _epoch_validation(self, epoch: int) -> Moment | None:
        """The validation that an epoch's end brings; None when the run ends before."""
        plan, end = self.plan, epoch * self.batches
        if end > self.micro_batches or epoch < plan.after_epoch:
            return None
        step = end // plan.accumulation
        # Where the accumulation divides the batches, the last step of the epoch brings it, unless a
        # validation by steps takes its place.
        exact = self.batches % plan.accumulation == 0 and end > self.resumed * plan.accumulation
        by_steps = (
            plan.validation_steps and step % plan.validation_steps == 0 and self._is_aligned(end)
        )
        if exact and not by_steps:
            return Moment(end, _VALIDATE, step)
        return Moment(end, _EPOCH_VALIDATE, step) if self._is_fetched(epoch) else None


class Lifetimes(NamedTuple):
    """What a run's uploads carry.

    Attributes:
        weights: steps of the checkpoints that at least one upload carries.
        sends: how many checkpoints all uploads carry together, repetitions included.
    """

    weights: tuple[int, ...]
    sends: int


def carried(run: Run, checkpoints: Sequence[Moment], uploads: Sequence[Moment]) -> Lifetimes:
    """Match uploads of the run folder with the checkpoints that lie in it at that moment.

    Args:
        run: the run.
        checkpoints: those it writes, oldest first.
        uploads: when the folder is uploaded, oldest first.
    """
    # A resumed checkpoint lies in the folder as well, and counts among the kept ones.
    kept = run.plan.kept
    sends = 0
    weights = []
    for number, checkpoint in enumerate(checkpoints):
        begin = bisect_left(uploads, checkpoint)
        follower = number + kept
        deleted = kept > 0 and follower < len(checkpoints)
        end = bisect_left(uploads, checkpoints[follower]) if deleted else len(uploads)
        if end > begin:
            weights.append(checkpoint.step)
            sends += end - begin
    return Lifetimes(tuple(weights), sends)


def _multiples(interval: int, least: int, most: int) -> Sequence[int]:
    """The multiples of an interval from `least` to `most`; of many the last `MOST`."""
    first = max(1, -(-least // interval))
    last = most // interval
    return range(max(first, last - MOST + 1) * interval, last * interval + 1, interval)
