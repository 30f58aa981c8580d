"""Testing the way that webhooks take, and how much is polled beside them."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from tui.base.errors import RefusedError
from tui.engine.engine import Engine
from tui.engine.http_api.routes import Route, base_of, flag_of, read_object, text_of, wrong
from tui.engine.http_api.schemas import ANY_OBJECT, FLAG, NUMBER, TEXT, WHOLE, choice, maybe, shape
from tui.engine.listener.webhook_tests import CHECK_PRICE_MICROS

_REPORT: Final = {
    "success": FLAG, "message": TEXT, "latency_ms": maybe(NUMBER), "status_code": maybe(WHOLE),
    "error": maybe(TEXT),
}  # fmt: skip
_POLLING: Final = shape({"is_active": FLAG, "preference": FLAG})
_METHODS: Final = ("direct", "replicate_cog")
_LONGEST: Final = 60


class WebhookRoutes:
    """The group's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> list[Route]:
        """The group's routes."""
        outside = shape({**_REPORT, "prediction_id": maybe(TEXT), "details": ANY_OBJECT})
        return [
            Route(
                "POST", "/api/cloud/providers/{provider}/test-webhook", self._here,
                "Send a signed event through the public URL and wait for it", shape(_REPORT),
                ANY_OBJECT,
            ),
            Route(
                "POST", "/api/cloud/providers/{provider}/test-webhook-external", self._outside,
                'Let Replicate call the address; costs a CPU second, so needs {"confirm": true}',
                outside, ANY_OBJECT,
            ),
            Route(
                "POST", "/api/webhooks/test", self._either, "Either of the two",
                shape({**_REPORT, "method": choice(*_METHODS)}), ANY_OBJECT,
            ),
            Route(
                "GET", "/api/cloud/polling/status", self._polling, "Whether jobs are polled",
                _POLLING,
            ),
            Route(
                "PUT", "/api/cloud/polling/setting", self._set_polling,
                "Poll jobs that have a webhook as well, or leave them to it", _POLLING,
                shape({"enabled": FLAG}),
            ),
        ]  # fmt: skip

    async def _here(self, request: web.Request) -> web.Response:
        body = await read_object(request, optional=True)
        base = base_of(request, self._engine.api_base)
        tests = self._engine.webhook_tests
        return web.json_response(await tests.from_here(base, text_of(body, "webhook_url")))

    async def _outside(self, request: web.Request) -> web.Response:
        body = await read_object(request, optional=True)
        _confirmed(flag_of(body, "confirm"))
        base = base_of(request, self._engine.api_base)
        tests = self._engine.webhook_tests
        return web.json_response(await tests.from_outside(base, text_of(body, "webhook_url")))

    async def _either(self, request: web.Request) -> web.Response:
        body = await read_object(request, optional=True)
        method = text_of(body, "method", _METHODS[0])
        if method not in _METHODS:
            raise wrong("method", f"must be one of {', '.join(_METHODS)}")
        limit = body.get("timeout", 30)
        if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= _LONGEST:
            raise wrong("timeout", f"must be a whole number from 1 to {_LONGEST}")
        base = base_of(request, self._engine.api_base)
        url = text_of(body, "webhook_url")
        tests = self._engine.webhook_tests
        if method == _METHODS[0]:
            report = await tests.from_here(base, url, limit)
        else:
            _confirmed(flag_of(body, "confirm"))
            report = await tests.from_outside(base, url, limit)
        return web.json_response({**report, "method": method})

    async def _polling(self, _request: web.Request) -> web.Response:
        return web.json_response(self._polling_row())

    async def _set_polling(self, request: web.Request) -> web.Response:
        body = await read_object(request)
        if "enabled" not in body:
            raise wrong("enabled", "is missing")
        self._engine.live.change("cloud", {"polling": flag_of(body, "enabled")})
        self._engine.monitor.wake()
        return web.json_response(self._polling_row())

    def _polling_row(self) -> dict[str, bool]:
        wanted = self._engine.live.now.cloud.polling
        return {"is_active": wanted and self._engine.monitor.following > 0, "preference": wanted}


def _confirmed(yes: bool) -> None:
    if not yes:
        cents = CHECK_PRICE_MICROS / 1e6
        raise RefusedError(
            f"This runs a small model on Replicate, which costs about ${cents:.4f}.",
            'Agree to it with {"confirm": true}.',
            status=403,
            code="consent_required",
        )
