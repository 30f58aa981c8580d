"""The control API: the engine's routes over HTTP on a Unix socket.

Paths are those of SimpleTuner's cloud API where it has one. A failure is `{error, message, advice,
details}` with the matching HTTP status.
"""

from __future__ import annotations

import os
from pathlib import Path

from aiohttp import web

from tui.engine.credentials.caller_network import proxies_from_headers
from tui.engine.credentials.caller_tokens import called_with, from_headers
from tui.engine.engine import Engine
from tui.engine.http_api.app import control_operations
from tui.engine.http_api.body import MOST_BODY
from tui.engine.http_api.failures import answered, failure
from tui.engine.http_api.operation import Handler, api_base_of
from tui.replicate.environment_proxies import using_proxies


def build_control_app(engine: Engine) -> web.Application:
    """Build the aiohttp application of an engine."""

    @web.middleware
    async def keep_needed(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Keep the engine alive during a call; answer 503 once it is stopping."""
        if engine.stopping.is_set():
            return failure(503, "engine_gone", "The engine is about to end.")

        async def with_tokens(request: web.Request) -> web.StreamResponse:
            base = api_base_of(request, lambda: engine.api_base)
            caller_tokens = engine.clients.tokens.foreign(from_headers(base, request.headers))
            proxies = proxies_from_headers(request.headers, engine.live.now.network)
            with called_with(caller_tokens), using_proxies(proxies):
                return await handler(request)

        with engine.needed():
            return await answered(request, with_tokens)

    app = web.Application(middlewares=[keep_needed], client_max_size=MOST_BODY)
    for operation in control_operations(engine):
        endpoint = operation.endpoint
        app.router.add_route(endpoint.method, endpoint.path, operation.handler)
    return app


async def shut_down(engine: Engine, runner: web.AppRunner) -> None:
    """Finish the calls in progress, then close the engine: no call meets a closed store."""
    engine.request_stop()
    engine.bus.publish("bye")
    await runner.cleanup()
    await engine.aclose()


async def serve_control(engine: Engine, socket_path: Path) -> web.AppRunner:
    """Listen on the Unix socket, which only its user can open."""
    runner = web.AppRunner(
        build_control_app(engine), access_log=None, handle_signals=False, shutdown_timeout=2.0
    )
    await runner.setup()
    socket_path.unlink(missing_ok=True)  # we hold the store's lock, so no other engine uses it
    # The mode must be right from the first moment: chmod after bind leaves a gap.
    previous_umask = os.umask(0o177)
    try:
        await web.UnixSite(runner, str(socket_path)).start()
    finally:
        os.umask(previous_umask)
    return runner
