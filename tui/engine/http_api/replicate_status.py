"""Replicate's status page in the shape of SimpleTuner's API."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from tui.api.network import PageEvent
from tui.engine.engine import Engine
from tui.engine.http_api.routes import Route, base_of
from tui.engine.http_api.schemas import ANY_OBJECT, FLAG, TEXT, many, maybe, shape

_PATHS: Final = ("/api/cloud/replicate/status", "/api/cloud/system-status")


class StatusRoutes:
    """The group's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> list[Route]:
        """The group's routes."""
        answer = shape(
            {"operational": {"type": ["boolean", "null"]}, "ongoing_incidents": many(ANY_OBJECT),
             "in_progress_maintenances": many(ANY_OBJECT),
             "scheduled_maintenances": many(ANY_OBJECT), "status_page_url": TEXT,
             "error": maybe(TEXT)},
            state=TEXT, stale=FLAG,
        )  # fmt: skip
        return [
            Route("GET", path, self._status, "What Replicate's status page says", answer)
            for path in _PATHS
        ]

    async def _status(self, request: web.Request) -> web.Response:
        page = await self._engine.status_page.read(base_of(request, self._engine.api_base))
        planned = page.get("maintenances") or []
        state = page.get("state")
        return web.json_response(
            {
                "operational": None if state == "unknown" else state == "operational",
                "ongoing_incidents": page.get("incidents") or [],
                "in_progress_maintenances": [row for row in planned if _runs(row)],
                "scheduled_maintenances": [row for row in planned if not _runs(row)],
                "status_page_url": page.get("page_url") or "https://www.replicatestatus.com",
                "error": page.get("error") or None,
                "state": state,
            }
        )


def _runs(maintenance: PageEvent) -> bool:
    return "progress" in maintenance["status"]
