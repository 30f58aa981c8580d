"""Staged data: list and remove."""

from __future__ import annotations

from tui.api import paths, staging
from tui.engine.engine import Engine
from tui.engine.http_api.operation import Call, Operations


class StagingRoutes:
    """Answers from the staging service."""

    def __init__(self, engine: Engine) -> None:
        self._service = engine.staging

    def add_to(self, operations: Operations) -> None:
        """Add the group's operations."""
        operations.add(paths.STAGED, self._list)
        operations.add(paths.REMOVE_STAGED, self._remove)

    async def _list(self, _call: Call[None, None]) -> staging.StagedList:
        return {"staged": self._service.rows()}

    async def _remove(self, call: Call[None, None]) -> staging.StagedRemoved:
        await self._service.remove(call.part("key"))
        return {"removed": call.part("key")}
