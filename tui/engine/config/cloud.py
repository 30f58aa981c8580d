"""Changes the cost limit, the rates, the defaults of jobs and the network; checks each field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tui.api.network import NetworkChange, NetworkInForce
from tui.api.spending import CostLimitChange, DefaultsChange, Rate, Rates
from tui.base import text_fields
from tui.base.errors import RefusedError, refused_fields
from tui.base.text_fields import FieldError
from tui.engine.config.live import LiveSettings
from tui.settings.proxy_password import mask_password
from tui.settings.typed_values import read_value, setting_named
from tui.simpletuner.request.hardware import PROFILES, READ_ON, SOURCE, normalise_profile


def set_defaults(live: LiveSettings, body: Mapping[str, Any]) -> None:
    """Change what jobs take unless they say otherwise: `delivery`.

    Raises:
        RefusedError: a field is wrong; nothing is changed then.
    """
    live.change("cloud", _read("cloud", DefaultsChange, body))


def set_limit(live: LiveSettings, body: Mapping[str, Any]) -> None:
    """Change the cost limit; what is left out stays as it is.

    Names: `enabled`, `amount` (as typed) or `amount_micros`, `period`, `action`, `stop_running`.

    Raises:
        RefusedError: a field is wrong; `details.fields` says which. Nothing is changed then.
    """
    live.change("spending", _read("spending", CostLimitChange, body))


def set_network(live: LiveSettings, body: Mapping[str, Any]) -> None:
    """Change how the world is reached: `proxy`, `no_proxy`, `ca_bundle`, `ssl_verify`, `timeout`.

    Certificates go unchecked only if `confirm` is true beside `ssl_verify` false.

    Raises:
        RefusedError: a field is wrong, or the confirmation is missing (`confirm_required`).
    """
    values = _read("network", NetworkChange, body)
    switched_off = values.get("ssl_verify") is False and live.now.network.ssl_verify
    if switched_off and body.get("confirm") is not True:
        raise RefusedError(
            setting_named("network.ssl_verify").spec.risk,
            "Name your proxy's CA in network.ca_bundle instead, or confirm it.",
            code="confirm_required",
            details={"fields": {"ssl_verify": "has to be confirmed"}},
        )
    live.change("network", values)


def network_data(live: LiveSettings) -> NetworkInForce:
    """The network settings in force; a proxy's password is not in it."""
    now = live.now.network
    return {
        "proxy": mask_password(now.proxy),
        "no_proxy": list(now.no_proxy),
        "ca_bundle": now.ca_bundle,
        "ssl_verify": now.ssl_verify,
        "timeout": now.timeout,
    }


def rates_data(live: LiveSettings) -> Rates:
    """Every hardware profile with its rate in force and the one that was published."""
    own = live.now.rates_micros
    rows: list[Rate] = [
        {
            "profile": profile.id,
            "label": profile.label,
            "vram_gb": profile.vram_gb,
            "gpus": profile.gpus,
            "sku": profile.sku,
            "model": profile.model,
            "best_for": profile.best_for,
            "rate_micros": own.get(profile.id, profile.micros_per_second),
            "published_micros": profile.micros_per_second,
            "changed": own.get(profile.id, profile.micros_per_second) != profile.micros_per_second,
            "read_on": profile.read_on.isoformat(),
            "source": profile.source,
        }
        for profile in PROFILES.values()
    ]
    return {"rates": rows, "read_on": READ_ON.isoformat(), "source": SOURCE}


def set_rates(live: LiveSettings, body: Mapping[str, Any]) -> None:
    """Replace rates: `{profile: rate}`.

    A rate is micro-dollars a second or a text such as `$3.51/h`; null brings the published one
    back.

    Raises:
        RefusedError: an unknown profile, or no rate; nothing is changed then.
    """
    values: dict[str, int | None] = {}
    wrong: dict[str, str] = {}
    for name, value in body.items():
        try:
            profile = normalise_profile(name)
            values[profile] = None if value is None else text_fields.read_rate(value)
        except ValueError as error:  # FieldError is one
            wrong[name] = str(error)
    if wrong:
        raise refused_fields(wrong)
    live.change("rates_micros", values)


def reset_rates(live: LiveSettings) -> None:
    """Bring all published rates back."""
    live.change("rates_micros", dict.fromkeys(live.now.rates_micros))


def _read(section: str, shape: type, body: Mapping[str, Any]) -> dict[str, object]:
    """Values of a section by key, all of them usable.

    Args:
        section: of the settings.
        shape: the request's `TypedDict`: its names are keys of the section, but for `confirm`, and
            `amount`, which is `amount_micros` in dollars as typed.
        body: the request.

    Raises:
        RefusedError: a name or a value is wrong; `details.fields` says why.
    """
    values: dict[str, object] = {}
    wrong: dict[str, str] = {}
    for name, value in body.items():
        try:
            if name not in shape.__annotations__:
                wrong[name] = "is not known"
            elif name == "amount":
                values["amount_micros"] = text_fields.read_amount(value)
            elif name != "confirm":
                setting = setting_named(f"{section}.{name}")
                is_switch = isinstance(setting.default, bool)  # a form sends no text for it
                values[name] = read_value(setting, value, typed=not is_switch)
        except FieldError as error:
            wrong[name] = str(error)
    if wrong:
        raise refused_fields(wrong)
    return values
