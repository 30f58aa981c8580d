"""The paid step: asking Replicate to start a job, at most once, whatever fails in between."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final

from tui.engine.book import Book, Clock
from tui.engine.clients import Clients, MissingTokenError
from tui.engine.monitor import snapshot_of
from tui.engine.phases import IMAGES_LATER, note_phase, pauses
from tui.engine.storage_keys import StorageKeys
from tui.replicate.client import ReplicateClient
from tui.replicate.errors import AuthenticationError, ReplicateError, UncertainError
from tui.replicate.models import Prediction
from tui.replicate.secret import Secret
from tui.simpletuner.errors import SimpleTunerError
from tui.store.reader import is_loopback
from tui.store.records import JobRecord

_POSTS: Final = 3
_HOOK_EVENTS: Final = ("start", "output", "logs", "completed")
_LOOK_UP: Final = 12.0
"""Seconds for which a new prediction may be missing in Replicate's list."""
_LOOPBACK_LOOK_UP: Final = 0.5


class CancelledWhilePostingError(Exception):
    """The user cancelled, and nothing was started."""


class UnknownOutcomeError(ReplicateError):
    """The job may have been started, and nobody can tell."""


class Poster:
    """Starts predictions and finds those that may have been started."""

    def __init__(
        self,
        *,
        book: Book,
        clients: Clients,
        keys: StorageKeys,
        now: Clock,
        webhook_for: Callable[[JobRecord], str | None],
        keys_for: Callable[[JobRecord], Awaitable[dict[str, Secret]]],
    ) -> None:
        self._book = book
        self._clients = clients
        self._keys = keys
        self._now = now
        self._webhook_for = webhook_for
        self._keys_for = keys_for
        self._locks: dict[str, asyncio.Lock] = {}
        self._held: dict[str, dict[str, Secret]] = {}

    def hold(self, job_id: str, secrets: Mapping[str, Secret]) -> None:
        """Keep secret inputs of a job in memory until it is posted."""
        self._held[job_id] = dict(secrets)

    async def post(self, job: JobRecord) -> JobRecord:
        """Start a job, or find that it has been started; returns its record with the prediction.

        Two jobs with the same input wait for each other, so that a look-up is never ambiguous.

        Raises:
            CancelledWhilePostingError: it was cancelled in time.
            ReplicateError: it was certainly not started, or that cannot be told any more.
            MissingTokenError: a token is needed to go on.
        """
        client = await self._clients.get(job.api_base)
        lock = self._locks.setdefault(str(job.submit.get("fingerprint")), asyncio.Lock())
        async with lock:
            values = self._values(job)
            prediction: Prediction | None = None
            if job.submit.get("phase") == "posting":  # we died, or the line did, while posting
                prediction = await self._look_up(client, job, values)
            for attempt in range(_POSTS):
                if prediction is not None:
                    break
                if self._book.writer.job(job.job_id).cancel_requested:
                    raise CancelledWhilePostingError
                self._require_address(job)
                prediction = await self._post_once(client, job, values, attempt)
            if prediction is None:
                raise ReplicateError(
                    "Replicate did not answer, and no such job was found there afterwards.",
                    advice="Look at replicate.com/predictions before you run it again.",
                )
            self._accept(job, prediction)
        self._held.pop(job.job_id, None)
        return self._book.writer.job(job.job_id)

    async def pass_on_cancel(self, job: JobRecord) -> None:
        """Cancel a prediction whose job was cancelled while nobody knew its id."""
        client = await self._clients.get(job.api_base)
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
        # Keys of the user's own bucket are read now and let go at once.
        values = {**values, **await self._keys_for(job)}
        words = "Asking Replicate to start the job." if not attempt else "Asking once more."
        fresh = self._book.writer.job(job.job_id)
        hook = self._webhook_for(job)
        note_phase(
            self._book,
            fresh,
            "posting",
            words,
            since=self._now().isoformat(),
            webhook=hook is not None,
        )  # fmt: skip
        try:
            return await client.create_prediction(
                version=full_version(job),
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
        waits = pauses(job)
        while True:
            try:
                if told := self._book.writer.job(job.job_id).prediction_id:
                    return await client.get_prediction(told)  # a webhook was quicker
                found = await client.find_submitted(
                    version=full_version(job),
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
                await asyncio.sleep(max(next(waits), error.retry_after or 0))
        ours = [
            one for one in found if self._book.writer.by_prediction(job.api_base, one.id) is None
        ]
        if ours and all(one.data_removed for one in ours):
            raise UnknownOutcomeError(
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

    def _values(self, job: JobRecord) -> dict[str, Any]:
        """The inputs to send: what was fixed when the job was made, with secrets put back."""
        values = dict(job.inputs)
        if values.get("images") == IMAGES_LATER:
            values["images"] = job.submit["file_url"]
            self._book.note(
                job.job_id, "local", "inputs", "The request is complete.", inputs=values
            )
        own_bucket = bool(job.submit.get("destination"))
        for name in job.submit.get("secret_names", ()):
            if own_bucket and name in ("s3_access_key", "s3_secret_key"):
                continue  # read by `_post_once`; a look-up does without
            secret = self._secret(job, name)
            if secret is None and name == "images":
                continue  # good enough for a look-up; `_require_address` guards the sending
            if secret is None:
                raise MissingTokenError(f"{name} is needed again after a restart")
            values[name] = secret
        return values

    def _require_address(self, job: JobRecord) -> None:
        """A signed address lives in this process only; after a restart it is gone."""
        if "images" in job.submit.get("secret_names", ()) and self._secret(job, "images") is None:
            raise SimpleTunerError(
                "the signed address of the images was not kept over a restart of the engine",
                "Nothing was started. Run the job again with the address.",
            )

    def _secret(self, job: JobRecord, name: str) -> Secret | None:
        """A secret input's value, from where it really lives."""
        if name in (held := self._held.get(job.job_id, {})):
            return held[name]
        if name == "hf_token":
            return self._clients.hub_token(job.api_base)
        pair = self._keys.pair(job.job_id)
        known = {"s3_access_key": pair.access_key, "s3_secret_key": pair.secret_key}
        return Secret(known[name]) if name in known else None


def full_version(job: JobRecord) -> str:
    """`owner/name:version`, as Replicate wants it."""
    return f"{job.model}:{job.version}" if job.version else job.model
