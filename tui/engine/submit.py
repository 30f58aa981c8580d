"""From a prepared draft to a running prediction, one written-down step at a time.

    new ─▶ packed ─▶ uploaded ─▶ posting ─▶ accepted
                                    │ ▲
                                    ▼ │
                                  looked up

The phase is in the store before the step it names is taken, so after a crash the engine knows what
to repeat (packing, uploading: free) and what to look up first (posting: paid, never blindly
repeated). What will be sent is fixed when the job is made, except the address of the archive: what
the user agreed to is what goes out, whatever happens to the config file meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from tui.engine.book import Book, Clock
from tui.engine.clients import Clients, MissingTokenError
from tui.engine.hub import Hub
from tui.engine.monitor import Monitor, snapshot_of
from tui.engine.storage_keys import StorageKeys
from tui.engine.tasks import TaskOwner
from tui.replicate.client import ReplicateClient
from tui.replicate.errors import (
    AuthenticationError,
    NoAnswerError,
    NotSentError,
    RateLimitedError,
    ReplicateError,
    ServiceError,
    UncertainError,
)
from tui.replicate.models import File, Prediction
from tui.replicate.secret import Secret
from tui.settings import Home
from tui.simpletuner.config import load_config
from tui.simpletuner.errors import CancelledByUser, SimpleTunerError
from tui.simpletuner.pack import pack
from tui.simpletuner.scan import DataReport, scan
from tui.store.reader import is_loopback
from tui.store.records import JobRecord, JobStatus
from tui.store.schema import StoreError

LOG = logging.getLogger(__name__)

_T = TypeVar("_T")

IMAGES_LATER: Final = "(the archive's address, once it is uploaded)"
MASK: Final = "***"
_EVENTS_PER_SECOND: Final = 5
_POSTS: Final = 3
_UPLOADS: Final = 5
_HOOK_EVENTS: Final = ("start", "output", "logs", "completed")
_LOOK_UP: Final = 12.0
"""Seconds for which a new prediction may be missing in Replicate's list."""
_LOOPBACK_LOOK_UP: Final = 0.5
_STORE_AGAIN: Final = 5.0


class Submitter:
    """Owns the jobs that are on their way to Replicate."""

    def __init__(
        self,
        *,
        book: Book,
        clients: Clients,
        hub: Hub,
        monitor: Monitor,
        tasks: TaskOwner,
        keys: StorageKeys,
        home: Home,
        now: Clock,
        webhook_for: Callable[[JobRecord], str | None] = lambda _job: None,
    ) -> None:
        """Args: the services it works with, and the address that shall hear of a job, if any."""
        self._book = book
        self._clients = clients
        self._hub = hub
        self._monitor = monitor
        self._tasks = tasks
        self._keys = keys
        self._home = home
        self._now = now
        self._webhook_for = webhook_for
        self._running: dict[str, asyncio.Task[None]] = {}
        self._cancels: dict[str, threading.Event] = {}
        self._posting: dict[str, asyncio.Lock] = {}
        self._held: dict[str, dict[str, Secret]] = {}

    @property
    def busy(self) -> int:
        """How many jobs are on their way."""
        return len(self._running)

    def start(
        self,
        job: JobRecord,
        report: DataReport | None = None,
        held: Mapping[str, Secret] | None = None,
    ) -> None:
        """Take a job on from wherever it stands.

        Args:
            job: a job in state pending or uploading.
            report: the scan it was made from; scanned again when missing (after a restart).
            held: secret inputs that are kept nowhere but in this process.
        """
        if held:
            self._held[job.job_id] = dict(held)
        running = self._running.get(job.job_id)
        if running is not None and not running.done():
            return
        self._cancels[job.job_id] = threading.Event()
        task = self._tasks.start(self._run(job.job_id, report), f"submit {job.job_id}")
        self._running[job.job_id] = task
        task.add_done_callback(lambda ended: self._forget(job.job_id, ended))

    def _forget(self, job_id: str, ended: asyncio.Task[None]) -> None:
        if self._running.get(job_id) is not ended:  # taken up again already
            return
        self._running.pop(job_id, None)
        self._cancels.pop(job_id, None)

    async def cancel(self, job: JobRecord) -> bool:
        """Stop a job that has not been posted; True when nothing will be started.

        A job that is being posted is marked, and cancelled as soon as its prediction is known.
        """
        phase = job.submit.get("phase")
        if phase in ("posting", "accepted"):
            self._book.note(
                job.job_id, "local", "cancel", "Cancel asked for.", cancel_requested=True
            )
            return False
        task = self._running.get(job.job_id)
        if event := self._cancels.get(job.job_id):
            event.set()
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(asyncio.gather(task, return_exceptions=True))
        fresh = self._book.writer.job(job.job_id)
        if fresh.submit.get("phase") in ("posting", "accepted"):
            return await self.cancel(fresh)
        self._cancelled(job.job_id)
        return True

    def _cancelled(self, job_id: str) -> None:
        self._remove_archive(job_id)
        self._book.note(
            job_id, "local", "state", "Cancelled before anything was started at Replicate.",
            status=JobStatus.CANCELLED, stage="", completed_at=self._now(), cost_micros=0,
            cancel_requested=True,
        )  # fmt: skip

    # -- the steps ----------------------------------------------------------------------------

    async def _run(self, job_id: str, report: DataReport | None) -> None:
        while True:
            try:
                return await self._try(job_id, report)
            except StoreError as error:  # a full disk: go on from the last step written down
                LOG.warning("job %s waits: %s", job_id, error.message)
                self._hub.publish(
                    "notice", level="error", message=error.message, advice=error.advice,
                    job_id=job_id,
                )  # fmt: skip
                await asyncio.sleep(_STORE_AGAIN)

    async def _try(self, job_id: str, report: DataReport | None) -> None:
        try:
            await self._steps(job_id, report)
        except MissingTokenError as error:
            self._book.note(
                job_id, "local", "waiting", error.message, stage="waiting for a Replicate token"
            )
        except ReplicateError as error:
            self._fail(job_id, error.message, error.advice)
        except CancelledByUser:
            return
        except SimpleTunerError as error:
            self._fail(job_id, error.message, error.advice)
        except OSError as error:
            self._fail(
                job_id,
                f"The dataset could not be packed: {error.strerror or error}.",
                "Is the disk full? Free some space and run the job again.",
            )

    async def _steps(self, job_id: str, report: DataReport | None) -> None:
        job = self._book.writer.job(job_id)
        if job.submit.get("phase") == "new" and job.submit.get("pack"):
            await self._pack(job, report)
            job = self._book.writer.job(job_id)
        if job.submit.get("phase") == "packed":
            await self._upload(job)
            job = self._book.writer.job(job_id)
        if job.submit.get("phase") != "accepted":
            await self._post(job)

    async def _pack(self, job: JobRecord, report: DataReport | None) -> None:
        self._book.note(
            job.job_id, "local", "state", "Packing the datasets.",
            status=JobStatus.UPLOADING, stage="packing",
        )  # fmt: skip
        cancel = self._cancels[job.job_id]
        if report is None:
            config = await asyncio.to_thread(load_config, job.config_path)
            report = await asyncio.to_thread(scan, config, cancel=cancel)
        work = partial(
            pack,
            report,
            self._archive(job.job_id),
            progress=self._progress(job.job_id, "packing"),
            cancel=cancel,
        )
        archive = await _in_thread(cancel, work)
        self._note_phase(
            job, "packed",
            f"Packed {archive.entries} files into {archive.size:,} bytes.",
            size=archive.size, sha256=archive.sha256,
        )  # fmt: skip

    async def _upload(self, job: JobRecord) -> None:
        path = self._archive(job.job_id)
        if not path.exists():  # swept away while we were down
            self._note_phase(job, "new", "The packed archive is gone; packing again.")
            await self._pack(self._book.writer.job(job.job_id), None)
        client = await self._clients.get(job.api_base)
        self._book.note(
            job.job_id, "local", "state", "Uploading the archive.",
            status=JobStatus.UPLOADING, stage="uploading",
        )  # fmt: skip
        file = await self._send(client, job, path)
        self._note_phase(
            self._book.writer.job(job.job_id), "uploaded", "The archive is uploaded.",
            file_url=file.url, file_id=file.id,
        )  # fmt: skip
        self._remove_archive(job.job_id)

    async def _send(self, client: ReplicateClient, job: JobRecord, path: Path) -> File:
        """Upload the archive, several times if the line is bad: it costs nothing."""
        pauses = _pauses(job)
        for left in range(_UPLOADS - 1, -1, -1):
            try:
                return await client.upload_file(
                    path,
                    filename=f"{job.job_id}.zip",
                    progress=self._progress(job.job_id, "uploading"),
                )
            except (NoAnswerError, NotSentError, RateLimitedError, ServiceError) as error:
                if not left:
                    raise
                words = f"The upload broke off: {error.message} Trying again."
                self._book.note(job.job_id, "local", "trouble", words)
                await asyncio.sleep(max(next(pauses), error.retry_after or 0))
        raise AssertionError("unreachable: the last try returns or raises")

    async def _post(self, job: JobRecord) -> None:
        client = await self._clients.get(job.api_base)
        lock = self._posting.setdefault(str(job.submit.get("fingerprint")), asyncio.Lock())
        async with lock:
            values = self._values(job)
            prediction: Prediction | None = None
            if job.submit.get("phase") == "posting":  # we died, or the line did, while posting
                prediction = await self._look_up(client, job, values)
            for attempt in range(_POSTS):
                if prediction is not None:
                    break
                if self._book.writer.job(job.job_id).cancel_requested:
                    self._cancelled(job.job_id)
                    return
                self._require_address(job)
                prediction = await self._post_once(client, job, values, attempt)
            if prediction is None:
                self._fail(
                    job.job_id,
                    "Replicate did not answer, and no such job was found there afterwards.",
                    "Look at replicate.com/predictions before you run it again.",
                )
                return
            self._accept(job, prediction)
        job = self._book.writer.job(job.job_id)
        self._held.pop(job.job_id, None)
        self._monitor.follow(job)
        if job.cancel_requested and not job.status.is_terminal:
            await self._pass_on_cancel(client, job)

    async def _pass_on_cancel(self, client: ReplicateClient, job: JobRecord) -> None:
        """Cancel a prediction whose job was cancelled while nobody knew its id."""
        for pause in (0.5, 2.0, 8.0, None):
            try:
                answer = await client.cancel_prediction(job.prediction_id)
            except ReplicateError as error:
                self._book.note(job.job_id, "local", "trouble", f"Not cancelled: {error.message}")
                if pause is None:
                    raise
                await asyncio.sleep(pause)
            else:
                self._book.tell(job.job_id, snapshot_of(answer), "local")
                return

    async def _post_once(
        self, client: ReplicateClient, job: JobRecord, values: dict[str, Any], attempt: int
    ) -> Prediction | None:
        words = "Asking Replicate to start the job." if not attempt else "Asking once more."
        fresh = self._book.writer.job(job.job_id)
        hook = self._webhook_for(job)
        self._note_phase(
            fresh, "posting", words, since=self._now().isoformat(), webhook=hook is not None
        )
        try:
            return await client.create_prediction(
                version=_full_version(job),
                input=values,
                webhook=hook,
                webhook_events_filter=_HOOK_EVENTS if hook else (),
                cancel_after=job.submit.get("cancel_after"),
            )
        except UncertainError as error:
            self._book.note(
                job.job_id, "local", "uncertain",
                f"{error.message} Looking it up before anything else.",
            )  # fmt: skip
            return await self._look_up(client, self._book.writer.job(job.job_id), values)

    async def _look_up(
        self, client: ReplicateClient, job: JobRecord, values: dict[str, Any]
    ) -> Prediction | None:
        """What became of a POST without an answer. Asks until it is known: money may be running."""
        pauses = _pauses(job)
        while True:
            try:
                if told := self._book.writer.job(job.job_id).prediction_id:
                    return await client.get_prediction(told)  # a webhook was quicker
                found = await client.find_submitted(
                    version=_full_version(job),
                    input=values,
                    since=datetime.fromisoformat(job.submit["since"]),
                    secret_names=job.submit.get("secret_names", ()),
                    patience=_LOOPBACK_LOOK_UP if is_loopback(job.api_base) else _LOOK_UP,
                )
                if not self._book.writer.job(job.job_id).prediction_id:
                    break
            except AuthenticationError as error:
                raise MissingTokenError(error.message.rstrip(".")) from None
            except ReplicateError as error:
                words = f"It is not known yet whether Replicate took the job. {error.message}"
                known = self._book.writer.job(job.job_id).prediction_id
                stage = {} if known else {"stage": "looking for it at Replicate"}
                self._book.note(job.job_id, "local", "trouble", words, **stage)
                await asyncio.sleep(max(next(pauses), error.retry_after or 0))
        ours = [
            one for one in found if self._book.writer.by_prediction(job.api_base, one.id) is None
        ]
        if ours and all(one.data_removed for one in ours):
            raise ReplicateError(
                "It cannot be told any more whether Replicate took the job: its data are removed.",
                advice="Look at replicate.com/predictions, then run it again if it is not there.",
            )
        ours = [one for one in ours if not one.data_removed]
        words = (
            "It was accepted after all: found at Replicate."
            if ours
            else "It was not accepted: no such job at Replicate."
        )
        self._book.note(job.job_id, "local", "looked-up", words)
        return ours[0] if ours else None

    def _accept(self, job: JobRecord, prediction: Prediction) -> None:
        fresh = self._book.writer.job(job.job_id)
        self._book.note(
            job.job_id, "local", "accepted", f"Replicate accepted it as {prediction.id}.",
            prediction_id=prediction.id, submit={**fresh.submit, "phase": "accepted"},
        )  # fmt: skip
        self._book.tell(job.job_id, snapshot_of(prediction), "local")

    # -- parts --------------------------------------------------------------------------------

    def _values(self, job: JobRecord) -> dict[str, Any]:
        """The inputs to send: what was fixed when the job was made, with secrets put back."""
        values = dict(job.inputs)
        if values.get("images") == IMAGES_LATER:
            values["images"] = job.submit["file_url"]
            self._book.note(
                job.job_id, "local", "inputs", "The request is complete.", inputs=values
            )
        for name in job.submit.get("secret_names", ()):
            secret = self.secret(job, name)
            if secret is None and name == "images":
                continue  # good enough for a look-up; `_require_address` guards the sending
            if secret is None:
                raise MissingTokenError(f"{name} is needed again after a restart")
            values[name] = secret
        return values

    def _require_address(self, job: JobRecord) -> None:
        """A signed address lives in this process only; after a restart it is gone."""
        if "images" in job.submit.get("secret_names", ()) and self.secret(job, "images") is None:
            raise SimpleTunerError(
                "the signed address of the images was not kept over a restart of the engine",
                "Nothing was started. Run the job again with the address.",
            )

    def secret(self, job: JobRecord, name: str) -> Secret | None:
        """A secret input's value, from where it really lives."""
        if name in (held := self._held.get(job.job_id, {})):
            return held[name]
        if name == "hf_token":
            return self._clients.hub_token(job.api_base)
        pair = self._keys.pair(job.job_id)
        known = {"s3_access_key": pair.access_key, "s3_secret_key": pair.secret_key}
        return Secret(known[name]) if name in known else None

    def _note_phase(self, job: JobRecord, phase: str, words: str, **more: Any) -> None:
        self._book.note(
            job.job_id, "local", phase, words, submit={**job.submit, "phase": phase, **more}
        )

    def _fail(self, job_id: str, message: str, advice: str) -> None:
        self._remove_archive(job_id)
        self._book.note(
            job_id, "local", "state", message,
            status=JobStatus.FAILED, stage=message, error=message, completed_at=self._now(),
            cost_micros=0,
            diagnosis={
                "kind": "submit", "title": message, "what": message, "evidence": [],
                "advice": [advice] if advice else [], "changes": {},
            },
        )  # fmt: skip
        self._hub.publish("notice", level="error", message=message, advice=advice, job_id=job_id)

    def _archive(self, job_id: str) -> Path:
        return self._home.archives / f"{job_id}.zip"

    def _remove_archive(self, job_id: str) -> None:
        with contextlib.suppress(OSError):
            self._archive(job_id).unlink(missing_ok=True)

    def _progress(self, job_id: str, phase: str) -> Callable[[int, int], None]:
        """A callback that tells the windows a few times a second; callable from any thread."""
        loop = asyncio.get_running_loop()
        last = 0.0

        def report(done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            if done < total and now - last < 1 / _EVENTS_PER_SECOND:
                return
            last = now
            loop.call_soon_threadsafe(publish, done, total)

        def publish(done: int, total: int) -> None:
            self._hub.publish("upload", job_id=job_id, phase=phase, done=done, total=total)

        return report


async def _in_thread(cancel: threading.Event, work: Callable[[], _T]) -> _T:
    """Run blocking work; when the task is cancelled, ask the work to stop and wait until it has."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        cancel.set()
        await asyncio.gather(running, return_exceptions=True)
        raise


def _pauses(job: JobRecord) -> Iterator[float]:
    """Seconds between looks: ever longer, up to a minute."""
    pause = 0.2 if is_loopback(job.api_base) else 2.0
    while True:
        yield pause
        pause = min(pause * 2, 60.0)


def _full_version(job: JobRecord) -> str:
    return f"{job.model}:{job.version}" if job.version else job.model
