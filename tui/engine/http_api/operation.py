"""From an operation of the table and a typed function to a route that aiohttp can serve.

A function gets what was asked for, read and validated, and returns the answer as plain data; the
type checker holds both against the operation's shapes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, NamedTuple, TypeVar, cast
from urllib.parse import urlsplit

from aiohttp import web

from tui.api.paths import Endpoint
from tui.api.schemas import shapes_of
from tui.base.errors import RefusedError
from tui.engine.http_api.body import Extra, read_body, read_query

BodyT = TypeVar("BodyT")
QueryT = TypeVar("QueryT")
AnswerT = TypeVar("AnswerT")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
API_BASE: Final = "X-Api-Base"
"""The header that names the Replicate-compatible API that a call is about."""
_LONGEST: Final = 2000


@dataclass(frozen=True, slots=True)
class Call(Generic[BodyT, QueryT]):
    """What a request asks for.

    Attributes:
        request: the request itself; its body has been read where the operation has one.
        api_base: the API that the call is about.
        body: the body, of the operation's shape; None where it has none.
        query: the parameters, of the operation's shape; None where it has none.
    """

    request: web.Request
    api_base: str
    body: BodyT
    query: QueryT

    def part(self, name: str) -> str:
        """A variable part of the path, unquoted."""
        return self.request.match_info[name]


class Answered(NamedTuple, Generic[AnswerT]):
    """An answer with another of its operation's good statuses than the usual one."""

    data: AnswerT
    status: int


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the table with the code that answers it."""

    endpoint: Endpoint[Any, Any, Any]
    handler: Handler


def operation(
    endpoint: Endpoint[BodyT, QueryT, AnswerT],
    answer: Callable[[Call[BodyT, QueryT]], Awaitable[AnswerT | Answered[AnswerT]]],
    default_base: Callable[[], str],
    *,
    extra: Extra = "forbid",
) -> Operation:
    """An operation that answers JSON.

    Args:
        endpoint: from the table.
        answer: answers it; refusals are raised.
        default_base: the API of callers that name none.
        extra: what becomes of names in the body that its shape does not have.
    """
    shapes = shapes_of(endpoint)

    async def handler(request: web.Request) -> web.StreamResponse:
        base = api_base_of(request, default_base)
        query = cast("QueryT", None) if shapes.query is None else read_query(request, endpoint)
        body = cast("BodyT", None)
        if shapes.body is not None:
            body = await read_body(request, endpoint, extra=extra)
        found = await answer(Call(request, base, body, query))
        if isinstance(found, Answered):
            return web.json_response(found.data, status=found.status)
        return web.json_response(found, status=endpoint.status)

    return Operation(endpoint, handler)


def stream(endpoint: Endpoint[None, Any, Any], handler: Handler) -> Operation:
    """An operation that answers something else than JSON, by itself."""
    return Operation(endpoint, handler)


def api_base_of(request: web.Request, default: Callable[[], str]) -> str:
    """The Replicate-compatible API that a call is about.

    Raises:
        RefusedError: the header names none.
    """
    text = request.headers.get(API_BASE, "")
    if not text:
        return default()
    try:
        parts = urlsplit(text)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    plain = text.isascii() and text.isprintable() and " " not in text
    if not fits or not plain or len(text) > _LONGEST:
        words = "must be an address such as https://api.replicate.com/v1"
        raise RefusedError(f"{API_BASE} {words}.", details={"fields": {API_BASE: words}})
    return text
