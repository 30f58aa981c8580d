"""The app on a real engine that is stopped by a signal, and goes on."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from tests.app.conftest import text_of, wait_for
from tests.app.world import job
from tests.engine.world import write_quick_settings
from tui.app.app import SimpleTunerApp
from tui.base.job_status import JobStatus
from tui.client.client import ControlClient
from tui.client.engine_process import attach, own_engine
from tui.settings import Home, load_settings
from tui.store.writer import StoreWriter


@pytest.fixture
def pid(home: Home) -> Iterator[int]:
    """The process of an engine that works in the home."""
    write_quick_settings(home)
    writer = StoreWriter(home)
    writer.insert(job(1, JobStatus.COMPLETED))  # else a new user is welcomed
    writer.close()
    environ = os.environ | {"SIMPLETUNER_TUI_API_BASE": "http://127.0.0.1:9/v1"}
    engine = own_engine(home, environ, lambda: environ)
    yield engine.process.pid
    engine.process.send_signal(signal.SIGCONT)
    engine.stop()


async def test_an_engine_that_does_not_answer_is_not_called_not_running(
    home: Home, pid: int
) -> None:
    settings = load_settings(home, {})

    async def find() -> ControlClient:
        return await attach(home, settings, {})

    os.kill(pid, signal.SIGSTOP)
    app = SimpleTunerApp(home, settings, attach=find)
    async with app.run_test(size=(120, 40)) as pilot:
        for _ in range(2):  # at the start, and after it had answered
            await wait_for(pilot, lambda: app.engine.state == "silent")
            assert app.control is None
            await wait_for(pilot, lambda: "engine: does not answer" in text_of(app))
            assert f"kill -CONT {pid}" in app.engine.advice
            assert "does not answer" in app.engine.refusal
            os.kill(pid, signal.SIGCONT)
            await wait_for(pilot, lambda: app.engine.state == "ready" and app.control)
            await wait_for(pilot, lambda: "does not answer" not in text_of(app).split("\n")[0])
            await asyncio.to_thread(ControlClient(home.socket).info().result)
            os.kill(pid, signal.SIGSTOP)
    app.reader.close()
