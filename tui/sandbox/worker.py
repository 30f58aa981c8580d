"""What runs predictions: an interface, so that the gateway does not know who does the work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from tui.sandbox.faults import Fault, FaultKind
from tui.sandbox.registry import Version


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
