"""Room for the bodies of webhooks: how many are read at a time, and how much memory they take.

A body proves nothing before its last byte, since the signature covers all of it. So bodies that say
something about themselves beforehand (they carry the key of a job) have room of their own, which
nobody else can fill. Where there is no room left, the body that has been silent longest makes room:
a sender that sends without a pause is never that one.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tui.listener.webhooks.refusal import Refused


class Admission:
    """Room for bodies of one kind.

    Args:
        most_bodies: bodies that are read at the same time.
        most_bytes: bytes of bodies that are being read or wait to be handled.
        body_seconds: time limit for a whole body.
        idle_seconds: longest silence inside a body.

    Attributes:
        held: bytes in use.
    """

    def __init__(
        self, most_bodies: int, most_bytes: int, *, body_seconds: float, idle_seconds: float
    ) -> None:
        self.held = 0
        self._most_bodies = most_bodies
        self._most_bytes = most_bytes
        self._body_seconds = body_seconds
        self._idle_seconds = idle_seconds
        self._reading: OrderedDict[Body, None] = OrderedDict()
        """Bodies that are being read; the one that has been silent longest is first."""

    @property
    def reading(self) -> int:
        """The number of bodies that are being read."""
        return len(self._reading)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Body]:
        """Admit a body; it is being read until the block ends.

        Raises:
            Refused: it takes too long, or had to make room.
        """
        if len(self._reading) >= self._most_bodies:
            silent, _ = self._reading.popitem(last=False)
            silent.give_up()
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(now + self._body_seconds) as limit:
                body = Body(self, limit, now + self._body_seconds)
                body.came(0)
                try:
                    yield body
                finally:
                    self._reading.pop(body, None)
        except TimeoutError:
            if body.gave_way:
                raise Refused(503, "busy", "Too many webhooks at the same time.") from None
            raise Refused(408, "slow", "The body took too long.") from None

    def take(self, size: int) -> None:
        """Count bytes of a body.

        Raises:
            Refused: too many are in use.
        """
        if self.held + size > self._most_bytes:
            raise Refused(503, "busy", "Too many webhooks are waiting to be worked with.")
        self.held += size

    def give_back(self, size: int) -> None:
        """Count bytes that are not needed any more."""
        self.held -= size

    def note(self, body: Body) -> float:
        """Note that bytes of a body have come; returns the loop's time by which more must come."""
        self._reading[body] = None
        self._reading.move_to_end(body)
        return asyncio.get_running_loop().time() + self._idle_seconds


class Body:
    """A body that is being read.

    Attributes:
        held: bytes that it has taken.
        gave_way: whether it had to make room for another one.
    """

    def __init__(self, admission: Admission, limit: asyncio.Timeout, end: float) -> None:
        self.held = 0
        self.gave_way = False
        self._admission = admission
        self._limit = limit
        self._end = end

    def came(self, size: int) -> None:
        """Count bytes that came; the next ones must follow soon.

        Raises:
            Refused: there is no room for them.
        """
        self._admission.take(size)
        self.held += size
        if not self._limit.expired():
            self._limit.reschedule(min(self._end, self._admission.note(self)))

    def give_up(self) -> None:
        """Stop reading, to make room."""
        if not self._limit.expired():
            self.gave_way = True
            self._limit.reschedule(asyncio.get_running_loop().time())
