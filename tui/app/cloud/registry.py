"""Which cards there are, and in what order."""

from __future__ import annotations

from typing import Final

from tui.app.cloud.account import AccountCard
from tui.app.cloud.card import Card
from tui.app.cloud.delivery import DeliveryCard
from tui.app.cloud.hardware import HardwareCard
from tui.app.cloud.listener import ListenerCard
from tui.app.cloud.network import NetworkCard
from tui.app.cloud.settings import SettingsCard
from tui.app.cloud.setup import SetupCard
from tui.app.cloud.spending import SpendingCard
from tui.app.cloud.state import CloudData

_ALL: Final[tuple[type[Card], ...]] = (
    SetupCard, AccountCard, SpendingCard, HardwareCard, DeliveryCard, ListenerCard, NetworkCard,
    SettingsCard,
)  # fmt: skip


def make_cards(data: CloudData) -> list[Card]:
    """All cards, the left column's first."""
    return sorted((kind(data) for kind in _ALL), key=lambda card: card.COLUMN)
