"""The same bad request gets the same answer on every route of the table, at both doors."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.api.shapes import misfits
from tests.engine.world import World
from tui.api import errors, paths, routes
from tui.api.paths import ENDPOINTS
from tui.api.routes import Endpoint
from tui.api.schemas import shapes_of

AnyEndpoint = Endpoint[Any, Any, Any]
ROUTES = [endpoint for endpoint in ENDPOINTS if endpoint.door != "listener"]
WITH_BODY = [endpoint for endpoint in ROUTES if shapes_of(endpoint).body is not None]
FROM_SIMPLETUNER = {
    paths.SUBMIT_JOB, paths.CHANGE_PROVIDER, paths.CHANGE_PROVIDER_CONFIG,
    paths.CHANGE_PROVIDER_ADVANCED, paths.SAVE_PROVIDER_TOKEN, paths.TEST_WEBHOOK,
    paths.TEST_WEBHOOK_EXTERNAL, paths.TEST_WEBHOOK_EITHER, paths.SET_POLLING,
    paths.SAVE_HUB_TOKEN, paths.CHECK_REPOSITORY, paths.LICENCE,
}  # fmt: skip
"""Routes of SimpleTuner's API, whose clients may send names that mean nothing here."""
JSON = {"Content-Type": "application/json"}
BAD_BODIES: dict[str, tuple[dict[str, str], bytes, int]] = {
    "form": ({"Content-Type": "application/x-www-form-urlencoded"}, b"{}", 415),
    "plain text": ({"Content-Type": "text/plain"}, b"{}", 415),
    "another charset": ({"Content-Type": "application/json; charset=latin-1"}, b"{}", 415),
    "compressed": ({**JSON, "Content-Encoding": "gzip"}, gzip.compress(b"{}"), 415),
    "half": (JSON, b"{", 400),
    "a number": (JSON, b"5", 400),
    "null": (JSON, b"null", 400),
    "NaN": (JSON, b'{"x": NaN}', 400),
    "an infinite number": (JSON, b'{"x": 1e999}', 400),
    "a name twice": (JSON, b'{"x": 1, "x": 2}', 400),
    "deep": (JSON, b"[" * 50_000, 400),
    "not UTF-8": (JSON, b'{"x": "\xff"}', 400),
    "NUL": (JSON, b'{"x": ["\\u0000"]}', 400),
    "a lone surrogate": (JSON, b'{"x": "\\ud800"}', 400),
}
ODD_TEXTS = ("%00", "x" * 5000, "%C3%BC", "%FF", "%0A", "%ED%A0%80", "%F0%9F%92%A5", "'%22;--")
BAD_BASES = (b"nonsense", b"ftp://x", b"http://", b"http://\xff", b"http://x:99999", b"x" * 5000)


@pytest.fixture(params=["socket", "listener"])
async def door(
    world: World, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[str, httpx.AsyncClient]]:
    """A client of one of the two doors, and which one it is."""
    headers = {"X-Api-Base": world.sandbox.base_url}
    if request.param == "socket":
        transport = httpx.AsyncHTTPTransport(uds=str(world.home.socket))
        client = httpx.AsyncClient(
            transport=transport, base_url="http://engine", headers=headers, timeout=60
        )
    else:
        key = world.engine.api_keys.create("test", "admin").key
        headers["Authorization"] = f"Bearer {key}"
        address = f"http://{world.engine.listening.address}"
        client = httpx.AsyncClient(base_url=address, headers=headers, timeout=60)
    async with client:
        yield request.param, client


def served(endpoints: list[AnyEndpoint], door: str) -> list[AnyEndpoint]:
    return [one for one in endpoints if door == "socket" or one.door == "both"]


def path_of(endpoint: AnyEndpoint) -> str:
    usual = {"provider": "replicate", "kind": "replicate", "bucket": "outputs"}
    values = {name: usual.get(name, "nobody") for name in routes.variables(endpoint)}
    return routes.path(endpoint.path, **values)


def check_refusal(answer: httpx.Response, statuses: set[int], what: object) -> None:
    assert answer.status_code in statuses, (what, answer.status_code, answer.text)
    assert misfits(answer.json(), errors.Failure) == [], what


async def test_a_bad_body_is_refused_alike_everywhere(
    door: tuple[str, httpx.AsyncClient],
) -> None:
    name, client = door
    endpoints = served(WITH_BODY, name)
    assert len(endpoints) >= (30 if name == "socket" else 12)
    for endpoint in endpoints:
        cases = dict(BAD_BODIES)
        if not endpoint.optional:
            cases["empty"] = (JSON, b"", 400)
        for kind, (headers, content, status) in cases.items():
            answer = await client.request(
                endpoint.method, path_of(endpoint), headers=headers, content=content
            )
            check_refusal(answer, {status}, (kind, endpoint.path))


async def test_an_unknown_name_in_our_own_bodies_is_refused_everywhere(
    door: tuple[str, httpx.AsyncClient],
) -> None:
    name, client = door
    for endpoint in served(WITH_BODY, name):
        if endpoint not in FROM_SIMPLETUNER:
            answer = await client.request(
                endpoint.method, path_of(endpoint), json={"unheard_of": 1}
            )
            check_refusal(answer, {400}, endpoint.path)


async def test_a_bad_api_base_is_refused_everywhere(
    world: World, door: tuple[str, httpx.AsyncClient]
) -> None:
    name, client = door
    for endpoint in served(ROUTES, name):
        for base in BAD_BASES:
            answer = await client.request(
                endpoint.method, path_of(endpoint), headers={b"X-Api-Base": base}
            )
            check_refusal(answer, {400}, (base, endpoint.path))
            assert list(answer.json()["details"]["fields"]) == ["X-Api-Base"]
    assert not world.engine.stopping.is_set()


async def test_odd_text_in_a_path_is_no_defect(door: tuple[str, httpx.AsyncClient]) -> None:
    name, client = door
    for endpoint in served(ROUTES, name):
        for variable in routes.variables(endpoint):
            template = path_of(endpoint._replace(path=endpoint.path.replace(
                f"{{{variable}", "{odd")))  # fmt: skip
            for text in ODD_TEXTS:
                answer = await client.request(
                    endpoint.method, template.replace("nobody", text, 1), json={}
                )
                assert answer.status_code < 500, (text[:9], endpoint.path, answer.text)


async def test_odd_text_in_a_query_is_no_defect(door: tuple[str, httpx.AsyncClient]) -> None:
    name, client = door
    asked = 0
    for endpoint in served(ROUTES, name):
        query = shapes_of(endpoint).query
        if query is None or endpoint.method != "GET":
            continue
        for parameter in query.__annotations__:
            for text in ODD_TEXTS:
                answer = await client.get(f"{path_of(endpoint)}?{parameter}={text}")
                assert answer.status_code < 500, (parameter, text[:9], endpoint.path, answer.text)
                asked += 1
    assert asked > 50


async def test_a_limit_that_is_left_out_stays(world: World) -> None:
    transport = httpx.AsyncHTTPTransport(uds=str(world.home.socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://engine") as client:
        path = paths.SET_BANDWIDTH.path
        await client.put(path, json={"bandwidth": "5 MiB/s"})
        refused = await client.put(path, json={})
        assert (refused.status_code, refused.json()["details"]["fields"]) == (
            400, {"bandwidth": "is missing"},
        )  # fmt: skip
        assert world.engine.live.now.publishing.bandwidth == 5 * 1024**2
        hint = await client.put(paths.SET_COST_LIMIT.path, json={"amont": 5})
        assert hint.json()["details"]["fields"] == {"amont": "is not known; did you mean amount?"}
