"""The Publishing screen's last line: the keys of the panel, the most important first."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from tests.app.conftest import lines_of, opened, text_of, wait_for
from tests.app.sample_artifacts import ANSWER, JOB, fill
from tests.app.stand_in_engine import StandInEngine
from tests.app.world import NOW
from tui.app.new_job.screen import NewJobScreen
from tui.app.publishing.screen import PublishingScreen
from tui.settings import Home, PublishingSettings, Settings


@pytest.fixture
def filled(world: Home, engine: StandInEngine) -> Home:
    fill(world)
    engine.answers["GET", f"/api/engine/artifacts?job={JOB}"] = (200, ANSWER)
    return world


async def test_each_panel_names_its_own_keys_first(filled: Home, engine: StandInEngine) -> None:
    async with opened(filled, engine, size=(80, 24)) as (app, pilot):
        await pilot.press("3")
        screen: Any = await wait_for(
            pilot, lambda: isinstance(app.screen, PublishingScreen) and app.screen
        )
        screen.filter_by("name:chroma-test-3")
        for panel, words in (
            ("artifacts", ("enter open", "p publish", "d delete", "tab panel", "/ filter")),
            ("transfers", ("space pause", "c cancel", "tab panel", "e limit")),
            (
                "destinations",
                ("n add", "e change", "t test", "T test all", "d remove", "tab panel"),
            ),
        ):
            await wait_for(pilot, lambda panel=panel: screen.panels.current == panel)
            await wait_for(
                pilot, lambda words=words: all(one in lines_of(app)[-1] for one in words)
            )
            await pilot.press("tab")


async def test_the_speed_limit_stays_in_the_title(filled: Home, engine: StandInEngine) -> None:
    settings = Settings(publishing=PublishingSettings(bandwidth=400 << 10))
    async with opened(filled, engine, size=(60, 24), settings=settings) as (app, pilot):
        await pilot.press("3")
        await wait_for(pilot, lambda: isinstance(app.screen, PublishingScreen))
        await wait_for(pilot, lambda: "limit 400 KiB/s" in text_of(app))


async def test_n_opens_the_form_for_a_new_job(filled: Home, engine: StandInEngine) -> None:
    engine.answers["GET", "/api/cloud/available-configs"] = (200, {"configs": []})
    async with opened(filled, engine) as (app, pilot):
        await pilot.press("3")
        await wait_for(pilot, lambda: isinstance(app.screen, PublishingScreen))
        await pilot.press("n")
        await wait_for(pilot, lambda: isinstance(app.screen, NewJobScreen))


async def test_ages_grow_while_nothing_happens(
    filled: Home, engine: StandInEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.app.shell.screen.AGE_SECONDS", 0.1)
    async with opened(filled, engine) as (app, pilot):
        await pilot.press("3")
        await wait_for(pilot, lambda: text_of(app).count(" ago") > 1)
        app.clock = lambda: NOW + timedelta(days=400)  # a transfer, and two tested destinations
        await wait_for(pilot, lambda: len(re.findall("400 d [0-9]+ h ago", text_of(app))) == 3)
