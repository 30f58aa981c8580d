"""Testing the way that webhooks take, and how much is polled beside them."""

from __future__ import annotations

from typing import Final, cast

from tui.api import paths, webhooks
from tui.base.errors import RefusedError
from tui.engine.engine import Engine
from tui.engine.http_api.operation import Call, Operations
from tui.engine.listener.webhook_tests import CHECK_PRICE_MICROS

_USUAL_SECONDS: Final = 30


class WebhookRoutes:
    """The group's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add_to(self, operations: Operations) -> None:
        """Add the group's operations."""
        # SimpleTuner's own clients may send more than these shapes hold.
        operations.add(paths.TEST_WEBHOOK, self._here, extra="ignore")
        operations.add(paths.TEST_WEBHOOK_EXTERNAL, self._outside, extra="ignore")
        operations.add(paths.TEST_WEBHOOK_EITHER, self._either, extra="ignore")
        operations.add(paths.POLLING, self._polling)
        operations.add(paths.SET_POLLING, self._set_polling, extra="ignore")

    async def _here(
        self, call: Call[webhooks.WebhookTestRequest, None]
    ) -> webhooks.WebhookTestReport:
        tests = self._engine.webhook_tests
        return await tests.from_here(call.api_base, call.body.get("webhook_url") or "")

    async def _outside(
        self, call: Call[webhooks.ExternalWebhookTestRequest, None]
    ) -> webhooks.ExternalWebhookTestReport:
        _check_confirmed(call.body.get("confirm") is True)
        tests = self._engine.webhook_tests
        return await tests.from_outside(call.api_base, call.body.get("webhook_url") or "")

    async def _either(
        self, call: Call[webhooks.EitherWebhookTestRequest, None]
    ) -> webhooks.EitherWebhookTestReport:
        method = call.body.get("method") or "direct"
        limit = call.body.get("timeout", _USUAL_SECONDS)
        url = call.body.get("webhook_url") or ""
        tests = self._engine.webhook_tests
        if method == "direct":
            direct = await tests.from_here(call.api_base, url, limit)
            return cast("webhooks.EitherWebhookTestReport", {**direct, "method": method})
        _check_confirmed(call.body.get("confirm") is True)
        external = await tests.from_outside(call.api_base, url, limit)
        return {**external, "method": method}

    async def _polling(self, _call: Call[None, None]) -> webhooks.Polling:
        return self._polling_row()

    async def _set_polling(self, call: Call[webhooks.PollingChange, None]) -> webhooks.Polling:
        self._engine.live.change("cloud", {"polling": call.body["enabled"]})
        self._engine.monitor.wake()
        return self._polling_row()

    def _polling_row(self) -> webhooks.Polling:
        wanted = self._engine.live.now.cloud.polling
        return {"is_active": wanted and self._engine.monitor.following > 0, "preference": wanted}


def _check_confirmed(yes: bool) -> None:
    if not yes:
        cents = CHECK_PRICE_MICROS / 1e6
        raise RefusedError(
            f"This runs a small model on Replicate, which costs about ${cents:.4f}.",
            'Agree to it with {"confirm": true}.',
            status=403,
            code="consent_required",
        )
