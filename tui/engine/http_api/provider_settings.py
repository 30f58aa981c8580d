"""The provider's settings under the names that SimpleTuner's API has for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from tui.base import text_fields
from tui.base.errors import RefusedError
from tui.base.listener_address import public_base
from tui.base.text_fields import FieldError
from tui.engine.http_api.routes import wrong
from tui.listener.client_address import parse_networks
from tui.settings import Settings
from tui.settings.proxy_password import mask_password
from tui.settings.typed_values import RISKS, read_web_address
from tui.simpletuner.request.hardware import PROFILES, normalise_profile

_PERIODS: Final = ("daily", "weekly", "monthly")
_ACTIONS: Final = ("warn", "block")
_LONGEST_TIMEOUT: Final = 600
_MICROS: Final = 1_000_000
_MOST_DOLLARS: Final = 1_000_000

Changes = dict[str, dict[str, Any]]


def config_row(settings: Settings) -> dict[str, Any]:
    """The settings in force, by SimpleTuner's names. No secret is among them."""
    profile = PROFILES.get(settings.cloud.hardware)
    model = profile.model if profile else None
    return {
        "version_override": settings.cloud.pinned_versions.get(model or "") or None,
        "hardware_profile": settings.cloud.hardware,
        "api_base_url": settings.cloud.api_base,
        "webhook_url": settings.listener.public_url or None,
        "webhook_require_signature": settings.listener.verify_signatures,
        "webhook_allowed_ips": list(settings.listener.allowed_ips),
        "webhook_trusted_proxies": list(settings.listener.trusted_proxies),
        "cost_limit_enabled": settings.spending.enabled,
        "cost_limit_amount": settings.spending.amount_micros / _MICROS,
        "cost_limit_period": settings.spending.period,
        "cost_limit_action": settings.spending.action,
        "hardware_info": {
            name: {
                "name": one.label,
                "cost_per_second": settings.rates_micros.get(name, one.micros_per_second) / _MICROS,
            }
            for name, one in PROFILES.items()
        },
        **advanced_row(settings),
    }


def advanced_row(settings: Settings) -> dict[str, Any]:
    """The network's and the allowlist's part; `***` stands for a password in the proxy's address.

    Sent back as it is, it leaves the password as it was.
    """
    network = settings.network
    return {
        "ssl_verify": network.ssl_verify,
        "ssl_ca_bundle": network.ca_bundle or None,
        "proxy_url": mask_password(network.proxy) or None,
        "http_timeout": network.timeout,
        "webhook_ip_allowlist_enabled": bool(settings.listener.allowed_ips),
        "webhook_allowed_ips": list(settings.listener.allowed_ips),
    }


def read_changes(body: Mapping[str, Any], settings: Settings) -> tuple[Changes, list[str]]:
    """What a body changes, by section of the settings, and the names in it that mean nothing here.

    Raises:
        RefusedError: a value is wrong, or certificates are to go unchecked and `confirm` is not
            true beside it (`confirm_required`); nothing of the body may be used then.
    """
    changes: Changes = {}
    ignored = []
    for name, value in body.items():
        if name in _READERS:
            section, key, read = _READERS[name]
            changes.setdefault(section, {})[key] = read(name, value)
        elif name == "version_override":
            model = _model(body, settings)
            pinned = dict(settings.cloud.pinned_versions)
            pinned.pop(model, None)
            if version := _text(name, value):
                pinned[model] = version.rpartition(":")[2]
            changes.setdefault("cloud", {})["pinned_versions"] = pinned
        elif name == "hardware_info":
            changes["rates_micros"] = _rates(name, value)
        elif name not in ("webhook_ip_allowlist_enabled", "confirm"):
            ignored.append(name)
    if body.get("webhook_ip_allowlist_enabled") is False:
        changes.setdefault("listener", {})["allowed_ips"] = ()
    _ask_first(changes, settings, confirmed=body.get("confirm") is True)
    return changes, ignored


def _ask_first(changes: Changes, settings: Settings, *, confirmed: bool) -> None:
    """Certificates are checked until somebody who was told the risk says otherwise."""
    off = changes.get("network", {}).get("ssl_verify") is False
    if off and settings.network.ssl_verify and not confirmed:
        raise RefusedError(
            RISKS["network.ssl_verify"],
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


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise wrong(name, "must be true or false")
    return value


def _number(name: str, value: Any, low: float, high: float) -> float:
    fits = isinstance(value, int | float) and not isinstance(value, bool)
    if not fits or not math.isfinite(value) or not low <= value <= high:
        raise wrong(name, f"must be a number from {low:g} to {high:g}")
    return float(value)


def _amount(name: str, value: Any) -> int:
    return round(_number(name, value, 0, _MOST_DOLLARS) * _MICROS)


def _timeout(name: str, value: Any) -> float:
    return _number(name, value, 1, _LONGEST_TIMEOUT)


def _one_of(*words: str) -> Callable[[str, Any], str]:
    def read(name: str, value: Any) -> str:
        if value not in words:
            raise wrong(name, f"must be one of {', '.join(words)}")
        return str(value)

    return read


def _addresses(name: str, value: Any) -> tuple[str, ...]:
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


def _bundle(name: str, value: Any) -> str:
    return _as_typed(name, value, text_fields.read_ca_bundle)


def _public(name: str, value: Any) -> str:
    return public_base(_text(name, value))


def _api_base(name: str, value: Any) -> str | None:
    text = _text(name, value).rstrip("/")
    return _as_typed(name, text, read_web_address) if text else None


def _proxy(name: str, value: Any) -> str:
    return _as_typed(name, value, text_fields.read_proxy)


def _as_typed(name: str, value: Any, read: Callable[[Any], str]) -> str:
    """By the rules of the form on the screen."""
    try:
        return read(_text(name, value))
    except FieldError as error:
        raise wrong(name, str(error)) from None


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


_READERS: Final[dict[str, tuple[str, str, Callable[[str, Any], Any]]]] = {
    "hardware_profile": ("cloud", "hardware", _hardware),
    "api_base_url": ("cloud", "api_base", _api_base),
    "webhook_url": ("listener", "public_url", _public),
    "webhook_require_signature": ("listener", "verify_signatures", _flag),
    "webhook_allowed_ips": ("listener", "allowed_ips", _addresses),
    "webhook_trusted_proxies": ("listener", "trusted_proxies", _addresses),
    "cost_limit_enabled": ("spending", "enabled", _flag),
    "cost_limit_amount": ("spending", "amount_micros", _amount),
    "cost_limit_period": ("spending", "period", _one_of(*_PERIODS)),
    "cost_limit_action": ("spending", "action", _one_of(*_ACTIONS)),
    "ssl_verify": ("network", "ssl_verify", _flag),
    "ssl_ca_bundle": ("network", "ca_bundle", _bundle),
    "proxy_url": ("network", "proxy", _proxy),
    "http_timeout": ("network", "timeout", _timeout),
}
"""SimpleTuner's name → our section, name and reader."""
