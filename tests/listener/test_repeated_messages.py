"""For how long, and how many, message ids are remembered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tui.listener.webhooks import receiver
from tui.listener.webhooks.receiver import ReplayCache

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_a_message_is_remembered_for_its_time_and_not_a_moment_longer() -> None:
    cache = ReplayCache(10)
    cache.remember("a", NOW)
    cache.remember("b", NOW + timedelta(seconds=1))
    moment = timedelta(microseconds=1)
    assert cache.has("a", NOW + timedelta(seconds=10) - moment)
    assert not cache.has("a", NOW + timedelta(seconds=10))
    assert cache.has("b", NOW + timedelta(seconds=11) - moment)
    assert not cache.has("b", NOW + timedelta(seconds=11))
    assert not cache._seen


def test_the_oldest_messages_are_forgotten_when_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(receiver, "_MOST", 3)
    cache = ReplayCache(10)
    for name in "abc":
        cache.remember(name, NOW)
    assert all(cache.has(name, NOW) for name in "abc")
    cache.remember("d", NOW)
    assert [cache.has(name, NOW) for name in "abcd"] == [False, True, True, True]
    cache.forget("b")
    cache.forget("never there")
    assert [cache.has(name, NOW) for name in "abcd"] == [False, False, True, True]
