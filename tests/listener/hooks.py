"""A webhook route that runs, with a signer for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from aiohttp import web

from tui.listener.app import PublicRunner, build_app
from tui.listener.connections import ConnectionLimits
from tui.listener.webhooks import (
    WEBHOOK_PATH,
    WebhookEvent,
    WebhookJob,
    WebhookReceiver,
    WebhookSecrets,
    WebhookSettings,
)
from tui.replicate.secret import Secret
from tui.replicate.webhook import sign_webhook

SECRET = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
OTHER = Secret("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
NATIVE = {"id": "gm3qorzdhgbfurvjtvhg6dckhu", "status": "processing", "logs": "Epoch 1/2"}


class Jobs:
    def __init__(self) -> None:
        self.jobs = {"key-1": WebhookJob("job-1", frozenset({"job-1", NATIVE["id"]}))}

    async def job_of(self, key: str) -> WebhookJob | None:
        return self.jobs.get(key)


@dataclass
class Hooks:
    """A running webhook route, and a signer for it."""

    receiver: WebhookReceiver
    url: str
    events: list[WebhookEvent]
    http: httpx.AsyncClient
    port: int
    known: list[Secret]
    fetches: list[int]
    limited: Any = None
    """The protocol factory of its socket."""
    count: int = 0

    def signed(
        self,
        body: bytes,
        *,
        secret: Secret = SECRET,
        message_id: str = "",
        age: float = 0,
    ) -> dict[str, str]:
        self.count += 1
        message_id = message_id or f"msg_{self.count}"
        stamp = int((datetime.now(UTC) - timedelta(seconds=age)).timestamp())
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(stamp),
            "webhook-signature": sign_webhook(secret, message_id, stamp, body),
        }

    async def send(self, body: Any, query: str = "", **options: Any) -> httpx.Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.http.post(
            self.url + query, content=raw, headers=self.signed(raw, **options)
        )

    async def post(self, body: Any, headers: Any = None, query: str = "") -> httpx.Response:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.http.post(self.url + query, content=raw, headers=headers)

    @property
    def reason(self) -> str:
        last = self.receiver.stats.last_rejection
        return last.reason if last else ""


@asynccontextmanager
async def serve_hooks(
    hook_settings: WebhookSettings | None = None,
    connections: ConnectionLimits | None = None,
    on_event: Any = None,
) -> AsyncIterator[Hooks]:
    events: list[WebhookEvent] = []
    known = [SECRET]
    fetches: list[int] = []

    async def fetch() -> Secret | None:
        fetches.append(1)
        return known[0] if known else None

    async def note(event: WebhookEvent) -> None:
        events.append(event)

    receiver = WebhookReceiver(
        WebhookSecrets(fetch), on_event or note, jobs=Jobs(), settings=hook_settings
    )
    runner = PublicRunner(build_app([receiver]), connections)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    async with httpx.AsyncClient(timeout=30) as http:
        try:
            yield Hooks(
                receiver,
                f"http://127.0.0.1:{port}{WEBHOOK_PATH}",
                events,
                http,
                port,
                known,
                fetches,
                runner.server,
            )
        finally:
            await http.aclose()
            await runner.cleanup()


async def unfinished(
    hooks: Hooks, query: str = "", headers: dict[str, str] | None = None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send the head of a webhook and a part of its body; signed unless `headers` says otherwise."""
    reader, writer = await asyncio.open_connection("127.0.0.1", hooks.port)
    lines = hooks.signed(b"") if headers is None else headers
    head = f"POST {WEBHOOK_PATH}{query} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    writer.write(f"{head}\r\nhalf".encode())
    await writer.drain()
    return reader, writer
