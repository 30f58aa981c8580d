"""Builds a simulated Hub and serves it on a port of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from tui.sandbox.hub import routes_account, routes_files, routes_uploads
from tui.sandbox.hub.accounts import Accounts
from tui.sandbox.hub.repos import Blobs, Repos
from tui.sandbox.hub.state import HUB, Hub, HubConfig, HubFaults, HubRefusalError

__all__ = ["Hub", "HubConfig", "HubFaults", "RunningHub", "build", "serve_hub"]

_BODY_LIMIT = 256 * 1024 * 1024
_log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RunningHub:
    """A running Hub.

    Attributes:
        url: value for `HF_ENDPOINT`.
        hub: its state, for tests.
    """

    def __init__(self, hub: Hub, runner: web.AppRunner) -> None:
        self.hub = hub
        self.url = hub.url
        self._runner = runner

    async def aclose(self) -> None:
        """Stop the server."""
        await self._runner.cleanup()


@web.middleware
async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Apply faults, and turn refusals into the Hub's error answers."""
    if request.app[HUB].faults.fails(request.path):
        return HubRefusalError(500, "Internal Error - We're working hard to fix this").response()
    try:
        return await handler(request)
    except HubRefusalError as problem:
        return problem.response()
    except web.HTTPNotFound:
        return HubRefusalError(404, "Sorry, we can't find the page you are looking for.").response()
    except web.HTTPException:
        raise
    except (asyncio.CancelledError, ConnectionError):
        raise
    except Exception:  # noqa: BLE001 - a bug here must look like the Hub's server error
        _log.exception("%s %s failed", request.method, request.path)
        return HubRefusalError(500, "Internal Error").response()


def build(config: HubConfig, accounts: Accounts | None = None) -> tuple[web.Application, Hub]:
    """The application and its state. The caller sets `Hub.url` before the first request."""
    hub = Hub(config, accounts or Accounts(), Repos(), Blobs(config.root), HubFaults())
    app = web.Application(client_max_size=_BODY_LIMIT, middlewares=[_answer])
    app[HUB] = hub
    for group in (routes_account, routes_uploads, routes_files):
        app.add_routes(group.routes())
    return app, hub


async def serve_hub(config: HubConfig, accounts: Accounts | None = None) -> RunningHub:
    """Start a Hub; it accepts requests when this returns.

    Raises:
        OSError: the port is in use, or the folder cannot be written.
    """
    app, hub = build(config, accounts)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, config.host, config.port).start()
    except BaseException:
        await runner.cleanup()
        raise
    host = f"[{config.host}]" if ":" in config.host else config.host
    hub.url = f"http://{host}:{runner.addresses[0][1]}"
    return RunningHub(hub, runner)
