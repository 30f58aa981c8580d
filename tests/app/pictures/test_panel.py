"""The Pictures tab of a job's page, by keys, on real files."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from textual.geometry import Offset

from tests.app.conftest import lines_of, opened, text_of, wait_for
from tests.app.job.world import DONE, RUNNING, fill_jobs
from tests.app.pictures.world import falling_light
from tests.app.world import NOW
from tui.app.job.screen import JobScreen
from tui.app.pictures.panel import PicturesPanel
from tui.settings import Home, Settings, UiSettings
from tui.store.records import FileRecord
from tui.store.writer import Change, StoreWriter

FOLDER = f"{RUNNING}/validation_images"


@pytest.fixture
def jobs(home: Home) -> Home:
    fill_jobs(home)
    return home


def deliver(home: Home, names: list[str], content: bytes | None = None, job: str = RUNNING) -> None:
    """Put files into a job's folder and its record; without content they are pictures."""
    records = []
    for name in names:
        path = home.outputs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            falling_light().save(path)
        else:
            path.write_bytes(content)
        records.append(
            FileRecord(name, path.stat().st_size, f"hash of {name}", "delivered",
                       NOW - timedelta(seconds=40))
        )  # fmt: skip
    writer = StoreWriter(home)
    writer.apply(job, Change(files=records))
    writer.close()


def picture(step: int, prompt: str = "validation") -> str:
    return f"{FOLDER}/step_{step}_{prompt}_0_64x64.png"


async def open_pictures(app, pilot, job_id: str = RUNNING) -> PicturesPanel:
    app.model.reload()
    app.open_job(job_id)
    screen = await wait_for(pilot, lambda: isinstance(app.screen, JobScreen) and app.screen)
    await wait_for(pilot, lambda: screen.is_mounted and screen.tabs.panel.is_attached)
    await screen.tabs.open("Pictures")
    panel = screen.tabs.pictures
    assert panel is not None
    await wait_for(pilot, lambda: panel.state.grid.rows or screen.job.job_id != RUNNING)
    await settled(pilot, panel)
    return panel


async def settled(pilot, panel: PicturesPanel) -> None:
    """Waits until every picture of the page is decoded; drawing the page asks for them."""
    await pilot.pause()
    await wait_for(pilot, lambda: text_of(panel.app) and not panel._decoding)
    await pilot.pause()


async def test_pictures_are_seen_flicked_through_and_set_beside_each_other(jobs: Home) -> None:
    deliver(
        jobs,
        [picture(step, prompt) for step in (100, 200, 300) for prompt in ("validation", "a_cat")],
    )
    async with opened(jobs) as (app, pilot):
        panel = await open_pictures(app, pilot)
        text = text_of(app)
        assert "newest 40 s ago" in text
        assert "2 prompts · 3 steps" in text
        assert "▸ validation · 300" in text
        assert "a_cat · 100" in text
        assert "▀▀▀▀▀▀▀▀▀▀" in text
        assert "step 300 · validation · 64×64" in text
        assert "enter enlarge" in text

        await pilot.press("left")
        await settled(pilot, panel)
        assert "step 200 · validation" in text_of(app)
        deliver(jobs, [picture(400)])
        app.signals.jobs_changed.publish(changed(app))
        await wait_for(pilot, lambda: "4 steps" in text_of(app))
        assert "step 200 · validation" in text_of(app), "the cursor stays where one looks"

        await pilot.press("space", "left", "=")
        await settled(pilot, panel)
        labels = lines_of(app)[4]
        assert "* validation · 200" in labels
        assert "▸ validation · 100" in labels
        await pilot.press("escape", "enter")
        await settled(pilot, panel)
        assert "200" not in lines_of(app)[4]
        await pilot.press("right")
        await settled(pilot, panel)
        assert "▸ validation · 200" in lines_of(app)[4], "enlarged, the arrows flick in place"
        await pilot.press("y")
        assert app.clipboard.endswith(picture(200))
        assert Path(app.clipboard).is_file()
        await pilot.press("escape", "escape")
        assert isinstance(app.screen, JobScreen), "first the mark goes, then the page"
        await pilot.press("escape")
        assert not isinstance(app.screen, JobScreen)


def changed(app):
    """The message of a job that changed."""
    from tui.app.shell.messages import JobsChanged

    return JobsChanged(frozenset({RUNNING}), order_stale=False)


async def test_strangers_files_are_words_and_not_a_crash(jobs: Home) -> None:
    half = f"{FOLDER}/step_200_half_0_64x64.png"
    video = f"{FOLDER}/step_200_film_0_64x64.mp4"
    escapes = f"{FOLDER}/step_200_\x1b[31mred\u202egnp_0_64x64.png"
    deliver(jobs, [half], b"\x89PNG\r\n\x1a\n" + b"\0" * 40)
    deliver(jobs, [video, escapes], b"not a picture")
    deliver(jobs, [f"{RUNNING}/validation_media.jsonl"], b'{"step": 200, "label": "late", '
            b'"path": "validation_images/late.png"}\n[[[\n')  # fmt: skip
    async with opened(jobs, size=(80, 24)) as (app, pilot):
        panel = await open_pictures(app, pilot)
        seen = ""
        for _ in range(4):
            await settled(pilot, panel)
            seen += text_of(app)
            await pilot.press("down")
        for words in (
            "no picture that can be",
            "video · 13 B",
            "on its way",
        ):
            assert words in seen, seen
        assert "\x1b" not in seen
        assert "\u202e" not in seen


async def test_without_the_signs_a_picture_is_its_path(jobs: Home) -> None:
    deliver(jobs, [picture(100)])
    async with opened(jobs, settings=Settings(ui=UiSettings(ascii=True))) as (app, pilot):
        await open_pictures(app, pilot)
        text = text_of(app)
        assert "step_100_validation" in text
        assert "▀" not in text


async def test_a_click_moves_the_cursor(jobs: Home) -> None:
    deliver(jobs, [picture(100), picture(200)])
    async with opened(jobs) as (app, pilot):
        panel = await open_pictures(app, pilot)
        await pilot.click(panel, offset=Offset(4, 3))
        await pilot.pause()
        assert "step 100" in text_of(app)


async def test_a_job_that_draws_none_has_no_tab_until_pictures_come(jobs: Home) -> None:
    async with opened(jobs) as (app, pilot):
        app.model.reload()
        app.open_job(DONE)
        screen = await wait_for(pilot, lambda: isinstance(app.screen, JobScreen) and app.screen)
        await wait_for(pilot, lambda: screen.is_mounted and screen.tabs.panel.is_attached)
        assert "Pictures" not in text_of(app)


async def test_a_run_that_draws_says_when_they_come(jobs: Home) -> None:
    writer = StoreWriter(jobs)
    writer.apply(DONE, Change(values={"config": {"validation_prompt": "a cat"}}))
    writer.close()
    async with opened(jobs) as (app, pilot):
        await open_pictures(app, pilot, DONE)
        assert "No pictures have arrived; f fetches what there is." in text_of(app)
