"""Holds every answer, request and event of the engines that tests run against `tui.api`.

While the suite runs, what passes the control API, the HTTP API, the webhook route and the event
stream of an engine in the test's own process is validated; what does not fit fails the test.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from aiohttp import web

from tests.api.shapes import misfits
from tui.api import errors, paths, routes, webhooks
from tui.api.events import EVENTS
from tui.api.paths import ENDPOINTS
from tui.api.routes import Endpoint
from tui.api.schemas import shapes_of

BY_ROUTE: dict[tuple[str, str], Endpoint[Any, Any, Any]] = {
    (one.method, routes.plain(one.path)): one for one in ENDPOINTS
}
_STORAGE = (paths.STORED_BUCKETS, paths.STORED_OBJECTS, paths.STORED_OBJECT)
_TOLERANT = {
    paths.CHANGE_PROVIDER, paths.CHANGE_PROVIDER_CONFIG, paths.CHANGE_PROVIDER_ADVANCED
}  # fmt: skip
"""Routes that take names which mean nothing here, because SimpleTuner's clients send them."""


class Watch:
    """What was seen.

    Attributes:
        seen: how many answers were validated, by method, path and status.
        problems: what did not fit since it was last asked.
    """

    def __init__(self) -> None:
        self.seen: Counter[tuple[str, str, int]] = Counter()
        self.problems: list[str] = []

    def take(self) -> list[str]:
        """The problems, once."""
        problems, self.problems = self.problems, []
        return problems

    def answer(self, request: web.Request, response: web.StreamResponse, body: bytes) -> None:
        """Hold one answer, and what was asked for, against the table of routes."""
        endpoint = endpoint_of(request)
        data = _json_of(response)
        where = f"{request.method} {request.path} {response.status}"
        if endpoint is None:
            self._fits(where, data, errors.Failure)
            return
        self.seen[request.method, endpoint.path, response.status] += 1
        if response.status not in routes.statuses(endpoint):
            self.problems.append(f"{where}: this status is not in the table")
        good = (endpoint.status, *endpoint.more)
        if response.status not in good or response.content_type != endpoint.content:
            self._fits(where, data, errors.Failure)
            return
        shapes = shapes_of(endpoint)
        if shapes.answer not in (bytes, str):
            self._fits(where, data, shapes.answer)
        self._fits(f"{where} query", dict(request.query), shapes.query, exact=False)
        if body and shapes.body is None:
            if json.loads(body) != {}:
                self.problems.append(f"{where}: it reads no body, and was given one")
        elif body or not endpoint.optional:
            given = json.loads(body) if body else None
            if endpoint not in _TOLERANT:
                self._fits(f"{where} body", given, shapes.body)

    def webhook(self, fields: Mapping[str, Any], status: int) -> None:
        """Hold one answer of the webhook route against its shape."""
        self.seen["POST", paths.WEBHOOK.path, status] += 1
        good = status == paths.WEBHOOK.status
        shape = webhooks.WebhookAnswer if good else webhooks.WebhookRejected
        self._fits(f"webhook {status}", dict(fields), shape)
        if status not in routes.statuses(paths.WEBHOOK):
            self.problems.append(f"webhook {status}: this status is not in the table")

    def event(self, kind: str, data: dict[str, Any]) -> None:
        """Hold one message of the event stream against its shape."""
        if kind not in EVENTS:
            self.problems.append(f"event {kind}: this kind is not in the table")
        else:
            self._fits(f"event {kind}", json.loads(json.dumps(data)), EVENTS[kind])

    def _fits(self, where: str, value: Any, shape: Any, *, exact: bool = True) -> None:
        if shape is not None:
            self.problems += [f"{where}: {words}" for words in misfits(value, shape, exact=exact)]


def endpoint_of(request: web.Request) -> Endpoint[Any, Any, Any] | None:
    """The operation that a request was routed to; None for a path that nobody serves."""
    resource = request.match_info.route.resource
    if resource is None:
        return None
    if resource.canonical.startswith(paths.STORED_BUCKETS.path):
        rest = request.path.removeprefix(paths.STORED_BUCKETS.path)
        return _STORAGE[min(2, len([part for part in rest.split("/", 2) if part]))]
    return BY_ROUTE.get((request.method, resource.canonical))


def _json_of(response: web.StreamResponse) -> Any:
    body = getattr(response, "body", None)
    is_json = response.content_type == "application/json"
    return json.loads(body) if is_json and isinstance(body, bytes) else None


class _Copied:
    """A request's stream that remembers what was read from it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.pieces: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def readany(self) -> bytes:
        piece: bytes = await self._stream.readany()
        self.pieces.append(piece)
        return piece


@contextmanager
def watched(patch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """Look at everything that engines in this process answer and publish."""
    from tui.engine.http_api import failures, public
    from tui.engine.process import socket_server as control
    from tui.engine.runtime.event_bus import EventBus
    from tui.listener.webhooks import receiver

    watch = Watch()
    answered, webhook_answer, publish = failures.answered, receiver._answer, EventBus.publish

    async def looked_at(request: web.Request, handler: Any) -> web.StreamResponse:
        copied = _Copied(request._payload)
        request._payload = copied  # type: ignore[assignment]  # as much of a stream as is read
        response = await answered(request, handler)
        try:
            watch.answer(request, response, b"".join(copied.pieces))
        except Exception as error:  # a mistake of the watch is no answer of the engine
            watch.problems.append(f"{request.method} {request.path}: {error!r}")
        return response

    def looked_at_webhook(fields: Mapping[str, Any], status: int = 200) -> web.Response:
        watch.webhook(fields, status)
        return webhook_answer(fields, status)

    def looked_at_event(self: EventBus, kind: str, /, **data: Any) -> None:
        if sys._getframe(1).f_globals["__name__"].startswith("tui."):
            watch.event(kind, data)
        publish(self, kind, **data)

    patch.setattr(control, "answered", looked_at)
    patch.setattr(public, "answered", looked_at)
    patch.setattr(receiver, "_answer", looked_at_webhook)
    patch.setattr(EventBus, "publish", looked_at_event)
    yield watch
