"""The screen of a job, opened in an application."""

from __future__ import annotations

from tests.app.conftest import wait_for
from tui.app.job.screen import JobScreen


async def open_job(app, pilot, job_id: str) -> JobScreen:
    app.model.reload()
    app.open_job(job_id)
    screen = await wait_for(pilot, lambda: isinstance(app.screen, JobScreen) and app.screen)
    await wait_for(pilot, lambda: screen.is_mounted and screen.tabs.panel.is_attached)
    await pilot.pause()
    return screen
