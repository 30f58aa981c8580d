"""The default worker: it runs the sandbox's own programs in threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from tui.sandbox.config import SandboxConfig
from tui.sandbox.programs import check_webhook, greet
from tui.sandbox.registry import Program
from tui.sandbox.trainer.run import train
from tui.sandbox.worker import Canceled, Outcome, RunContext, Sink, Task

_PROGRAMS: dict[Program, Callable[[RunContext], object]] = {
    "train": train,
    "webhook-check": check_webhook,
    "hello": greet,
}
_CLOSING_SECONDS = 3.0


class SimWorker:
    """Runs each task in a thread of its own.

    The threads are daemons, so a program that hangs in a library cannot keep the sandbox from
    exiting.
    """

    def __init__(self, config: SandboxConfig) -> None:
        self._config = config
        self._stops: dict[str, threading.Event] = {}
        self._ends: set[asyncio.Future[Outcome]] = set()

    async def start(self) -> None:
        """Do nothing; threads need no preparation."""

    async def run(self, task: Task, sink: Sink) -> Outcome:
        """Run one task in a thread; cancelling this coroutine stops the thread too."""
        loop = asyncio.get_running_loop()
        end: asyncio.Future[Outcome] = loop.create_future()
        stop = threading.Event()
        self._stops[task.id] = stop
        self._ends.add(end)
        context = RunContext(task, sink, self._config, stop)

        def settle(outcome: Outcome) -> None:
            self._ends.discard(end)
            if not end.done():
                end.set_result(outcome)

        def body() -> None:
            outcome = _outcome(context)
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, outcome)

        threading.Thread(target=body, name=f"sandbox-{task.id}", daemon=True).start()
        try:
            return await asyncio.shield(end)
        finally:
            stop.set()
            self._stops.pop(task.id, None)

    def cancel(self, task_id: str) -> None:
        """Tell a task to stop."""
        if stop := self._stops.get(task_id):
            stop.set()

    async def aclose(self) -> None:
        """Stop all tasks and wait up to 3 seconds for their threads."""
        for stop in self._stops.values():
            stop.set()
        if self._ends:
            await asyncio.wait(self._ends, timeout=_CLOSING_SECONDS)


def _outcome(context: RunContext) -> Outcome:
    try:
        output = _PROGRAMS[context.task.version.program](context)
    except Canceled:
        return Outcome("canceled")
    except Exception as error:  # noqa: BLE001 - any exception of a program fails the prediction
        return Outcome("failed", error=str(error) or type(error).__name__)
    return Outcome("succeeded", output=output)
