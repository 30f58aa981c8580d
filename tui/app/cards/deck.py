"""Which cards there are, and in what order."""

from __future__ import annotations

from typing import Final

from tui.app.cards.account import AccountCard
from tui.app.cards.card import Card
from tui.app.cards.data import CloudData
from tui.app.cards.delivery import DeliveryCard
from tui.app.cards.hardware import HardwareCard
from tui.app.cards.listener import ListenerCard
from tui.app.cards.network import NetworkCard
from tui.app.cards.settings import SettingsCard
from tui.app.cards.setup import SetupCard
from tui.app.cards.spending import SpendingCard

_ALL: Final[tuple[type[Card], ...]] = (
    SetupCard, AccountCard, SpendingCard, HardwareCard, DeliveryCard, ListenerCard, NetworkCard,
    SettingsCard,
)  # fmt: skip


def make_cards(data: CloudData) -> list[Card]:
    """All cards, the left column's first."""
    return sorted((kind(data) for kind in _ALL), key=lambda card: card.COLUMN)
