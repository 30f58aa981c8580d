"""`POST /api/webhooks/replicate`: verifies a webhook, answers it, then has the event handled."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from aiohttp import ClientError, web

from tui.base.listener_address import WEBHOOK_PATH
from tui.listener.client_address import Address, RateLimit, client_address, is_in
from tui.listener.stats import ListenerStats, Rejection
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


@dataclass(slots=True)
class _Memory:
    """Bytes of the bodies that are being read or waiting to be handled.

    Attributes:
        most: the limit in bytes.
        held: bytes in use.
        bodies: bodies being read now.
    """

    most: int
    held: int = 0
    bodies: int = field(default=0)

    def take(self, size: int) -> None:
        if self.held + size > self.most:
            raise Refused(503, "busy", "Too many webhooks are waiting to be worked with.")
        self.held += size

    def give_back(self, size: int) -> None:
        self.held -= size


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
        self._memory = _Memory(self.settings.max_body_memory)
        self._queue: asyncio.Queue[tuple[WebhookEvent, int]] = asyncio.Queue()

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

    async def _handle_events(self) -> None:
        while True:
            event, size = await self._queue.get()
            try:
                await self._on_event(event)
            except Exception:  # noqa: BLE001 - one bad event must not stop the next one
                self.stats.fail()
                _log.exception("a webhook event could not be used")
            finally:
                self._memory.give_back(size)
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
        most = self.settings.max_body_bytes
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Refused(415, "encoding", "Compressed bodies are not taken.")
        announced = request.content_length
        if announced is not None and announced > most:
            raise Refused(413, "too_large", f"A body has at most {most} bytes.")
        if self._memory.bodies >= self.settings.max_bodies:
            raise Refused(503, "busy", "Too many webhooks at the same time.")
        self._memory.bodies += 1
        held = 0
        queued = False

        def hold(more: int) -> None:
            nonlocal held
            self._memory.take(more)
            held += more

        try:
            raw = await self._read(request, hold)
            event = await self._read_event(request, raw, address)
            if event is None:
                return _answer({"status": "duplicate"})
            self._queue.put_nowait((event, held))
            queued = True
        finally:
            self._memory.bodies -= 1
            if not queued:
                self._memory.give_back(held)
        job_id = event.job_id or event.subject
        self.stats.accept(event.received_at, event.address, job_id, event.event)
        return _answer({"status": "received", "job_id": job_id})

    async def _read(self, request: web.Request, hold: Callable[[int], None]) -> bytes:
        most = self.settings.max_body_bytes
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        pieces: list[bytes] = []
        total = 0
        try:
            async with asyncio.timeout(self.settings.body_seconds):
                while piece := await request.content.readany():
                    total += len(piece)
                    if total > most:
                        raise Refused(413, "too_large", f"A body has at most {most} bytes.")
                    hold(len(piece))
                    pieces.append(piece)
        except TimeoutError:
            raise Refused(408, "slow", "The body took too long.") from None
        except (ClientError, web.RequestPayloadError, ConnectionError, EOFError):
            raise Refused(400, "cut", "The connection broke inside the body.") from None
        return b"".join(pieces)

    async def _read_event(
        self, request: web.Request, raw: bytes, address: Address | None
    ) -> WebhookEvent | None:
        """Return the verified event, or None for a message that was accepted before."""
        job = await self._job_of(request)
        try:
            return await self._check_event(request, raw, address, job)
        except Refused as refused:
            refused.job_id = job.job_id if job else ""
            raise

    async def _check_event(
        self, request: web.Request, raw: bytes, address: Address | None, job: WebhookJob | None
    ) -> WebhookEvent | None:
        now = self.settings.now()
        signed = any(name in request.headers for name in SIGNATURE_HEADERS)
        message_id = await self._verify(request, raw, now, job) if signed else ""
        if not signed and self.settings.verify and job is None:
            raise Refused(401, "unsigned", "Webhook signature required but not provided.")
        # Nothing is awaited between this look-up and `remember`, so of two copies that arrive
        # together only one is accepted.
        if message_id and self._replay.has(message_id, now):
            self.stats.repeat(now, str(address or ""), job.job_id if job else "")
            return None
        try:
            body = parse_body(raw, proven=signed and self.settings.verify)
            kind, subject = kind_of(body)
        except BodyError as problem:
            raise Refused(400, "body", str(problem)) from None
        if not signed and self.settings.verify and kind != SIMPLETUNER:
            raise Refused(401, "unsigned", "Webhook signature required but not provided.")
        if job is not None and subject not in job.names and (job.names or kind == SIMPLETUNER):
            raise Refused(403, "other_job", "The body speaks of another job than its address.")
        if message_id:
            self._replay.remember(message_id, now)
        return WebhookEvent(
            kind=kind,
            subject=subject,
            event=event_name(kind, body),
            body=body,
            message_id=message_id,
            job_id=job.job_id if job else "",
            verified=bool(message_id) and self.settings.verify,
            address=str(address or ""),
            received_at=now,
        )

    async def _job_of(self, request: web.Request) -> WebhookJob | None:
        keys = request.query.getall("key", [])
        if not keys or self._jobs is None:
            return None
        job = await self._jobs.job_of(keys[0]) if len(keys) == 1 and len(keys[0]) <= 256 else None
        if job is None:
            raise Refused(403, "job_key", "The key in the address belongs to no job.")
        return job

    async def _verify(
        self, request: web.Request, raw: bytes, now: datetime, job: WebhookJob | None
    ) -> str:
        headers = signature_headers(request)
        if not self.settings.verify:
            return headers["webhook-id"]
        check_time(headers["webhook-timestamp"], now)
        secrets = self._secrets_of(job)
        secret = await secrets.current()
        if secret is None:
            raise Refused(503, "no_secret", "The signing secret is not known yet.")
        try:
            return verify_webhook(secret, headers, raw, now)
        except SignatureError:
            fresh = await secrets.after_mismatch(secret)
        if fresh is not None:
            with contextlib.suppress(SignatureError):
                return verify_webhook(fresh, headers, raw, now)
        raise Refused(401, "signature", "Invalid webhook signature.")


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
