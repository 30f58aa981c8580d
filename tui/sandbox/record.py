"""One prediction or training with its state."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from tui.sandbox import ids
from tui.sandbox.faults import Fault, FaultKind
from tui.sandbox.registry import Version

Kind = Literal["prediction", "training"]
TERMINAL = frozenset({"succeeded", "failed", "canceled", "aborted"})
REDACTED = "[REDACTED]"
"""The service's replacement for the value of a Secret input."""


class Record:
    """The state of one prediction. Every change wakes the waiters of `changed`.

    A terminal status is final: after it neither the status nor the log nor the output changes.
    """

    def __init__(
        self,
        kind: Kind,
        version: Version,
        given: Mapping[str, Any],
        created_at: datetime,
        *,
        id: str | None = None,  # noqa: A002 - the service's own word
        source: str = "api",
        webhook: str | None = None,
        events: frozenset[str] = frozenset(),
        deployment: str | None = None,
        destination: str | None = None,
        faults: Mapping[FaultKind, Fault] | None = None,
        owner: str = "",
    ) -> None:
        self.owner = owner
        """Another user whose record it is; "" is the sandbox's own."""
        self.id = id or ids.prediction_id()
        self.kind = kind
        self.version = version
        self.input = {
            name: REDACTED if name in version.secrets and value is not None else value
            for name, value in given.items()
        }
        self.created_at = created_at
        self.source = source
        self.webhook = webhook
        self.events = events
        self.deployment = deployment
        self.destination = destination
        self.faults = dict(faults or {})
        self.stream_key = secrets.token_urlsafe(32)
        self.status = "starting"
        self.output: Any = None
        self.error: str | None = None
        self.started_at: datetime | None = None
        self.completed_at: datetime | None = None
        self.deadline: datetime | None = None
        self.data_removed = False
        self.encoded: dict[str, bytes] = {}
        """Cache of encoded answers by purpose; every change clears it."""
        self._log_parts: list[str] = []
        self._watchers: list[asyncio.Future[None]] = []

    @property
    def is_terminal(self) -> bool:
        """Whether the status is final."""
        return self.status in TERMINAL

    @property
    def logs(self) -> str:
        """The whole log so far."""
        if len(self._log_parts) > 1:
            self._log_parts = ["".join(self._log_parts)]
        return self._log_parts[0] if self._log_parts else ""

    def append_log(self, text: str) -> bool:
        """Append to the log; False when the record is finished and the text is dropped."""
        if self.is_terminal or not text:
            return False
        self._log_parts.append(text)
        self._touch()
        return True

    def rewrite_log(self) -> None:
        """Remove the first half of the log."""
        text = self.logs
        self._log_parts = [text[len(text) // 2 :]]
        self._touch()

    def set_output(self, output: Any) -> bool:
        """Replace the output; False when the record is finished."""
        if self.is_terminal:
            return False
        self.output = output
        self._touch()
        return True

    def start(self, now: datetime) -> None:
        """Set the status to processing."""
        self.status = "processing"
        self.started_at = now
        self._touch()

    def finish(
        self, status: str, now: datetime, *, output: Any = None, error: str | None = None
    ) -> bool:
        """Finish the record; False when it is finished already (then nothing changes).

        A prediction canceled before its start gets a start time, as on the live service.
        """
        if self.is_terminal:
            return False
        if status == "canceled" and self.started_at is None:
            self.started_at = now
        self.status = status
        self.completed_at = now
        self.error = error
        if output is not None or status == "succeeded":
            self.output = output
        self._touch()
        return True

    def remove_data(self) -> None:
        """Delete input, output and log, as the service does an hour after the end."""
        self.input, self.output, self._log_parts = {}, None, []
        self.data_removed = True
        self._touch()

    def metrics(self) -> dict[str, float]:
        """Durations in seconds; empty until the end."""
        if self.completed_at is None:
            return {}
        metrics = {"total_time": (self.completed_at - self.created_at).total_seconds()}
        if self.started_at is not None:
            spent = (self.completed_at - self.started_at).total_seconds()
            metrics["predict_time"] = max(spent, 3e-06)
        return metrics

    async def changed(self) -> None:
        """Wait for the next change."""
        watcher: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watchers.append(watcher)
        await watcher

    def _touch(self) -> None:
        self.encoded.clear()
        watchers, self._watchers = self._watchers, []
        for watcher in watchers:
            if not watcher.done():
                watcher.set_result(None)
