"""Whether everything works: this program, its parts, Replicate."""

from __future__ import annotations

import time
from typing import Any, Final

from aiohttp import web

from tui import __version__
from tui.base.clock import utc_now
from tui.engine.engine import Engine
from tui.engine.http_api.routes import Route, base_of, flag_in_query
from tui.engine.http_api.schemas import FLAG, NUMBER, TEXT, TIME, WHOLE, choice, many, maybe, shape
from tui.replicate.errors import ReplicateError
from tui.store.schema import StoreError

_COMPONENT: Final = shape(
    {"name": TEXT, "status": choice("healthy", "degraded", "unhealthy"),
     "latency_ms": maybe(NUMBER), "message": maybe(TEXT)}
)  # fmt: skip
_WORST: Final = ("healthy", "degraded", "unhealthy")


class HealthRoutes:
    """The group's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> list[Route]:
        """The group's routes."""
        return [
            Route(
                "GET", "/api/cloud/health", self._health, "How the parts are",
                shape({"status": choice(*_WORST), "version": TEXT, "uptime_seconds": NUMBER,
                       "components": many(_COMPONENT), "timestamp": TIME}),
                query={"include_replicate": FLAG},
            ),
            Route(
                "GET", "/api/cloud/health/live", self._live, "Answers while the process runs",
                shape({"status": choice("ok")}),
            ),
            Route(
                "GET", "/api/cloud/health/ready", self._ready, "503 while jobs cannot be recorded",
                shape({"status": TEXT}),
            ),
            Route(
                "GET", "/api/cloud/circuit-breakers", self._circuits,
                "APIs that are given a rest after failures",
                shape({"circuit_breakers": many(shape({"name": TEXT, "state": TEXT})),
                       "total": WHOLE}),
            ),
        ]  # fmt: skip

    async def _health(self, request: web.Request) -> web.Response:
        parts = [self._store(), self._listener()]
        if flag_in_query(request, "include_replicate"):
            parts.append(await self._replicate(base_of(request, self._engine.api_base)))
        return web.json_response(
            {
                "status": max((part["status"] for part in parts), key=_WORST.index),
                "version": __version__,
                "uptime_seconds": round(self._engine.uptime_seconds, 3),
                "components": parts,
                "timestamp": utc_now().isoformat(),
            }
        )

    def _store(self) -> dict[str, Any]:
        begin = time.perf_counter()
        try:
            self._engine.recorder.writer.fact("engine")
        except StoreError as error:
            return _part("database", "unhealthy", begin, error.message)
        return _part("database", "healthy", begin)

    def _listener(self) -> dict[str, Any]:
        listening = self._engine.listening
        begin = time.perf_counter()
        if not listening.address:
            return _part("listener", "unhealthy", begin, listening.problem or "not listening")
        words = listening.problem or listening.warning
        return _part("listener", "degraded" if listening.problem else "healthy", begin, words)

    async def _replicate(self, base: str) -> dict[str, Any]:
        begin = time.perf_counter()
        try:
            await (await self._engine.clients.get(base)).account()
        except ReplicateError as error:
            return _part("replicate", "degraded", begin, error.message)
        return _part("replicate", "healthy", begin)

    async def _live(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _ready(self, _request: web.Request) -> web.Response:
        part = self._store()
        if part["status"] == "healthy" and not self._engine.stopping.is_set():
            return web.json_response({"status": "ok"})
        words = part["message"] or "The engine is about to end."
        return web.json_response({"status": "not ready", "message": words}, status=503)

    async def _circuits(self, _request: web.Request) -> web.Response:
        rows = [
            {
                "name": "replicate",
                "api_base": base,
                "state": circuit.state.value,
                "failure_count": circuit.failures,
            }
            for base, circuit in self._engine.clients.circuits().items()
        ]
        return web.json_response({"circuit_breakers": rows, "total": len(rows)})


def _part(name: str, status: str, begin: float, message: str = "") -> dict[str, Any]:
    took = round((time.perf_counter() - begin) * 1000, 3)
    return {"name": name, "status": status, "latency_ms": took, "message": message or None}
