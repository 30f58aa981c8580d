"""What a job produced and is not here, on the screens: a real engine, a real host of files."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from textual.pilot import Pilot

from tests.app.conftest import lines_of, text_of, wait_for
from tests.engine.file_host import TOKEN, FileHost, serve_files
from tests.engine.results.collector_world import CollectorWorld, ended_job
from tests.engine.world import running_engine
from tui.app.app import SimpleTunerApp
from tui.app.job.screen import JobScreen
from tui.app.publishing.screen import PublishingScreen
from tui.app.publishing.text import unfetched
from tui.app.widgets.picker import Page
from tui.client.client import ControlClient
from tui.engine.results.download import PART
from tui.settings import CloudSettings, Home, Settings
from tui.store.artifact_json import unfetched_json
from tui.store.records import JobRecord
from tui.store.transfer_records import FetchRecord, FetchState

LONG = 40.0


@pytest.fixture
async def file_host() -> AsyncIterator[FileHost]:
    async with serve_files() as made:
        yield made


@pytest.fixture
async def collector_world(home: Home, file_host: FileHost) -> AsyncIterator[CollectorWorld]:
    async with running_engine(home) as (engine, _):
        client = ControlClient(home.socket, file_host.base)
        await client.set_session({"replicate_token": TOKEN})
        yield CollectorWorld(engine, client)


@asynccontextmanager
async def app_on(
    collector_world: CollectorWorld, file_host: FileHost, size: tuple[int, int] = (120, 40)
) -> AsyncIterator[tuple[SimpleTunerApp, Pilot[int]]]:
    async def attach() -> ControlClient:
        return collector_world.client

    settings = Settings(cloud=CloudSettings(api_base=file_host.base))
    app = SimpleTunerApp(
        collector_world.engine.home,
        settings,
        attach=attach,
        sandbox=False,
        clock=lambda: datetime.now(UTC),
    )
    async with app.run_test(size=size) as pilot:
        await wait_for(pilot, lambda: app.control is not None, LONG)
        yield app, pilot
    app.reader.close()


def line_with(app: SimpleTunerApp, words: str) -> str:
    return next((line for line in lines_of(app) if words in line), "")


def half_way(file_host: FileHost, collector_world: CollectorWorld) -> JobRecord:
    """A job of two files: one comes half, the other is gone."""
    file_host.files = {"big.safetensors": os.urandom(4 * PART), "gone.zip": b"x"}
    file_host.missing, file_host.hold_after = {"gone.zip"}, 2 * PART
    job = collector_world.insert(
        ended_job(file_host, [file_host.url(name) for name in file_host.files])
    )
    collector_world.engine.jobs.job_ended(job)
    return job


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_a_job_that_left_nothing_here_yet_is_on_the_publishing_screen(
    collector_world: CollectorWorld, file_host: FileHost, size: tuple[int, int]
) -> None:
    job = half_way(file_host, collector_world)
    async with app_on(collector_world, file_host, size) as (app, pilot):
        await pilot.press("3")
        screen = await wait_for(
            pilot, lambda: isinstance(app.screen, PublishingScreen) and app.screen, LONG
        )
        await wait_for(pilot, lambda: "fetching" in line_with(app, "big.safetensors"), LONG)
        await wait_for(pilot, lambda: " % of 32.0 MiB" in line_with(app, "big.safetensors"), LONG)
        gone = line_with(app, "gone.zip")
        assert "✗" in gone
        assert "does not have" in gone
        assert "0 files, 2 not here" in text_of(app)
        await pilot.press("p")
        assert "No file of this job is here" in app.notices[-1].message
        await pilot.press("G")
        assert screen.panels.artifacts.row.kind == "missing"
        name = screen.panels.artifacts.row.item["name"]
        await pilot.press("enter")
        page = await wait_for(pilot, lambda: isinstance(app.screen, Page) and app.screen)
        await pilot.pause()
        words = text_of(app)
        assert name in words
        assert "Replicate" in words
        assert "f fetches it now" in words
        await pilot.press("escape")
        await wait_for(pilot, lambda: app.screen is not page)
        file_host.hold_after = None
        file_host.open.set()
        path = collector_world.folder(job) / "big.safetensors"
        await wait_for(pilot, path.exists, LONG)
        await wait_for(pilot, lambda: "1 file, 1 not here" in text_of(app), LONG)
        file_host.missing = set()
        await pilot.press("f")
        await wait_for(
            pilot, lambda: "2 files" in (text := text_of(app)) and "not here" not in text, LONG
        )


async def test_the_files_tab_follows_a_fetch(
    collector_world: CollectorWorld, file_host: FileHost
) -> None:
    job = half_way(file_host, collector_world)
    async with app_on(collector_world, file_host) as (app, pilot):
        app.model.reload()
        app.open_job(job.job_id)
        screen = await wait_for(pilot, lambda: isinstance(app.screen, JobScreen) and app.screen)
        await wait_for(pilot, lambda: screen.is_mounted and screen.tabs.panel.is_attached)
        await screen.tabs.open("Files")
        await wait_for(pilot, lambda: " % of 32.0 MiB" in line_with(app, "big.safetensors"), LONG)
        await wait_for(pilot, lambda: "does not have" in line_with(app, "gone.zip"), LONG)
        assert "2 not here" in text_of(app)
        assert screen.tabs.file is None
        file_host.hold_after = None
        file_host.open.set()
        await wait_for(pilot, lambda: "1 not here" in text_of(app), LONG)
        assert screen.tabs.file is not None
        assert screen.tabs.file.path.endswith("big.safetensors")


async def test_hostile_file_names_cannot_disturb_the_screen(
    collector_world: CollectorWorld, file_host: FileHost
) -> None:
    job = collector_world.insert(ended_job(file_host, None))
    hostile = FetchRecord(
        job.job_id, "a\x1b[2J\u202eb.bin", "hub", 5, state="failed", message="no\x1b]8;;x\x07 way"
    )
    collector_world.engine.recorder.writer.fetches.put([hostile])
    async with app_on(collector_world, file_host) as (app, pilot):
        await pilot.press("3")
        await wait_for(pilot, lambda: isinstance(app.screen, PublishingScreen), LONG)
        await wait_for(pilot, lambda: "b.bin" in text_of(app), LONG)
        for forbidden in ("\x1b", "\u202e", "\x07"):
            assert forbidden not in text_of(app)


@pytest.mark.parametrize(
    ("state", "why", "done", "size", "until", "words"),
    [
        ("waiting", "", 0, None, None, "! not fetched yet"),
        ("waiting", "", 0, 100, None, "! not fetched yet"),
        ("fetching", "", 0, 200, None, "● fetching · 0 % of 200 B"),
        ("waiting", "The line broke.", 50, 200, 90,
         "! The line broke · 25 % of 200 B · deleted there in 1 m 30 s · tried again by itself"),
        ("failed", "It is gone.", 0, 200, -1, "✗ It is gone · deleted there by now"),
    ],
)  # fmt: skip
def test_the_text_of_a_missing_file(
    state: FetchState, why: str, done: int, size: int | None, until: int | None, words: str
) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    at = now + timedelta(seconds=until) if until is not None else None
    record = FetchRecord("j", "a.bin", "replicate", size, done, state, why, until=at)
    assert " ".join(unfetched(unfetched_json(record), now)[:2]) == words
