"""`POST /api/webhooks/replicate`: verifies a webhook, answers it, then has the event handled."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from aiohttp import ClientError, web

from tui.base.listener_address import WEBHOOK_PATH
from tui.listener.client_address import Address, RateLimit, client_address, is_in
from tui.listener.stats import ListenerStats, Rejection
from tui.listener.webhooks.admission import Admission, Body
from tui.listener.webhooks.events import (
    SIMPLETUNER,
    BodyError,
    WebhookEvent,
    event_name,
    kind_of,
    parse_body,
)
from tui.listener.webhooks.refusal import (
    SIGNATURE_HEADERS,
    Refused,
    check_time,
    signature_headers,
)
from tui.listener.webhooks.secrets import WebhookSecrets
from tui.listener.webhooks.settings import JobKeys, WebhookJob, WebhookSettings
from tui.replicate.errors import SignatureError
from tui.replicate.webhook import TOLERANCE_SECONDS, verify_webhook

_log = logging.getLogger(__name__)
T = TypeVar("T")

_INLINE_BYTES: Final = 16 * 1024
"""Bodies up to this size are verified and parsed at once; a thread takes longer for them."""


class WebhookReceiver:
    """The webhook route.

    Args:
        secrets: the signing secrets, or a function that returns those of a job (None: no job).
        on_event: is awaited for every accepted event, one after the other, after the sender has
            been answered. An error is logged and counted; polling finds what was missed.
        jobs: looks up job keys; without it every key is ignored.
        settings: verification and limits.
    """

    def __init__(
        self,
        secrets: WebhookSecrets | Callable[[WebhookJob | None], WebhookSecrets],
        on_event: Callable[[WebhookEvent], Awaitable[None]],
        *,
        jobs: JobKeys | None = None,
        settings: WebhookSettings | None = None,
    ) -> None:
        self.settings = settings or WebhookSettings()
        self.stats = ListenerStats()
        self._secrets_of = (
            (lambda _job: secrets) if isinstance(secrets, WebhookSecrets) else secrets
        )
        self._on_event = on_event
        self._jobs = jobs
        self._rate = RateLimit(self.settings.per_second, self.settings.burst)
        self._replay = ReplayCache(2.0 * TOLERANCE_SECONDS)
        limits = self.settings
        times = {"body_seconds": limits.body_seconds, "idle_seconds": limits.idle_seconds}
        self._keyed = Admission(limits.max_bodies, limits.max_body_memory, **times)
        self._unproven = Admission(limits.max_unproven_bodies, limits.max_unproven_memory, **times)
        self._queue: asyncio.Queue[tuple[WebhookEvent, Admission, int]] = asyncio.Queue()
        self._executor = ThreadPoolExecutor(2, "webhook")

    def add_routes(self, app: web.Application) -> None:
        """Serve WEBHOOK_PATH of `app`, until `app` is cleaned up."""
        app.router.add_post(WEBHOOK_PATH, self._handle, expect_handler=_expect)
        app.cleanup_ctx.append(self._run_worker)

    async def _run_worker(self, _app: web.Application) -> AsyncIterator[None]:
        worker = asyncio.create_task(self._handle_events(), name="webhook events")
        yield
        # Events that were answered with 200 are not sent again, so they are handled before the end.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10.0):
                await self._queue.join()
        worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker
        await asyncio.to_thread(self._executor.shutdown)

    async def _handle_events(self) -> None:
        while True:
            event, room, size = await self._queue.get()
            try:
                await self._on_event(event)
            except Exception:  # noqa: BLE001 - one bad event must not stop the next one
                self.stats.fail()
                _log.exception("a webhook event could not be used")
            finally:
                room.give_back(size)
                self._queue.task_done()

    async def _handle(self, request: web.Request) -> web.Response:
        settings = self.settings
        address = client_address(
            request.remote,
            {name: request.headers.getall(name, []) for name in ("x-forwarded-for", "forwarded")},
            settings.trusted_proxies,
        )
        try:
            self._check_client(address)
            return await self._take(request, address)
        except Refused as refused:
            who = str(address or "")
            self.stats.reject(
                Rejection(refused.reason, refused.message, who, settings.now(), refused.job_id)
            )
            response = _answer(
                {"status": "rejected", "reason": refused.reason, "detail": refused.message},
                refused.status,
            )
            if refused.status in {429, 503}:
                response.headers["Retry-After"] = "1"
            if not request.content.at_eof():
                response.force_close()
            return response

    def _check_client(self, address: Address | None) -> None:
        settings = self.settings
        if settings.allowed and (address is None or not is_in(address, settings.allowed)):
            raise Refused(403, "address", "IP address not in allowlist.")
        if not self._rate.allows(address):
            raise Refused(429, "rate", "Too many requests from this address.")

    async def _take(self, request: web.Request, address: Address | None) -> web.Response:
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Refused(415, "encoding", "Compressed bodies are not taken.")
        # All that can be known without the body is checked before the body takes room.
        job = await self._job_of(request)
        try:
            signature = self._signature_of(request, job)
            return await self._admit(request, address, job, signature)
        except Refused as refused:
            refused.job_id = job.job_id if job else ""
            raise

    async def _admit(
        self,
        request: web.Request,
        address: Address | None,
        job: WebhookJob | None,
        signature: Mapping[str, str] | None,
    ) -> web.Response:
        settings = self.settings
        signed = signature is not None or not settings.verify
        most = settings.max_body_bytes if signed else settings.max_unsigned_bytes
        too_large = Refused(413, "too_large", f"A body has at most {most} bytes.")
        if request.content_length is not None and request.content_length > most:
            raise too_large
        room = self._unproven if job is None or signature is None else self._keyed
        held = 0
        queued = False
        try:
            async with room.read() as body:
                try:
                    raw = await _read(request, body, most, too_large)
                finally:
                    held = body.held
            event = await self._check_event(raw, address, job, signature)
            if event is None:
                return _answer({"status": "duplicate"})
            self._queue.put_nowait((event, room, held))
            queued = True
        finally:
            if not queued:
                room.give_back(held)
        job_id = event.job_id or event.subject
        self.stats.accept(event.received_at, event.address, job_id, event.event)
        return _answer({"status": "received", "job_id": job_id})

    def _signature_of(self, request: web.Request, job: WebhookJob | None) -> dict[str, str] | None:
        """Return the signature headers of a signed request, else None.

        Raises:
            Refused: they are missing and needed, not complete, or their time is too far from ours.
        """
        if not any(name in request.headers for name in SIGNATURE_HEADERS):
            if self.settings.verify and job is None:
                raise Refused(401, "unsigned", "Webhook signature required but not provided.")
            return None
        headers = signature_headers(request)
        if self.settings.verify:
            check_time(headers["webhook-timestamp"], self.settings.now())
        return headers

    async def _check_event(
        self,
        raw: bytes,
        address: Address | None,
        job: WebhookJob | None,
        signature: Mapping[str, str] | None,
    ) -> WebhookEvent | None:
        """Return the verified event, or None for a message that was accepted before."""
        now = self.settings.now()
        message_id = "" if signature is None else await self._verify(signature, raw, now, job)
        # Nothing is awaited between this look-up and `remember`, so of two copies that arrive
        # together only one is accepted.
        if message_id and self._replay.has(message_id, now):
            self.stats.repeat(now, str(address or ""), job.job_id if job else "")
            return None
        if message_id:
            self._replay.remember(message_id, now)
        try:
            return await self._event_of(raw, address, job, message_id, now)
        except BaseException:
            self._replay.forget(message_id)
            raise

    async def _event_of(
        self,
        raw: bytes,
        address: Address | None,
        job: WebhookJob | None,
        message_id: str,
        now: datetime,
    ) -> WebhookEvent:
        verify = self.settings.verify
        proven = bool(message_id) and verify
        try:
            body = await self._work(len(raw), lambda: parse_body(raw, proven=proven))
            kind, subject = kind_of(body)
        except BodyError as problem:
            raise Refused(400, "body", str(problem)) from None
        if not message_id and verify and kind != SIMPLETUNER:
            raise Refused(401, "unsigned", "Webhook signature required but not provided.")
        if job is not None and subject not in job.names and (job.names or kind == SIMPLETUNER):
            raise Refused(403, "other_job", "The body speaks of another job than its address.")
        return WebhookEvent(
            kind=kind,
            subject=subject,
            event=event_name(kind, body),
            body=body,
            message_id=message_id,
            job_id=job.job_id if job else "",
            verified=proven,
            address=str(address or ""),
            received_at=now,
        )

    async def _work(self, size: int, function: Callable[[], T]) -> T:
        """Run what takes time in proportion to a body, in a thread unless the body is small."""
        if size <= _INLINE_BYTES:
            return function()
        return await asyncio.get_running_loop().run_in_executor(self._executor, function)

    async def _job_of(self, request: web.Request) -> WebhookJob | None:
        keys = request.query.getall("key", [])
        if not keys or self._jobs is None:
            return None
        job = await self._jobs.job_of(keys[0]) if len(keys) == 1 and len(keys[0]) <= 256 else None
        if job is None:
            raise Refused(403, "job_key", "The key in the address belongs to no job.")
        return job

    async def _verify(
        self, headers: Mapping[str, str], raw: bytes, now: datetime, job: WebhookJob | None
    ) -> str:
        if not self.settings.verify:
            return headers["webhook-id"]
        secrets = self._secrets_of(job)
        secret = await secrets.current()
        if secret is None:
            raise Refused(503, "no_secret", "The signing secret is not known yet.")
        try:
            return await self._work(len(raw), lambda: verify_webhook(secret, headers, raw, now))
        except SignatureError:
            fresh = await secrets.after_mismatch(secret)
        if fresh is not None:
            with contextlib.suppress(SignatureError):
                return await self._work(len(raw), lambda: verify_webhook(fresh, headers, raw, now))
        raise Refused(401, "signature", "Invalid webhook signature.")


async def _read(request: web.Request, body: Body, most: int, too_large: Refused) -> bytes:
    """Read a whole body of at most `most` bytes."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    pieces: list[bytes] = []
    total = 0
    try:
        while piece := await request.content.readany():
            total += len(piece)
            if total > most:
                raise too_large
            body.came(len(piece))
            pieces.append(piece)
    except (ClientError, web.RequestPayloadError, ConnectionError, EOFError, RuntimeError):
        # aiohttp raises RuntimeError for a connection that is closed before it is read from.
        raise Refused(400, "cut", "The connection broke inside the body.") from None
    return b"".join(pieces)


async def _expect(_request: web.Request) -> None:
    """Send no `100 Continue` here: the body is asked for once the client has been checked."""


def _answer(fields: Mapping[str, Any], status: int = 200) -> web.Response:
    return web.json_response(fields, status=status)


_MOST = 50_000


class ReplayCache:
    """Remembers message ids for the time in which they could be accepted again.

    Args:
        seconds: how long an id is remembered. A message may be accepted from the tolerance before
            its time to the tolerance after it, so twice the tolerance covers every repetition.
    """

    def __init__(self, seconds: float) -> None:
        self._keep = timedelta(seconds=seconds)
        self._seen: OrderedDict[str, datetime] = OrderedDict()

    def has(self, message_id: str, now: datetime) -> bool:
        """Whether this message was remembered; drops ids that are too old."""
        while self._seen:
            oldest = next(iter(self._seen))
            if self._seen[oldest] + self._keep > now and len(self._seen) <= _MOST:
                break
            del self._seen[oldest]
        return message_id in self._seen

    def remember(self, message_id: str, now: datetime) -> None:
        """Remember a message that was accepted."""
        self._seen[message_id] = now

    def forget(self, message_id: str) -> None:
        """Forget a message that is not accepted after all."""
        self._seen.pop(message_id, None)
