"""What the Publishing screen says and does before local copies are deleted, on a real engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.app.conftest import text_of, wait_for
from tests.app.publishing.steps import LONG, known, on_publishing, top
from tests.engine.transfers.transfer_steps import a_job, ended
from tests.engine.world import World
from tui.app.app import SimpleTunerApp
from tui.app.widgets.confirm import Confirm
from tui.app.widgets.picker import Page, Picker
from tui.base.formatting import size
from tui.store.records import shared_folder


async def test_a_job_that_was_never_unfolded_is_known_from_the_store(
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copied: list[str] = []
    monkeypatch.setattr(SimpleTunerApp, "copy", lambda _, text: copied.append(text))
    job_id = await a_job(world)
    made = await world.client.publishing.publish(job_id, f"dir:{tmp_path}/there")
    assert (await ended(world, made["transfer_id"]))["state"] == "done"
    (found,) = await world.client.publishing.artifacts(job_id)
    newer = await a_job(world)
    async with on_publishing(world) as (screen, pilot):
        await known(screen, pilot, newer)
        await pilot.press("G")
        row = screen.panels.artifacts.row
        assert row is not None
        assert (row.kind, row.job_id) == ("job", job_id)
        assert job_id not in screen.state.artifacts
        await wait_for(pilot, lambda: "d delete" in text_of(screen.app))
        assert "= compare" in text_of(screen.app)
        await pilot.press("y")
        assert copied == [found["folder"]]
        await pilot.press("d")
        confirm = await top(pilot, Confirm)
        assert str(len(found["files"])) in confirm._question
        words = "\n".join(confirm._details)
        names = [file["name"] for file in found["files"]]
        shared = shared_folder(names)
        assert all(f"{name.removeprefix(shared)}  " in words for name in names)
        assert words.count(f"{tmp_path}/there") == 1
        await pilot.press("n")
        await top(pilot, type(screen))
        await pilot.press("equals_sign")
        page = await top(pilot, Page)
        assert "lowest loss" in " ".join(line.text for line in page._lines)
        await pilot.press("escape")
        await top(pilot, type(screen))
        both, safe = screen.state.disk_use
        assert safe == sum(file["size"] for file in found["files"])
        assert f"{size(both)} here · {size(safe)} safe elsewhere" in text_of(screen.app)
        await screen.action_perform("publishing.free")
        picker = await top(pilot, Picker)
        assert [(words, quiet) for _, words, quiet in picker._choices] == [
            (f"the oldest, to keep {size(both * 75 // 100)}", f"1 run, {size(safe)}")
        ]
        await pilot.press("enter")
        confirm = await top(pilot, Confirm)
        assert confirm._question == f"Delete local files of 1 run, {size(safe)}?"
        await pilot.press("y")
        await wait_for(pilot, lambda: screen.state.disk_use == (both - safe, 0), LONG)
        assert not any(Path(file["path"]).exists() for file in found["files"])
        await screen.action_perform("publishing.free")
        app: Any = screen.app
        assert any("none of it may go" in notice.message for notice in app.notices)


async def test_the_question_names_what_a_paused_transfer_needs(
    world: World,
    tmp_path: Path,
) -> None:
    job_id = await a_job(world)
    calls = world.client.publishing
    made = await calls.publish(job_id, f"dir:{tmp_path}/there")
    assert (await ended(world, made["transfer_id"]))["state"] == "done"
    (found,) = await calls.artifacts(job_id)
    one, *others = [file["name"] for file in found["files"]]
    await calls.limit("1 kB")
    made = await calls.publish(job_id, f"dir:{tmp_path}/slow", files=[one])
    await calls.act(made["transfer_id"], "pause")
    await ended(world, made["transfer_id"], "paused")
    async with on_publishing(world) as (screen, pilot):
        await known(screen, pilot, job_id)
        await wait_for(pilot, lambda: screen.state.on_the_way(job_id, [one]), LONG)
        await pilot.press("d")
        confirm: Any = await top(pilot, Confirm)
        words = "\n".join(confirm._details)
        assert f"1 file is paused on the way to {tmp_path}/slow and stays until then." in words
        assert "c cancels it" in words
        shared = shared_folder(others)
        lines = words.splitlines()
        assert all(
            any(line.startswith(f"{name.removeprefix(shared)}  ") for line in lines)
            for name in others
        )
        assert not any(line.startswith(f"{one.removeprefix(shared)}  ") for line in lines)
