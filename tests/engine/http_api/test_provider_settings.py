"""Settings by the names, units and forms of SimpleTuner's API."""

from __future__ import annotations

from typing import Any

import pytest

from tui.base.errors import RefusedError
from tui.engine.http_api.provider_settings import (
    advanced_row,
    config_row,
    provider_names,
    read_changes,
)
from tui.settings import CloudSettings, NetworkSettings, Settings, SpendingSettings


def test_settings_are_shown_in_simpletuners_units() -> None:
    settings = Settings(
        cloud=CloudSettings(hardware="h100"),
        network=NetworkSettings(proxy="http://me:geheim@localhost:9", timeout=12.0),
        spending=SpendingSettings(amount_micros=12_500_000),
        rates_micros={"h100": 2_000_000},
    )
    row = config_row(settings)
    assert row["cost_limit_amount"] == 12.5
    machines = row["hardware_info"]
    assert isinstance(machines, dict)
    assert machines["h100"]["cost_per_second"] == 2.0
    assert (row["proxy_url"], row["http_timeout"]) == ("http://me:***@localhost:9", 12.0)
    assert (row["webhook_url"], row["ssl_ca_bundle"]) == (None, None)
    assert row["webhook_allowed_ips"] == []
    assert advanced_row(settings) == {
        name: row[name]
        for name in (
            "ssl_verify", "ssl_ca_bundle", "proxy_url", "http_timeout",
            "webhook_ip_allowlist_enabled", "webhook_allowed_ips",
        )
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "section", "key", "meant"),
    [
        ("api_base_url", None, "cloud", "api_base", None),
        ("api_base_url", "  ", "cloud", "api_base", None),
        ("api_base_url", "http://127.0.0.1:9/v1/", "cloud", "api_base", "http://127.0.0.1:9/v1"),
        ("hardware_profile", "2xH100", "cloud", "hardware", "h100-x2"),
        ("webhook_url", None, "listener", "public_url", ""),
        ("webhook_allowed_ips", None, "listener", "allowed_ips", ()),
        ("webhook_allowed_ips", ["10.1.2.3/8"], "listener", "allowed_ips", ("10.1.2.3/8",)),
        ("ssl_ca_bundle", None, "network", "ca_bundle", ""),
        ("proxy_url", "proxy:3128", "network", "proxy", "http://proxy:3128"),
        ("http_timeout", 20, "network", "timeout", 20.0),
        ("cost_limit_amount", 0.000001, "spending", "amount_micros", 1),
        ("cost_limit_amount", 1_000_000, "spending", "amount_micros", 10**12),
        ("cost_limit_enabled", True, "spending", "enabled", True),
    ],
)
def test_a_change_by_simpletuners_name(
    name: str, value: Any, section: str, key: str, meant: Any
) -> None:
    assert read_changes({name: value}, Settings()) == ({section: {key: meant}}, [])


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("cost_limit_amount", 10**400, "a number from 0 to 1e+06"),
        ("cost_limit_amount", float("nan"), "a number from 0 to 1e+06"),
        ("cost_limit_amount", "5", "a number from 0 to 1e+06"),
        ("cost_limit_amount", None, "a number from 0 to 1e+06"),
        ("http_timeout", 10**400, "1 to 600 seconds"),
        ("http_timeout", "20", "1 to 600 seconds"),
        ("http_timeout", float("inf"), "1 to 600 seconds"),
        ("ssl_verify", "no", "true or false"),
        ("ssl_verify", None, "true or false"),
        ("cost_limit_period", "yearly", "daily, weekly or monthly"),
        ("cost_limit_period", None, "daily, weekly or monthly"),
        ("hardware_profile", None, "is not known"),
        ("hardware_profile", "abacus", "is not known"),
        ("api_base_url", "http://api.example", "the token travels along"),
        ("proxy_url", 5, "must be text or null"),
        ("webhook_allowed_ips", "10.0.0.0/8", "a list of addresses"),
    ],
)
def test_what_is_refused_stands_at_simpletuners_name(name: str, value: Any, why: str) -> None:
    with pytest.raises(RefusedError) as caught:
        read_changes({name: value}, Settings())
    assert why in caught.value.details["fields"][name]
    assert caught.value.message == f"{name} {caught.value.details['fields'][name]}."


def test_what_every_name_shows_can_be_sent_back() -> None:
    row = config_row(Settings())
    changes, ignored = read_changes({name: row[name] for name in provider_names()}, Settings())
    assert ignored == []
    for setting in provider_names().values():
        value = changes[setting.section][setting.key]
        assert setting.default == (setting.default if value is None else value)
