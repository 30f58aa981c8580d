"""Tells of jobs that read their data from an address of this machine that has been changed.

The address is part of the request: a job that waits in the queue will call the old one.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from tui.engine.runtime.event_bus import EventBus
from tui.engine.tracking.recorder import JobRecorder
from tui.settings import Settings
from tui.store.records import JobRecord


class MovedAddress:
    """Watches the settings of the public address."""

    def __init__(
        self, recorder: JobRecorder, bus: EventBus, endpoint: Callable[[str], str | None]
    ) -> None:
        """Take what it works with.

        Args:
            recorder: the records of jobs.
            bus: for the notice.
            endpoint: returns the present address of the storage receiver for an API base.
        """
        self._recorder = recorder
        self._bus = bus
        self._endpoint = endpoint

    def changed(self, before: Settings, after: Settings) -> None:
        """Note a changed address in each job that has yet to read its data from the old one."""
        if before.listener.public_url == after.listener.public_url:
            return
        for job in self._recorder.writer.active():
            old = endpoint_of(job)
            if not old or job.step or old == self._endpoint(job.api_base):
                continue
            message = f"The public URL was changed, but {job.name} reads its data from {old}."
            advice = "Let the old address lead here until it has read them, or cancel the job."
            self._recorder.note(job.job_id, "local", "trouble", f"{message} {advice}")
            self._bus.publish(
                "notice", level="warn", message=message, advice=advice, job_id=job.job_id
            )


def endpoint_of(job: JobRecord) -> str:
    """The address of this machine that a posted job reads its data from; "" if it reads none."""
    if (job.submit.get("staging") or {}).get("place") != "here":
        return ""
    try:
        entries = json.loads(job.inputs["dataloader_json"])
        found = [entry.get("aws_endpoint_url") for entry in entries]
    except (KeyError, TypeError, ValueError, AttributeError):
        return ""
    return next((str(url) for url in found if url and "://" in str(url)), "")
