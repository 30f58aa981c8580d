"""Pictures of the Publishing screen with something in every panel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.app.conftest import wait_for
from tests.app.sample_artifacts import ANSWER, JOB, MIB, fill
from tests.app.stand_in_engine import StandInEngine
from tests.app.world import NOW
from tui.app.app import SimpleTunerApp
from tui.app.publishing.screen import PublishingScreen
from tui.settings import CloudSettings, Home, Settings


@pytest.fixture
def app(world: Home, engine: StandInEngine) -> Iterator[SimpleTunerApp]:
    fill(world)
    engine.answers["GET", f"/api/engine/artifacts?job={JOB}"] = (200, ANSWER)
    settings = Settings(cloud=CloudSettings(outputs_dir="/srv/cloud_outputs"))
    one = SimpleTunerApp(world, settings, attach=engine.attach, clock=lambda: NOW)
    yield one
    one.reader.close()


def walk(*keys: str) -> Callable[[Pilot[int]], Any]:
    """To the screen, a word about the running transfer, then keys."""

    async def go(pilot: Pilot[int]) -> None:
        app: Any = pilot.app
        await wait_for(pilot, lambda: app.control is not None)
        await pilot.press("3")
        screen = await wait_for(
            pilot, lambda: isinstance(app.screen, PublishingScreen) and app.screen
        )
        screen.filter_by("name:chroma-test-3")
        await wait_for(
            pilot, lambda: (screen.state.artifacts.get(JOB) or {}).get("checkpoints"), 20
        )
        app.signals.transfer_changed.publish({
            "transfer_id": "0" * 10, "job_id": JOB, "state": "running", "done": 150 * MIB,
            "total": 231 * MIB, "bytes_per_second": 12 * MIB, "eta_seconds": 7, "message": "",
            "position": screen.state.transfers[0].position,
        })  # fmt: skip
        await wait_for(pilot, lambda: screen.state.moving and not screen._due)
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        app.clear_notifications()
        await pilot.pause()

    return go


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_artifacts(
    app: SimpleTunerApp, snap_compare: Callable[..., bool], size: tuple[int, int]
) -> None:
    keys = ("j", "j", "l", "j", "j", "l", "j")
    assert snap_compare(app, terminal_size=size, run_before=walk(*keys))


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_transfers(
    app: SimpleTunerApp, snap_compare: Callable[..., bool], size: tuple[int, int]
) -> None:
    assert snap_compare(app, terminal_size=size, run_before=walk("tab"))


def test_new_destination(app: SimpleTunerApp, snap_compare: Callable[..., bool]) -> None:
    keys = ("a", "enter", "j", "enter", "G", "enter")
    assert snap_compare(app, terminal_size=(80, 24), run_before=walk(*keys))


def test_publish(app: SimpleTunerApp, snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(app, terminal_size=(120, 40), run_before=walk("p"))
