"""What is typed out elsewhere, for people or for type checkers, agrees with the declarations."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from tui.api.base import Delivery, SpendingAction, SpendingPeriod
from tui.api.network import NetworkChange, NetworkState
from tui.api.providers import ProviderConfig, ProviderConfigChange
from tui.api.spending import CostLimitChange
from tui.app.cloud import settings as settings_card
from tui.app.cloud import spending as spending_card
from tui.engine.http_api.provider_settings import config_row, provider_names
from tui.settings.values import Settings, catalog


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("cloud.delivery", get_args(Delivery)),
        ("spending.period", get_args(SpendingPeriod)),
        ("spending.action", get_args(SpendingAction)),
        ("cloud.consent", [choice[0] for choice in settings_card._CONSENT]),
        ("spending.period", [choice[0] for choice in spending_card._PERIODS]),
        ("spending.action", [choice[0] for choice in spending_card._ACTIONS]),
    ],
)
def test_choices_are_the_declared_ones(name: str, choices: Any) -> None:
    assert list(choices) == list(catalog()[name].spec.choices)


def test_simpletuners_names_are_in_the_shapes_of_its_api() -> None:
    assert set(config_row(Settings())) == set(ProviderConfig.__annotations__)
    assert set(provider_names()) < set(ProviderConfigChange.__annotations__)


@pytest.mark.parametrize(
    ("section", "shape", "others"),
    [
        ("spending", CostLimitChange, {"amount"}),
        ("network", NetworkChange, {"confirm"}),
    ],
)
def test_the_names_of_a_request_are_keys_of_its_section(
    section: str, shape: type, others: set[str]
) -> None:
    for key in set(shape.__annotations__) - others:
        assert f"{section}.{key}" in catalog()


def test_the_network_is_shown_by_the_keys_of_its_section() -> None:
    for key in set(NetworkState.__annotations__) - {"ways"}:
        assert f"network.{key}" in catalog()
