"""The sandbox's programs as Cog runners. Cog loads this module in its own worker process.

Each class has the inputs of its model's newest version; the service checks the inputs of older
ones. What only the sandbox knows (folder, version, faults) is passed as `context`.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import cog

from tui.base.json_types import JsonObject
from tui.sandbox.cog_worker.process import CONFIG_VARIABLE, REWRITE_MARK
from tui.sandbox.config import SandboxConfig
from tui.sandbox.faults import Fault
from tui.sandbox.programs import check_webhook, greet
from tui.sandbox.registry import Registry
from tui.sandbox.trainer.run import train
from tui.sandbox.trainer.steps import WorkerCrashError
from tui.sandbox.worker import RunContext, Sink, Task

_SLICE_SECONDS = 0.05


class _SlicedEvent(threading.Event):
    """An event whose `wait` is cut into slices.

    Cog cancels by raising an exception in this thread, which takes effect only between Python
    instructions, not inside a long wait.
    """

    def wait(self, timeout: float | None = None) -> bool:
        left = float("inf") if timeout is None else timeout
        while left > 0 and not super().wait(min(left, _SLICE_SECONDS)):
            left -= _SLICE_SECONDS
        return self.is_set()


class _Program(cog.BaseRunner):  # type: ignore[misc]  # a class without types
    def setup(self) -> None:
        """Read the sandbox's options."""
        settings = json.loads(os.environ[CONFIG_VARIABLE])
        self._config = SandboxConfig(token="", **settings)
        self._registry = Registry(self._config.username, self._config.release)

    def _context(self, given: JsonObject, output: Callable[[Any], None]) -> RunContext:
        known = json.loads(self.scope.context["task"])
        version = self._registry.version(known["version"])
        if version is None:
            raise ValueError("the version is gone")
        folder = Path(known["folder"])
        faults = [Fault.from_json(item) for item in known["faults"]]
        inputs = {
            name: value.get_secret_value() if isinstance(value, cog.Secret) else value
            for name, value in given.items()
            if value is not None and name in known["inputs"]
        }
        task = Task(known["id"], version, inputs, folder, {fault.kind: fault for fault in faults})
        sink = Sink(_write_log, output, (folder / REWRITE_MARK).touch)
        return RunContext(task, sink, self._config, _SlicedEvent())


def _write_log(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _ignore_output(_: Any) -> None:
    """Drop output: only `Hello` has output before its end."""


class Train(_Program):
    """The simulated trainer."""

    def run(  # noqa: PLR0917 - the model's inputs; Cog passes them by name
        self,
        images: str | None = None,
        config_json: str | None = None,
        dataloader_json: str | None = None,
        max_train_steps: int | None = None,
        s3_bucket: str | None = None,
        s3_region: str | None = None,
        s3_endpoint_url: str | None = None,
        s3_base_path: str | None = None,
        s3_public_base_url: str | None = None,
        s3_access_key: cog.Secret | None = None,
        s3_secret_key: cog.Secret | None = None,
        hub_model_id: str | None = None,
        hf_token: cog.Secret | None = None,
        lycoris_config: str | None = None,
        return_logs: bool = True,
    ) -> str:
        """Run the simulated training and return the address of the results."""
        given = {name: value for name, value in locals().items() if name != "self"}
        try:
            return train(self._context(given, _ignore_output))
        except WorkerCrashError:
            os._exit(1)


class WebhookCheck(_Program):
    """The model that tests a webhook address."""

    def run(
        self,
        webhook_url: str,
        timeout_seconds: int = 10,
    ) -> Any:
        """Send one POST and report the result."""
        given = {"webhook_url": webhook_url, "timeout_seconds": timeout_seconds}
        return check_webhook(self._context(given, _ignore_output))


class Hello(_Program):
    """The small text model."""

    def run(self, text: str, tone: str = "plain") -> Iterator[str]:
        """Greet word by word."""
        words: SimpleQueue[str | None] = SimpleQueue()
        run = self._context({"text": text, "tone": tone}, lambda output: words.put(output[-1]))

        def run_greeting() -> None:
            try:
                greet(run)
            finally:
                words.put(None)

        thread = threading.Thread(target=run_greeting, daemon=True)
        thread.start()
        while (word := words.get()) is not None:
            yield word
        thread.join()
