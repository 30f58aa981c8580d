"""The answers behind the cards: who is told of them, and how often."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

from textual.screen import Screen

from tui.app.cloud.state import CloudState
from tui.app.context import AppContext


class Workers:
    """A screen's workers, which run when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[Coroutine[Any, Any, None]] = []

    def run_worker(self, work: Coroutine[Any, Any, None], **_: Any) -> None:
        self.waiting.append(work)

    async def answer(self) -> None:
        """Lets the oldest question have its answer."""
        await self.waiting.pop(0)


class Answering:
    """An engine that answers every call alike."""

    @property
    def cloud(self) -> Answering:
        return self

    def __getattr__(self, name: str) -> Callable[[], Coroutine[Any, Any, dict[str, str]]]:
        async def call() -> dict[str, str]:
            return {"call": name}

        return call


async def test_a_change_is_told_once_as_all_cards_are_read_for_it() -> None:
    context = SimpleNamespace(
        control=Answering(),
        clock=lambda: datetime(2026, 1, 1, tzinfo=UTC),
        reader=SimpleNamespace(fact=lambda name: None),
    )
    workers, told = Workers(), list[set[str]]()
    state = CloudState(
        cast("AppContext", context), cast("Screen[Any]", workers),
        lambda: told.append(set(state.busy)),
    )  # fmt: skip
    state.load(["rates"])
    assert told == [{"rates"}]
    state.load(["rates"])  # the answer under way may be older than the change
    told.clear()
    await workers.answer()
    assert told == [{"rates"}]
    await workers.answer()
    assert told == [{"rates"}, set()]
    told.clear()
    state.apply_fact("listener")
    assert told == [{"webhooks"}]
    await workers.answer()
    assert told == [{"webhooks"}, set()]
    assert not workers.waiting
