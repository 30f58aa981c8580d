"""The provider: what there is, its settings, its account and token, its models' versions."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Final, TypedDict, cast

from tui.api import paths, providers
from tui.base.errors import RefusedError
from tui.base.pages import BILLING_PAGE
from tui.base.token_text import judge_token
from tui.engine.engine import Engine
from tui.engine.http_api.operation import Call, Operations
from tui.engine.http_api.provider_settings import advanced_row, config_row, read_changes
from tui.engine.submission.confinement import outside
from tui.engine.submission.version_service import split_model
from tui.simpletuner.request.hardware import DEFAULT_PROFILE, PROFILES

_NAME: Final = "replicate"
_MONTH: Final = 30


class _Prices(TypedDict):
    cost_per_hour: float
    cost_per_second: float


class ProviderRoutes:
    """The group's handlers."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add_to(self, operations: Operations) -> None:
        """Add the group's operations."""
        operations.add(paths.PROVIDERS, self._list)
        operations.add(paths.PROVIDER, self._config)
        operations.add(paths.PROVIDER_CONFIG, self._config)
        operations.add(paths.PROVIDER_ADVANCED, self._advanced)
        operations.add(paths.MODEL_VERSIONS, self._versions)
        operations.add(paths.VALIDATE_ACCOUNT, self._validate)
        operations.add(paths.BILLING, self._billing)
        # SimpleTuner's documentation names the settings without `/config`. Names that mean nothing
        # here are passed on, as the answer lists them.
        operations.add(paths.CHANGE_PROVIDER, self._change, extra="allow")
        operations.add(paths.CHANGE_PROVIDER_CONFIG, self._change, extra="allow")
        operations.add(paths.CHANGE_PROVIDER_ADVANCED, self._change_advanced, extra="allow")

    async def _list(self, call: Call[None, None]) -> providers.ProviderList:
        settings = self._engine.live.now
        chosen = PROFILES.get(settings.cloud.hardware, PROFILES[DEFAULT_PROFILE])
        profiles: list[providers.ProviderProfile] = [
            {
                "id": name,
                "model": profile.model,
                "label": profile.label,
                "hardware_type": profile.label,
                **self._prices(name),
            }
            for name, profile in PROFILES.items()
        ]
        provider: providers.Provider = {
            "id": _NAME,
            "name": "Replicate",
            "description": "Training on rented GPUs, paid by the second.",
            "model": chosen.model,
            "version": settings.cloud.pinned_versions.get(chosen.model or "") or None,
            "hardware": chosen.label,
            "cost_per_hour": self._prices(chosen.id)["cost_per_hour"],
            "configured": await self._has_token(call.api_base),
            "coming_soon": False,
            "hardware_profile": chosen.id,
            "hardware_profiles": profiles,
        }
        return {"providers": [provider]}

    def _prices(self, hardware: str) -> _Prices:
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

    async def _config(self, call: Call[None, None]) -> providers.ProviderConfigAnswer:
        _check_provider(call)
        return {"provider": _NAME, "config": self._config_now()}

    def _config_now(self) -> providers.ProviderConfig:
        return cast("providers.ProviderConfig", config_row(self._engine.live.now))

    async def _change(
        self, call: Call[providers.ProviderConfigChange, None]
    ) -> providers.ProviderConfigAnswer:
        ignored = await self._apply(call)
        return {"provider": _NAME, "config": self._config_now(), "ignored": ignored}

    async def _advanced(self, call: Call[None, None]) -> providers.ProviderAdvanced:
        _check_provider(call)
        return self._advanced_now()

    def _advanced_now(self) -> providers.ProviderAdvanced:
        return cast("providers.ProviderAdvanced", advanced_row(self._engine.live.now))

    async def _change_advanced(
        self, call: Call[providers.ProviderConfigChange, None]
    ) -> providers.ProviderAdvanced:
        await self._apply(call)
        return self._advanced_now()

    async def _apply(self, call: Call[providers.ProviderConfigChange, None]) -> list[str]:
        _check_provider(call)
        bundle = call.body.get("ssl_ca_bundle")
        if call.confinement is not None and isinstance(bundle, str) and bundle.strip():
            inside = await asyncio.to_thread(call.confinement.may_read, Path(bundle).expanduser())
            if not inside:
                raise outside(bundle)
        changes, ignored = read_changes(call.body, self._engine.live.now)
        for section, values in changes.items():
            self._engine.live.change(section, values)
        await self._engine.listening.settled()
        return ignored

    async def _versions(self, call: Call[None, providers.ModelQuery]) -> providers.ModelVersions:
        _check_provider(call)
        chosen = PROFILES.get(self._engine.live.now.cloud.hardware, PROFILES[DEFAULT_PROFILE])
        model, _ = split_model(call.query.get("model_id") or chosen.model or "")
        return await self._engine.account.versions(call.api_base, model)

    async def _validate(self, call: Call[None, None]) -> providers.AccountValidation:
        _check_provider(call)
        answer = await self._engine.account.validate(call.api_base)
        user = answer["user_info"]
        if user is None:
            return answer
        shown: providers.AccountUser = {
            **user, "valid": True, "token_source": answer["token_source"],
        }  # fmt: skip
        return {**answer, "user_info": shown}

    async def _billing(self, call: Call[None, None]) -> providers.Billing:
        """Replicate has no balance in its API; what is known is what jobs have cost."""
        _check_provider(call)
        await self._engine.clients.token(call.api_base)
        spent = self._engine.spending.summary(call.api_base, _MONTH)
        return {
            "balance": None,
            "balance_note": f"Replicate does not tell the balance over its API; see {BILLING_PAGE}",
            "hardware": [
                {"id": name, "name": profile.label, **self._prices(name)}
                for name, profile in PROFILES.items()
            ],
            "default_hardware": f"gpu-{self._engine.live.now.cloud.hardware}",
            "spent_usd": spent["total_micros"] / 1e6,
            "period_days": _MONTH,
        }


def _check_provider(call: Call[Any, Any]) -> None:
    """Refuse providers that do not exist."""
    name = call.part("provider")
    if name != _NAME:
        raise RefusedError(
            f"There is no provider {name}.", "The one there is: replicate.", status=404,
            code="not_found",
        )  # fmt: skip


class TokenRoutes:
    """Handlers for the token. What comes in is kept in the keyring; nothing goes out."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add_to(self, operations: Operations) -> None:
        """Add the group's operations."""
        # SimpleTuner's own clients may send more than the shape holds.
        operations.add(paths.SAVE_PROVIDER_TOKEN, self._save, extra="ignore")
        operations.add(paths.DELETE_PROVIDER_TOKEN, self._delete)

    async def _save(self, call: Call[providers.TokenSave, None]) -> providers.TokenAnswer:
        text = call.body["api_token"].strip()
        if not text:
            raise _refused("Token cannot be empty")
        judged = judge_token("replicate", text)
        if judged.problem:
            raise _refused(f"Invalid token: it {judged.problem}", judged.advice)
        if not judged.value.startswith("r8_"):
            raise _refused("Invalid token format. Replicate tokens start with 'r8_'")
        kept = await self._engine.tokens.set("replicate", call.api_base, text)
        validation = kept["validation"]
        error = None
        if not validation["valid"]:
            error = f"Token saved but validation failed: {validation['error']}"
        return {
            "success": True,
            "file_path": None,  # never in a file
            "error": error,
            "stored": kept["stored"],
            "backend": kept["backend"],
            "warnings": kept["warnings"],
        }

    async def _delete(self, call: Call[None, None]) -> providers.TokenAnswer:
        answer = await self._engine.tokens.delete("replicate", call.api_base)
        words = None if answer["deleted"] else "There was no stored token."
        return {"success": True, "file_path": None, "error": words}


def _refused(words: str, advice: str = "") -> RefusedError:
    return RefusedError(
        words,
        advice or "Copy it from https://replicate.com/account/api-tokens",
        details={"success": False, "fields": {"api_token": words}},
    )
