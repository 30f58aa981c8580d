"""The provider: what there is, its settings, its account, its models' versions."""

from __future__ import annotations

from typing import Any, Final

from aiohttp import web

from tui.base.errors import RefusedError
from tui.engine.engine import Engine
from tui.engine.http_api.provider_settings import advanced_row, config_row, read_changes
from tui.engine.http_api.routes import Route, Schema, base_of, read_object
from tui.engine.http_api.schemas import (
    ANY_OBJECT,
    FLAG,
    NUMBER,
    TEXT,
    TEXTS,
    TIME,
    many,
    maybe,
    shape,
)
from tui.simpletuner.request.hardware import DEFAULT_PROFILE, PROFILES

_NAME: Final = "replicate"
_ROOT: Final = "/api/cloud/providers"
_ONE: Final = "/api/cloud/providers/{provider}"
_CONFIG: Final[Schema] = shape(
    {"provider": TEXT, "config": shape({"hardware_profile": TEXT, "webhook_url": maybe(TEXT)})},
    ignored=TEXTS,
)
_ADVANCED: Final[Schema] = shape(
    {
        "ssl_verify": FLAG, "ssl_ca_bundle": maybe(TEXT), "proxy_url": maybe(TEXT),
        "http_timeout": NUMBER, "webhook_ip_allowlist_enabled": FLAG, "webhook_allowed_ips": TEXTS,
    }
)  # fmt: skip
_CHANGE: Final = "Change some of them; ssl_verify false needs confirm true beside it"
_VERSION: Final[Schema] = shape(
    {"id": TEXT, "created_at": maybe(TIME), "model_id": TEXT, "full_version": TEXT}
)
_VALID: Final[Schema] = shape(
    {
        "valid": FLAG,
        "user_info": maybe(shape({"valid": FLAG, "username": TEXT, "name": maybe(TEXT),
                                  "github_url": maybe(TEXT), "token_source": maybe(TEXT)})),
        "error": maybe(TEXT),
    }
)  # fmt: skip
_BILLING: Final[Schema] = shape(
    {
        "balance": {"type": ["number", "null"]}, "balance_note": TEXT,
        "hardware": many(ANY_OBJECT), "default_hardware": TEXT, "spent_usd": NUMBER,
        "period_days": {"type": "integer"},
    }
)  # fmt: skip
_MONTH: Final = 30


class ProviderRoutes:
    """The group's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def routes(self) -> list[Route]:
        """The group's routes. SimpleTuner's documentation names the settings without `/config`."""
        listed = shape({"providers": many(shape({"id": TEXT, "name": TEXT, "configured": FLAG}))})
        settings = [
            route
            for path in (_ONE, f"{_ONE}/config")
            for route in (
                Route("GET", path, self._config, "The provider's settings", _CONFIG),
                Route("PUT", path, self._change, _CHANGE, _CONFIG, ANY_OBJECT),
            )
        ]
        return [
            Route("GET", _ROOT, self._list, "Providers", listed),
            *settings,
            Route("GET", f"{_ONE}/advanced", self._advanced, "Network settings", _ADVANCED),
            Route(
                "PATCH", f"{_ONE}/advanced", self._change_advanced, _CHANGE,
                _ADVANCED, ANY_OBJECT,
            ),
            Route(
                "GET", f"{_ONE}/versions", self._versions, "A trainer's versions, newest first",
                shape({"versions": many(_VERSION), "current_version": maybe(TEXT),
                       "error": maybe(TEXT)}),
                query={"model_id": TEXT},
            ),
            Route("GET", f"{_ONE}/validate", self._validate, "Whether the token works", _VALID),
            Route("GET", f"{_ONE}/billing", self._billing, "What was spent", _BILLING),
        ]  # fmt: skip

    async def _list(self, request: web.Request) -> web.Response:
        base = base_of(request, self._engine.api_base)
        settings = self._engine.live.now
        chosen = PROFILES.get(settings.cloud.hardware, PROFILES[DEFAULT_PROFILE])
        profiles = [
            {
                "id": name,
                "model": profile.model,
                "label": profile.label,
                "hardware_type": profile.label,
                **self._prices(name),
            }
            for name, profile in PROFILES.items()
        ]
        return web.json_response(
            {
                "providers": [
                    {
                        "id": _NAME,
                        "name": "Replicate",
                        "description": "Training on rented GPUs, paid by the second.",
                        "model": chosen.model,
                        "version": settings.cloud.pinned_versions.get(chosen.model or "") or None,
                        "hardware": chosen.label,
                        "cost_per_hour": self._prices(chosen.id)["cost_per_hour"],
                        "configured": await self._has_token(base),
                        "coming_soon": False,
                        "hardware_profile": chosen.id,
                        "hardware_profiles": profiles,
                    }
                ]
            }
        )

    def _prices(self, hardware: str) -> dict[str, float]:
        rates = self._engine.live.now.rates_micros
        micros = rates.get(hardware, PROFILES[hardware].micros_per_second)
        return {"cost_per_hour": micros * 3600 / 1e6, "cost_per_second": micros / 1e6}

    async def _has_token(self, base: str) -> bool:
        from tui.replicate.errors import AuthenticationError

        try:
            await self._engine.clients.token(base)
        except AuthenticationError:
            return False
        return True

    async def _config(self, request: web.Request) -> web.Response:
        _known(request)
        config = config_row(self._engine.live.now)
        return web.json_response({"provider": _NAME, "config": config})

    async def _change(self, request: web.Request) -> web.Response:
        ignored = await self._apply(request)
        config = config_row(self._engine.live.now)
        return web.json_response({"provider": _NAME, "config": config, "ignored": ignored})

    async def _advanced(self, request: web.Request) -> web.Response:
        _known(request)
        return web.json_response(advanced_row(self._engine.live.now))

    async def _change_advanced(self, request: web.Request) -> web.Response:
        await self._apply(request)
        return web.json_response(advanced_row(self._engine.live.now))

    async def _apply(self, request: web.Request) -> list[str]:
        _known(request)
        changes, ignored = read_changes(await read_object(request), self._engine.live.now)
        for section, values in changes.items():
            self._engine.live.change(section, values)
        await self._engine.listening.settled()
        return ignored

    async def _versions(self, request: web.Request) -> web.Response:
        _known(request)
        chosen = PROFILES.get(self._engine.live.now.cloud.hardware, PROFILES[DEFAULT_PROFILE])
        model = request.query.get("model_id") or chosen.model or ""
        base = base_of(request, self._engine.api_base)
        return web.json_response(await self._engine.account.versions(base, model))

    async def _validate(self, request: web.Request) -> web.Response:
        _known(request)
        base = base_of(request, self._engine.api_base)
        answer = await self._engine.account.validate(base)
        if answer["user_info"] is not None:
            more = {"valid": True, "token_source": answer["token_source"]}
            answer = {**answer, "user_info": {**answer["user_info"], **more}}
        return web.json_response(answer)

    async def _billing(self, request: web.Request) -> web.Response:
        """Replicate tells nobody a balance; what it says itself is what we know we have spent."""
        _known(request)
        base = base_of(request, self._engine.api_base)
        await self._engine.clients.token(base)
        spent = self._engine.spending.summary(base, _MONTH)
        return web.json_response(
            {
                "balance": None,
                "balance_note": "Replicate does not tell the balance over its API; "
                "see https://replicate.com/account/billing",
                "hardware": [
                    {"id": name, "name": profile.label, **self._prices(name)}
                    for name, profile in PROFILES.items()
                ],
                "default_hardware": f"gpu-{self._engine.live.now.cloud.hardware}",
                "spent_usd": spent["total_micros"] / 1e6,
                "period_days": _MONTH,
            }
        )


def _known(request: web.Request) -> None:
    """Refuse providers that there are not."""
    name: Any = request.match_info["provider"]
    if name != _NAME:
        raise RefusedError(
            f"There is no provider {name}.", "The one there is: replicate.", status=404,
            code="not_found",
        )  # fmt: skip
