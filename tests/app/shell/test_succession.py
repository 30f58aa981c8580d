"""An engine of an older version: the app waits until it can be replaced, and then goes on."""

from __future__ import annotations

import pytest

from tests.app.conftest import opened, wait_for
from tests.app.stand_in_engine import StandInEngine
from tui import __version__
from tui.app import succession
from tui.app.succession import is_older
from tui.settings import Home

QUESTION = ("POST", "/api/engine/succession")


async def test_an_older_engine_is_replaced_when_it_has_nothing_under_way(
    world: Home, engine: StandInEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(succession, "_ASK_AGAIN", 0.02)
    engine.version = "0.0.1"
    engine.answers[QUESTION] = (200, {"gives_way": False, "waits_for": "transfer t1"})
    async with opened(world, engine) as (app, pilot):
        await wait_for(pilot, lambda: engine.calls("POST").count(QUESTION[1]) > 2)
        (told,) = app.notices
        assert told.advice == "It waits for: transfer t1."
        first = app.control
        engine.answers[QUESTION] = (200, {"gives_way": True, "waits_for": ""})
        await wait_for(pilot, lambda: len(app.notices) == 2)
        assert app.notices[1].message == f"The engine of version 0.0.1 gives way to {__version__}."
        engine.version = __version__
        (before,) = engine.listeners
        before.put(None)  # it ends
        await wait_for(pilot, lambda: app.control not in (None, first))
        await wait_for(pilot, lambda: engine.listeners and before not in engine.listeners)
        assert len(app.notices) == 2, "it was told as a fault"
        engine.version = "0.0.1"
        engine.answers[QUESTION] = (404, {"error": "not_found", "message": "", "advice": ""})
        for listener in engine.listeners:
            listener.put(None)
        await wait_for(pilot, lambda: "simpletuner-tui engine restart" in str(app.notices))


@pytest.mark.parametrize(
    ("version", "than", "older"),
    [
        ("0.1.0", "0.2.0", True), ("0.9.1", "0.10.0", True), ("0.1.0", "0.1.0", False),
        ("1.0.0", "0.9.9", False), ("", "0.1.0", False), ("0.1", "0.1.0", True),
        ("0.1.0+local", "0.1.0", False),
    ],
)  # fmt: skip
def test_versions_are_compared_by_their_numbers(version: str, than: str, older: bool) -> None:
    assert is_older(version, than) is older
