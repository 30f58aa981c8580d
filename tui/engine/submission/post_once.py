"""Posts a job's prediction to Replicate at most once, whatever fails in between.

A POST starts a paid run, and Replicate documents no idempotency key. A generic retry (tenacity,
httpx or aiohttp middleware) would repeat a POST whose answer was lost and so pay twice. Therefore
an unanswered POST is followed by a look-up in the account's list of predictions, and only a look-up
that finds none of this job's allows the next POST. At most three POSTs are made.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from tui.base.clock import Clock
from tui.base.formatting import duration
from tui.base.hosts import is_loopback
from tui.engine.credentials.replicate_clients import MissingTokenError, ReplicateClients
from tui.engine.credentials.storage_keys import StorageKeys
from tui.engine.submission.phases import IMAGES_PLACEHOLDER, backoff_seconds, note_phase
from tui.engine.tracking.monitor import snapshot_of
from tui.engine.tracking.prediction_claims import PredictionClaims, clock_offset_of, full_version
from tui.engine.tracking.recorder import JobRecorder
from tui.replicate.client import ReplicateClient
from tui.replicate.errors import AuthenticationError, ReplicateError, UncertainError
from tui.replicate.models import Prediction
from tui.replicate.secret import Secret
from tui.simpletuner.errors import SimpleTunerError
from tui.store.records import JobRecord
from tui.store.schema import StoreError
from tui.store.submit_state import SubmitState
from tui.store.writer import Change

_POSTS: Final = 3
"""POSTs of one job at most, each but the first after a look-up that found nothing."""
_WEBHOOK_EVENTS: Final = ("start", "output", "logs", "completed")
_LOOK_UP_SECONDS: Final = 12.0
"""Seconds for which a new prediction may be missing in Replicate's list."""
CANCEL_PAUSES: Final = (0.5, 2.0, 8.0, None)
"""Seconds between the tries to pass a cancel on; None after the last one."""
LOOK_AGAIN_PAUSES: Final = (30.0, 60.0, 120.0, 180.0, 240.0)
"""Seconds between the looks for a POST that is carried out after its look-up found nothing."""
_LOOPBACK_LOOK_UP_SECONDS: Final = 0.5


class CancelledWhilePostingError(Exception):
    """The user cancelled, and nothing was started."""


class UnknownOutcomeError(ReplicateError):
    """The job may have been started, and Replicate no longer has the data to decide it."""


class PredictionPoster:
    """Posts predictions, and looks up those whose POST was not answered."""

    def __init__(
        self,
        *,
        recorder: JobRecorder,
        claims: PredictionClaims,
        clients: ReplicateClients,
        keys: StorageKeys,
        now: Clock,
        webhook_for: Callable[[JobRecord], str | None],
        keys_for: Callable[[JobRecord], Awaitable[dict[str, Secret]]],
    ) -> None:
        self._recorder = recorder
        self._claims = claims
        self._clients = clients
        self._keys = keys
        self._now = now
        self._webhook_for = webhook_for
        self._keys_for = keys_for
        self._locks: dict[str, asyncio.Lock] = {}
        self._secret_inputs: dict[str, dict[str, Secret]] = {}

    def hold_secrets(self, job_id: str, secrets: Mapping[str, Secret]) -> None:
        """Keep a job's secret inputs in memory until it is posted; they are never stored."""
        self._secret_inputs[job_id] = dict(secrets)

    async def post(self, job: JobRecord) -> JobRecord:
        """Start a job's prediction, or find the one that an earlier POST started.

        Jobs with the same inputs wait for each other, so that a look-up is never ambiguous.

        Returns:
            The job's record with its prediction's id.

        Raises:
            CancelledWhilePostingError: the user cancelled before the POST.
            UnknownOutcomeError: whether a prediction was started cannot be decided any more.
            ReplicateError: no prediction was started.
            MissingTokenError: there is no token to post with.
        """
        client = await self._clients.get_for(job)
        lock = self._locks.setdefault(str(job.submit.get("fingerprint")), asyncio.Lock())
        async with lock:
            prediction: Prediction | None = None
            if job.submit.get("phase") == "posting":  # the engine ended while it posted
                prediction = await self._look_up(job)
            made = self._recorder.writer.job(job.job_id).submit.get("posts", 0)
            for attempt in range(made, _POSTS):  # those of an earlier engine count too
                if prediction is not None:
                    break
                self._require_images_address(job)
                prediction = await self._post_once(job, attempt)
            if prediction is None:
                raise ReplicateError(
                    "Replicate did not answer, and no such job was found there afterwards.",
                    advice="Look at replicate.com/predictions before you run it again.",
                )
            await self._accept(client, job, prediction)
        self._secret_inputs.pop(job.job_id, None)
        return self._recorder.writer.job(job.job_id)

    async def pass_on_cancel(self, job: JobRecord) -> None:
        """Cancel the prediction of a job that the user cancelled before its id was known.

        Raises:
            ReplicateError: no try succeeded.
        """
        client = await self._clients.get_for(job)
        for pause in CANCEL_PAUSES:
            try:
                answer = await client.cancel_prediction(job.prediction_id)
            except ReplicateError as error:
                self._recorder.note(
                    job.job_id, "local", "trouble", f"Not cancelled: {error.message}"
                )
                if pause is None:
                    raise
                await asyncio.sleep(pause)
            else:
                self._recorder.apply_snapshot(job.job_id, snapshot_of(answer), "local")
                return

    async def _post_once(self, job: JobRecord, attempt: int) -> Prediction | None:
        try:
            client, account = await self._client_of(job)
        except AuthenticationError:
            raise
        except ReplicateError:
            if self._recorder.writer.job(job.job_id).submit.get("phase") == "posting":
                raise  # it was posted to an account, which may be another one
            client, account = await self._clients.get_for(job), ""
        # The keys of the user's own bucket are read for this POST only and not kept.
        values = {
            **self._complete_inputs(self._recorder.writer.job(job.job_id)),
            **await self._keys_for(job),
        }
        fresh = self._recorder.writer.job(job.job_id)
        if fresh.prediction_id:  # a sync or a webhook has assigned what an earlier POST started
            return await self._look_up(fresh)
        if fresh.cancel_requested:
            raise CancelledWhilePostingError
        message = "Asking Replicate to start the job." if not attempt else "Asking once more."
        webhook = self._webhook_for(job)
        offset = client.clock_offset
        # A look-up may find what the first POST started, so it searches from that one's time on.
        now = self._now().isoformat()
        first_post: SubmitState = {"since": now}
        if offset is not None:
            first_post["clock_offset"] = offset.total_seconds()
        if "since" in fresh.submit:
            first_post = {}
        if account:
            first_post["account"] = account
        note_phase(
            self._recorder, fresh, "posting", message,
            webhook=webhook is not None, posted_at=now, posts=attempt + 1, **first_post,
        )  # fmt: skip
        try:
            return await client.create_prediction(
                version=full_version(job),
                input=values,
                webhook=webhook,
                webhook_events_filter=_WEBHOOK_EVENTS if webhook else (),
                cancel_after=job.submit.get("cancel_after"),
            )
        except UncertainError as error:
            self._recorder.note(
                job.job_id, "local", "uncertain",
                f"{error.message} Looking it up before anything else.",
            )  # fmt: skip
            return await self._look_up(self._recorder.writer.job(job.job_id))

    async def _look_up(self, job: JobRecord) -> Prediction | None:
        """Look up whether an unanswered POST started a prediction.

        It retries without limit, because a prediction that nobody watches goes on costing money.

        Returns:
            The prediction, or None when the POST started none.

        Raises:
            MissingTokenError: there is no token to ask with.
            UnknownOutcomeError: see `_select`.
        """
        pauses = backoff_seconds(job)
        fresh = self._recorder.writer.job(job.job_id)
        looked_up = {**fresh.submit, "looked_up": True}  # there may be a run that comes late
        self._recorder.write(job.job_id, Change(values={"submit": looked_up}))
        while True:
            try:
                client, _ = await self._client_of(job)  # a new token makes a new client
                # A webhook or a sync may have assigned the prediction meanwhile.
                if prediction_id := self._recorder.writer.job(job.job_id).prediction_id:
                    return await client.get_prediction(prediction_id)
                candidates = await client.find_submitted(
                    version=full_version(job),
                    input=job.inputs,
                    since=datetime.fromisoformat(job.submit["since"]),
                    patience=_LOOPBACK_LOOK_UP_SECONDS
                    if is_loopback(job.api_base)
                    else _LOOK_UP_SECONDS,
                    clock_offset=clock_offset_of(job),
                    matches=lambda candidate: (
                        self._claims.has_started(job, candidate)
                        and self._claims.is_unclaimed(job, candidate)
                    ),
                )
                if not self._recorder.writer.job(job.job_id).prediction_id:
                    return await self._select(client, job, candidates)
            except (MissingTokenError, UnknownOutcomeError):
                raise
            except ReplicateError as error:
                message = f"It is not known yet whether Replicate took the job. {error.message}"
                prediction_id = self._recorder.writer.job(job.job_id).prediction_id
                stage = {} if prediction_id else {"stage": "looking for it at Replicate"}
                pause = max(next(pauses), error.retry_after or 0)
                message += f" Asked again in {duration(pause)}."
                self._recorder.note(job.job_id, "local", "trouble", message, **stage)
                await asyncio.sleep(pause)

    async def look_again(self, job_id: str) -> None:
        """Look for runs of POSTs that seemed lost, as long as they may still be carried out.

        Without webhooks nobody else would see such a run, which costs money.
        """
        for pause in LOOK_AGAIN_PAUSES:
            await asyncio.sleep(pause)
            with contextlib.suppress(ReplicateError, StoreError, KeyError):
                await self._look_for_late_runs(self._recorder.writer.job(job_id))

    async def _look_for_late_runs(self, job: JobRecord) -> None:
        client, _ = await self._client_of(job)
        candidates = await client.find_submitted(
            version=full_version(job),
            input=job.inputs,
            since=datetime.fromisoformat(job.submit["since"]),
            patience=0.0,
            clock_offset=clock_offset_of(job),
            matches=lambda candidate: self._claims.has_started(job, candidate),
        )
        for candidate in candidates:
            started = self._claims.has_started(job, candidate)
            known = self._recorder.writer.by_prediction(job.api_base, candidate.id)
            if started and known is None:
                await self._accept(client, job, candidate)

    async def require_account(self, job: JobRecord) -> None:
        """Check that the token in use is of the account that a job was submitted for.

        After a restart the engine may hold another account's token than the shell that submitted
        the job. Neither its images nor its costs are that account's affair.

        Raises:
            MissingTokenError: it is another account's, or there is none.
        """
        if job.submit.get("account"):
            try:
                await self._client_of(job)
            except AuthenticationError:
                raise
            except ReplicateError:
                return  # nobody tells now; the POST asks again

    async def _client_of(self, job: JobRecord) -> tuple[ReplicateClient, str]:
        """Return the client to post a job and to look it up with, and its account's name.

        What was posted to one account is in no other's list: looked for there, it would seem not to
        have been accepted, and be posted and paid again.

        Raises:
            MissingTokenError: no token of the account that the job was posted to is in use.
            ReplicateError: Replicate does not tell whose the token is.
        """
        submit = self._recorder.writer.job(job.job_id).submit
        posted_to = submit.get("account")
        if not posted_to and submit.get("phase") == "posting":  # to an account that was not known
            return await self._clients.get_for(job), ""
        with self._clients.acting_for(job.api_base, posted_to):
            client, account = await self._clients.with_account(job.api_base)
        if posted_to and account != posted_to:
            raise MissingTokenError(f"of {posted_to}, the account that this job is for")
        return client, account

    async def _select(
        self, client: ReplicateClient, job: JobRecord, candidates: Sequence[Prediction]
    ) -> Prediction | None:
        """Select the job's prediction among the candidates; None when none is the job's.

        Raises:
            UnknownOutcomeError: Replicate has removed the data of a candidate, so that it cannot
                be compared.
        """
        unclaimed = [
            candidate for candidate in candidates if self._claims.is_unclaimed(job, candidate)
        ]
        ours = [candidate for candidate in unclaimed if self._claims.has_started(job, candidate)]
        ours.sort(key=lambda candidate: candidate.data_removed)
        if not ours and not all(
            self._claims.is_comparable(job, candidate) for candidate in unclaimed
        ):
            raise UnknownOutcomeError(
                "It cannot be told any more whether Replicate took the job: its data are removed.",
                advice="Look at replicate.com/predictions, then run it again if it is not there.",
            )
        message = (
            "It was accepted after all: found at Replicate."
            if ours
            else "It was not accepted: no such job at Replicate."
        )
        self._recorder.note(job.job_id, "local", "looked-up", message)
        if job.submit.get("mark"):  # several with this job's unique run name: one POST ran twice
            for surplus in ours[1:]:
                await self._end_surplus(client, job, surplus)
        return ours[0] if ours else None

    async def _accept(
        self, client: ReplicateClient, job: JobRecord, prediction: Prediction
    ) -> None:
        known = self._recorder.writer.job(job.job_id).prediction_id
        if known and known != prediction.id:
            # Another POST's prediction has been assigned: this one is surplus.
            await self._end_surplus(client, job, prediction)
            return
        message = f"Replicate accepted it as {prediction.id}."
        self._claims.assign(job, prediction.id, "local", message)
        self._recorder.apply_snapshot(job.job_id, snapshot_of(prediction), "local")

    async def _end_surplus(
        self, client: ReplicateClient, job: JobRecord, surplus: Prediction
    ) -> None:
        """Cancel a second prediction of the same job, which would cost money for nothing."""
        if surplus.is_terminal:
            return
        message = f"Replicate started it twice: {surplus.id} is cancelled."
        try:
            await client.cancel_prediction(surplus.id)
        except ReplicateError as error:
            message = (
                f"Replicate started it twice, and {surplus.id} could not be cancelled: "
                f"{error.message} Cancel it on replicate.com/predictions."
            )
        self._recorder.note(job.job_id, "local", "surplus", message)

    def _complete_inputs(self, job: JobRecord) -> dict[str, Any]:
        """The inputs to send: those stored with the job, completed with its secrets."""
        values = dict(job.inputs)
        if values.get("images") == IMAGES_PLACEHOLDER:
            values["images"] = job.submit["file_url"]
            self._recorder.note(
                job.job_id, "local", "inputs", "The request is complete.", inputs=values
            )
        own_bucket = bool(job.submit.get("destination"))
        for name in job.submit.get("secret_names", ()):
            if own_bucket and name in ("s3_access_key", "s3_secret_key"):
                continue  # `_post_once` reads these
            secret = self._secret(job, name)
            if secret is None and name == "images":
                continue  # `_require_address` refuses this case
            if secret is None:
                raise MissingTokenError(f"{name} is needed again after a restart")
            values[name] = secret
        return values

    def _require_images_address(self, job: JobRecord) -> None:
        """Refuse a job whose signed address, kept in memory only, was lost in a restart."""
        if "images" in job.submit.get("secret_names", ()) and self._secret(job, "images") is None:
            raise SimpleTunerError(
                "the signed address of the images was not kept over a restart of the engine",
                "Nothing was started. Run the job again with the address.",
            )

    def _secret(self, job: JobRecord, name: str) -> Secret | None:
        """The value of a secret input: from memory, the token store or the job's own keys."""
        if name in (held_inputs := self._secret_inputs.get(job.job_id, {})):
            return held_inputs[name]
        if name == "hf_token":
            return self._clients.hub_token(job.api_base)
        pair = self._keys.pair(job.job_id)
        pair_values = {"s3_access_key": pair.access_key, "s3_secret_key": pair.secret_key}
        return Secret(pair_values[name]) if name in pair_values else None
