"""Pictures of the job page and of the form, at a fixed time in a fixed world."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.app.conftest import wait_for
from tests.app.job.world import FAILED, RUNNING, fill_jobs
from tests.app.new_job.check_answer import answer
from tests.app.stand_in_engine import StandInEngine
from tests.app.world import NOW
from tui.app.app import SimpleTunerApp
from tui.app.job.screen import JobScreen
from tui.app.new_job.screen import NewJobScreen
from tui.settings import Home, Settings

Snap = Callable[..., bool]


@pytest.fixture
def app(home: Home, engine: StandInEngine) -> Any:
    fill_jobs(home)
    engine.answers[("POST", "/api/cloud/check")] = (200, answer())
    one = SimpleTunerApp(home, Settings(), attach=engine.attach, clock=lambda: NOW)
    yield one
    one.reader.close()


def job(job_id: str, tab: str) -> Callable[[Pilot[int]], Any]:
    async def run(pilot: Pilot[int]) -> None:
        app: Any = pilot.app
        await wait_for(pilot, lambda: app.control is not None)
        app.open_job(job_id)
        screen = await wait_for(pilot, lambda: isinstance(app.screen, JobScreen) and app.screen)
        await wait_for(pilot, lambda: screen.is_mounted and screen.tabs.panel.is_attached)
        await screen.tabs.open(tab)
        if tab == "Metrics":
            await wait_for(pilot, lambda: screen.tabs.panel._series)
        if tab == "Log":
            await wait_for(
                pilot, lambda: any("line 49" in word for word in screen.tabs.title._words)
            )
        await pilot.pause()

    return run


async def form(pilot: Pilot[int]) -> None:
    app: Any = pilot.app
    await wait_for(pilot, lambda: app.control is not None)
    screen = NewJobScreen({"config": "config/cat-lora/config.json"})
    app.push_screen(screen)
    await wait_for(pilot, lambda: screen.is_mounted and hasattr(screen, "flow"))
    await wait_for(pilot, lambda: screen.flow.answer is not None)
    await pilot.pause()


def test_log(app: Any, snap_compare: Snap) -> None:
    assert snap_compare(app, terminal_size=(120, 40), run_before=job(RUNNING, "Log"))


def test_metrics(app: Any, snap_compare: Snap) -> None:
    assert snap_compare(app, terminal_size=(120, 40), run_before=job(RUNNING, "Metrics"))


def test_diagnosis(app: Any, snap_compare: Snap) -> None:
    assert snap_compare(app, terminal_size=(80, 24), run_before=job(FAILED, "Diagnosis"))


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_form(app: Any, snap_compare: Snap, size: tuple[int, int]) -> None:
    assert snap_compare(app, terminal_size=size, run_before=form)
