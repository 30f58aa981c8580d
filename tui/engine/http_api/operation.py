"""From an operation of the table and a typed function to a route that aiohttp can serve.

A function gets what was asked for, read and validated, and returns the answer as plain data; the
type checker holds both against the operation's shapes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar

from aiohttp import web

from tui.api.routes import Endpoint
from tui.api.schemas import shapes_of
from tui.base.addresses import API_BASE as API
from tui.base.addresses import AddressError, read_address
from tui.base.errors import RefusedError
from tui.engine.http_api.body import Extra, check_text, read_body, read_json, read_query, validated
from tui.engine.http_api.caller import Caller, folder_filter, present_caller, visible
from tui.engine.http_api.json_answer import json_answer
from tui.engine.submission.confinement import Confinement

BodyT = TypeVar("BodyT")
QueryT = TypeVar("QueryT")
AnswerT = TypeVar("AnswerT")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
API_BASE: Final = "X-Api-Base"
"""The header that names the Replicate-compatible API that a call is about."""


@dataclass(frozen=True, slots=True)
class Call(Generic[BodyT, QueryT]):
    """What a request asks for.

    Attributes:
        request: the request itself; its body has been read where the operation has one.
        api_base: the API that the call is about.
        body: the body, of the operation's shape; None where it has none.
        query: the parameters, of the operation's shape; None where it has none.
        caller: whose key opened the route; None for the user's own socket.
    """

    request: web.Request
    api_base: str
    body: BodyT
    query: QueryT
    caller: Caller | None = None

    @property
    def confinement(self) -> Confinement | None:
        """The files that are open to the caller; None for the user's own socket: all."""
        return None if self.caller is None else self.caller.confinement

    def part(self, name: str) -> str:
        """A variable part of the path, unquoted."""
        return self.request.match_info[name]


class Answered(NamedTuple, Generic[AnswerT]):
    """An answer with another of its operation's good statuses than the usual one."""

    data: AnswerT
    status: int


class Form(NamedTuple):
    """The shape that a body is held against, where an operation takes several.

    Attributes:
        shape: of `tui.api`.
        extra: what becomes of names that the shape does not have.
    """

    shape: Any
    extra: Extra


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the table with the code that answers it."""

    endpoint: Endpoint[Any, Any, Any]
    handler: Handler


class Operations:
    """The operations that an engine answers, in the order in which they were added."""

    def __init__(self, default_base: Callable[[], str]) -> None:
        """Args: default_base: the API of callers that name none."""
        self._default_base = default_base
        self._operations: list[Operation] = []

    def __iter__(self) -> Iterator[Operation]:
        return iter(self._operations)

    def add(
        self,
        endpoint: Endpoint[BodyT, QueryT, AnswerT],
        answer: Callable[[Call[BodyT, QueryT]], Awaitable[AnswerT | Answered[AnswerT]]],
        *,
        extra: Extra = "forbid",
        form: Callable[[Any], Form] | None = None,
        tells_secret: bool = False,
    ) -> None:
        """Add an operation that answers JSON.

        Args:
            endpoint: from the table.
            answer: answers it; refusals are raised.
            extra: what becomes of names in the body that its shape does not have.
            form: picks the shape for a body, where the operation takes several.
            tells_secret: the answer gives its caller a secret, on purpose; in all others the
                secrets that this process knows are masked.
        """

        async def handler(request: web.Request) -> web.StreamResponse:
            call = await self._call(request, endpoint, extra, form)
            result = await answer(call)
            data, status = result, endpoint.status
            if isinstance(result, Answered):
                data, status = result
            if (caller := call.caller) is not None:
                data = visible(data, shapes_of(endpoint).answer, caller)
            return await json_answer(
                data, status, hide=folder_filter(caller), tells_secret=tells_secret
            )

        self._operations.append(Operation(endpoint, handler))

    def add_stream(
        self,
        endpoint: Endpoint[None, QueryT, bytes] | Endpoint[None, QueryT, str],
        answer: Callable[[Call[None, QueryT]], Awaitable[web.StreamResponse]],
    ) -> None:
        """Add an operation that answers something else than JSON.

        Args:
            endpoint: from the table.
            answer: makes the response; refusals are raised before it begins.
        """

        async def handler(request: web.Request) -> web.StreamResponse:
            call: Call[None, QueryT] = await self._call(request, endpoint, "forbid", None)
            return await answer(call)

        self._operations.append(Operation(endpoint, handler))

    async def _call(
        self,
        request: web.Request,
        endpoint: Endpoint[Any, Any, Any],
        extra: Extra,
        form: Callable[[Any], Form] | None,
    ) -> Call[Any, Any]:
        shapes = shapes_of(endpoint)
        base = api_base_of(request, self._default_base)
        for name, text in request.match_info.items():
            check_text(name, text)
        query = None if shapes.query is None else read_query(request, endpoint)
        body = None
        if form is not None:
            data = await read_json(request)
            body = validated(data, *form(data))
        elif shapes.body is not None:
            body = await read_body(request, endpoint, extra=extra)
        return Call(request, base, body, query, present_caller())


def api_base_of(request: web.Request, default: Callable[[], str]) -> str:
    """The Replicate-compatible API that a call is about.

    Raises:
        RefusedError: the header names none.
    """
    text = request.headers.get(API_BASE, "")
    if not text:
        return default()
    try:
        # The base is stored with jobs and shown in answers.
        return read_address(text, API).url
    except AddressError as error:
        words = str(error)
        raise RefusedError(f"{API_BASE} {words}.", details={"fields": {API_BASE: words}}) from None
