"""The control API: the engine's services over HTTP on a Unix socket.

Paths are those of SimpleTuner's cloud API where it has one. Failures are `{error, message, advice,
details}` with a true status.
"""

from __future__ import annotations

import os
from pathlib import Path

from aiohttp import web

from tui.engine.credentials.handed_in import called_with, from_headers
from tui.engine.engine import Engine
from tui.engine.http_api.app import all_routes, operations_of
from tui.engine.http_api.body import MOST_BODY
from tui.engine.http_api.failures import answered, failure
from tui.engine.http_api.operation import Handler, api_base_of


def build_control_app(engine: Engine) -> web.Application:
    """The aiohttp application of one engine."""

    @web.middleware
    async def needing(request: web.Request, handler: Handler) -> web.StreamResponse:
        """While somebody calls, the engine is needed; one that is about to end says so."""
        if engine.stopping.is_set():
            return failure(503, "engine_gone", "The engine is about to end.")

        async def with_tokens(request: web.Request) -> web.StreamResponse:
            base = api_base_of(request, lambda: engine.api_base)
            handed = engine.clients.tokens.foreign(from_headers(base, request.headers))
            with called_with(handed):
                return await handler(request)

        with engine.needed():
            return await answered(request, with_tokens)

    app = web.Application(middlewares=[needing], client_max_size=MOST_BODY)
    for route in all_routes(engine):
        app.router.add_route(route.method, route.path, route.handler)
    for operation in operations_of(engine):
        endpoint = operation.endpoint
        app.router.add_route(endpoint.method, endpoint.path, operation.handler)
    return app


async def shut_down(engine: Engine, runner: web.AppRunner) -> None:
    """End the calls under way, then the engine below them: no call finds a closed store."""
    engine.request_stop()
    engine.bus.publish("bye")
    await runner.cleanup()
    await engine.aclose()


async def serve_control(engine: Engine, socket_path: Path) -> web.AppRunner:
    """Listen on the socket, which only its user can open."""
    runner = web.AppRunner(
        build_control_app(engine), access_log=None, handle_signals=False, shutdown_timeout=2.0
    )
    await runner.setup()
    socket_path.unlink(missing_ok=True)  # the store's lock says that no other engine lives
    before = os.umask(0o177)
    try:
        await web.UnixSite(runner, str(socket_path)).start()
    finally:
        os.umask(before)
    return runner
