"""The settings' card, the limit's periods, and the pages of the network's card."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.app.cloud.world import done, go_to, on_cloud, open_form, said, type_in
from tests.app.conftest import text_of, wait_for
from tests.engine.conftest import home, project  # noqa: F401  short paths for sockets
from tests.engine.world import World, running_world, write_quick_settings
from tui.app.widgets.confirm import Confirm
from tui.app.widgets.picker import Page, Picker
from tui.client.client import ControlError
from tui.settings import Home, load_settings


@pytest.fixture
async def world(home: Home, project: Path) -> AsyncIterator[World]:  # noqa: F811  the fixture
    write_quick_settings(home)
    async with running_world(home, project, settings=load_settings(home, {})) as one:
        yield one


async def test_consent_and_polling_are_set_and_in_force(world: World) -> None:
    async with on_cloud(world) as (screen, pilot):
        assert "uploads      ask each time" in said(screen, "settings")
        form = await open_form(screen, pilot, "settings", "cloud.consent")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, Picker))
        await pilot.press("down", "enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("n")
        await wait_for(pilot, lambda: pilot.app.screen is form)
        assert world.engine.live.now.cloud.consent == "ask"
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, Picker))
        await pilot.press("down", "down", "enter")
        await done(form, pilot)
        assert world.engine.live.now.cloud.consent == "never"
        assert "uploads      never" in said(screen, "settings")
        assert screen.context.settings.cloud.consent == "never"
        await go_to(form, pilot, "cloud.polling")
        await pilot.press("enter")
        await done(form, pilot)
        assert world.engine.live.now.cloud.polling is False
        assert "polling      off" in said(screen, "settings")
        await go_to(form, pilot, "cloud.outputs_dir")
        await type_in(form, pilot, str(world.home.settings_file))
        assert "is a file" in form.problems["cloud.outputs_dir"]
        await pilot.press("escape")
        await go_to(form, pilot, "retention.days")
        await pilot.press("enter", *"30", "enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("y")
        await done(form, pilot)
        assert world.engine.live.now.retention.days == 30
        assert "retention    deleted here 30 days after a run's end" in said(screen, "settings")
        await go_to(form, pilot, "file")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, Page))
        assert str(world.home.settings_file) in text_of(screen.app)


@pytest.mark.parametrize(
    ("number", "period", "words"),
    [(0, "daily", "24 h"), (1, "weekly", "7 d"), (2, "monthly", "30 d")],
)
async def test_every_period_can_be_chosen(
    world: World, number: int, period: str, words: str
) -> None:
    await world.client.cloud.set_limit(enabled=True, amount="20", period="monthly")
    async with on_cloud(world) as (screen, pilot):
        form = await open_form(screen, pilot, "spending", "period")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, Picker))
        await pilot.press("home", *["down"] * number, "enter")
        await done(form, pilot)
        assert load_settings(world.home, {}).spending.period == period
        await pilot.press("escape")
        await wait_for(pilot, lambda: f"of $20 / {words}, only warns" in said(screen, "spending"))
        await wait_for(pilot, lambda: f"of $20 / {words}" in screen.context.status.spending)


async def test_an_unknown_period_is_refused(world: World) -> None:
    with pytest.raises(ControlError) as refused:
        await world.client.cloud.set_limit(period="fortnight")
    assert "daily, weekly or monthly" in refused.value.details["fields"]["period"]


async def test_the_page_for_a_firewall_lists_hosts_and_networks(world: World) -> None:
    async with on_cloud(world) as (screen, pilot):
        await open_form(screen, pilot, "network", "egress")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, Page))
        page = text_of(screen.app)
        known = screen.data.known["network_check"]["egress"]
        assert known["names"]
        assert known["ranges"]
        assert "replicate.delivery" in page
        assert all(one in page for one in known["names"])
        await pilot.press("y")  # the page is longer than the screen; all of it is copied
        copied = screen.app.clipboard.splitlines()
        assert {one.strip() for one in copied} >= {*known["names"], *known["ranges"]}
        inbound = [one.split()[0] for one in copied if one.endswith("webhooks")]
        assert inbound == ["34.82.0.0/16", "35.185.0.0/16"]
        assert any("/api/cloud/storage" in one for one in copied)


async def test_before_the_first_check_the_firewall_page_is_empty(world: World) -> None:
    async with on_cloud(world) as (screen, pilot):
        screen.data.known.pop("network_check")
        await open_form(screen, pilot, "network", "egress")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, Page))
        assert "Check the network first." in text_of(screen.app)


async def test_the_status_page_in_full(world: World) -> None:
    async with on_cloud(world) as (screen, pilot):
        await open_form(screen, pilot, "network", "components")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, Page))
        page = text_of(screen.app)
        components = screen.data.known["status_page"]["components"]
        assert components
        assert all(one["name"] in page for one in components)
        assert "incidents: none" in page
        assert "maintenances: none" in page
        await pilot.press("escape")
        # An incident, and a page that cannot be read.
        screen.data.known["status_page"] = {
            **screen.data.known["status_page"],
            "components": [{"name": "H100", "state": "major_outage"}],
            "incidents": [{"name": "Slow starts", "status": "investigating",
                           "started_at": "2026-11-23T13:20:00Z", "message": "We look."}],
            "error": "no answer",
        }  # fmt: skip
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, Page))
        page = text_of(screen.app)
        assert "✗ H100" in page
        assert "Slow starts (investigating) 2026-11-23 13:20 We look." in page
        assert "The page cannot be read: no answer." in page
