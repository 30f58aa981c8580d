"""The bar at the top: what it leaves out when there is little room, and what never."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.style import Style

from tests.app.conftest import opened
from tui.app.shell.messages import EngineState
from tui.app.shell.status import AppStatus, Indicator, _spending
from tui.app.shell.top_bar import TopBar, facts_of, fitting
from tui.app.terminal.text_lines import length
from tui.app.terminal.theme import DARK, _make
from tui.settings import Home

COLORS = _make(DARK)
OK = Indicator("ok", "api"), Indicator("ok", "listener")
REAL = AppStatus(False, "alice", "$31.20 of $50 / 7 d", *OK)
SANDBOX = AppStatus(True, "sandbox", "$0.12 of $50 / 30 d", *OK)
AT_80 = 44
"""Columns that the names of the screens leave over at 80."""


def said(status: AppStatus, room: int) -> str:
    """What the bar says in so many columns."""
    return "".join(text for text, _ in fitting(facts_of(status, COLORS), room, COLORS))


@pytest.mark.parametrize(
    ("state", "unheard", "words"),
    [
        ("ready", 0, "$1.60 of $50 / 7 d"),
        ("ready", 1, "at least $1.00 of $50 / 7 d"),
        ("silent", 0, "at least $1.00 of $50 / 7 d"),
        ("gone", 0, "at least $1.00 of $50 / 7 d"),
    ],
)
def test_what_is_not_known_is_not_added_up(state: Any, unheard: int, words: str) -> None:
    """Between two facts the bar counts on with what the running jobs cost each second."""
    written = datetime(2026, 3, 1, tzinfo=UTC)
    fact = {
        "spent_micros": 1_000_000, "as_of": written.isoformat(), "burn_micros": 10_000,
        "unheard_jobs": unheard, "enabled": True, "limit_micros": 50_000_000, "window": "7 d",
    }  # fmt: skip
    assert _spending(fact, written + timedelta(hours=1), EngineState(state)) == words
    fact["burn_micros"] = 0
    if not unheard:  # nothing runs: it is all known
        assert _spending(fact, written, EngineState(state)) == "$1.00 of $50 / 7 d"


def test_a_wide_bar_shows_everything_in_full() -> None:
    assert said(REAL, 60) == "@alice · $31.20 of $50 / 7 d · ● api · ● listener"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (REAL, "@alice  $31.20 of $50  ● api  ● listener"),
        (SANDBOX, " SANDBOX   $0.12 of $50  ● api  ● listener"),
        (replace(REAL, listener=Indicator("bad", "listener"),
                 spending="$1,131.20 of $2,500 / 30 d"),
         "@alice  $1,131.20 of $2,500  ✗ listener"),
        (replace(REAL, api=Indicator("bad", "engine: not running"), listener=None),
         "@alice  $31.20 of $50  ✗ engine: not running"),
        (replace(SANDBOX, api=Indicator("wait", "engine: starting…"), listener=None),
         " SANDBOX   $0.12 of $50  ◌ engine: starting…"),
        (replace(REAL, api=Indicator("bad", "token refused, not heard from since 21:04",
                                 "token refused since 21:04")),
         "✗ token refused, not heard from since 21:04"),
        (replace(SANDBOX, api=Indicator("bad", "token refused, not heard from since 21:04",
                                    "token refused since 21:04")),
         " SANDBOX   ✗ token refused since 21:04"),
        (replace(REAL, spending="", account="a-user-with-quite-a-long-name-there"),
         "@a-user-with-quite-a-long-name-there  ● api"),
    ],
)  # fmt: skip
def test_at_80_columns_the_bar_shows_what_matters_most(status: AppStatus, words: str) -> None:
    assert said(status, AT_80) == words


@given(
    room=st.integers(0, 120), sandbox=st.booleans(), account=st.text(max_size=20),
    spending=st.sampled_from(["", "$0.12 / 7 d", "$31.20 of $50 / 7 d"]),
    state=st.sampled_from(["ok", "wait", "bad"]),
)  # fmt: skip
def test_it_never_says_more_than_there_is_room_for(
    room: int, sandbox: bool, account: str, spending: str, state: str
) -> None:
    status = AppStatus(sandbox, account, spending, Indicator(state, "api"), OK[1])
    pieces = fitting(facts_of(status, COLORS), room, COLORS)
    assert length(pieces) <= room
    assert all(isinstance(style, Style) for _, style in pieces)
    if sandbox and room >= len(" SANDBOX "):
        assert "SANDBOX" in "".join(text for text, _ in pieces)


@pytest.mark.parametrize("width", [60, 80, 99, 100, 160])
async def test_the_screens_are_reached_by_a_click_at_every_width(world: Home, width: int) -> None:
    async with opened(world, size=(width, 30)) as (app, pilot):
        bar = app.screen.query_one(TopBar)
        words = "".join(segment.text for segment in bar.render_line(0))
        assert len(words) == width
        assert ("SimpleTuner" in words) is (width >= 100)
        await pilot.click(TopBar, offset=(words.index("3 Publishing") + 2, 0))
        await pilot.pause()
        assert getattr(app.screen, "HERE", "") == "publishing"
