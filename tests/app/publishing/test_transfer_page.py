"""Pages over the Publishing screen: their own keys, and text that can be read at every size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.app.conftest import lines_of, wait_for
from tests.app.publishing.steps import LONG, known, on_publishing, top
from tests.engine.transfers.transfer_steps import a_job, ended
from tests.engine.world import World
from tui.app.publishing.publish_form import PublishForm
from tui.app.publishing.screen import PublishingScreen
from tui.app.publishing.transfer_list import TransferPage
from tui.app.widgets.confirm import Confirm
from tui.app.widgets.picker import Page
from tui.store.transfer_records import TransferState


async def test_keys_that_a_files_page_names_work_on_it(
    world: World,
    tmp_path: Path,
) -> None:
    job_id = await a_job(world)
    made = await world.client.publishing.publish(job_id, f"dir:{tmp_path}/there")
    await ended(world, made["transfer_id"], "done")
    async with on_publishing(world) as (screen, pilot):
        await known(screen, pilot, job_id)
        while (row := screen.panels.artifacts.row) is None or row.kind != "file":
            await pilot.press("j")
            row = screen.panels.artifacts.row
            if row is not None and row.kind == "checkpoint":
                await pilot.press("l")
        assert row.item is not None
        name = row.item["name"]
        await pilot.press("enter")
        await top(pilot, Page)
        foot = lines_of(screen.app)[-1]
        assert "p publish" in foot
        assert "d delete" in foot
        assert "y copy all" in foot
        assert "filter" not in foot
        await pilot.press("d")
        confirm: Any = await top(pilot, Confirm)
        assert "1 local file" in confirm._question
        await pilot.press("n")
        await top(pilot, PublishingScreen)
        await pilot.press("enter")
        await top(pilot, Page)
        await pilot.press("p")
        form: Any = await top(pilot, PublishForm)
        assert form.model.request.file == name


async def test_keys_of_a_transfers_page_are_those_of_its_state(
    world: World,
    tmp_path: Path,
) -> None:
    job_id = await a_job(world)
    calls = world.client.publishing
    await calls.limit("1 kB")
    name = (await calls.publish(job_id, f"dir:{tmp_path}/slow"))["transfer_id"]
    await ended(world, name, "running")
    async with on_publishing(world) as (screen, pilot):
        await pilot.press("tab")

        def state() -> TransferState:
            return next(one.state for one in screen.state.transfers if one.transfer_id == name)

        await wait_for(pilot, lambda: state() is TransferState.RUNNING, LONG)
        await pilot.press("enter")
        await top(pilot, TransferPage)
        foot = lines_of(screen.app)[-1]
        assert "space pause" in foot
        assert "c cancel" in foot
        assert "retry" not in foot
        await pilot.press("space")
        await top(pilot, PublishingScreen)
        await wait_for(pilot, lambda: state() is TransferState.PAUSED, LONG)
        await pilot.press("enter")
        await top(pilot, TransferPage)
        await wait_for(pilot, lambda: "space go on" in lines_of(screen.app)[-1], LONG)
        await pilot.press("c")
        await top(pilot, Confirm)
        await pilot.press("y")
        await wait_for(pilot, lambda: state() is TransferState.CANCELLED, LONG)
        await pilot.press("enter")
        await top(pilot, TransferPage)
        await calls.limit("off")
        assert "r again" in lines_of(screen.app)[-1]
        await pilot.press("r")
        await wait_for(pilot, lambda: state() is TransferState.DONE, LONG)
