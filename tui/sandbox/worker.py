"""The interface between the service and the workers that run predictions, and of their programs.

A `Worker` runs a `Task` and reports to a `Sink`; the program of a model gets a `RunContext`.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from tui.base.json_types import JsonObject
from tui.sandbox.config import SandboxConfig
from tui.sandbox.faults import Fault, FaultKind
from tui.sandbox.registry import Version
from tui.sandbox.releases import Release


@dataclass(frozen=True, slots=True)
class Task:
    """One prediction for a worker.

    Attributes:
        id: the prediction's id.
        version: the version to run.
        inputs: the input with its secrets and with download addresses.
        folder: an empty folder for the run; its `output` folder is kept after the run.
        faults: the faults of this run.
    """

    id: str
    version: Version
    inputs: Mapping[str, Any] = field(repr=False)
    folder: Path
    faults: Mapping[FaultKind, Fault]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a run."""

    status: Literal["succeeded", "failed", "canceled"]
    output: Any = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Sink:
    """Receives the reports of a running task. Its functions are thread-safe.

    Attributes:
        log: appends text to the log.
        output: replaces the output.
        rewrite_log: removes the first half of the log (the log-rewritten fault).
    """

    log: Callable[[str], None]
    output: Callable[[Any], None]
    rewrite_log: Callable[[], None]


class Worker(Protocol):
    """Runs tasks, several at a time."""

    async def start(self) -> None:
        """Prepare for tasks."""

    async def run(self, task: Task, sink: Sink) -> Outcome:
        """Run one task to its end. A failure of the task is an `Outcome`, not an exception."""

    def cancel(self, task_id: str) -> None:
        """Tell a running task to stop; its `run` then returns soon. Unknown ids are ignored."""

    async def aclose(self) -> None:
        """Stop all tasks."""


class Canceled(Exception):  # noqa: N818 - a request of the client, not an error
    """The run was told to stop."""


class ProgramError(Exception):
    """A run failed; the text becomes the prediction's `error`."""


class RunContext:
    """One run of a program: its inputs, folder, log, output and clock.

    Attributes:
        task: the task.
        config: the sandbox's options.
        random: a generator seeded with the prediction's id, so a run can be repeated.
    """

    def __init__(
        self, task: Task, sink: Sink, config: SandboxConfig, stop: threading.Event
    ) -> None:
        self.task = task
        self.config = config
        self.random = random.Random(task.id)  # noqa: S311 - simulated figures, nothing to guess
        self._sink = sink
        self._stop = stop
        self._begin = time.monotonic()

    @property
    def inputs(self) -> JsonObject:
        """The prediction's inputs that are not null."""
        return {name: value for name, value in self.task.inputs.items() if value is not None}

    @property
    def release(self) -> Release:
        """The release of the trainer image."""
        return self.task.version.release

    @property
    def folder(self) -> Path:
        """The run's own folder."""
        return self.task.folder

    def fault(self, kind: FaultKind) -> Fault | None:
        """The fault of this kind in this run; None without one."""
        return self.task.faults.get(kind)

    def write(self, text: str) -> None:
        """Append a text to the log."""
        self.check()
        self._sink.log(text.replace("\r", "\n") if self.release.bars_as_lines else text)

    def line(self, text: str) -> None:
        """Append a line to the log."""
        self.write(text + "\n")

    def output(self, value: Any) -> None:
        """Replace the output so far."""
        self._sink.output(value)

    def rewrite_log(self) -> None:
        """Remove the first half of the log."""
        self._sink.rewrite_log()

    def pause(self, seconds: float) -> None:
        """Wait for `seconds` simulated seconds.

        Raises:
            Canceled: the run was told to stop.
        """
        if self._stop.wait(seconds / self.config.speed):
            raise Canceled

    def check(self) -> None:
        """Raise `Canceled` if the run was told to stop."""
        if self._stop.is_set():
            raise Canceled

    def elapsed(self) -> float:
        """Real seconds since the run began."""
        return time.monotonic() - self._begin
