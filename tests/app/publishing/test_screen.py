"""The Publishing screen on a real engine, a real Hub and folders, by keys alone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.app.conftest import app_of, text_of, wait_for
from tests.app.publishing.steps import LONG, fill_in, known, on_publishing, top
from tests.engine.transfers.transfer_steps import a_job, ended
from tests.engine.world import World
from tui.app.publishing.form import FormScreen
from tui.app.publishing.publish_form import PublishForm
from tui.app.publishing.screen import PublishingScreen
from tui.app.publishing.transfer_list import TransferPage
from tui.app.widgets.confirm import Confirm
from tui.app.widgets.picker import Page, Picker
from tui.store.transfer_records import TransferState


async def test_a_folder_is_added_tested_published_to_and_then_the_copy_here_deleted(
    world: World, tmp_path: Path
) -> None:
    job_id = await a_job(world)
    async with on_publishing(world) as (screen, pilot):
        found = await known(screen, pilot, job_id)
        await pilot.press("d")
        assert "safe to delete" in app_of(screen).notices[-1].message
        await pilot.press("a")
        form = await top(pilot, FormScreen)
        await fill_in(form, pilot, "kind", "folder")
        await fill_in(form, pilot, "path", "relative")
        await fill_in(form, pilot, "save", "")
        await wait_for(pilot, lambda: form.problems.get("path"), LONG)
        assert form.item.key == "path"
        await wait_for(pilot, lambda: form.input.has_focus)
        form.input.value = str(tmp_path / "models")
        await pilot.press("enter")
        await fill_in(form, pilot, "save", "")
        await wait_for(pilot, lambda: screen.state.tested.get("folder", {}).get("ok"), LONG)
        await top(pilot, PublishingScreen)
        assert "works, tested" in text_of(screen.app)
        await pilot.press("p")
        form = await top(pilot, PublishForm)
        await wait_for(pilot, lambda: form.model.found, LONG)
        assert form.item.key == "publish"
        await pilot.press("enter")
        await wait_for(
            pilot,
            lambda: [one.state for one in screen.state.transfers] == [TransferState.DONE],
            LONG,
        )
        await wait_for(
            pilot, lambda: all(one["published"] for one in screen.state.artifacts[job_id]["files"]),
            LONG,
        )  # fmt: skip
        assert "✓ folder" in text_of(screen.app)
        assert any("Transfers shows how far" in one.message for one in app_of(screen).notices)
        await pilot.press("d")
        confirm = await top(pilot, Confirm)
        assert "looked at again" in "\n".join(confirm._details)
        await pilot.press("y")
        await wait_for(
            pilot, lambda: not any(one["here"] for one in screen.state.artifacts[job_id]["files"]),
            LONG,
        )  # fmt: skip
        for file in found["files"]:
            assert not Path(file["path"]).exists()
            assert list((tmp_path / "models").rglob(Path(file["name"]).name))


async def test_an_edited_card_is_replaced_only_after_a_yes(world: World) -> None:
    from huggingface_hub import HfApi

    await world.use_hub()
    job_id = await a_job(world)
    api = HfApi(endpoint=world.sandbox.hub_url, token="hf_write")

    def card() -> str:
        path = api.hf_hub_download("sandbox/a-cat", "README.md", force_download=True)
        return Path(path).read_text()

    await world.client.publishing.add_destination(name="hub", kind="hub", repo="sandbox/a-cat")
    await asyncio.to_thread(api.create_repo, "sandbox/a-cat")
    await asyncio.to_thread(
        api.upload_file, path_or_fileobj=b"# mine\n", path_in_repo="README.md",
        repo_id="sandbox/a-cat",
    )  # fmt: skip
    async with on_publishing(world) as (screen, pilot):
        await known(screen, pilot, job_id)
        for keys, ends in (((), 1), (("down",), 2)):
            await pilot.press("b")  # the best checkpoint
            form = await top(pilot, PublishForm)
            assert form.model.options()["checkpoint"] == "best"
            await pilot.press("enter")
            picker = await top(pilot, Picker)
            assert "somebody else" in picker._title
            await pilot.press(*keys, "enter")

            def done(wanted: int = ends) -> bool:
                states = [one.state for one in screen.state.transfers]
                return states == [TransferState.DONE] * wanted

            await wait_for(pilot, done, LONG)
            assert (await asyncio.to_thread(card) == "# mine\n") == (ends == 1)


async def test_transfers_are_paused_resumed_cancelled_limited_and_moved(
    world: World, tmp_path: Path
) -> None:
    job_id = await a_job(world)
    calls = world.client.publishing
    async with on_publishing(world) as (screen, pilot):
        await pilot.press("w")
        form = await top(pilot, FormScreen)
        await fill_in(form, pilot, "limit", "2 kB")
        await top(pilot, PublishingScreen)
        await wait_for(pilot, lambda: "limit 2.0 KiB/s" in text_of(screen.app), LONG)
        names = [
            (await calls.publish(job_id, f"dir:{tmp_path}/{number}"))["transfer_id"]
            for number in range(4)
        ]

        def state(number: int) -> TransferState:
            rows = {one.transfer_id: one.state for one in screen.state.transfers}
            return rows.get(names[number], TransferState.QUEUED)

        await wait_for(pilot, lambda: state(0) is TransferState.RUNNING, LONG)
        await pilot.press("tab")
        await wait_for(pilot, lambda: screen.panels.transfers.has_focus)
        await wait_for(pilot, lambda: len(screen.state.transfers) == 4, LONG)
        rows = [one.transfer_id for one in screen.state.transfers]
        await pilot.press("G")
        last = screen.panels.transfers.transfer
        assert last is not None
        await pilot.press("K")
        await wait_for(
            pilot, lambda: [one.transfer_id for one in screen.state.transfers] != rows, LONG
        )
        assert screen.panels.transfers.transfer is not None
        assert (
            screen.panels.transfers.transfer.transfer_id == last.transfer_id
        )  # the cursor stays on it
        await pilot.press("g", "g")
        first = screen.panels.transfers.transfer
        assert first is not None
        await pilot.press("enter")
        page = await top(pilot, TransferPage)
        items = screen.context.reader.transfer_items(first.transfer_id)
        waiting = next(one for one in items if one.state == "waiting")
        report = {"transfer_id": first.transfer_id, "files": {str(waiting.seq): waiting.size // 2}}
        screen.context.signals.transfer_changed.publish(
            report
        )  # as the engine says it of larger files
        await wait_for(pilot, lambda: any(" %" in line.text for line in page._lines), LONG)
        await pilot.press("escape")
        await top(pilot, PublishingScreen)
        number = names.index(first.transfer_id)
        await pilot.press("space")
        await wait_for(pilot, lambda: state(number) is TransferState.PAUSED, LONG)
        await wait_for(pilot, lambda: "paused" in text_of(screen.app), LONG)
        at = [one.transfer_id for one in screen.state.transfers].index(first.transfer_id)
        assert screen.panels.transfers.index == at
        await pilot.press("c")
        await top(pilot, Confirm)
        await pilot.press("y")
        await wait_for(pilot, lambda: state(number) is TransferState.CANCELLED, LONG)
        await calls.limit("off")
        await pilot.press("r")
        for one in range(4):
            await wait_for(pilot, lambda one=one: state(one) is TransferState.DONE, LONG)


@pytest.mark.parametrize("size", [(120, 40), (80, 24), (60, 15)])
async def test_every_panel_has_its_room_at_every_size(world: World, size: tuple[int, int]) -> None:
    job_id = await a_job(world)
    await world.client.publishing.add_destination(
        name="here", kind="folder", path="/nowhere/at/all"
    )
    async with on_publishing(world, size) as (screen, pilot):
        found = await known(screen, pilot, job_id)
        assert found["checkpoints"]
        detail = screen.panels.detail
        assert detail.display == (size != (60, 15))  # where no panel needs the room
        lines = [line.text for line in detail.entries]
        assert not detail.display or lines[0].startswith("Weights      ")
        assert not any("checkpoint-" in line for line in lines if line[:4] != "Best"), lines
        assert "KiB here ─" in text_of(screen.app).partition("\n│")[0]
        for name in ("artifacts", "transfers", "destinations", "artifacts"):
            assert screen.panels.current == name
            text = text_of(screen.app)
            assert f"▸ {name.capitalize()}" in text
            assert all(title in text for title in ("Artifacts", "Transfers", "Destinations"))
            others = [one.size.height for key, one in screen.panels.lists.items() if key != name]
            own = screen.panels.lists[name]
            assert own.page >= own.count or own.size.height >= max(others) or size == (60, 15)
            await pilot.press("tab")
            await pilot.pause()
        await pilot.press("shift+tab", "equals_sign")
        page = await top(pilot, Page)
        assert "lowest loss" in " ".join(line.text for line in page._lines)
        await pilot.press("escape")
        await top(pilot, PublishingScreen)
        while (row := screen.panels.artifacts.row) is None or row.kind != "file":
            await pilot.press("j")
            row = screen.panels.artifacts.row
            if row is not None and row.kind == "checkpoint" and not row.open:
                await pilot.press("l")
            await pilot.pause()
        told = "\n".join(line.text for line in detail.entries)
        assert ("Published    nowhere yet" in told) == detail.display
        await pilot.press("enter")
        page = await top(pilot, Page)
        words = "\n".join(line.text for line in page._lines)
        assert "Published" in words
        assert all(len(line.text) <= size[0] for line in page._lines if line.text[:4] == "SHA-")
        await pilot.press("escape")
        await top(pilot, PublishingScreen)
        await pilot.press("h", "h", "h", "h")  # a folded job leaves room again
        await wait_for(pilot, lambda: detail.display)


async def test_ended_transfers_leave_the_list_by_a_key(world: World, tmp_path: Path) -> None:
    job_id = await a_job(world)
    async with on_publishing(world) as (screen, pilot):
        for name in ("one", "two", "three"):
            await world.client.publishing.publish(job_id, f"dir:{tmp_path}/{name}")
        await wait_for(
            pilot,
            lambda: [one.state for one in screen.state.transfers] == [TransferState.DONE] * 3,
            LONG,
        )
        await pilot.press("tab", "z")
        await wait_for(pilot, lambda: len(screen.state.transfers) == 2, LONG)
        await pilot.press("Z")
        await wait_for(pilot, lambda: not screen.state.transfers, LONG)
        assert "taken off the list" in app_of(screen).notices[-1].message
        found = await known(screen, pilot, job_id)
        assert all(len(file["published"]) == 3 for file in found["files"])


async def test_other_files_of_the_same_names_are_replaced_after_a_question(
    world: World, tmp_path: Path
) -> None:
    first, second = await a_job(world), await a_job(world)
    to = f"dir:{tmp_path}/models"
    made = await world.client.publishing.publish(first, to)
    assert (await ended(world, made["transfer_id"]))["state"] == "done"
    before = {path: path.read_bytes() for path in (tmp_path / "models").rglob("*.safetensors")}
    async with on_publishing(world) as (screen, pilot):
        await known(screen, pilot, second)
        for answer in ("n", "y"):
            await pilot.press("p")
            form = await top(pilot, PublishForm)
            await fill_in(form, pilot, "to", "?")
            await fill_in(form, pilot, "place", to)
            await fill_in(form, pilot, "publish", "")
            question = await top(pilot, Confirm)
            assert "Replace" in text_of(screen.app)
            assert "safetensors" in text_of(screen.app)
            await pilot.press(answer)
            await wait_for(pilot, lambda question=question: screen.app.screen is not question)
            if answer == "n":
                assert {path: path.read_bytes() for path in before} == before
                await pilot.press("escape")
                await top(pilot, PublishingScreen)
        await wait_for(
            pilot,
            lambda: [one.state for one in screen.state.transfers] == [TransferState.DONE] * 2,
            LONG,
        )
    assert all(path.read_bytes() != data for path, data in before.items())
