"""What a route is, and what every group of them needs to read requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import pydantic_core
from aiohttp import web

from tui.base.errors import RefusedError

MOST_BODY: Final = 8 * 1024 * 1024
_BODY_SECONDS: Final = 30.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the API, with what its description says.

    Attributes:
        method: the HTTP method.
        path: with `{names}` for its variable parts.
        handler: answers it.
        summary: one line.
        answer: JSON Schema of a good answer; None for one that is not JSON.
        body: JSON Schema of the request's body, if it takes one.
        query: parameters by name, with their JSON Schema.
        status: of a good answer.
        content: its content type.
        private: on the user's own socket only.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    answer: Schema | None = None
    body: Schema | None = None
    query: Mapping[str, Schema] = field(default_factory=dict)
    status: int = 200
    content: str = "application/json"
    private: bool = False


async def read_json(request: web.Request, *, empty: Any = None) -> Any:
    """The JSON in a request's body, `empty` for none.

    Raises:
        RefusedError: too large, too slow, compressed, or not JSON.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise RefusedError("Compressed request bodies are not taken.", status=415)
    pieces, total = [], 0
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            while piece := await request.content.readany():
                total += len(piece)
                if total > MOST_BODY:
                    raise RefusedError(
                        f"A request body has at most {MOST_BODY} bytes.",
                        status=413,
                        code="too_large",
                    )
                pieces.append(piece)
    except TimeoutError:
        raise RefusedError("The request body took too long.", status=408) from None
    if not total:
        if empty is None:
            raise RefusedError("The request body is not JSON.")
        return empty
    try:
        return pydantic_core.from_json(b"".join(pieces), allow_inf_nan=False)
    except ValueError:
        raise RefusedError("The request body is not JSON.") from None


async def read_object(request: web.Request, *, optional: bool = False) -> dict[str, Any]:
    """The JSON object in a request's body."""
    data = await read_json(request, empty={} if optional else None)
    if not isinstance(data, dict):
        raise RefusedError("The request body must be a JSON object.")
    return data


def base_of(request: web.Request, default: str) -> str:
    """The Replicate-compatible API that a call is about: `X-Api-Base` names another one."""
    return request.headers.get("X-Api-Base") or default


def text_of(data: Mapping[str, Any], name: str, default: str = "") -> str:
    """A text in a body; missing and null are `default`.

    Raises:
        RefusedError: it is something else.
    """
    value = data.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise wrong(name, "must be text")
    return value


def flag_of(data: Mapping[str, Any], name: str, default: bool = False) -> bool:
    """A true or false in a body."""
    value = data.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise wrong(name, "must be true or false")
    return value


def count_in_query(request: web.Request, name: str, default: int, low: int, high: int) -> int:
    """A whole number in the query.

    Raises:
        RefusedError: it is none, or outside its bounds.
    """
    text = request.query.get(name)
    if text is None or not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
        raise wrong(name, f"must be a whole number from {low} to {high}")
    return int(text)


def flag_in_query(request: web.Request, name: str) -> bool:
    """Whether the query says yes."""
    return request.query.get(name, "").lower() in ("1", "true", "yes")


def wrong(name: str, why: str) -> RefusedError:
    """The refusal of one field."""
    return RefusedError(f"{name} {why}.", details={"fields": {name: why}})
