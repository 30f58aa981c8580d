"""The table of routes: it is complete, its paths are quoted, and importing it is cheap."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from aiohttp import web

from tests.api.shapes import misfits
from tests.api.watch import Watch
from tests.engine.world import World
from tui import api
from tui.api import errors, events, paths, routes
from tui.api.schemas import shapes_of
from tui.engine.process.socket_server import build_control_app
from tui.listener.app import build_app


def served(app: web.Application) -> set[tuple[str, str]]:
    """Method and path of every route; HEAD is served beside GET by itself."""
    found = set()
    for route in app.router.routes():
        assert route.resource is not None
        if route.method != "HEAD":
            found.add((route.method, route.resource.canonical))
    return found


def table(*doors: str) -> set[tuple[str, str]]:
    return {(one.method, routes.plain(one.path)) for one in paths.ENDPOINTS if one.door in doors}


async def test_the_control_api_serves_the_table_and_nothing_else(world: World) -> None:
    assert served(build_control_app(world.engine)) == table("socket", "both")


async def test_the_listener_serves_the_table_and_nothing_else(world: World) -> None:
    listening = world.engine.listening
    from tui.engine.http_api.app import public_api

    app = build_app([listening._storage, listening._webhooks, public_api(world.engine)])
    # All of the storage's paths are one route: signatures tell S3's requests from the user's own.
    storage = ("*", f"{paths.STORED_BUCKETS.path}{{rest}}")
    stored = {one for one in table("both") if one[1].startswith(paths.STORED_BUCKETS.path)}
    assert served(app) == (table("both", "listener") - stored) | {storage}


def test_each_operation_stands_there_once() -> None:
    names = [(one.method, routes.plain(one.path)) for one in paths.ENDPOINTS]
    assert len(names) == len(set(names)) > 100
    for one in (*paths.ENDPOINTS, *paths.S3_ENDPOINTS):
        assert one.summary
        assert shapes_of(one).answer is not None
        assert not one.summary.endswith(".")
        assert {one.status, *one.more} <= set(routes.statuses(one))
        assert set(routes.statuses(one)) >= {500, 503}


def test_paths_are_filled_in_and_quoted() -> None:
    job = paths.JOB.path
    assert routes.path(job, job_id="abc") == "/api/cloud/jobs/abc"
    assert routes.path(job, job_id="a/b ?#%ü") == "/api/cloud/jobs/a%2Fb%20%3F%23%25%C3%BC"
    assert routes.path(job, job_id="..") == "/api/cloud/jobs/%2E%2E"
    key = routes.path(paths.STORED_OBJECT.path, bucket="outputs", key="a b/c#d/../e")
    assert key == "/api/cloud/storage/outputs/a%20b/c%23d/%2E%2E/e"
    query: dict[str, Any] = {"limit": 3, "sync_active": True, "status": None, "provider": "a&b c"}
    assert (
        routes.url(paths.JOBS, query)
        == "/api/cloud/jobs?limit=3&sync_active=true&provider=a%26b%20c"
    )
    assert routes.url(paths.JOBS, {}) == "/api/cloud/jobs"
    assert routes.variables(paths.ACT_ON_TRANSFER) == ["id", "action"]


@pytest.mark.parametrize("values", [{}, {"job_id": ""}, {"job_id": "a", "name": "b"}])
def test_a_path_needs_all_of_its_parts_and_no_others(values: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="job"):
        routes.path(paths.JOB.path, **values)


async def test_a_part_of_a_path_reaches_no_other_route(world: World) -> None:
    """What stands in a variable part comes to the handler of its own route."""
    transport = httpx.AsyncHTTPTransport(uds=str(world.home.socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://engine") as client:
        for name in ("a/b", "a b", "ü", "a?b#c", "100%"):
            answer = await client.get(routes.url(paths.JOB, job_id=name))
            assert answer.status_code == 404
            assert name in answer.json()["message"]


async def test_what_nobody_serves_is_answered_in_one_shape_at_each_door(world: World) -> None:
    transport = httpx.AsyncHTTPTransport(uds=str(world.home.socket))
    async with httpx.AsyncClient(transport=transport, base_url="http://engine") as client:
        for method, path in (("GET", "/api/nothing"), ("PATCH", "/api/cloud/jobs")):
            answer = await client.request(method, path)
            assert misfits(answer.json(), errors.Failure) == []
    async with httpx.AsyncClient(base_url=f"http://{world.engine.listening.address}") as client:
        for method, path in (("GET", "/nothing"), ("PATCH", "/api/webhooks/replicate")):
            answer = await client.request(method, path)
            assert misfits(answer.json(), errors.ListenerFailure) == []


def test_importing_the_table_is_cheap() -> None:
    """The command line and the app import it on the way to their first words."""
    code = (
        "import sys; before = set(sys.modules); import tui.api.paths; "
        "print(*sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    environ = {"PYTHONPATH": str(Path(api.__file__).parents[2])}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ
    )
    loaded = set(run.stdout.split())
    assert loaded - {"tui"} <= set(sys.stdlib_module_names)
    own = re.findall(r"^from (tui\.\S+)", _sources(), re.MULTILINE)
    assert own
    allowed = ("tui.api", "tui.base.json_types")  # that module imports `typing` alone
    assert [name for name in own if not name.startswith(allowed)] == []


def test_every_shape_is_described() -> None:
    shapes = [
        shape
        for module in _modules()
        for _, shape in inspect.getmembers(module, inspect.isclass)
        if shape.__module__ == module.__name__ and not shape.__name__.startswith("_")
    ]
    assert len(shapes) > 150
    for shape in shapes:
        assert shape.__doc__, shape
        named = re.findall(r"^    (\w+): ", inspect.cleandoc(shape.__doc__), re.MULTILINE)
        assert set(named) <= set(shape.__annotations__), shape


async def test_what_does_not_fit_is_told(world: World, watched_shapes: Watch) -> None:
    """The watch over all tests sees a field that is missing, added, or of another type."""
    info = world.engine.info
    wrong = {**info(), "pid": "7", "more": 1}
    del wrong["mode"]
    world.engine.info = lambda: wrong  # type: ignore[method-assign, assignment, return-value]
    await world.client.info()
    world.engine.info = info  # type: ignore[method-assign]
    told = watched_shapes.take()
    assert [words.rpartition("200: ")[2] for words in sorted(told)] == [
        "mode: Field required",
        "more: Extra inputs are not permitted",
        "pid: Input should be a valid integer",
    ]
    world.engine.bus.publish("fact", name=3)  # a test's own messages are not looked at
    assert watched_shapes.take() == []
    watched_shapes.event("fact", {"name": 3})
    watched_shapes.event("odd", {})
    assert len(watched_shapes.take()) == 2


def test_every_kind_of_event_is_in_the_table() -> None:
    said = set(re.findall(r'publish\(\s*"(\w+)"', _engine_sources()))
    assert said | {"resync"} == set(events.EVENTS)


def _modules() -> list[ModuleType]:
    return [module for module in vars(api).values() if isinstance(module, ModuleType)]


def _sources() -> str:
    return "\n".join(path.read_text() for path in Path(api.__file__).parent.glob("*.py"))


def _engine_sources() -> str:
    folder = Path(api.__file__).parents[1] / "engine"
    return "\n".join(path.read_text() for path in folder.rglob("*.py"))
