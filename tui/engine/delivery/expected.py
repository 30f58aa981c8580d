"""What the schedule of a job promises to deliver, as it was stored when the job was submitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from tui.store.records import JobRecord

Promise = Literal["yes", "no", "unknown"]
KEY = "expected_delivery"
"""The key of the schedule in `JobRecord.submit`; jobs of earlier versions have none."""


@dataclass(frozen=True, slots=True)
class ExpectedDelivery:
    """The weights that leave the trainer's container.

    Attributes:
        steps: optimiser steps of the run; None when the schedule does not say.
        weights: steps whose checkpoints leave.
        last: the step of the last weights that leave; None when none do.
        final: whether the final weights leave, those outside of any checkpoint's folder.
        promise: whether the last weights of the run leave; `unknown` when that cannot be computed,
            and `weights` may then hold steps that do not leave.
    """

    steps: int | None = None
    weights: tuple[int, ...] = ()
    last: int | None = None
    final: bool = False
    promise: Promise = "unknown"

    @classmethod
    def of(cls, job: JobRecord) -> Self | None:
        """The schedule of a job, or None when none was stored or it cannot be read."""
        stored = job.submit.get(KEY)
        return cls.read(stored) if isinstance(stored, Mapping) else None

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self | None:
        """The schedule from its stored form, or None when that is not valid."""
        steps, weights, last = stored.get("steps"), stored.get("weights"), stored.get("last")
        promise = stored.get("promise")
        if not isinstance(weights, list) or promise not in ("yes", "no", "unknown"):
            return None
        return cls(
            steps=_step(steps),
            weights=tuple(sorted({step for step in map(_step, weights) if step is not None})),
            last=_step(last),
            final=stored.get("final") is True,
            promise=promise,
        )

    def names(self) -> tuple[str, ...]:
        """The expected weights by name: `checkpoint-500`, `the final weights`."""
        certain = self.weights if self.promise != "unknown" else ()
        return (*map(checkpoint_name, certain), *([FINAL] if self.final else []))


FINAL = "the final weights"
"""The name of the weights that lie outside of any checkpoint's folder."""


def checkpoint_name(step: int) -> str:
    """The name of a checkpoint's folder."""
    return f"checkpoint-{step}"


def _step(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
