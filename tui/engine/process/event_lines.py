"""What happens, event by event, for somebody who reads lines instead of a screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tui.engine.tracking.recorder import utc_now
from tui.store.reader import StoreReader


class EventLines:
    """Turns the engine's messages into the events behind them, each told once."""

    def __init__(self, reader: StoreReader, say: Callable[[dict[str, Any]], None]) -> None:
        self._reader = reader
        self._say = say
        self._seen: dict[str, int] = {}
        self._begin = utc_now()
        self._rejected = 0

    def take(self, kind: str, data: dict[str, Any]) -> None:
        """Say what a message stands for; many stand for nothing new."""
        if kind == "job":
            self._history(str(data["job_id"]), str(data.get("status", "")))
        elif kind == "notice":
            self._say({"event": "notice", "at": utc_now().isoformat(), **data})
        elif kind == "fact" and data.get("name") == "listener":
            self._listener()

    def _history(self, job_id: str, status: str) -> None:
        if status == "deleted":
            self._say({"event": "deleted", "at": utc_now().isoformat(), "job_id": job_id})
            return
        job = self._reader.job(job_id)
        for item in self._reader.events(job_id, self._seen.get(job_id, 0)):
            self._seen[job_id] = item.seq
            if item.at < self._begin:  # before our time
                continue
            self._say(
                {
                    "event": item.kind,
                    "at": item.at.isoformat(),
                    "job_id": job_id,
                    "name": job.name if job else "",
                    "status": job.status.value if job else status,
                    "source": item.source,
                    "message": item.message,
                }
            )

    def _listener(self) -> None:
        fact = self._reader.fact("listener")
        hooks = fact.value.get("webhooks", {}) if fact else {}
        total, last = hooks.get("rejected_total", 0), hooks.get("last_rejection")
        if total > self._rejected and last:
            self._say(
                {
                    "event": "rejected",
                    "at": last["at"],
                    "count": total - self._rejected,
                    "reason": last["reason"],
                    "address": last["address"],
                    "message": last["message"],
                }
            )
        self._rejected = total
