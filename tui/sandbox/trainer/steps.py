"""The training loop: simulated losses, progress bars, checkpoints, validations, faults."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from tui.sandbox.faults import FaultKind
from tui.sandbox.registry import GPU_GIB
from tui.sandbox.trainer.console import Console, bar_line, short_number, summary_line
from tui.sandbox.trainer.plan import Plan
from tui.sandbox.worker import ProgramError, RunContext

_STALL_POLL_SECONDS = 0.05
"""Real seconds between two looks for the file that ends a stall."""


class OutOfMemoryError(ProgramError):
    """The GPU is out of memory."""


class WorkerCrashError(ProgramError):
    """The worker process died; nothing more is printed."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """Number of steps and epochs, and steps per epoch."""

    steps: int
    epochs: int
    per_epoch: int

    def epoch_at(self, step: int) -> int:
        """The epoch of a step, counted from 1."""
        return min(self.epochs, max(0, step - 1) // self.per_epoch + 1)


class Loop:
    """Runs the steps of a run."""

    def __init__(self, run: RunContext, plan: Plan, console: Console, schedule: Schedule) -> None:
        self._run = run
        self._plan = plan
        self._console = console
        self._schedule = schedule
        self.numbers: dict[str, float] = {}
        """The numbers of the last step, under the names of the trainer's records."""
        self._sum = 0.0
        self._begin = time.monotonic()
        self._first = 0
        self._level = run.random.uniform(0.32, 0.5)
        self._floor = run.random.uniform(0.07, 0.13)

    def walk(self, checkpoint: Callable[[int], None], validation: Callable[[int], None]) -> None:
        """Run all steps, and call `checkpoint` and `validation` when they are due."""
        schedule, plan = self._schedule, self._plan
        self.begin()
        for step in range(1, schedule.steps + 1):
            summary = self.advance(step)
            if step % plan.checkpoint_every == 0 or step == schedule.steps:
                checkpoint(step)
                self._console.notice(f"`{summary}`", title="Checkpoint")
            if plan.validation_every and step % plan.validation_every == 0:
                validation(step)
        self._console.end_bar()

    def begin(self, done: int = 0) -> None:
        """Print the first state of the training bar; `done` steps are behind a resumed run."""
        self._begin = time.monotonic()
        self._first = done
        head = f"Epoch {self._schedule.epoch_at(done)}/{self._schedule.epochs} Steps"
        self._console.bar(bar_line(head, done, self._schedule.steps, 0.0))

    def advance(self, step: int) -> str:
        """Run one optimizer step, and return its summary."""
        schedule = self._schedule
        self._run.pause(self._run.config.step_seconds * self._plan.batch)
        self._apply_faults(step)
        loss = self._loss(step)
        fault = self._run.fault(FaultKind.NAN_RUNS_ON)
        if fault and step >= int(fault.number(12)):
            loss = math.nan
        self._sum += loss
        rate = self._plan.rate_at(step, schedule.steps)
        head = f"Epoch {schedule.epoch_at(step)}/{schedule.epochs}, Steps"
        postfix = f"lr={short_number(rate)}, step_loss={short_number(loss)}"
        elapsed = time.monotonic() - self._begin
        self._console.bar(bar_line(head, step, schedule.steps, elapsed, postfix))
        self.numbers = {
            "train_loss": loss,
            "learning_rate": rate,
            "epoch": float(schedule.epoch_at(step)),
        }
        summary = self._summary(step, loss, rate)
        self._console.debug(summary)
        return summary

    def _summary(self, step: int, loss: float, rate: float) -> str:
        epochs = (self._schedule.epoch_at(step), self._schedule.epochs)
        mean = float(f"{self._sum / (step - self._first):.4g}")
        return summary_line(
            step, self._schedule.steps, loss=loss, rate=rate, epochs=epochs, mean=mean
        )

    def _loss(self, step: int) -> float:
        """A simulated loss: a falling curve with the noise of single samples."""
        share = step / self._schedule.steps
        curve = self._floor + (self._level - self._floor) * math.exp(-4 * share)
        return float(f"{max(0.001, curve * self._run.random.lognormvariate(0, 0.22)):.3g}")

    def _apply_faults(self, step: int) -> None:
        run = self._run
        if (fault := run.fault(FaultKind.OUT_OF_MEMORY)) and step == int(fault.number(12)):
            raise OutOfMemoryError(_out_of_memory(run.task.version.model))
        if (fault := run.fault(FaultKind.WORKER_CRASH)) and step == int(fault.number(20)):
            raise WorkerCrashError("Worker crashed (E1000)")
        if (fault := run.fault(FaultKind.NAN_LOSS)) and step == int(fault.number(12)):
            raise ProgramError(
                "Non-finite training loss detected (loss=nan, filepaths=None, loss_logs={})."
            )
        if (fault := run.fault(FaultKind.STALL)) and step == int(fault.number(20)):
            while not (run.folder / "go-on").exists():
                run.pause(_STALL_POLL_SECONDS * run.config.speed)
        if (fault := run.fault(FaultKind.LOG_REWRITTEN)) and step == int(fault.number(20)):
            run.rewrite_log()


def _out_of_memory(model: str) -> str:
    total = GPU_GIB["h100" if "h100" in model else "l40s"]
    return (
        f"CUDA out of memory. Tried to allocate 2.25 GiB. GPU 0 has a total capacity of "
        f"{total:.2f} GiB of which 1.02 GiB is free."
    )
