"""Routes of the Cloud screen: money, tokens, versions, the network, the first steps.

All are on the user's socket only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import cast

from tui.api import credentials, diagnostics, network, paths, spending, versions
from tui.base.errors import RefusedError
from tui.engine.config import cloud
from tui.engine.diagnostics import doctor
from tui.engine.engine import Engine
from tui.engine.http_api.operation import Call, Operations
from tui.settings import SettingsError


class CloudRoutes:
    """The group's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._live = engine.live

    def add_to(self, operations: Operations) -> None:
        """Add the group's operations."""
        operations.add(paths.SPENDING, self._spending)
        operations.add(paths.COST_LIMIT, self._limit)
        operations.add(paths.SET_COST_LIMIT, self._set_limit)
        operations.add(paths.SET_DEFAULTS, self._set_defaults)
        operations.add(paths.RATES, self._rates)
        operations.add(paths.SET_RATES, self._set_rates)
        operations.add(paths.RESET_RATES, self._reset_rates)
        operations.add(paths.TOKENS, self._tokens)
        operations.add(paths.SET_TOKEN, self._set_token)
        operations.add(paths.DELETE_TOKEN, self._delete_token)
        operations.add(paths.VALIDATE_TOKEN, self._validate)
        operations.add(paths.COMPARE_VERSIONS, self._compare)
        operations.add(paths.PIN_VERSION, self._pin)
        operations.add(paths.NETWORK, self._network)
        operations.add(paths.SET_NETWORK, self._set_network)
        operations.add(paths.CHECK_NETWORK, self._check_network)
        operations.add(paths.STATUS_PAGE, self._status_page)
        operations.add(paths.CHECK_DELIVERY, self._check_delivery)
        operations.add(paths.DOCTOR, self._doctor)
        operations.add(paths.ONBOARDING, self._onboarding)
        operations.add(paths.CHANGE_ONBOARDING, self._change_onboarding)

    # -- money --------------------------------------------------------------------------------

    async def _spending(self, call: Call[None, spending.DaysQuery]) -> spending.SpendingSummary:
        days = call.query.get("days", 30)
        service = self._engine.spending
        # The chart reads every job of its days, so it is made beside the event loop.
        return await asyncio.to_thread(
            service.read_summary, self._engine.home.database, call.api_base, days
        )

    async def _limit(self, call: Call[None, None]) -> spending.CostLimit:
        return self._engine.spending.status(call.api_base)

    async def _set_limit(self, call: Call[spending.CostLimitChange, None]) -> spending.CostLimit:
        _change(lambda: cloud.set_limit(self._live, call.body))
        return self._engine.spending.status(call.api_base)

    async def _set_defaults(self, call: Call[spending.DefaultsChange, None]) -> spending.Defaults:
        _change(lambda: cloud.set_defaults(self._live, call.body))
        return cast("spending.Defaults", {"delivery": self._live.now.cloud.delivery})

    async def _rates(self, _call: Call[None, None]) -> spending.Rates:
        return self._rates_now()

    async def _set_rates(self, call: Call[spending.RatesChange, None]) -> spending.Rates:
        _change(lambda: cloud.set_rates(self._live, call.body))
        return self._rates_now()

    async def _reset_rates(self, _call: Call[None, None]) -> spending.Rates:
        _change(lambda: cloud.reset_rates(self._live))
        return self._rates_now()

    def _rates_now(self) -> spending.Rates:
        return cloud.rates_data(self._live)

    # -- tokens and versions ------------------------------------------------------------------

    async def _tokens(self, call: Call[None, None]) -> credentials.TokenStates:
        return await self._engine.tokens.states(call.api_base)

    async def _set_token(
        self, call: Call[credentials.TokenChange, None]
    ) -> credentials.TokenStored:
        return await self._engine.tokens.set(
            call.part("kind"),
            call.api_base,
            call.body["token"],
            session_only=call.body.get("session_only", False),
        )

    async def _delete_token(self, call: Call[None, None]) -> credentials.TokenDeleted:
        return await self._engine.tokens.delete(call.part("kind"), call.api_base)

    async def _validate(self, call: Call[None, None]) -> credentials.TokenValidation:
        return await self._engine.tokens.validate(call.part("kind"), call.api_base)

    async def _compare(self, call: Call[None, versions.CompareQuery]) -> versions.VersionComparison:
        query = call.query
        return await self._engine.versions.compare(
            call.api_base, query["model"], query.get("before", ""), query.get("after", "")
        )

    async def _pin(self, call: Call[versions.PinRequest, None]) -> versions.Pinned:
        body = call.body
        return await self._engine.versions.pin(call.api_base, body["model"], body.get("version"))

    # -- connections --------------------------------------------------------------------------

    async def _network(self, _call: Call[None, None]) -> network.NetworkState:
        return self._network_now()

    async def _set_network(self, call: Call[network.NetworkChange, None]) -> network.NetworkState:
        _change(lambda: cloud.set_network(self._live, call.body))
        return self._network_now()

    def _network_now(self) -> network.NetworkState:
        return {**cloud.network_data(self._live), "ways": self._engine.network.ways()}

    async def _check_network(self, call: Call[None, None]) -> network.NetworkReport:
        return await self._engine.network.run(call.api_base)

    async def _status_page(self, call: Call[None, network.StatusPageQuery]) -> network.StatusPage:
        fresh = call.query.get("fresh") == "1"
        return await self._engine.status_page.read(call.api_base, fresh=fresh)

    async def _check_delivery(
        self, call: Call[diagnostics.DeliveryCheckRequest, None]
    ) -> diagnostics.DeliveryReport:
        return await self._engine.delivery_check.run(call.api_base, call.body)

    async def _doctor(self, call: Call[None, None]) -> diagnostics.DoctorReport:
        engine = self._engine
        lines = await doctor.examine(
            call.api_base,
            engine.home,
            listening=engine.listening,
            network=engine.network,
            tokens=engine.tokens,
            deliveries=engine.delivery_check,
            staged=engine.staging.rows,
            through_public_url=partial(engine.webhook_tests.from_here, call.api_base),
        )
        return {"lines": [cast("diagnostics.DoctorLine", asdict(line)) for line in lines]}

    # -- first steps --------------------------------------------------------------------------

    async def _onboarding(self, call: Call[None, None]) -> diagnostics.Onboarding:
        return self._engine.onboarding.state(call.api_base)

    async def _change_onboarding(
        self, call: Call[diagnostics.OnboardingChange, None]
    ) -> diagnostics.Onboarding:
        self._engine.onboarding.change(call.body)
        return self._engine.onboarding.state(call.api_base)


def _change(change: Callable[[], None]) -> None:
    """Change settings; their watch informs the windows.

    Raises:
        RefusedError: the settings file cannot be changed.
    """
    try:
        change()
    except SettingsError as error:
        raise RefusedError(error.message, error.advice) from None
    except OSError as error:
        raise RefusedError(
            f"The settings file cannot be written: {error.strerror or error}.",
            "Check its folder and the disk.",
            status=507,
            code="settings",
        ) from None
