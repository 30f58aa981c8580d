"""Typed functions become routes: what comes in is validated, what goes out has its status."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from aiohttp import web

from tests.api.shapes import misfits
from tui.api import errors, jobs, paths, routes, spending, submission
from tui.base.errors import RefusedError
from tui.engine.http_api.failures import answered
from tui.engine.http_api.operation import Answered, Call, Operations

BASE = "https://api.example/v1"


async def _list(call: Call[None, jobs.JobsQuery]) -> jobs.JobList:
    return {"jobs": [], "total": call.query.get("limit", 50)}


async def _delete(call: Call[None, None]) -> jobs.JobDeleted:
    if call.part("job_id") == "nobody":
        raise RefusedError("There is no such job.", status=404, code="job_not_found")
    return {"success": True, "job_id": f"{call.part('job_id')} at {call.api_base}"}


async def _default(call: Call[spending.DefaultsChange, None]) -> spending.Defaults:
    return {"delivery": "hub" if call.body.get("delivery") == "hub" else "none"}


async def _submit(
    call: Call[submission.SubmitRequest, submission.SubmitQuery],
) -> Answered[submission.JobSubmitted]:
    job: submission.JobSubmitted = {
        "success": True, "job_id": str(call.body.get("config")), "status": "pending",
        "idempotent_hit": False, "cost_limit_warning": None, "error": None,
        "data_uploaded": False, "upload_id": None, "quota_warnings": [],
    }  # fmt: skip
    return Answered(job, 200)


async def _figures(_call: Call[None, None]) -> web.Response:
    return web.Response(text="figures 1\n")


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    @web.middleware
    async def like_ours(request: web.Request, handler: Any) -> web.StreamResponse:
        return await answered(request, handler)

    def default() -> str:
        return BASE

    app = web.Application(middlewares=[like_ours])
    operations = Operations(default)
    operations.add(paths.JOBS, _list)
    operations.add(paths.DELETE_JOB, _delete)
    operations.add(paths.SET_DEFAULTS, _default)
    operations.add(paths.SUBMIT_JOB, _submit, extra="allow")
    operations.add_stream(paths.PROMETHEUS, _figures)
    for operation in operations:
        endpoint = operation.endpoint
        app.router.add_route(endpoint.method, endpoint.path, operation.handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        yield client
    await runner.cleanup()


async def test_a_function_gets_what_was_asked_for(http: httpx.AsyncClient) -> None:
    assert (await http.get(routes.url(paths.JOBS, {"limit": 7}))).json()["total"] == 7
    assert (await http.get(routes.url(paths.JOBS))).json()["total"] == 50
    deleted = await http.delete(routes.url(paths.DELETE_JOB, job_id="a b"))
    assert deleted.json()["job_id"] == f"a b at {BASE}"
    change = await http.put(paths.SET_DEFAULTS.path, json={"delivery": "hub"})
    assert change.json() == {"delivery": "hub"}
    assert (await http.put(paths.SET_DEFAULTS.path)).json() == {"delivery": "none"}
    assert (await http.get(paths.PROMETHEUS.path)).text == "figures 1\n"


async def test_a_function_may_choose_another_good_status(http: httpx.AsyncClient) -> None:
    answer = await http.post(paths.SUBMIT_JOB.path, json={"config": "c", "more": 1})
    assert (answer.status_code, answer.json()["job_id"]) == (200, "c")


async def test_what_cannot_be_read_never_reaches_a_function(http: httpx.AsyncClient) -> None:
    answers = [
        await http.get(routes.url(paths.JOBS, {"limit": 501})),
        await http.put(paths.SET_DEFAULTS.path, json={"delivery": 5}),
        await http.put(paths.SET_DEFAULTS.path, json={"delivry": "hub"}),
        await http.put(paths.SET_DEFAULTS.path, content=b"{"),
    ]
    for answer in answers:
        assert answer.status_code == 400
        assert misfits(answer.json(), errors.Failure) == []
    refused = await http.delete(routes.url(paths.DELETE_JOB, job_id="nobody"))
    assert (refused.status_code, refused.json()["error"]) == (404, "job_not_found")


@pytest.mark.parametrize(
    "base", [b"nonsense", b"ftp://x", b"http://", b"http://\xff", b"http://x:99999", b"https://a b"]
)
async def test_a_wrong_api_base_is_refused(http: httpx.AsyncClient, base: bytes) -> None:
    path = routes.url(paths.DELETE_JOB, job_id="a")
    answer = await http.delete(path, headers={b"X-Api-Base": base})
    assert answer.status_code == 400
    assert list(answer.json()["details"]["fields"]) == ["X-Api-Base"]


async def test_a_good_api_base_is_taken(http: httpx.AsyncClient) -> None:
    path = routes.url(paths.DELETE_JOB, job_id="a")
    for base in ("http://127.0.0.1:8080/v1", "https://api.example/v1"):
        answer = await http.delete(path, headers={"X-Api-Base": base})
        assert answer.json()["job_id"] == f"a at {base}"
