"""The card of keys: a new one is shown once, its scope and use are listed, it is revoked."""

from __future__ import annotations

from datetime import timedelta

from tests.app.cloud.world import done, on_cloud, open_form, said
from tests.app.conftest import wait_for
from tests.engine.conftest import home, project, world
from tests.engine.world import World
from tui.app.widgets.confirm import Confirm
from tui.app.widgets.picker import Page, Picker

__all__ = ["home", "project", "world"]


async def test_keys_are_made_listed_and_revoked(world: World) -> None:
    pair = world.engine.keys.listed_pair(timedelta(hours=1))
    async with on_cloud(world) as (screen, pilot):
        await wait_for(pilot, lambda: pair.access_key in said(screen, "keys"))
        assert pair.secret_key not in said(screen, "keys")
        form = await open_form(screen, pilot, "keys", "new")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(screen.app.screen, Picker))
        await pilot.press("down", "enter")
        await wait_for(pilot, lambda: isinstance(screen.app.screen, Confirm))
        assert world.engine.api_keys.rows() == []
        await pilot.press("y")
        await wait_for(pilot, lambda: isinstance(screen.app.screen, Page))
        (row,) = world.engine.api_keys.rows()
        assert row["scope"] == "submit"
        await pilot.press("escape")
        await done(form, pilot)
        await pilot.press("escape")
        await wait_for(pilot, lambda: row["id"] in said(screen, "keys"))
        assert "submit" in said(screen, "keys")
        assert "used never" in said(screen, "keys")
        await open_form(screen, pilot, "keys", f"revoke {row['id']}")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(screen.app.screen, Confirm))
        await pilot.press("y")
        await wait_for(pilot, lambda: world.engine.api_keys.rows() == [])
