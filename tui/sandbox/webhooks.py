"""Sends webhooks as the service does: filtered by event, throttled and signed.

Only the terminal webhook is retried. Source: Replicate's documentation of webhooks.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tui.base.hosts import is_loopback
from tui.sandbox.clock import Clock
from tui.sandbox.faults import FaultKind
from tui.sandbox.record import Record
from tui.sandbox.trust import trusted

EVENTS = frozenset({"start", "output", "logs", "completed"})
DEFAULT_EVENTS = frozenset({"output", "completed"})
THROTTLE_SECONDS = 0.5
RETRY_DELAYS = (1.0, 2.0, 4.0, 8.0, 16.0, 29.0)
"""Seconds between the tries of a terminal webhook; the last try is a minute after the end."""
ANSWER_SECONDS = 10.0
"""Timeout of a receiver in real seconds; not scaled, because the receiver's speed is not."""


@dataclass(frozen=True, slots=True)
class Message:
    """One webhook; all its tries have the same id."""

    id: str
    url: str
    body: bytes
    terminal: bool


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header of the Standard Webhooks specification."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


class _Channel:
    """The webhooks of one prediction, in order."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Message] = asyncio.Queue()
        self.held: list[Message] = []
        self.timer: asyncio.TimerHandle | None = None
        self.last_sent = float("-inf")
        self.under_way = 0
        """Messages queued or being sent."""


class WebhookSender:
    """Delivers the webhooks of events, in order for each prediction."""

    def __init__(
        self,
        clock: Clock,
        secret: str,
        encode: Callable[[Record], bytes],
        ca_bundle: Path | None = None,
    ) -> None:
        self.secret = secret
        self._ca_bundle = ca_bundle
        self._counts: dict[str, int] = {}
        self._clock = clock
        self._encode = encode
        self._channels: dict[str, _Channel] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    def event(self, record: Record, name: str) -> None:
        """Send the webhook of a record's event: `start`, `output`, `logs` or `completed`."""
        if not record.webhook or name not in record.events:
            return
        if FaultKind.WEBHOOK_LOST in record.faults:
            return
        channel = self._channels.get(record.id)
        if channel is None:
            channel = self._channels[record.id] = _Channel()
            self._tasks[record.id] = asyncio.create_task(self._deliver_all(record.id, channel))
        if name in {"output", "logs"} and not record.is_terminal:
            self._throttled(record, channel)
        elif name in {"start", "completed"}:
            self._send(record, channel)

    def open_channels(self) -> list[str]:
        """Ids of the predictions with webhooks that are neither delivered nor given up."""
        return list(self._channels)

    def _throttled(self, record: Record, channel: _Channel) -> None:
        loop = asyncio.get_running_loop()
        if channel.timer is not None:
            return
        pause = self._clock.real(THROTTLE_SECONDS)
        wait = channel.last_sent + pause - loop.time()
        if wait <= 0 and not channel.under_way:
            self._send(record, channel)
        else:
            # For a receiver slower than the log grows, webhooks are merged instead of queued.
            channel.timer = loop.call_later(max(wait, pause), self._late, record, channel)

    def _late(self, record: Record, channel: _Channel) -> None:
        channel.timer = None
        if not record.is_terminal:
            self._throttled(record, channel)

    def _send(self, record: Record, channel: _Channel) -> None:
        channel.last_sent = asyncio.get_running_loop().time()
        if record.is_terminal and channel.timer is not None:
            channel.timer.cancel()
            channel.timer = None
        message = Message(
            f"msg_{secrets.token_urlsafe(20)}",
            record.webhook or "",
            self._encode(record),
            record.is_terminal,
        )
        messages = [message]
        if FaultKind.WEBHOOK_REORDER in record.faults:
            if not record.is_terminal:
                channel.held.append(message)
                return
            messages += [
                Message(held.id, held.url, held.body, terminal=False) for held in channel.held
            ]
        times = 2 if FaultKind.WEBHOOK_DUPLICATE in record.faults else 1
        for item in messages:
            if self._is_dropped(record):
                continue
            for _ in range(times):
                channel.under_way += 1
                channel.queue.put_nowait(item)
        if record.is_terminal:
            channel.queue.put_nowait(Message("", "", b"", terminal=True))

    def _is_dropped(self, record: Record) -> bool:
        """Whether the webhook-drop fault drops this message."""
        fault = record.faults.get(FaultKind.WEBHOOK_DROP)
        if fault is None:
            return False
        count = self._counts[record.id] = self._counts.get(record.id, 0) + 1
        return count % max(2, round(fault.number(3))) == 0

    async def _deliver_all(self, record_id: str, channel: _Channel) -> None:
        try:
            while (message := await channel.queue.get()).id:
                await self._deliver(message)
                channel.under_way -= 1
        finally:
            self._channels.pop(record_id, None)
            self._tasks.pop(record_id, None)
            self._counts.pop(record_id, None)

    async def _deliver(self, message: Message) -> None:
        delays = RETRY_DELAYS if message.terminal else ()
        for delay in (*delays, None):
            if await self._try(message) or delay is None:
                return
            await self._clock.sleep(delay)

    async def _try(self, message: Message) -> bool:
        timestamp = int(self._clock.now().timestamp())
        headers = {
            "content-type": "application/json",
            "user-agent": "Replicate/1.0 (sandbox)",
            "webhook-id": message.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(self.secret, message.id, timestamp, message.body),
        }
        session = self._session(is_loopback(message.url))
        try:
            async with session.post(
                message.url, data=message.body, headers=headers, allow_redirects=False
            ) as answer:
                # As on the live service, a redirect is neither followed nor retried.
                return answer.status < 400
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return False

    def _session(self, local: bool) -> aiohttp.ClientSession:
        session = self._sessions.get(local)
        if session is None:
            session = self._sessions[local] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=trusted(self._ca_bundle)),
                trust_env=not local,
                timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
            )
        return session

    async def aclose(self) -> None:
        """Drop undelivered webhooks and close the connections."""
        tasks = list(self._tasks.values())
        for channel in self._channels.values():
            if channel.timer is not None:
                channel.timer.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for session in self._sessions.values():
            await session.close()
