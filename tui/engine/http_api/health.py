"""Whether everything works: this program, its parts, Replicate."""

from __future__ import annotations

import time
from typing import Final, Literal, TypeAlias, cast

from tui import __version__
from tui.api import engine, paths
from tui.api.network import PageEvent, ReplicateStatus
from tui.base.clock import utc_now
from tui.engine.diagnostics.status_page import PAGE
from tui.engine.engine import Engine
from tui.engine.http_api.operation import Answered, Call, Operations
from tui.replicate.errors import ReplicateError
from tui.store.schema import StoreError

_Circuit: TypeAlias = Literal["closed", "open", "half_open"]
_Name: TypeAlias = Literal["database", "listener", "replicate"]
_Status: TypeAlias = Literal["healthy", "degraded", "unhealthy"]
_WORST: Final[tuple[_Status, ...]] = ("healthy", "degraded", "unhealthy")


class HealthRoutes:
    """The group's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add_to(self, operations: Operations) -> None:
        """Add the group's operations."""
        operations.add(paths.HEALTH, self._health)
        operations.add(paths.LIVENESS, self._live)
        operations.add(paths.READINESS, self._ready)
        operations.add(paths.CIRCUIT_BREAKERS, self._circuits)

    async def _health(self, call: Call[None, engine.HealthQuery]) -> engine.Health:
        parts = [self._store(), self._listener()]
        if call.query.get("include_replicate"):
            parts.append(await self._replicate(call.api_base))
        return {
            "status": max((part["status"] for part in parts), key=_WORST.index),
            "version": __version__,
            "uptime_seconds": round(self._engine.uptime_seconds, 3),
            "components": parts,
            "timestamp": utc_now().isoformat(),
        }

    def _store(self) -> engine.ComponentHealth:
        begin = time.perf_counter()
        try:
            self._engine.recorder.writer.fact("engine")
        except StoreError as error:
            return _part("database", "unhealthy", begin, error.message)
        return _part("database", "healthy", begin)

    def _listener(self) -> engine.ComponentHealth:
        listening = self._engine.listening
        begin = time.perf_counter()
        if not listening.address:
            return _part("listener", "unhealthy", begin, listening.problem or "not listening")
        words = listening.problem or listening.warning
        return _part("listener", "degraded" if listening.problem else "healthy", begin, words)

    async def _replicate(self, base: str) -> engine.ComponentHealth:
        begin = time.perf_counter()
        try:
            await (await self._engine.clients.get(base)).account()
        except ReplicateError as error:
            return _part("replicate", "degraded", begin, error.message)
        return _part("replicate", "healthy", begin)

    async def _live(self, _call: Call[None, None]) -> engine.Liveness:
        return {"status": "ok"}

    async def _ready(
        self, _call: Call[None, None]
    ) -> engine.Readiness | Answered[engine.Readiness]:
        part = self._store()
        if part["status"] == "healthy" and not self._engine.stopping.is_set():
            return {"status": "ok"}
        words = part["message"] or "The engine is about to end."
        return Answered({"status": "not ready", "message": words}, 503)

    async def _circuits(self, _call: Call[None, None]) -> engine.CircuitBreakers:
        rows: list[engine.CircuitBreaker] = [
            {
                "name": "replicate",
                "api_base": base,
                "state": cast("_Circuit", circuit.state.value),
                "failure_count": circuit.failures,
            }
            for base, circuit in self._engine.clients.circuits().items()
        ]
        return {"circuit_breakers": rows, "total": len(rows)}


def _part(name: _Name, status: _Status, begin: float, message: str = "") -> engine.ComponentHealth:
    took = round((time.perf_counter() - begin) * 1000, 3)
    return {"name": name, "status": status, "latency_ms": took, "message": message or None}


class StatusRoutes:
    """Handlers for Replicate's status page in the shape of SimpleTuner's API."""

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
