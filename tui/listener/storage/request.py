"""One verified request, and the tools that its handler needs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from aiohttp import web

from tui.listener.storage.body import WriteGate, blocks, pour, say_continue
from tui.listener.storage.claims import SignedRequest
from tui.listener.storage.errors import S3Error
from tui.listener.storage.grants import ReceivedObject, StorageGrant, StorageLimits
from tui.listener.storage.intake import Intake, plan_body
from tui.listener.storage.quota import Guard, JobSpace
from tui.listener.storage.sigv4 import Verified

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Desk:
    """What all requests share."""

    limits: StorageLimits
    guard: Guard
    executor: Executor
    on_object: Callable[[ReceivedObject], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Call:
    """One request whose signature holds.

    Attributes:
        web: aiohttp's request.
        signed: the request as it was signed.
        payload: what the signature says about the body.
        verified: the signature.
        grant: what the key allows.
        space: the job's folder.
        desk: what all requests share.
        query: the query's parameters.
        key: the object's key; empty for the bucket itself.
    """

    web: web.Request
    signed: SignedRequest
    payload: str
    verified: Verified
    grant: StorageGrant
    space: JobSpace
    desk: Desk
    query: Mapping[str, str]
    key: str

    @property
    def now(self) -> datetime:
        """The present moment by the receiver's clock."""
        return self.desk.limits.now()

    async def work(self, function: Callable[..., T], *arguments: object) -> T:
        """Run something that blocks in a worker thread, to its end even if the request is not."""
        loop = asyncio.get_running_loop()
        future = loop.run_in_executor(self.desk.executor, lambda: function(*arguments))
        return await asyncio.shield(future)

    async def receive(
        self,
        intake: Intake,
        *,
        grow: Callable[[int], None],
        gate: WriteGate | None = None,
    ) -> None:
        """Read the body into `intake`, having asked for it if the client waits to be asked."""
        limits = self.desk.limits
        await say_continue(self.web)
        source = blocks(
            self.web.content,
            idle=limits.idle_seconds,
            grace=limits.grace_seconds,
            min_rate=limits.min_bytes_per_second,
        )
        await pour(source, intake, self.desk.executor, gate=gate, grow=grow)

    async def read_small(self, most: int, *, checksums: bool) -> bytes:
        """The whole body of a request that carries a document.

        Raises:
            S3Error: it is larger than `most` bytes or is not what was promised.
        """
        plan = plan_body(self.signed, self.payload, checksums=checksums)
        if plan.size is not None and plan.size > most:
            raise S3Error("MaxMessageLengthExceeded", "Your request was too big.")
        buffer = bytearray()
        intake = Intake(lambda data, _: buffer.extend(data), plan, self.verified, most, whole=False)
        await self.receive(intake, grow=lambda _: None)
        await self.work(intake.finish)
        return bytes(buffer)


def xml_response(body: bytes, status: int = 200) -> web.Response:
    """An answer with an XML document."""
    return web.Response(body=body, status=status, content_type="application/xml")
