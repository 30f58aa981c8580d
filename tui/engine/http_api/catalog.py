"""What can be asked before a job: models, versions, hardware, prices, configs, the config's git."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from tui.base.clock import utc_now
from tui.engine.diagnostics.git_state import git_state
from tui.engine.engine import Engine
from tui.engine.http_api.routes import Route, read_json, wrong
from tui.engine.http_api.schemas import FLAG, NUMBER, TEXT, TEXTS, WHOLE, many, maybe, shape
from tui.simpletuner.request.hardware import PROFILES, HardwareProfile
from tui.store.filter import JobFilter

_LOOK_BACK: Final = timedelta(days=90)
_MIB: Final = 1024 * 1024
_HARDWARE: Final = shape(
    {"id": TEXT, "name": TEXT, "cost_per_second": NUMBER, "cost_per_hour": NUMBER,
     "available": FLAG}
)  # fmt: skip


class CatalogRoutes:
    """The group's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> list[Route]:
        """The group's routes."""
        return [
            Route(
                "GET", "/api/cloud/hardware-options", self._hardware, "Machines and their prices",
                shape({"hardware": many(_HARDWARE), "default_hardware": TEXT, "message": TEXT}),
            ),
            Route(
                "GET", "/api/cloud/available-configs", self._configs, "Configs at hand",
                shape({"configs": many(shape({"name": TEXT, "is_active": FLAG, "path": TEXT})),
                       "active_config": maybe(TEXT)}),
            ),
            Route(
                "POST", "/api/cloud/cost-estimate", self._estimate,
                "What a job may cost, from the jobs of the last 90 days",
                shape({"has_estimate": FLAG, "estimated_cost_usd": maybe(NUMBER),
                       "avg_duration_seconds": maybe(NUMBER), "hardware_cost_per_hour": NUMBER,
                       "data_size_mb": NUMBER, "message": TEXT}),
                {"type": "array"},
            ),
            Route(
                "GET", "/api/cloud/pre-submit-check", self._git,
                "Whether the config's folder is in git, and clean",
                shape({"git_available": FLAG, "repo_present": FLAG, "is_dirty": FLAG,
                       "dirty_count": WHOLE, "dirty_paths": TEXTS, "current_commit": maybe(TEXT),
                       "current_abbrev": maybe(TEXT), "current_branch": maybe(TEXT),
                       "tracker_run_name": maybe(TEXT), "config_name": maybe(TEXT)}),
                query={"config_name": TEXT},
            ),
        ]  # fmt: skip

    def _micros(self, profile: HardwareProfile) -> int:
        return self._engine.live.now.rates_micros.get(profile.id, profile.micros_per_second)

    async def _hardware(self, _request: web.Request) -> web.Response:
        rows = [
            {
                "id": profile.id,
                "name": f"{profile.label} ({profile.vram_gb * profile.gpus}GB)",
                "cost_per_second": self._micros(profile) / 1e6,
                "cost_per_hour": self._micros(profile) * 3600 / 1e6,
                "available": profile.model is not None,
                "model": profile.model,
                "best_for": profile.best_for,
            }
            for profile in PROFILES.values()
        ]
        read_on = next(iter(PROFILES.values())).read_on
        return web.json_response(
            {
                "hardware": rows,
                "default_hardware": self._engine.live.now.cloud.hardware,
                "message": f"Rates read on {read_on}; yours in [rates_micros] come first.",
            }
        )

    async def _configs(self, request: web.Request) -> web.Response:
        found = await self._engine.account.configs(request.query.get("cwd"))
        rows = [{**row, "is_active": False} for row in found["configs"]]
        return web.json_response({"configs": rows, "active_config": None})

    async def _estimate(self, request: web.Request) -> web.Response:
        dataloader = await read_json(request, empty=[])
        if not isinstance(dataloader, list):
            raise wrong("body", "must be a dataloader list")
        size = await asyncio.to_thread(_data_bytes, dataloader)
        done = JobFilter("", "status = 'completed'")
        since = utc_now() - _LOOK_BACK
        seconds = [
            (job.completed_at - job.started_at).total_seconds()
            for job in self._engine.reader.records(done)
            if job.completed_at and job.started_at and job.completed_at >= since
        ]
        profile = PROFILES.get(self._engine.live.now.cloud.hardware, next(iter(PROFILES.values())))
        micros = self._micros(profile)
        mean = sum(seconds) / len(seconds) if seconds else None
        words = (
            f"Mean of {len(seconds)} jobs of the last {_LOOK_BACK.days} days."
            if seconds
            else "No finished jobs yet. POST /api/cloud/check estimates from the config."
        )
        return web.json_response(
            {
                "has_estimate": mean is not None,
                "estimated_cost_usd": None if mean is None else round(mean * micros / 1e6, 4),
                "avg_duration_seconds": mean,
                "hardware_cost_per_hour": micros * 3600 / 1e6,
                "data_size_mb": round(size / _MIB, 2),
                "message": words,
            }
        )

    async def _git(self, request: web.Request) -> web.Response:
        name = request.query.get("config_name", "")
        folder, run_name = Path(), None
        if name:
            config = await asyncio.to_thread(self._engine.preparer.load_named, name)
            folder, run_name = Path(config.path).parent, config.run_name
        else:
            roots = self._engine.preparer.config_roots()
            folder = next((root for root in roots if root.is_dir()), Path.home())
        answer = await git_state(folder, self._engine.listening.outputs)
        return web.json_response(
            {**answer, "tracker_run_name": run_name or None, "config_name": name or None}
        )


def _data_bytes(dataloader: list[Any]) -> int:
    """Bytes below the local folders that a dataloader names."""
    total = 0
    for entry in dataloader:
        named = entry.get("instance_data_dir") if isinstance(entry, dict) else None
        if isinstance(named, str) and named:
            folder = Path(named).expanduser()
            total += sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return total
