"""One reader for each setting: from what was typed, or sent, to what the file holds."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from tui.base import text_fields
from tui.base.hosts import is_loopback_host
from tui.base.text_fields import FieldError
from tui.settings import listener_values
from tui.settings.values import CHOICES, RANGES
from tui.simpletuner.request.hardware import PROFILES, normalise_profile

Reader = Callable[[Any], Any]
_ON: Final = ("true", "on", "yes", "1")
_OFF: Final = ("false", "off", "no", "0")
_LONGEST: Final = 2000


def read_switch(value: Any) -> bool:
    """On or off, also in words.

    Raises:
        FieldError: it is neither.
    """
    text = value.strip().lower() if isinstance(value, str) else value
    if text in _ON and not isinstance(text, int | float):
        return True
    if text in _OFF and not isinstance(text, int | float):
        return False
    return text_fields.read_switch(value)


def read_web_address(value: Any) -> str:
    """An http(s) address; http for this machine alone.

    Raises:
        FieldError: it is none, or holds a password.
    """
    text = value.strip() if isinstance(value, str) else ""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise FieldError("is no address") from None
    if parts.scheme not in ("http", "https") or not host or port == 0 or len(text) > _LONGEST:
        raise FieldError("must be an address such as https://api.replicate.com/v1")
    if parts.username is not None or parts.password is not None:
        raise FieldError("must not hold a user name or a password")
    if parts.query or parts.fragment or not text.isprintable() or " " in text:
        raise FieldError("must end before any ?, # or space")
    if parts.scheme == "http" and not is_loopback_host(host):
        raise FieldError("must begin with https://: the token travels along")
    return text.rstrip("/")


def _or_empty(read: Reader) -> Reader:
    return lambda value: "" if isinstance(value, str) and not value.strip() else read(value)


def _hardware(value: Any) -> str:
    try:
        return normalise_profile(value if isinstance(value, str) else "")
    except ValueError:
        raise FieldError(f"must be one of {', '.join(PROFILES)}") from None


def _theme(value: Any) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not re.fullmatch(r"[\w-]{1,64}", text):
        raise FieldError("must be the name of a theme")
    return text


def _whole(name: str) -> Reader:
    low, high = RANGES[name]

    def read(value: Any) -> int:
        text = value.strip() if isinstance(value, str) else value
        if isinstance(text, str) and re.fullmatch(r"[0-9]{1,15}", text):
            text = int(text)
        if not isinstance(text, int) or isinstance(text, bool) or not low <= text <= high:
            raise FieldError(f"must be a whole number from {low:.0f} to {high:.0f}")
        return text

    return read


def _one_of(name: str) -> Reader:
    words = text_fields.PERIODS if name == "spending.period" else CHOICES[name]
    return lambda value: text_fields.read_choice(value, words)


READERS: Final[Mapping[str, Reader]] = {
    "cloud.api_base": read_web_address,
    "cloud.hardware": _hardware,
    "cloud.consent": _one_of("cloud.consent"),
    "cloud.delivery": _one_of("cloud.delivery"),
    "cloud.config_roots": listener_values.read_paths,
    "cloud.outputs_dir": listener_values.read_folder,
    "cloud.polling": read_switch,
    "listener.listen": listener_values.read_listen,
    "listener.public_url": listener_values.read_public_url,
    "listener.allowed_ips": listener_values.read_networks,
    "listener.trusted_proxies": listener_values.read_networks,
    "listener.verify_signatures": read_switch,
    "listener.allow_public_bind": read_switch,
    "listener.tls_cert": listener_values.read_path,
    "listener.tls_key": listener_values.read_path,
    "network.proxy": text_fields.read_proxy,
    "network.no_proxy": text_fields.read_names,
    "network.ca_bundle": text_fields.read_ca_bundle,
    "network.ssl_verify": read_switch,
    "network.send_secrets_unencrypted": read_switch,
    "network.timeout": text_fields.read_seconds,
    "network.status_page": _or_empty(read_web_address),
    "spending.enabled": read_switch,
    "spending.amount_micros": _whole("spending.amount_micros"),
    "spending.period": _one_of("spending.period"),
    "spending.action": _one_of("spending.action"),
    "spending.stop_running": read_switch,
    "publishing.bandwidth": _whole("publishing.bandwidth"),
    "ui.theme": _theme,
    "ui.ascii": read_switch,
    "ui.mouse": read_switch,
    "ui.frame_diff": read_switch,
}
"""By name. Tables (pinned versions, keys, rates) have ways of their own."""

RISKS: Final[Mapping[str, str]] = {
    "network.ssl_verify": "With TLS verification off, whoever sits between this machine and "
    "Replicate can read the token and everything that is sent.",
    "listener.verify_signatures": "Without signatures, anybody who finds the address can pretend "
    "to be Replicate.",
}
"""What is switched off only by somebody who has been told this."""

RISKS_WHEN_ON: Final[Mapping[str, str]] = {
    "network.send_secrets_unencrypted": "Whoever sits between this machine and an http:// address "
    "can then read the tokens and keys that are sent there.",
}
"""What is switched on only by somebody who has been told this."""


def read_settings(body: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Values by name (None for a default again), and what is wrong, by name."""
    values: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for name, value in body.items():
        if name not in READERS:
            tables = ("cloud.pinned_versions", "ui.keys", "rates_micros")
            own = name in tables or name.startswith("rates_micros.")
            wrong[name] = "is a table; settings edit changes it" if own else "is not known"
            continue
        try:
            values[name] = None if value is None else READERS[name](value)
        except FieldError as error:
            wrong[name] = str(error)
    return values, wrong
