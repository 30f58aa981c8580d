"""Tells of jobs that read their data from this machine, where they no longer find it.

The address is part of the request: a job that waits in the queue will call the old one, also when
the listener has stopped or moved to another port meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from tui.engine.runtime.event_bus import EventBus
from tui.engine.tracking.recorder import JobRecorder
from tui.settings import Settings
from tui.store.records import JobRecord


class MovedAddress:
    """Watches the public address and the listener behind it."""

    def __init__(
        self,
        recorder: JobRecorder,
        bus: EventBus,
        endpoint: Callable[[str], str | None],
        listener: Callable[[], tuple[str, str]],
    ) -> None:
        """Take what it works with.

        Args:
            recorder: the records of jobs.
            bus: for the notice.
            endpoint: returns the present address of the storage receiver for an API base.
            listener: returns where the listener listens ("" when it has stopped), and its problem.
        """
        self._recorder = recorder
        self._bus = bus
        self._endpoint = endpoint
        self._listener = listener
        self._address: str | None = None

    def changed(self, before: Settings, after: Settings) -> None:
        """Note a changed address in each job that has yet to read its data from the old one."""
        if before.listener.public_url == after.listener.public_url:
            return
        for job, old in self._readers():
            if old != self._endpoint(job.api_base):
                self._report(
                    job, f"The public URL was changed, but {job.name} reads its data from {old}.",
                    "Let the old address lead here until it has read them, or cancel the job.",
                )  # fmt: skip

    def listener_changed(self) -> None:
        """Note in each such job that the listener has stopped, or moved to another address."""
        address, problem = self._listener()
        before, self._address = self._address, address
        if address == before:
            return
        for job, old in self._readers():
            reads = f"and {job.name} reads its data from {old}"
            if not address:
                self._report(
                    job, f"The listener of this machine is stopped ({problem or 'off'}), {reads}.",
                    "Start it again before the job starts, or cancel the job.",
                )  # fmt: skip
            elif old != self._endpoint(job.api_base) or before:
                self._report(
                    job, f"The listener of this machine listens on {address} now, {reads}.",
                    "Let that address lead there until the job has read them, or cancel the job.",
                )  # fmt: skip

    def _readers(self) -> Iterator[tuple[JobRecord, str]]:
        """The jobs that have yet to read their data from this machine, with the address."""
        for job in self._recorder.writer.active():
            old = endpoint_of(job)
            if old and not job.step:
                yield job, old

    def _report(self, job: JobRecord, message: str, advice: str) -> None:
        self._recorder.note(job.job_id, "local", "trouble", f"{message} {advice}")
        self._bus.publish("notice", level="warn", message=message, advice=advice, job_id=job.job_id)


def endpoint_of(job: JobRecord) -> str:
    """The address of this machine that a posted job reads its data from; "" if it reads none."""
    if (job.submit.get("staging") or {}).get("place") != "here":
        return ""
    try:
        entries = json.loads(str(job.inputs["dataloader_json"]))
        found = [entry.get("aws_endpoint_url") for entry in entries]
    except (KeyError, TypeError, ValueError, AttributeError):
        return ""
    return next((str(url) for url in found if url and "://" in str(url)), "")
