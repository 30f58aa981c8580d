"""Opens the form for a new job, and reads what it asked the engine."""

from __future__ import annotations

from typing import Any

from tests.app.conftest import wait_for
from tests.app.stand_in_engine import StandInEngine
from tui.app.new_job.screen import NewJobScreen

CHECK = ("POST", "/api/cloud/check?proofs=later")
WHOLE_CHECK = ("POST", "/api/cloud/check")
LATER = ("GET", "/api/cloud/check/c1")
SUBMIT = ("POST", "/api/cloud/jobs/submit")
CONFIG = "/data/config/cat-lora/config.json"


async def open_form(app: Any, pilot: Any, draft: dict[str, Any] | None = None) -> NewJobScreen:
    screen = NewJobScreen({"config": CONFIG} if draft is None else draft)
    app.push_screen(screen)
    await wait_for(pilot, lambda: screen.is_mounted and hasattr(screen, "flow"))
    await wait_for(pilot, lambda: not screen.flow.checking)
    await pilot.pause()
    return screen


def asked(engine: StandInEngine, call: tuple[str, str]) -> list[Any]:
    return [body for method, path, body in engine.asked if (method, path) == call]
