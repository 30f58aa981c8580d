"""The sandbox's control routes, below `/_sandbox` and with the same token as the API.

* `GET /_sandbox/faults` lists the active faults.
* `POST /_sandbox/faults` adds faults: an object with `kind` and optionally `value`, `times`,
  `match`; a text such as `oom=12*1`; or a list of them.
* `DELETE /_sandbox/faults[?kind=…]` removes the faults of one kind, or all.
* `POST /_sandbox/predictions` with `{"count": n}` adds n finished predictions of the past.
"""

from __future__ import annotations

import json
from datetime import timedelta

from aiohttp import web

from tui.sandbox.core import Core
from tui.sandbox.faults import Fault, FaultKind
from tui.sandbox.http_tools import answer, core_of, json_object
from tui.sandbox.jobs import add_history
from tui.sandbox.problems import ProblemError

_MOST = 200_000


def _listing(core: Core, status: int = 200) -> web.Response:
    return answer({"faults": [fault.to_json() for fault in core.faults.active()]}, status)


def follow_skew(core: Core) -> None:
    """Set the clock's skew from the clock-skew fault."""
    fault = core.faults.peek(FaultKind.CLOCK_SKEW)
    core.clock.skew = timedelta(seconds=fault.number(600)) if fault else timedelta()


async def _list(request: web.Request) -> web.Response:
    return _listing(core_of(request))


async def _add(request: web.Request) -> web.Response:
    core = core_of(request)
    try:
        body = json.loads(await request.read())
        faults = [Fault.from_json(item) for item in (body if isinstance(body, list) else [body])]
    except ValueError as error:
        raise ProblemError(400, str(error)) from error
    for fault in faults:
        core.faults.add(fault)
    follow_skew(core)
    return _listing(core, 201)


async def _clear(request: web.Request) -> web.Response:
    core = core_of(request)
    kind = request.query.get("kind")
    if kind is not None and kind not in set(FaultKind):
        raise ProblemError(400, f"no fault is called {kind!r}")
    core.faults.clear(FaultKind(kind) if kind else None)
    follow_skew(core)
    return _listing(core)


async def _history(request: web.Request) -> web.Response:
    core = core_of(request)
    count = (await json_object(request)).get("count")
    if not isinstance(count, int) or not 0 <= count <= _MOST:
        raise ProblemError(400, f"count is a whole number up to {_MOST}")
    add_history(core.jobs, core.registry, core.clock, count)
    return answer({"predictions": len(core.jobs.order["prediction"])}, status=201)


def routes() -> list[web.RouteDef]:
    """The routes of this module."""
    return [
        web.get("/_sandbox/faults", _list),
        web.post("/_sandbox/faults", _add),
        web.delete("/_sandbox/faults", _clear),
        web.post("/_sandbox/predictions", _history),
    ]
