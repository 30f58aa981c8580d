"""Warnings and ends are told once; a user's command runs for them, without any secret."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.app.world import NOW, home_at, job
from tests.support import eventually
from tui.base.job_status import JobStatus
from tui.engine.config.live import LiveSettings
from tui.engine.notices.command import Notice, run_command
from tui.engine.notices.service import RunNotices
from tui.engine.runtime.event_bus import EventBus
from tui.engine.runtime.tasks import TaskOwner
from tui.engine.tracking.recorder import JobRecorder
from tui.settings import NoticesSettings, Settings
from tui.store.reader import StoreReader
from tui.store.writer import Change, StoreWriter

RUN = job(1, JobStatus.RUNNING)
TELLS = (
    "import json,os,sys; "
    "open(sys.argv[1],'a').write(json.dumps(dict(os.environ))+chr(10)); print('sent \x1b[2J')"
)
WARNING = {"kind": "stalled", "step": 3, "since": (NOW - timedelta(minutes=4)).isoformat(),
           "ratio": None, "dismissed": False}  # fmt: skip


class Told:
    """A store with a running job, and what watches it."""

    def __init__(self, folder: Path, *, command: tuple[str, ...] = ()) -> None:
        home = home_at(folder)
        self.closed = False
        self.bus, self.tasks = EventBus(), TaskOwner()
        self.writer, self.live = StoreWriter(home), LiveSettings(home, Settings())
        self.recorder = JobRecorder(self.writer, home, self.bus)
        self.reader = StoreReader(home.database)
        if self.reader.job(RUN.job_id) is None:
            self.recorder.insert(RUN)
        self.command(command)
        self.notices = RunNotices(
            bus=self.bus, live=self.live, reader=self.reader, recorder=self.recorder,
            tasks=self.tasks, writer=self.writer, now=lambda: NOW, gather=0.0,
            environ={"PATH": "/usr/bin:/bin", "REPLICATE_API_TOKEN": "r8_secret", "HF_TOKEN": "x"},
        )  # fmt: skip

    def command(self, command: tuple[str, ...]) -> None:
        self.live.now = Settings(notices=NoticesSettings(command=command))

    def messages(self) -> list[str]:
        return [event.message for event in self.reader.events(RUN.job_id)]

    async def aclose(self) -> None:
        if self.closed:
            return
        self.closed = True
        await self.notices.aclose()
        await self.tasks.aclose()
        self.reader.close()
        self.writer.close()


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[Told]:
    told = Told(tmp_path / "home")
    yield told
    await told.aclose()


async def heard(queue: asyncio.Queue[tuple[str, dict[str, object]]]) -> str:
    """The next notice."""
    while True:
        kind, data = await queue.get()
        if kind == "notice":
            return str(data["message"])


async def test_a_warning_and_the_end_are_told_once_also_after_a_restart(
    told: Told, tmp_path: Path
) -> None:
    written = tmp_path / "calls"
    told.command((sys.executable, "-c", TELLS, str(written)))
    told.notices.start()
    with told.bus.subscribe() as queue:
        told.recorder.write(RUN.job_id, Change(values={"warnings": [WARNING]}))
        assert (await heard(queue)).startswith(f"{RUN.name}: no step for 4 m")
        told.recorder.write(RUN.job_id, Change(values={"warnings": [WARNING], "step": 4}))
        ends = {"status": JobStatus.COMPLETED, "cost_micros": 1_840_000, "completed_at": NOW}
        await eventually(lambda: told.messages() == ["Command for notices: sent [2J"])
        told.recorder.write(RUN.job_id, Change(values=ends))
        await eventually(lambda: len(told.messages()) == 2)
        kinds = []
        while not queue.empty():
            kinds.append(queue.get_nowait()[0])
        assert "notice" not in kinds
    calls = [json.loads(line) for line in written.read_text().splitlines()]
    assert [call["SIMPLETUNER_TUI_STATE"] for call in calls] == ["running", "completed"]
    assert calls[1]["SIMPLETUNER_TUI_COST"] == "1.84"
    assert calls[1]["SIMPLETUNER_TUI_JOB"] == RUN.job_id
    assert calls[1]["SIMPLETUNER_TUI_NAME"] == RUN.name
    assert not {"REPLICATE_API_TOKEN", "HF_TOKEN"} & calls[1].keys()
    await told.aclose()
    again = Told(tmp_path / "home", command=(sys.executable, "-c", TELLS, str(written)))
    try:
        again.notices.start()
        with again.bus.subscribe() as queue:
            back = {"status": JobStatus.RUNNING, "warnings": [WARNING], "completed_at": None}
            again.recorder.write(RUN.job_id, Change(values=back))
            again.recorder.write(RUN.job_id, Change(values=ends))
            again.bus.publish("notice", job_id=RUN.job_id, message="the limit is reached")
            await eventually(lambda: len(written.read_text().splitlines()) == 3)
        newest = json.loads(written.read_text().splitlines()[-1])
        assert newest["SIMPLETUNER_TUI_MESSAGE"] == "the limit is reached"
    finally:
        await again.aclose()


async def test_each_warning_of_a_run_is_told_but_what_was_put_away(told: Told) -> None:
    told.notices.start()
    rows = [
        {**WARNING, "kind": "not_finite"}, {**WARNING, "kind": "diverging", "dismissed": True},
        WARNING, {**WARNING, "kind": "slower", "ratio": 3.0},
    ]  # fmt: skip
    with told.bus.subscribe() as queue:
        told.recorder.write(RUN.job_id, Change(values={"warnings": rows}))
        assert [await heard(queue), await heard(queue)] == [
            f"{RUN.name}: loss is not a number since step 3.",
            f"{RUN.name}: no step for 4 m · $0.23.",
        ]
        assert queue.empty()


async def test_jobs_that_were_not_followed_here_are_not_told(told: Told, tmp_path: Path) -> None:
    written = tmp_path / "calls"
    told.command((sys.executable, "-c", TELLS, str(written)))
    told.notices.start()
    told.recorder.insert(job(2, JobStatus.COMPLETED))  # from a sync
    told.bus.publish("notice", job_id=RUN.job_id, message="of the one that runs")
    await eventually(lambda: written.exists() and written.read_text().endswith("\n"))
    (call,) = map(json.loads, written.read_text().splitlines())
    assert call["SIMPLETUNER_TUI_JOB"] == RUN.job_id


async def test_a_command_that_hangs_or_is_missing_is_said_and_nothing_of_it_stays() -> None:
    notice = Notice("job1", "cat", "running", "", "words")
    script = "import subprocess; print('x' * 9000, flush=True); subprocess.Popen(['sleep', '60'])"
    hung: list[bool] = []
    hangs = "import subprocess,time; print('before', flush=True); subprocess.run(['sleep','60'])"
    environ = {"PATH": "/usr/bin:/bin"}
    said = await run_command(
        (sys.executable, "-c", hangs), notice, environ, limit=1.0, killed=lambda: hung.append(True)
    )
    assert said == "Command for notices, ended after 1 second: before"
    assert hung == [True]
    said = await run_command((sys.executable, "-c", script), notice, environ, limit=1.0)
    assert len(said) < 2100
    said = await run_command(("no-such-program",), notice, environ)
    assert said.startswith("The command for notices cannot be started: ")
    said = await run_command(("sh", "-c", "exit 3"), notice, environ)
    assert said == "Command for notices, exit status 3"
