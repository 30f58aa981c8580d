"""Requests are read in one place: whatever is wrong, the answer is a 4xx of one shape."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tests.api.shapes import misfits
from tui.api import artifacts, errors, paths, spending, submission, transfers
from tui.api.routes import Endpoint
from tui.base.errors import RefusedError
from tui.engine.http_api import body as reader
from tui.engine.http_api.body import parse, read_body, read_query, validated
from tui.engine.http_api.failures import answered
from tui.listener.app import PublicRunner

Runner = Callable[[web.Application], web.AppRunner]
REQUIRED: Endpoint[transfers.PublishRequest, None, Any] = paths.PUBLISH
OPTIONAL: Endpoint[spending.CostLimitChange, None, Any] = paths.SET_COST_LIMIT


@asynccontextmanager
async def serving(runner_of: Runner) -> AsyncIterator[str]:
    """A server whose routes answer what they have read, with failures as the engine's."""

    async def required(request: web.Request) -> web.Response:
        return web.json_response(await read_body(request, REQUIRED))

    async def optional(request: web.Request) -> web.Response:
        return web.json_response(await read_body(request, OPTIONAL))

    async def query(request: web.Request) -> web.Response:
        return web.json_response(read_query(request, paths.JOBS))

    @web.middleware
    async def like_ours(request: web.Request, handler: Any) -> web.StreamResponse:
        return await answered(request, handler)

    app = web.Application(middlewares=[like_ours], client_max_size=0)
    app.router.add_post("/required", required)
    app.router.add_post("/optional", optional)
    app.router.add_get("/query", query)
    runner = runner_of(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture(params=[web.AppRunner, PublicRunner], ids=["socket", "listener"])
async def http(request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server that is set up as the control socket is, or as the listener is."""
    async with serving(request.param) as base, httpx.AsyncClient(base_url=base) as client:
        yield client


HEAD = b"POST /required HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@asynccontextmanager
async def raw(
    http: httpx.AsyncClient,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to the same server without an HTTP library."""
    streams = await asyncio.open_connection(http.base_url.host, http.base_url.port)
    try:
        yield streams
    finally:
        streams[1].close()
        with contextlib.suppress(OSError):
            await streams[1].wait_closed()


JSON = {"Content-Type": "application/json"}
WHOLE = b'{"job_id": "a", "to": "b"}'
REFUSED: list[tuple[str, dict[str, str], bytes, int]] = [
    ("empty", JSON, b"", 400),
    ("white space", JSON, b" \n", 400),
    ("half", JSON, b"{", 400),
    ("trailing", JSON, WHOLE + b" x", 400),
    ("two values", JSON, WHOLE + WHOLE, 400),
    ("a list", JSON, b"[]", 400),
    ("null", JSON, b"null", 400),
    ("a text", JSON, b'"x"', 400),
    ("not UTF-8", JSON, b'{"job_id": "\xff", "to": "b"}', 400),
    ("UTF-16", JSON, WHOLE.decode().encode("utf-16"), 400),
    ("a lone surrogate", JSON, b'{"job_id": "\\ud800", "to": "b"}', 400),
    ("NaN", JSON, b'{"job_id": "a", "to": "b", "checkpoint": NaN}', 400),
    ("Infinity", JSON, b'{"job_id": "a", "to": "b", "checkpoint": -Infinity}', 400),
    ("an infinite number", JSON, b'{"job_id": "a", "to": "b", "checkpoint": 1e999}', 400),
    (
        "a huge number",
        JSON,
        b'{"job_id": "a", "to": "b", "checkpoint": 1' + b"0" * 9999 + b"}",
        400,
    ),
    ("a name twice", JSON, b'{"job_id": "a", "job_id": "c", "to": "b"}', 400),
    ("a name twice, escaped", JSON, b'{"job_id": "a", "job\\u005fid": "c", "to": "b"}', 400),
    ("a name twice, deeper", JSON, b'{"job_id": "a", "to": "b", "files": [{"x":1,"x":1}]}', 400),
    ("deep lists", JSON, b"[" * 100_000, 400),
    ("deep objects", JSON, b'{"a":' * 100_000, 400),
    ("closed deep lists", JSON, b"[" * 5000 + b"]" * 5000, 400),
    ("a field missing", JSON, b'{"job_id": "a"}', 400),
    ("another type", JSON, b'{"job_id": 5, "to": "b"}', 400),
    ("an unknown name", JSON, b'{"job_id": "a", "to": "b", "overwite": true}', 400),
    ("too large", JSON, b'"' + b"x" * (reader.MOST_BODY + 1), 413),
    ("gzip", {**JSON, "Content-Encoding": "gzip"}, gzip.compress(WHOLE), 415),
    ("gzip in name only", {**JSON, "Content-Encoding": "gzip"}, WHOLE, 415),
    ("two codings", {**JSON, "Content-Encoding": "identity, br"}, WHOLE, 415),
    ("form", {"Content-Type": "application/x-www-form-urlencoded"}, WHOLE, 415),
    ("plain text", {"Content-Type": "text/plain; charset=utf-8"}, WHOLE, 415),
    ("no media type", {"Content-Type": "json"}, WHOLE, 415),
    ("another charset", {"Content-Type": "application/json; charset=latin-1"}, WHOLE, 415),
]


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [case[1:] for case in REFUSED],
    ids=[case[0] for case in REFUSED],
)
async def test_a_bad_body_is_refused_in_one_shape(
    http: httpx.AsyncClient, headers: dict[str, str], content: bytes, status: int
) -> None:
    answer = await http.post("/required", headers=headers, content=content)
    assert answer.status_code == status, answer.text
    assert misfits(answer.json(), errors.Failure) == []
    assert answer.json()["message"]
    assert (await http.post("/required", headers=JSON, content=WHOLE)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        JSON,
        {"Content-Type": "Application/JSON; charset=UTF-8"},
        {"Content-Type": "application/problem+json"},
        {"Content-Encoding": "identity"},
        {},
    ],
)
async def test_a_good_body_is_read(http: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await http.post("/required", headers=headers, content=WHOLE)
    assert answer.json() == {"job_id": "a", "to": "b"}


async def test_a_long_body_in_pieces_is_read(http: httpx.AsyncClient) -> None:
    body = {"job_id": "a", "to": "b", "files": [f"file {number}" for number in range(20_000)]}

    async def pieces() -> AsyncIterator[bytes]:
        text = json.dumps(body).encode()
        for start in range(0, len(text), 50_000):
            yield text[start : start + 50_000]

    answer = await http.post("/required", headers=JSON, content=pieces())
    assert answer.json() == body


async def test_a_body_without_end_is_refused_while_it_comes(http: httpx.AsyncClient) -> None:
    async with raw(http) as (at, writer):
        writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(reader.MOST_BODY // (1 << 20) + 1):
            writer.write(b"100000\r\n" + b" " * (1 << 20) + b"\r\n")
        assert (await at.readuntil(b"\r\n")).split()[1] == b"413"


async def test_where_a_body_may_be_missing_it_is_empty(http: httpx.AsyncClient) -> None:
    assert (await http.post("/optional")).json() == {}
    assert (await http.post("/optional", headers={"Content-Type": "text/plain"})).json() == {}
    assert (await http.post("/optional", headers=JSON, content=b"null")).status_code == 400
    assert (await http.post("/optional", headers=JSON, content=b"[]")).status_code == 400


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        (b"Content-Length: 100\r\n\r\n", b"{"),
        # Of framing that cannot be read aiohttp tells nobody; nothing more comes then.
        (b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n{\r\nno number\r\n"),
    ],
)
async def test_a_body_that_does_not_come_to_its_end_is_refused(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, headers: bytes, content: bytes
) -> None:
    monkeypatch.setattr(reader, "BODY_SECONDS", 0.2)
    async with raw(http) as (at, writer):
        writer.write(HEAD + b"Expect: 100-continue\r\n" + headers)
        assert (await at.readuntil(b"\r\n\r\n")).split()[1] == b"100"
        writer.write(content)
        assert (await at.readuntil(b"\r\n")).split()[1] == b"408"


# -- what the shapes say ----------------------------------------------------------------------


def fields(data: Any, shape: Any) -> dict[str, str]:
    with pytest.raises(RefusedError) as caught:
        validated(data, shape)
    assert caught.value.status == 400
    for name, words in caught.value.details["fields"].items():
        assert f"{name} {words}" in caught.value.message
    found: dict[str, str] = caught.value.details["fields"]
    return found


def test_problems_without_end_are_counted() -> None:
    """To list each of them would hold the event loop."""
    with pytest.raises(RefusedError, match="wrong in 60,000 places"):
        validated({f"x{number}": 1 for number in range(60_000)}, spending.CostLimitChange)


def test_each_wrong_field_is_named() -> None:
    draft = {
        "name": "x" * 201, "data": "post", "consent": "yes", "cancel_after": 4, "more": 1,
        "delivery": {"kind": "ftp", "bucket": 5}, "overrides": {"lora_rank": 1.5, "resolution": 0},
    }  # fmt: skip
    assert fields(draft, submission.Draft) == {
        "config": "is missing",
        "name": "must have at most 200 letters",
        "data": "must be upload, staged, hosted or remote",
        "consent": "must be true or false",
        "cancel_after": "must be at least 5",
        "more": "is not known",
        "delivery.kind": "must be local, hub, s3 or none",
        "delivery.bucket": "must be text",
        "overrides.lora_rank": "must be a whole number",
        "overrides.resolution": "must be more than 0",
    }
    assert fields({"job_id": "a", "files": ["b", 3]}, artifacts.ClearFilesRequest) == {
        "files.1": "must be text"
    }
    assert fields({"job_id": "a", "files": "b"}, artifacts.ClearFilesRequest) == {
        "files": "must be a list"
    }


def test_of_several_types_all_are_named() -> None:
    assert fields({"l40s": [], "h100": True}, spending.RatesChange) == {
        "l40s": "must be text or a whole number",
        "h100": "must be text or a whole number",
    }
    wish = {"job_id": "a", "to": "b", "checkpoint": "worst"}
    assert fields(wish, transfers.PublishRequest) == {
        "checkpoint": "must be a whole number or final or best"
    }


def test_a_name_that_nobody_knows_is_shown_as_plain_text() -> None:
    (name,) = fields({"\x1b[2J" + "x" * 500: 1}, spending.CostLimitChange)
    assert name.isprintable()
    assert len(name) < 100


def test_names_that_mean_nothing_may_be_dropped_or_kept() -> None:
    data = {"enabled": True, "more": 1}
    assert validated(data, spending.CostLimitChange, extra="ignore") == {"enabled": True}
    assert validated(data, spending.CostLimitChange, extra="allow") == data


async def test_a_query_is_read(http: httpx.AsyncClient) -> None:
    asked = {"limit": "7", "sync_active": "1", "status": "", "utm": "x", "provider": "a b"}
    answer = await http.get("/query", params=asked)
    assert answer.json() == {"limit": 7, "sync_active": True, "provider": "a b"}
    assert (await http.get("/query")).json() == {}
    assert (await http.get("/query?limit=3&limit=4")).json() == {"limit": 3}
    for name, value in (("limit", "x"), ("limit", "1.5"), ("status", "odd"), ("sync_active", "5")):
        answer = await http.get("/query", params={name: value})
        assert answer.status_code == 400
        assert list(answer.json()["details"]["fields"]) == [name]


def taken(read: Callable[[], Any]) -> tuple[Any] | None:
    """What was read; None where that was refused, in the right way."""
    try:
        return (read(),)
    except RefusedError as error:
        if (error.status, error.code) != (400, "validation"):
            raise
        return None


@given(st.binary(max_size=60) | st.text('{}[]",:0e-x\\u\x00é ', max_size=40).map(str.encode))
def test_no_body_is_a_defect(content: bytes) -> None:
    """Any bytes are refused, or are a value that every JSON reader makes of them."""
    if value := taken(lambda: parse(content)):
        assert value[0] == json.loads(content)
        json.dumps(value[0], allow_nan=False).encode()


SHAPES = (submission.Draft, spending.CostLimitChange, transfers.PublishRequest,
          artifacts.ClearFilesRequest, spending.RatesChange)  # fmt: skip
NAMES = st.sampled_from(["config", "delivery", "kind", "files", "amount", "l40s", "", "a.b"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)


@given(VALUES, st.sampled_from(SHAPES))
def test_no_value_is_a_defect(value: Any, shape: Any) -> None:
    if read := taken(lambda: validated(value, shape)):
        assert read[0] == value
