"""What a running program of the sandbox has at hand."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path
from typing import Any

from tui.sandbox.config import SandboxConfig
from tui.sandbox.faults import Fault, FaultKind
from tui.sandbox.releases import Release
from tui.sandbox.worker import Sink, Task


class Canceled(Exception):  # noqa: N818 - it is no error: somebody wished it
    """The run was asked to stop."""


class ProgramError(Exception):
    """A run that fails; the text becomes the prediction's `error`."""


class RunContext:
    """One run: its inputs, its folder, its output, its sense of time.

    Attributes:
        task: what to do.
        config: the sandbox's settings.
        dice: random numbers that are the same for the same prediction id.
    """

    def __init__(
        self, task: Task, sink: Sink, config: SandboxConfig, stop: threading.Event
    ) -> None:
        self.task = task
        self.config = config
        self.dice = random.Random(task.id)  # noqa: S311 - simulated figures, nothing to guess
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
