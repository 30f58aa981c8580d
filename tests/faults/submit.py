"""Submits whose answers are late, lost, doubled or wrong, with syncs and restarts between."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import patch

from tests.engine.submission.interleaved import ANSWERS, POST, ScriptWorld
from tests.faults.table import Fault, Outcome, Part
from tests.wished import wished
from tui.engine.submission import post_once
from tui.sandbox.demo import write_demo_project
from tui.sandbox.faults import Fault as SandboxFault
from tui.sandbox.server import serve
from tui.settings import Home
from tui.store.reader import StoreReader

_TROUBLES = ("uncertain", "waiting", "looked-up", "accepted")
LIST = "GET /v1/predictions"
FAULTS: dict[str, tuple[str, ...]] = {
    **{f"answer {name}": faults for name, faults in ANSWERS.items()},
    "answer 500, an HTML page": (f"server-error*1@{POST}",),
    "answer 502 of a proxy": (f"bad-gateway*1@{POST}",),
    "answer of a wrong length": (f"wrong-length*1@{POST}",),
    "answer lost, and the list is garbled once": (f"cut=0*1@{POST}", f"garbage*1@{LIST}"),
    "answer lost, and the list is cut once": (f"cut=0*1@{POST}", f"cut*1@{LIST}"),
}


@asynccontextmanager
async def _open(folder: Path) -> AsyncIterator[ScriptWorld]:
    # The sandbox's list has a prediction at once: there is nothing to wait for.
    with patch.object(post_once, "_LOOPBACK_LOOK_UP_SECONDS", 0.0):
        faults = (SandboxFault.parse("queue-forever"),)
        sandbox = await serve(wished(work_dir=folder / "sandbox", faults=faults))
        world = ScriptWorld(
            Home(folder / "home", folder / "outputs"),
            sandbox,
            write_demo_project(folder / "project"),
        )
        try:
            await world.start()
            yield world
            await world.engine.aclose()
        finally:
            world.held.release()
            await sandbox.aclose()


def _attempt(
    faults: tuple[str, ...], then: str
) -> Callable[[ScriptWorld, random.Random], Awaitable[Outcome]]:
    async def attempt(world: ScriptWorld, dice: random.Random) -> Outcome:
        with patch.dict(ANSWERS, dict.fromkeys(ANSWERS, faults)):
            await world.submit(dice, 1)
        if then:
            await world.act(then, dice)
        await world.settle()
        predictions = {record.id for record in world.predictions}
        jobs = [job.prediction_id for job in world.jobs]
        said = _said(world)
        await world.clear()
        return Outcome(
            lost=set(jobs) != predictions,
            doubled=len(predictions) > 1 or len(jobs) > 1,
            said=said,
        )

    return attempt


def _said(world: ScriptWorld) -> str:
    """What the history of the newest job says of its trouble, and of how it was found."""
    reader = StoreReader(world.home.database)
    try:
        events = reader.events(world.submitted[-1])
    finally:
        reader.close()
    told = [event.message for event in events if event.kind in _TROUBLES]
    return " ".join(told[:1] + told[1:][-1:]) or events[-1].message


PART = Part(
    "submit",
    _open,
    [
        *(Fault(name, _attempt(faults, "")) for name, faults in FAULTS.items()),
        *(
            Fault(f"{name}, and {words}", _attempt(FAULTS[name], then))
            for name in ("answer late", "answer lost", "answer late and lost", "answer garbled")
            for then, words in (
                ("two syncs", "two syncs at once"),
                ("bare hook", "a webhook without a key"),
                ("restart", "the engine starts again"),
            )
        ),
    ],
)
