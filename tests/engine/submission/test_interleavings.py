"""Submits, syncs, webhooks, restarts and broken answers in any order: one submit, one prediction.

Each seed is a small script. The sandbox holds answers until the script releases them, so nothing
waits for time to pass.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.submission.interleaved import ACTIONS, ANSWERS, ScriptWorld
from tests.wished import wished
from tui.engine.listener.service import ListenerService
from tui.engine.submission import post_once
from tui.sandbox.demo import write_demo_project
from tui.sandbox.faults import Fault
from tui.sandbox.server import serve
from tui.settings import Home

SLICE = 50
"""Seeds that one test plays: slices can run beside each other."""
SLICES = 10
"""Half of them without webhooks; one of each half in every run, the others before a release.

Every run plays 200 orders against a small engine as well, see `test_any_order`.
"""


@pytest.fixture
async def script_world(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ScriptWorld]:
    # The sandbox's list has a prediction at once: there is nothing to wait for.
    monkeypatch.setattr(post_once, "_LOOPBACK_LOOK_UP_SECONDS", 0.0)
    config = wished(work_dir=tmp_path / "sandbox", faults=(Fault.parse("queue-forever"),))
    sandbox = await serve(config)
    script_world = ScriptWorld(home, sandbox, write_demo_project(tmp_path / "project"))
    try:
        await script_world.start()
        yield script_world
        await script_world.engine.aclose()
    finally:
        script_world.held.release()
        await sandbox.aclose()


def slices() -> Iterator[Any]:
    """Whether webhooks come, and the first seed."""
    for number in range(SLICES):
        later = () if number in (0, SLICES // 2) else pytest.mark.release
        yield pytest.param(number < SLICES // 2, number * SLICE, marks=later)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("webhooks", "first"), slices())
async def test_random_interleavings_keep_one_prediction_per_submit(
    script_world: ScriptWorld, monkeypatch: pytest.MonkeyPatch, *, webhooks: bool, first: int
) -> None:
    if not webhooks:
        monkeypatch.setattr(ListenerService, "webhook_url", lambda _self, _job: None)
    for seed in range(first, first + SLICE):
        await script_world.play(random.Random(seed))
        await script_world.settle()
        prediction_ids = sorted(record.id for record in script_world.predictions)
        assert len(prediction_ids) == len(script_world.submitted), (
            f"seed {seed}: not one prediction a submit"
        )
        assert sorted(job.prediction_id for job in script_world.jobs) == prediction_ids, (
            f"seed {seed}"
        )
        await script_world.clear()
    assert set(script_world.done) == {*ACTIONS, *ANSWERS}, "some of it was never tried"
