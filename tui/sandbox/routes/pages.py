"""Pages for browsers: a prediction (its `urls.web`), and Replicate's status page in both forms.

`PUT /status-page/state` with `{"components": {"L40S Hardware": "degraded_performance"},
"incident": "Slow starts"}` makes the status page report an incident. An empty object ends it, and
`{"broken": true}` makes it answer with a web page instead of JSON.
"""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import Final

from aiohttp import web

from tui.base.json_types import JsonObject
from tui.sandbox.http_tools import core_of
from tui.sandbox.problems import not_found

_COMPONENTS: Final = (
    "HTTP API", "Streaming API", "H100 Hardware", "A100 Hardware", "L40S Hardware", "T4 Hardware",
    "CPU Hardware", "Playground", "Billing",
)  # fmt: skip
_OUTAGES: Final = ("partial_outage", "major_outage", "full_outage")
_BOARD: web.AppKey[JsonObject] = web.AppKey("status_page", dict)
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{id}</title>
<style>body{{font:15px/1.5 system-ui;margin:2rem auto;max-width:60rem;padding:0 1rem}}
pre{{background:#8881;padding:1rem;overflow:auto;max-height:70vh}}</style></head>
<body><p>SANDBOX · nothing here was trained or paid</p><h1>{model}</h1>
<p><code>{id}</code> · <b>{status}</b> {error}</p><pre>{logs}</pre></body></html>
"""


def install(app: web.Application) -> None:
    """Add the status page's state, without incidents, to the application."""
    app[_BOARD] = {}


def _states(board: JsonObject) -> dict[str, str]:
    components = board.get("components")
    return {
        **dict.fromkeys(_COMPONENTS, "operational"),
        **(components if isinstance(components, dict) else {}),
    }


def _incidents(board: JsonObject, at: str) -> list[JsonObject]:
    name = board.get("incident")
    if not name:
        return []
    return [
        {
            "id": "01SANDBOXINCIDENT", "name": str(name), "status": "investigating",
            "impact": "minor", "created_at": at, "updated_at": at, "shortlink": None,
            "incident_updates": [{"id": "1", "status": "investigating", "body": "Simulated."}],
        }
    ]  # fmt: skip


async def _summary(request: web.Request) -> web.Response:
    board = request.app[_BOARD]
    if board.get("broken"):
        return web.Response(text="<html>Service unavailable</html>", content_type="text/html")
    states, at = _states(board), datetime.now(UTC).isoformat()
    incidents = _incidents(board, at)
    bad = [state for state in states.values() if state != "operational"]
    indicator = "none"
    if incidents or bad:
        indicator = "major" if any(state in _OUTAGES for state in bad) else "minor"
    description = "All Systems Operational" if indicator == "none" else "Simulated trouble"
    return web.json_response(
        {
            "page": {"id": "sandbox", "name": "SANDBOX", "url": str(request.url.origin())},
            "status": {"indicator": indicator, "description": description},
            "components": [
                {"id": f"01SANDBOX{number}", "name": name, "status": state}
                for number, (name, state) in enumerate(states.items())
            ],
            "incidents": incidents,
            "scheduled_maintenances": [],
        }
    )


async def _widget(request: web.Request) -> web.Response:
    board = request.app[_BOARD]
    if board.get("broken") == "both":
        return web.Response(text="<html>Service unavailable</html>", content_type="text/html")
    at = datetime.now(UTC).isoformat()
    affected = [
        {"id": name, "name": name, "current_status": state}
        for name, state in _states(board).items()
        if state != "operational"
    ]
    ongoing = [
        {
            "id": incident["id"], "name": incident["name"], "status": incident["status"], "url": "",
            "last_update_at": at, "last_update_message": "Simulated.",
            "current_worst_impact": "degraded_performance", "affected_components": affected,
        }
        for incident in _incidents(board, at)
    ]  # fmt: skip
    return web.json_response(
        {
            "page_title": "SANDBOX",
            "page_url": str(request.url.origin()),
            "ongoing_incidents": ongoing,
            "in_progress_maintenances": [],
            "scheduled_maintenances": [],
        }
    )


async def _change(request: web.Request) -> web.Response:
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return web.json_response({"detail": "a JSON object is wanted"}, status=400)
    board = request.app[_BOARD]
    board.clear()
    board.update(body)
    return web.json_response(board)


async def _prediction_page(request: web.Request) -> web.Response:
    record = core_of(request).jobs.by_id.get(request.match_info["id"])
    if record is None:
        raise not_found()
    # A page shows only the last state of a progress bar.
    lines = [line.rpartition("\r")[2] for line in record.logs.split("\n")]
    text = _PAGE.format(
        id=escape(record.id),
        model=escape(record.version.model),
        status=escape(record.status),
        error=escape(record.error or ""),
        logs=escape("\n".join(lines)),
    )
    return web.Response(text=text, content_type="text/html")


def routes() -> list[web.RouteDef]:
    """The routes of this module."""
    return [
        web.get("/status-page/api/v2/summary.json", _summary),
        web.get("/status-page/api/v1/summary", _widget),
        web.put("/status-page/state", _change),
        web.get("/p/{id}", _prediction_page),
    ]
