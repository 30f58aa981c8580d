"""Account, hardware and the webhook secret."""

from __future__ import annotations

from aiohttp import web

from tui.sandbox.http_tools import answer, core_of
from tui.sandbox.registry import HARDWARE


async def _account(request: web.Request) -> web.Response:
    core = core_of(request)
    return answer(core.views.account(core.config.username))


async def _hardware(request: web.Request) -> web.Response:
    del request
    return answer([{"name": name, "sku": sku} for name, sku in HARDWARE])


async def _secret(request: web.Request) -> web.Response:
    return answer({"key": core_of(request).hooks.secret})


def routes() -> list[web.RouteDef]:
    """The group's routes."""
    return [
        web.get("/v1/account", _account),
        web.get("/v1/hardware", _hardware),
        web.get("/v1/webhooks/default/secret", _secret),
    ]
