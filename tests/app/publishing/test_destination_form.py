"""The form of a destination: keys without a keyring, what is refused, what is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.app.conftest import text_of, wait_for
from tests.app.publishing.steps import LONG, fill_in, known, on_publishing, top
from tests.destinations.hosting import BUCKET
from tests.engine.transfers.transfer_steps import a_job
from tests.engine.world import World
from tests.listener.conftest import ACCESS_KEY, SECRET, grant, serve_storage
from tui.app.publishing.destination_form import DestinationFormModel
from tui.app.publishing.form import FormScreen
from tui.app.publishing.publish_form import PublishForm
from tui.app.publishing.screen import PublishingScreen
from tui.app.widgets.confirm import Confirm
from tui.destinations.common.errors import PublishError
from tui.destinations.hub.names import check_repo_id


async def s3_form(pilot: Pilot[int], endpoint: str = "http://127.0.0.1:1") -> FormScreen:
    """An S3 destination with everything filled in."""
    await pilot.press("a")
    form: Any = await top(pilot, FormScreen)
    await fill_in(form, pilot, "kind", "s3")
    await fill_in(form, pilot, "preset", "custom")
    for key, value in (("bucket", "models"), ("endpoint", endpoint),
                       ("access_key", ACCESS_KEY), ("secret_key", SECRET)):  # fmt: skip
        await fill_in(form, pilot, key, value)
    found: FormScreen = form
    return found


async def test_no_to_session_keys_saves_nothing_at_each_try(world: World) -> None:
    async with on_publishing(world) as (screen, pilot):
        form = await s3_form(pilot)
        for _ in range(2):
            await fill_in(form, pilot, "save", "")
            await top(pilot, Confirm)
            await pilot.press("n")
            await top(pilot, FormScreen)
            assert isinstance(form.content, DestinationFormModel)
            assert form.content.values["session"] == "off"
        assert await world.client.publishing.destinations() == []
        await fill_in(form, pilot, "save", "")
        await top(pilot, Confirm)
        await pilot.press("y")
        await top(pilot, PublishingScreen)
        await wait_for(pilot, lambda: screen.state.tested.get("custom"), LONG)


async def test_a_refused_field_says_what_to_do(world: World) -> None:
    job_id = await a_job(world)
    async with on_publishing(world) as (screen, pilot):
        await known(screen, pilot, job_id)
        await pilot.press("p")
        form: Any = await top(pilot, PublishForm)
        await fill_in(form, pilot, "place", "hub:a b")
        await fill_in(form, pilot, "publish", "")
        await wait_for(pilot, lambda: form.problems.get("place"), LONG)
        with pytest.raises(PublishError) as refused:
            check_repo_id("a b")
        assert refused.value.advice
        assert form.problems["place"] == f"{refused.value.message} {refused.value.advice}"


async def test_session_keys_of_an_ended_engine_are_shown_as_gone(
    world: World,
    tmp_path: Path,
) -> None:
    rights = grant(prefix="job", may_delete=True)
    async with (
        serve_storage(tmp_path / "s3", grants={ACCESS_KEY: rights}) as storage,
        on_publishing(world) as (screen, pilot),
    ):
        await world.client.publishing.add_destination(
            name="mine", kind="s3", bucket=BUCKET, endpoint=storage.endpoint,
            access_key=ACCESS_KEY, secret_key=SECRET, session_only=True,
        )  # fmt: skip
        await wait_for(pilot, lambda: screen.state.keys == {"mine": "session"}, LONG)
        await pilot.press("shift+tab", "t")
        await wait_for(pilot, lambda: "✓ mine" in text_of(screen.app), LONG)
        await pilot.press("e")
        await top(pilot, FormScreen)
        assert "kept until the engine ends" in text_of(screen.app)
        await pilot.press("escape")
        await top(pilot, PublishingScreen)
        world.engine.transfers.places.keys._session.clear()  # as another engine begins
        screen.state.read()
        await wait_for(
            pilot, lambda: "! mine" in text_of(screen.app)
            and "keys are gone: press e" in text_of(screen.app), LONG,
        )  # fmt: skip
        await pilot.press("e")
        form: Any = await top(pilot, FormScreen)
        assert "gone; type it again" in text_of(screen.app)
        await fill_in(form, pilot, "access_key", ACCESS_KEY)
        await fill_in(form, pilot, "secret_key", SECRET)
        await fill_in(form, pilot, "save", "")
        confirm: Any = await top(pilot, Confirm)
        assert "fail until the keys are given again (e)" in "\n".join(confirm._details)
        await pilot.press("y")
        await wait_for(pilot, lambda: "✓ mine" in text_of(screen.app), LONG)


async def test_a_hub_destination_says_whose_token_it_uses(
    world: World,
) -> None:
    await world.use_hub()
    async with on_publishing(world) as (screen, pilot):
        await pilot.press("a")
        await top(pilot, FormScreen)
        await wait_for(pilot, lambda: "deletes, as @sandbox" in text_of(screen.app), LONG)


async def test_the_line_being_typed_keeps_its_label_and_a_cut_note_is_shown_in_full(
    world: World,
) -> None:
    calls = world.client.publishing
    await calls.add_destination(name="mine", kind="hub", repo="alice/cat", private=True)
    async with on_publishing(world, (80, 24)) as (screen, pilot):
        await wait_for(pilot, lambda: screen.state.destinations, LONG)
        await pilot.press("shift+tab", "e")
        await top(pilot, FormScreen)
        await wait_for(pilot, lambda: "Destination mine" in text_of(screen.app))
        await pilot.press("enter")
        form: Any = screen.app.screen
        await wait_for(pilot, lambda: form.input.has_focus)
        await wait_for(pilot, lambda: "▸   Repository" in text_of(screen.app))
        assert str(form.typed_label.content) == "Repository"
        await pilot.press("escape", "escape")
        await top(pilot, PublishingScreen)
        await pilot.press("a")
        form = await top(pilot, FormScreen)
        await fill_in(form, pilot, "kind", "s3")
        await pilot.press("G", "k")
        note = "what links begin with, where the bucket can be read without keys"
        while form.item.key != "public_base_url":
            await pilot.press("k")
        await wait_for(pilot, lambda: note in " ".join(str(form.say.content).split()))


def test_the_role_of_staged_data_is_a_line_of_a_bucket_and_is_sent() -> None:
    context: Any = None  # read by a form on a screen alone
    form = DestinationFormModel(context, [], None, lambda _: None)
    assert "data_role" not in {item.key for item in form.items()}, "the Hub needs none"
    form.put("kind", "s3")
    line = next(item for item in form.items() if item.key == "data_role")
    assert "staged data" in line.note
    form.put("data_role", "arn:aws:iam::123456789012:role/reader")
    assert form._body()["data_role"] == "arn:aws:iam::123456789012:role/reader"
