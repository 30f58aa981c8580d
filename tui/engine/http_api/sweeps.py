"""Sweeps: plan, start, look, cancel, resume."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from tui.api import paths, sweeps
from tui.base.json_types import JsonObject
from tui.engine.engine import Engine
from tui.engine.http_api.operation import Call, Operations


class SweepRoutes:
    """The group's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._service = engine.sweeps

    def add_to(self, operations: Operations) -> None:
        """Add the group's operations."""
        operations.add(paths.SWEEPS, self._list)
        operations.add(paths.PLAN_SWEEP, self._plan)
        operations.add(paths.START_SWEEP, self._start)
        operations.add(paths.SWEEP, self._get)
        operations.add(paths.CANCEL_SWEEP, self._cancel)
        operations.add(paths.RESUME_SWEEP, self._resume)

    async def _list(self, _call: Call[None, None]) -> sweeps.SweepList:
        return {"sweeps": self._service.all()}

    async def _get(self, call: Call[None, None]) -> sweeps.Sweep:
        return self._service.find(call.part("name"))

    async def _plan(self, call: Call[sweeps.SweepDraft, None]) -> sweeps.SweepPlan:
        return await self._service.plan(call.api_base, await _admitted(call))

    async def _start(self, call: Call[sweeps.SweepRequest, None]) -> sweeps.Sweep:
        return await self._service.start(call.api_base, await _admitted(call))

    async def _cancel(self, call: Call[None, None]) -> sweeps.SweepCancelled:
        return await self._service.cancel(call.part("name"))

    async def _resume(self, call: Call[None, None]) -> sweeps.Sweep:
        return await self._service.resume(call.part("name"))


async def _admitted(call: Call[Any, None]) -> JsonObject:
    """The request, with configs that the caller may have read."""
    request = dict(call.body)
    if call.confinement is not None:
        drafts = request["drafts"]
        request["drafts"] = [
            await asyncio.to_thread(call.confinement.admit, draft) for draft in drafts
        ]
    return cast("JsonObject", request)
