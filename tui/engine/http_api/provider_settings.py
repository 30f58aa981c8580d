"""The provider's settings under the names that SimpleTuner's API has for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from tui.base.errors import RefusedError
from tui.base.listener_address import public_base
from tui.base.text_fields import FieldError
from tui.engine.http_api.body import wrong
from tui.listener.client_address import parse_networks
from tui.settings import Settings
from tui.settings.metadata import Setting
from tui.settings.typed_values import read_value, setting_named
from tui.settings.values import catalog, values_of
from tui.simpletuner.request.hardware import PROFILES, normalise_profile

_MICROS: Final = 1_000_000

Changes = dict[str, dict[str, object]]


def config_row(settings: Settings) -> dict[str, object]:
    """The settings in force, by SimpleTuner's names. No secret is among them."""
    profile = PROFILES.get(settings.cloud.hardware)
    model = profile.model if profile else None
    rates = settings.rates_micros
    return {
        **_named_values(settings),
        "version_override": settings.cloud.pinned_versions.get(model or "") or None,
        "hardware_info": {
            name: {
                "name": machine.label,
                "cost_per_second": rates.get(name, machine.micros_per_second) / _MICROS,
            }
            for name, machine in PROFILES.items()
        },
        "webhook_ip_allowlist_enabled": bool(settings.listener.allowed_ips),
    }


def advanced_row(settings: Settings) -> dict[str, object]:
    """The network's and the allowlist's part; `***` stands for a password in the proxy's address.

    Sent back as it is, it leaves the password as it was.
    """
    return {name: value for name, value in config_row(settings).items() if name in _ADVANCED}


def _named_values(settings: Settings) -> dict[str, object]:
    """The settings that have a name in SimpleTuner's API, in its units; null for an empty text."""
    values = values_of(settings)
    row: dict[str, object] = {}
    for name, setting in provider_names().items():
        value = values[setting.name]
        unit = setting.spec.provider_unit
        if unit != 1 and isinstance(value, int):
            value /= unit
        row[name] = value if value != "" else None
    return row


def read_changes(body: Mapping[str, Any], settings: Settings) -> tuple[Changes, list[str]]:
    """What a body changes, by section of the settings, and the names in it that mean nothing here.

    Raises:
        RefusedError: a value is wrong, or certificates are to go unchecked and `confirm` is not
            true beside it (`confirm_required`); nothing of the body may be used then.
    """
    changes: Changes = {}
    ignored = []
    for name, value in body.items():
        if setting := provider_names().get(name):
            changes.setdefault(setting.section, {})[setting.key] = _read(name, setting, value)
        elif name == "version_override":
            model = _model(body, settings)
            pinned = dict(settings.cloud.pinned_versions)
            pinned.pop(model, None)
            if version := _text(name, value):
                pinned[model] = version.rpartition(":")[2]
            changes.setdefault("cloud", {})["pinned_versions"] = pinned
        elif name == "hardware_info":
            changes["rates_micros"] = {**_rates(name, value)}
        elif name not in ("webhook_ip_allowlist_enabled", "confirm"):
            ignored.append(name)
    if body.get("webhook_ip_allowlist_enabled") is False:
        changes.setdefault("listener", {})["allowed_ips"] = ()
    _ask_first(changes, settings, confirmed=body.get("confirm") is True)
    return changes, ignored


def _ask_first(changes: Changes, settings: Settings, *, confirmed: bool) -> None:
    """Require a confirmation before certificates go unchecked."""
    off = changes.get("network", {}).get("ssl_verify") is False
    if off and settings.network.ssl_verify and not confirmed:
        raise RefusedError(
            setting_named("network.ssl_verify").spec.risk,
            "Name your proxy's CA in ssl_ca_bundle instead, or send confirm: true with it.",
            code="confirm_required",
            details={"fields": {"ssl_verify": "has to be confirmed"}},
        )


def _model(body: Mapping[str, Any], settings: Settings) -> str:
    named = body.get("hardware_profile")
    hardware = _hardware("hardware_profile", named) if named else settings.cloud.hardware
    profile = PROFILES.get(hardware)
    if profile is None or not profile.model:
        raise wrong("version_override", "needs hardware that has a trainer")
    return profile.model


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise wrong(name, "must be text or null")
    return value.strip()


def _hardware(name: str, value: Any) -> str:
    try:
        return normalise_profile(_text(name, value))
    except ValueError as error:
        raise wrong(name, f"is not known: {error}") from None


def _read(name: str, setting: Setting, value: Any) -> Any:
    """The value of a setting by SimpleTuner's name, unit and forms; None is the default again."""
    if isinstance(setting.default, str) and not setting.spec.choices:
        value = _text(name, value)
        if not value and setting.default and setting.spec.kind != "hardware":
            return None
    if setting.spec.kind in _OWN_READERS:
        return _OWN_READERS[setting.spec.kind](name, value)
    if setting.spec.provider_unit != 1:
        low, high = setting.spec.limits or (0, math.inf)
        unit = setting.spec.provider_unit
        return round(_number(name, value, low / unit, high / unit) * unit)
    try:
        return read_value(setting, value, typed=False)
    except FieldError as error:
        raise wrong(name, str(error)) from None


def _number(name: str, value: Any, low: float, high: float) -> float:
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    if not fits or not low <= value <= high:  # nan lies between nothing
        raise wrong(name, f"must be a number from {low:g} to {high:g}")
    return float(value)


def _addresses(name: str, value: Any) -> tuple[str, ...]:
    """Networks in any form: SimpleTuner's client gets them back as it sent them."""
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise wrong(name, "must be a list of addresses")
    for item in value:
        try:
            parse_networks((item,))
        except ValueError:
            raise RefusedError(
                f"Invalid IP address or CIDR: {item}",
                "Write 34.82.0.0/16 or 203.0.113.7, for example.",
                details={"fields": {name: f"{item} is no address"}},
            ) from None
    return tuple(item.strip() for item in value)


def _rates(name: str, value: Any) -> dict[str, int]:
    if not isinstance(value, dict):
        raise wrong(name, "must be an object")
    rates = {}
    for hardware, row in value.items():
        if not isinstance(row, dict):
            raise wrong(name, "must hold an object for each machine")
        price = _number(f"{name}.{hardware}.cost_per_second", row.get("cost_per_second"), 0, 1000)
        rates[_hardware(name, hardware)] = round(price * _MICROS)
    return rates


_OWN_READERS: Final[dict[str, Callable[[str, Any], Any]]] = {
    "hardware": _hardware,
    "networks": _addresses,
    "public_url": lambda _name, value: public_base(value),
}
"""Kinds of settings for which SimpleTuner's API has rules or messages of its own."""
_ADVANCED: Final = (
    "ssl_verify", "ssl_ca_bundle", "proxy_url", "http_timeout",
    "webhook_ip_allowlist_enabled", "webhook_allowed_ips",
)  # fmt: skip
"""SimpleTuner's names of the settings on its page for the network."""


@cache
def provider_names() -> dict[str, Setting]:
    """The settings that have a name in SimpleTuner's API, by that name."""
    return {
        setting.spec.provider: setting for setting in catalog().values() if setting.spec.provider
    }
