"""What can be asked before a job: models, versions, hardware, prices, configs, the config's git."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from tui.api import paths, planning
from tui.base.clock import utc_now
from tui.base.formatting import plural
from tui.engine.diagnostics.git_state import git_state
from tui.engine.engine import Engine
from tui.engine.http_api.operation import Call, Operations
from tui.simpletuner.request.hardware import PROFILES, HardwareProfile
from tui.store.filter import JobFilter

_LOOK_BACK: Final = timedelta(days=90)
_MIB: Final = 1024 * 1024


class CatalogRoutes:
    """The group's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add_to(self, operations: Operations) -> None:
        """Add the group's operations."""
        operations.add(paths.HARDWARE_OPTIONS, self._hardware)
        operations.add(paths.AVAILABLE_CONFIGS, self._configs)
        operations.add(paths.COST_ESTIMATE, self._estimate)
        operations.add(paths.GIT_STATE, self._git)

    def _micros(self, profile: HardwareProfile) -> int:
        return self._engine.live.now.rates_micros.get(profile.id, profile.micros_per_second)

    async def _hardware(self, _call: Call[None, None]) -> planning.HardwareOptions:
        rows: list[planning.HardwareOption] = [
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
        return {
            "hardware": rows,
            "default_hardware": self._engine.live.now.cloud.hardware,
            "message": f"Rates read on {read_on}; yours in [rates_micros] come first.",
        }

    async def _configs(self, call: Call[None, planning.ConfigsQuery]) -> planning.AvailableConfigs:
        cwd = call.query.get("cwd")
        if cwd and call.confinement is not None:
            await asyncio.to_thread(call.confinement.check_folder, cwd)
        return {
            "configs": await self._engine.account.configs(cwd),
            "active_config": None,
        }

    async def _estimate(self, call: Call[planning.Dataloader, None]) -> planning.PastCostEstimate:
        places = call.confinement
        may_read = places.may_read if places is not None else lambda _path: True
        size = await asyncio.to_thread(_data_bytes, call.body, may_read)
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
            f"Mean of {plural(len(seconds), 'job')} of the last {_LOOK_BACK.days} days."
            if seconds
            else "No finished jobs yet. POST /api/cloud/check estimates from the config."
        )
        return {
            "has_estimate": mean is not None,
            "estimated_cost_usd": None if mean is None else round(mean * micros / 1e6, 4),
            "avg_duration_seconds": mean,
            "hardware_cost_per_hour": micros * 3600 / 1e6,
            "data_size_mb": round(size / _MIB, 2),
            "message": words,
        }

    async def _git(self, call: Call[None, planning.GitQuery]) -> planning.GitState:
        asked = name = call.query.get("config_name", "")
        folder, run_name = Path(), None
        if name:
            if call.confinement is not None:
                name = str(await asyncio.to_thread(call.confinement.config_file, name))
            config = await asyncio.to_thread(self._engine.preparer.load_named, name)
            folder, run_name = Path(config.path).parent, config.run_name
        else:
            roots = self._engine.preparer.config_roots()
            none = self._engine.listening.outputs if call.confinement is not None else Path.home()
            folder = next((root for root in roots if root.is_dir()), none)
        answer = await git_state(folder, self._engine.listening.outputs)
        return {
            **answer,
            "tracker_run_name": run_name or None,
            "config_name": asked or None,
        }


def _data_bytes(dataloader: list[Any], may_read: Callable[[Path], bool]) -> int:
    """Bytes below the local folders that a dataloader names; links are not followed.

    A folder that may not be read counts nothing, as one does that is not there.
    """
    total = 0
    for entry in dataloader:
        named = entry.get("instance_data_dir") if isinstance(entry, dict) else None
        if isinstance(named, str) and named and may_read(folder := Path(named).expanduser()):
            states = (path.lstat() for path in folder.rglob("*"))
            total += sum(state.st_size for state in states if stat.S_ISREG(state.st_mode))
    return total
