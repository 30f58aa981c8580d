"""Routes for creating, reading, listing, cancelling and streaming predictions."""

from __future__ import annotations

import asyncio
import json
import re
import time
from bisect import bisect_left
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from aiohttp import web

from tui.base.hosts import is_loopback
from tui.sandbox.clock import parse_stamp
from tui.sandbox.core import Core
from tui.sandbox.faults import FaultKind
from tui.sandbox.http_tools import OTHER_USER, answer, core_of, json_object, only_known, page
from tui.sandbox.problems import (
    ProblemError,
    insufficient_credit,
    invalid_input,
    invalid_version,
    not_found,
    validation_failed,
)
from tui.sandbox.record import Kind, Record
from tui.sandbox.registry import Version
from tui.sandbox.schema_check import check_input
from tui.sandbox.webhooks import DEFAULT_EVENTS, EVENTS

REQUEST_KEYS = frozenset({"version", "input", "webhook", "webhook_events_filter", "stream"})
_WAIT = re.compile(r"wait(?:=(\d+))?")
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")
_SHORTEST_LIFE = 5
WEB_DAYS = 14
_DONE = {"canceled": {"reason": "canceled"}, "aborted": {"reason": "canceled"}}
_SILENCE_SECONDS = 30.0


async def _create(request: web.Request) -> web.Response:
    body = await json_object(request)
    only_known(body, REQUEST_KEYS | {"webhook_completed"})
    wanted = body.get("version")
    if not isinstance(wanted, str):
        raise validation_failed([("/version", "version is required")])
    version = core_of(request).registry.version(wanted)
    if version is None:
        raise invalid_version()
    return await start_prediction(request, version, body)


async def start_prediction(
    request: web.Request,
    version: Version,
    body: Mapping[str, Any],
    *,
    deployment: str | None = None,
) -> web.Response:
    """Create a prediction of `version`; with `Prefer: wait` wait for its end before the answer."""
    core = core_of(request)
    wait = _wait_seconds(request)
    record = accept(request, version, body, kind="prediction", deployment=deployment)
    if wait is None:
        return answer(core.views.encode(record, "create"), status=201)
    try:
        async with asyncio.timeout(core.clock.real(wait)):
            while not record.is_terminal:
                await record.changed()
    except TimeoutError:
        status = 202
    else:
        status = 201
    applied = request.headers["Prefer"].strip()
    headers = {"Preference-Applied": applied}
    return answer(core.views.encode(record, "create"), status=status, headers=headers)


def accept(
    request: web.Request,
    version: Version,
    body: Mapping[str, Any],
    *,
    kind: Kind,
    deployment: str | None = None,
    destination: str | None = None,
) -> Record:
    """Check the input and the webhook of a create request, and start the record.

    Raises:
        ProblemError: 400, 402 or 422, the request is refused.
    """
    core = core_of(request)
    given = body.get("input")
    if not isinstance(given, dict):
        raise validation_failed([("/input", "input is required")])
    if core.faults.take(FaultKind.NO_CREDIT, f"{request.method} {request.path}"):
        raise insufficient_credit()
    if problems := check_input(version.schema, given):
        raise invalid_input(problems)
    webhook, events = _webhook(body)
    return core.jobs.create(
        kind,
        version,
        given,
        cancel_after=_cancel_after(request),
        webhook=webhook,
        events=events,
        deployment=deployment,
        destination=destination,
        owner=request.get(OTHER_USER, ""),
    )


def _webhook(body: Mapping[str, Any]) -> tuple[str | None, frozenset[str]]:
    url = body.get("webhook") or body.get("webhook_completed")
    chosen = body.get("webhook_events_filter")
    if url is None:
        return None, frozenset()
    if not isinstance(url, str) or not (url.startswith("https://") or is_loopback(url)):
        raise validation_failed([("/webhook", "Webhook URL must be an HTTPS URL")])
    if chosen is None:
        return url, DEFAULT_EVENTS if body.get("webhook") else frozenset({"completed"})
    if not isinstance(chosen, list) or any(event not in EVENTS for event in chosen):
        listing = ", ".join(sorted(EVENTS))
        raise validation_failed([("/webhook_events_filter", f"Events must be among: {listing}")])
    return url, frozenset(chosen)


def _wait_seconds(request: web.Request) -> int | None:
    """Seconds of `Prefer: wait[=n]`; None without it. Other preferences are ignored.

    Raises:
        ProblemError: 400, not within 1 to 60.
    """
    match = _WAIT.fullmatch(request.headers.get("Prefer", "").strip())
    if match is None:
        return None
    seconds = int(match[1] or 60)
    if not 1 <= seconds <= 60:
        raise validation_failed([("/prefer", "wait must be between 1 and 60 seconds")])
    return seconds


def _cancel_after(request: web.Request) -> float | None:
    text = request.headers.get("Cancel-After")
    if text is None:
        return None
    match = _DURATION.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        raise validation_failed([("/cancel-after", f"Invalid duration: {text}")])
    hours, minutes, seconds = (int(group or 0) for group in match.groups())
    total = hours * 3600 + minutes * 60 + seconds
    if total < _SHORTEST_LIFE:
        raise validation_failed([("/cancel-after", "Cancel-After must be at least 5 seconds")])
    return float(total)


def find(request: web.Request, kind: Kind | None = None) -> Record:
    """The record in the request's path, of any kind or of one.

    Raises:
        ProblemError: 404, it does not exist.
    """
    record = core_of(request).jobs.by_id.get(request.match_info["id"])
    known = record is not None and record.owner == request.get(OTHER_USER, "")
    if record is None or not known or (kind is not None and record.kind != kind):
        raise not_found()
    return record


async def _get(request: web.Request) -> web.Response:
    return answer(core_of(request).views.encode(find(request), "get"))


async def _cancel(request: web.Request) -> web.Response:
    core = core_of(request)
    record = find(request)
    core.jobs.cancel(record)
    return answer(core.views.encode(record, "cancel"))


async def _list(request: web.Request) -> web.Response:
    core = core_of(request)
    records = _filtered(core, request)
    return page(request, records, lambda record: core.views.encode(record, "list"))


def _filtered(core: Core, request: web.Request) -> list[Record]:
    records = core.jobs.order["prediction"]
    if core.config.other_users:
        owner = request.get(OTHER_USER, "")
        records = [record for record in records if record.owner == owner]
    moments = {}
    for name in ("created_after", "created_before"):
        if text := request.query.get(name):
            try:
                moments[name] = parse_stamp(text.replace(" ", "+"))
            except ValueError as error:
                raise ProblemError(400, f"Invalid {name}: {text}") from error
    if (source := request.query.get("source")) is not None:
        if source != "web":
            raise ProblemError(400, "source must be web")
        since = core.clock.now() - timedelta(days=WEB_DAYS)
        records = [item for item in records if item.source == "web" and item.created_at >= since]
    # A page's cursor is an index into this slice. It stays valid because records are in the order
    # of their creation, so the slice's lower end does not move.
    low, high = 0, len(records)
    if "created_after" in moments:
        low = bisect_left(records, moments["created_after"], key=lambda item: item.created_at)
    if "created_before" in moments:
        high = bisect_left(records, moments["created_before"], key=lambda item: item.created_at)
    return records[low:high] if (low, high) != (0, len(records)) else records


class _Stream:
    def __init__(self, response: web.StreamResponse) -> None:
        self._response = response
        self._count = 0

    async def comment(self, text: str) -> None:
        await self._response.write(f": {text}\n\n".encode())

    async def event(self, name: str, data: str) -> None:
        mark = f"{int(time.time())}:{self._count}"
        self._count += 1
        lines = "".join(f"data: {line}\n" for line in data.split("\n"))
        await self._response.write(f"event: {name}\nid: {mark}\n{lines}\n".encode())


async def _stream(request: web.Request) -> web.StreamResponse:
    core = core_of(request)
    record = core.jobs.by_stream.get(request.match_info["key"])
    if record is None:
        raise not_found()
    headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    stream = _Stream(response)
    await stream.comment("hi")
    sent = 0
    while True:
        pieces = _pieces(record.output)
        for piece in pieces[sent:]:
            await stream.event("output", piece)
        sent = max(sent, len(pieces))
        if record.is_terminal:
            break
        try:
            async with asyncio.timeout(core.clock.real(_SILENCE_SECONDS)):
                await record.changed()
        except TimeoutError:
            await stream.comment("keep-alive")
    await _end(stream, record)
    await response.write_eof()
    return response


async def _end(stream: _Stream, record: Record) -> None:
    if record.status == "failed":
        await stream.event("error", json.dumps({"detail": record.error or ""}))
        await stream.event("done", json.dumps({"reason": "error"}))
    else:
        await stream.event("done", json.dumps(_DONE.get(record.status, {})))


def _pieces(output: Any) -> list[str]:
    if output is None:
        return []
    values = output if isinstance(output, list) else [output]
    return [value if isinstance(value, str) else json.dumps(value) for value in values]


def routes() -> list[web.RouteDef]:
    """The routes of this module."""
    return [
        web.post("/v1/predictions", _create),
        web.get("/v1/predictions", _list),
        web.get("/v1/predictions/{id}", _get),
        web.post("/v1/predictions/{id}/cancel", _cancel),
        web.get("/streams/{key}", _stream),
    ]
