"""Helpers of the routes: JSON requests and answers, validation, pages of lists."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from aiohttp import web

from tui.sandbox.core import CORE, Core
from tui.sandbox.ids import decode_cursor, encode_cursor
from tui.sandbox.problems import ProblemError, validation_failed

Item = TypeVar("Item")
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.\[\]:-]+(?:/[!-~]*)?")
BODY_LIMIT = 32 * 1024 * 1024
OTHER_USER: Final = "other_user"
"""Key of a request by another account than the sandbox's own: the name of its user."""


def core_of(request: web.Request) -> Core:
    """The parts of the sandbox that serves a request."""
    return request.app[CORE]


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON response; a `body` of bytes is sent as it is."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return web.Response(body=data, status=status, content_type="application/json", headers=headers)


async def json_object(request: web.Request) -> dict[str, Any]:
    """The request's JSON object.

    Raises:
        ProblemError: 400, the body is no JSON object.
    """
    raw = await request.read()
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ProblemError(400, f"JSON parse error - {error}") from error
    if not isinstance(body, dict):
        raise validation_failed([("/", "Invalid type. Expected: object")])
    return body


def only_known(body: Mapping[str, Any], known: frozenset[str]) -> None:
    """Refuse a body with other keys than `known`.

    Raises:
        ProblemError: 422, with one entry per unknown key.
    """
    fields = [
        {
            "type": "additional_property_not_allowed",
            "field": name,
            "description": f"Additional property {name} is not allowed",
        }
        for name in body
        if name not in known
    ]
    if fields:
        lines = "".join(f"- {item['description']}\n" for item in fields)
        raise ProblemError(
            422, lines, title="Input validation failed", extra={"invalid_fields": fields}
        )


def text_problems(
    body: Mapping[str, Any], *, required: Sequence[str] = (), addresses: Sequence[str] = ()
) -> list[tuple[str, str]]:
    """Check the texts of a body; return JSON pointers and descriptions of the problems.

    Args:
        body: the request's object.
        required: keys whose value must be a text that is not blank.
        addresses: keys whose value, if given, must be a web address or null.
    """
    problems = [
        (f"/{name}", f"{name} is required")
        for name in required
        if not isinstance(body.get(name), str) or not body[name].strip()
    ]
    for name in addresses:
        value = body.get(name)
        if value is not None and not _is_address(value):
            problems.append((f"/{name}", "Enter a valid URL."))
    return problems


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and _ADDRESS.fullmatch(value) is not None


def page(
    request: web.Request,
    items: Sequence[Item],
    encode: Callable[[Item], bytes],
    *,
    size: int = 100,
) -> web.Response:
    """One page of `items` with cursors of the neighbour pages.

    A cursor has the index of an item in the whole list. Indices never change, because records are
    only appended and never removed.

    Args:
        request: its `cursor` chooses the page.
        items: the whole list, oldest first; the page is newest first.
        encode: turns an item into JSON text.
        size: items per page.

    Raises:
        ProblemError: 404, the cursor is invalid.
    """
    end = len(items)
    cursor = request.query.get("cursor")
    if cursor is not None:
        try:
            direction, text = decode_cursor(cursor)
            position = int(text)
        except ValueError as error:
            raise ProblemError(404, "Invalid cursor") from error
        # The cursor `n:5` is the page of items older than item 5, `p:5` of newer ones.
        end = position if direction == "n" else min(len(items), position + 1 + size)
    end = max(0, min(end, len(items)))
    start = max(0, end - size)
    return _page_answer(request, items, encode, start, end)


def _page_answer(
    request: web.Request,
    items: Sequence[Item],
    encode: Callable[[Item], bytes],
    start: int,
    end: int,
) -> web.Response:
    older = _page_url(request, "n", start) if start > 0 else None
    newer = _page_url(request, "p", end - 1) if end < len(items) else None
    rows = b",".join(encode(item) for item in reversed(items[start:end]))
    head = json.dumps({"next": older, "previous": newer})[:-1].encode()
    return answer(head + b', "results": [' + rows + b"]}")


def _page_url(request: web.Request, direction: str, position: int) -> str:
    query = {name: value for name, value in request.query.items() if name != "cursor"}
    query["cursor"] = encode_cursor(direction, str(position))
    base = core_of(request).views.base_url
    return f"{base}{request.path.removeprefix('/v1')}?{urlencode(query)}"
