"""What runs predictions: an interface, so that the gateway does not know who does the work."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from tui.sandbox.config import SandboxConfig
from tui.sandbox.faults import Fault, FaultKind
from tui.sandbox.registry import Version
from tui.sandbox.releases import Release


@dataclass(frozen=True, slots=True)
class Task:
    """One prediction as a worker gets it.

    Attributes:
        id: the prediction's id.
        version: what to run.
        inputs: the input with its secrets, and with addresses that a worker can read.
        folder: an empty folder for the run; what lies in its `output` folder is kept after it.
        faults: what shall go wrong in it.
    """

    id: str
    version: Version
    inputs: Mapping[str, Any] = field(repr=False)
    folder: Path
    faults: Mapping[FaultKind, Fault]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended."""

    status: Literal["succeeded", "failed", "canceled"]
    output: Any = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Sink:
    """Where a running task reports to. The functions may be called from any thread.

    Attributes:
        log: more text of the log, as it comes.
        output: the output so far (the whole of it).
        rewrite_log: cut the log to its second half (a fault that can be asked for).
    """

    log: Callable[[str], None]
    output: Callable[[Any], None]
    rewrite_log: Callable[[], None]


class Worker(Protocol):
    """Runs tasks, several at a time."""

    async def start(self) -> None:
        """Get ready."""

    async def run(self, task: Task, sink: Sink) -> Outcome:
        """Run one task to its end. Never raises for what the task does."""

    def cancel(self, task_id: str) -> None:
        """Ask a running task to stop; its `run` then returns soon. Unknown ids are ignored."""

    async def aclose(self) -> None:
        """Stop all tasks."""


class Canceled(Exception):  # noqa: N818 - it is no error: somebody wished it
    """The run was asked to stop."""


class ProgramError(Exception):
    """A run that fails; the text becomes the prediction's `error`."""


class RunContext:
    """One run: its inputs, its folder, its output, its sense of time.

    Attributes:
        task: what to do.
        config: the sandbox's settings.
        generator: random numbers that are the same for the same prediction id.
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
    def inputs(self) -> dict[str, Any]:
        """The prediction's input, without the ones that are null."""
        return {name: value for name, value in self.task.inputs.items() if value is not None}

    @property
    def release(self) -> Release:
        """The state of the image that runs."""
        return self.task.version.release

    @property
    def folder(self) -> Path:
        """A folder of the run's own."""
        return self.task.folder

    def fault(self, kind: FaultKind) -> Fault | None:
        """The fault, if it shall strike in this run."""
        return self.task.faults.get(kind)

    def write(self, text: str) -> None:
        """Add to the log exactly this text."""
        self.check()
        self._sink.log(text.replace("\r", "\n") if self.release.bars_as_lines else text)

    def line(self, text: str) -> None:
        """Add one line to the log."""
        self.write(text + "\n")

    def output(self, value: Any) -> None:
        """Show what there is of the output so far."""
        self._sink.output(value)

    def rewrite_log(self) -> None:
        """Let the service lose the first half of the log."""
        self._sink.rewrite_log()

    def pause(self, seconds: float) -> None:
        """Let `seconds` of the service pass; raises `Canceled` when the run shall stop."""
        if self._stop.wait(seconds / self.config.speed):
            raise Canceled

    def check(self) -> None:
        """Raise `Canceled` when the run shall stop."""
        if self._stop.is_set():
            raise Canceled

    def elapsed(self) -> float:
        """Real seconds since the run began."""
        return time.monotonic() - self._begin
