"""A call on the engine that can be awaited or waited for, and what makes such calls."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from tui.api.routes import Endpoint

BodyT = TypeVar("BodyT")
QueryT = TypeVar("QueryT")
AnswerT = TypeVar("AnswerT")
PartT = TypeVar("PartT")
ValueT = TypeVar("ValueT")

CALL_SECONDS = 30.0
"""How long most calls may take; those behind which a service is asked have limits of their own."""


class Call(Awaitable[AnswerT]):
    """One call on the engine, described but not sent yet.

    An event loop awaits it; a command, which has none, takes its `result()`. Each of the two sends
    it. So every route has one typed method for both kinds of callers.

    Args:
        send: sends the call, blocking, and returns its answer.
        name: of the thread that waits for the answer on behalf of an event loop.
    """

    def __init__(self, send: Callable[[], AnswerT], name: str) -> None:
        self._send = send
        self._name = name

    def __await__(self) -> Generator[Any, None, AnswerT]:
        """Send the call in a thread and wait for its answer without blocking the event loop.

        Raises:
            ControlError: see `result`.
        """
        return run_in_thread(self._send, self._name).__await__()

    def result(self) -> AnswerT:
        """Send the call and wait for its answer, blocking.

        Raises:
            EngineGoneError: nothing answers.
            StrangerError: another user would have read it.
            ControlError: the engine refused or failed; a refused field stands in the error's
                `details["fields"]`, by name.
        """
        return self._send()

    def then(self, select: Callable[[AnswerT], PartT]) -> Call[PartT]:
        """The same call, answered with what `select` takes of its answer."""
        return Call(lambda: select(self._send()), self._name)


class Caller(Protocol):
    """What describes calls: a `ControlClient`."""

    def call(
        self,
        endpoint: Endpoint[BodyT, QueryT, AnswerT],
        body: BodyT | None = None,
        query: QueryT | None = None,
        *,
        timeout: float = CALL_SECONDS,
        **parts: str,
    ) -> Call[AnswerT]:
        """A call of one operation; see `ControlClient.call`."""


async def run_in_thread(work: Callable[[], ValueT], name: str) -> ValueT:
    """The value of `work`, which runs in a thread of its own.

    The program's end does not wait for the thread: a check may take a minute, and the event loop's
    shared threads are few.

    Args:
        work: may block; its exceptions are raised here.
        name: of the thread.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[ValueT] = loop.create_future()

    def settle(deliver: Callable[[], None]) -> None:
        if not answer.done():  # the caller may have been cancelled meanwhile
            deliver()

    def run() -> None:
        try:
            value = work()
        except Exception as error:  # noqa: BLE001  raised in the caller
            failure = error

            def deliver() -> None:
                answer.set_exception(failure)
        else:

            def deliver() -> None:
                answer.set_result(value)

        with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
            loop.call_soon_threadsafe(settle, deliver)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await answer
