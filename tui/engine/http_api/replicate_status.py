"""Replicate's status page in the shape of SimpleTuner's API."""

from __future__ import annotations

from tui.api import paths
from tui.api.network import PageEvent, ReplicateStatus
from tui.engine.diagnostics.status_page import PAGE
from tui.engine.engine import Engine
from tui.engine.http_api.operation import Call, Operations


class StatusRoutes:
    """The group's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add_to(self, operations: Operations) -> None:
        """Add the group's operations."""
        operations.add(paths.REPLICATE_STATUS, self._status)
        operations.add(paths.SYSTEM_STATUS, self._status)

    async def _status(self, call: Call[None, None]) -> ReplicateStatus:
        page = await self._engine.status_page.read(call.api_base)
        planned, state = page["maintenances"], page["state"]
        return {
            "operational": None if state == "unknown" else state == "operational",
            "ongoing_incidents": page["incidents"],
            "in_progress_maintenances": [row for row in planned if _runs(row)],
            "scheduled_maintenances": [row for row in planned if not _runs(row)],
            "status_page_url": page["page_url"] or PAGE,
            "error": page["error"] or None,
            "state": state,
        }


def _runs(maintenance: PageEvent) -> bool:
    return "progress" in maintenance["status"]
