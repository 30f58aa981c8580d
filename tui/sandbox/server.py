"""Builds a sandbox and serves it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from aiohttp import web

from tui.sandbox import ids, middleware
from tui.sandbox.clock import Clock
from tui.sandbox.cog_worker.worker import CogWorker
from tui.sandbox.config import SandboxConfig
from tui.sandbox.core import CORE, Core, readable_inputs
from tui.sandbox.faults import ActiveFaults
from tui.sandbox.files import UploadedFiles
from tui.sandbox.http_tools import BODY_LIMIT
from tui.sandbox.hub import Accounts, HubConfig, RunningHub, serve_hub
from tui.sandbox.jobs import Jobs, add_history
from tui.sandbox.limits import RateLimits
from tui.sandbox.registry import Registry
from tui.sandbox.routes import (
    catalog,
    control,
    deployments,
    files,
    models,
    pages,
    predictions,
    trainings,
)
from tui.sandbox.sim_worker import SimWorker
from tui.sandbox.views import Views
from tui.sandbox.webhooks import WebhookSender
from tui.sandbox.worker import Worker

_GROUPS = (
    catalog,
    control,
    deployments,
    files,
    models,
    pages,
    predictions,
    trainings,
)


# aiohttp logs malformed requests of clients here; they must not disturb the terminal. Our own
# errors are logged where they are caught.
_wire_log = logging.getLogger("tui.sandbox.wire")
_wire_log.setLevel(logging.CRITICAL)


class RunningSandbox:
    """A running sandbox.

    Attributes:
        base_url: address of the API, ending in `/v1`.
        token: the token for `Authorization: Bearer`.
        core: its parts, for tests.
        hub: its own Hugging Face Hub; None when the configuration names another.
        hub_url: value for `HF_ENDPOINT`; None when there is no Hub.
    """

    def __init__(
        self,
        core: Core,
        runner: web.AppRunner,
        base_url: str,
        temporary: Path | None,
        hub: RunningHub | None = None,
    ) -> None:
        self.core = core
        self.hub = hub
        self.hub_url = core.config.hub_endpoint or None
        self.base_url = base_url
        self.token = core.config.token
        self._runner = runner
        self._temporary = temporary

    async def aclose(self) -> None:
        """Stop all jobs and the server; a temporary work folder is removed."""
        await self.core.jobs.aclose()
        await self.core.hooks.aclose()
        await self._runner.cleanup()
        if self.hub is not None:
            await self.hub.aclose()
        if self._temporary is not None:
            await asyncio.to_thread(shutil.rmtree, self._temporary, ignore_errors=True)


def _build(config: SandboxConfig, work_dir: Path, worker: Worker) -> Core:
    clock = Clock(config.speed)
    views = Views(config.style)
    shelf = UploadedFiles(work_dir / "files", clock, config.username, config.file_lifetime_seconds)
    hooks = WebhookSender(
        clock,
        config.webhook_secret or ids.webhook_secret(),
        lambda record: views.encode(record, "get"),
        config.ca_bundle,
    )
    faults = ActiveFaults(config.faults)
    registry = Registry(config.username, config.release)
    jobs = Jobs(
        config,
        clock=clock,
        faults=faults,
        worker=worker,
        hooks=hooks,
        work_dir=work_dir,
        readable=lambda given: readable_inputs(shelf, views, given),
    )
    core = Core(
        config, clock, faults, registry, views, shelf, hooks, jobs, RateLimits(config.speed)
    )
    control.follow_skew(core)
    add_history(jobs, registry, clock, config.past_predictions)
    return core


def _make_worker(config: SandboxConfig, work_dir: Path) -> Worker:
    if config.worker == "cog":
        return CogWorker(config, work_dir / "cog")
    return SimWorker(config)


async def serve(
    config: SandboxConfig | None = None, *, worker: Worker | None = None
) -> RunningSandbox:
    """Start a sandbox; it accepts requests when this returns.

    Args:
        config: its options; the default serves on loopback and a free port.
        worker: what runs predictions; by default the kind in `config.worker`.

    Raises:
        OSError: the port is in use.
        CogMissingError: the Cog worker is configured and its packages are not installed.
    """
    config = config or SandboxConfig()
    temporary = None
    if config.work_dir is None:
        temporary = Path(tempfile.mkdtemp(prefix="simpletuner-sandbox-"))
    work_dir = config.work_dir or temporary or Path()
    hub = None
    if config.hub_endpoint is None:
        hub = await _own_hub(config, work_dir)
        config = replace(config, hub_endpoint=hub.url)
    worker = worker or _make_worker(config, work_dir)
    core = _build(config, work_dir, worker)
    app = web.Application(
        client_max_size=BODY_LIMIT,
        middlewares=[middleware.errors, middleware.faults, middleware.access],
    )
    app[CORE] = core
    pages.install(app)
    for group in _GROUPS:
        app.add_routes(group.routes())
    runner = web.AppRunner(
        app, access_log=None, logger=_wire_log, handle_signals=False, shutdown_timeout=1.0
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, config.host, config.port).start()
        await worker.start()
    except BaseException:
        await runner.cleanup()
        if hub is not None:
            await hub.aclose()
        raise
    host = f"[{config.host}]" if ":" in config.host else config.host
    core.views.base_url = f"http://{host}:{runner.addresses[0][1]}/v1"
    return RunningSandbox(core, runner, core.views.base_url, temporary, hub)


async def _own_hub(config: SandboxConfig, work_dir: Path) -> RunningHub:
    hub = HubConfig(work_dir / "hub", host=config.host, part_bytes=config.hub_part_bytes)
    return await serve_hub(hub, Accounts(config.username))


async def run_forever(config: SandboxConfig, announce: Callable[[RunningSandbox], None]) -> None:
    """Serve until the calling task is cancelled; call `announce` once it accepts requests."""
    sandbox = await serve(config)
    try:
        announce(sandbox)
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(sandbox.aclose())
        raise
