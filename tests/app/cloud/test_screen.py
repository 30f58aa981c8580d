"""The Cloud screen on a real engine and a real sandbox: what cards say, change, and refuse."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.app.cloud.world import done, go_to, on_cloud, open_form, said, settled, type_in
from tests.app.conftest import app_of, text_of, wait_for
from tests.engine.conftest import home, project  # noqa: F401  short paths for sockets
from tests.engine.world import World, running_world, write_quick_settings
from tui.app.cloud.card_form import CardForm
from tui.app.cloud.card_view import CardView
from tui.app.shell.messages import EngineState
from tui.app.widgets.confirm import Confirm
from tui.app.widgets.picker import Page, Picker
from tui.client.client import ControlClient
from tui.settings import Home, load_settings


@pytest.fixture
async def world(home: Home, project: Path) -> AsyncIterator[World]:  # noqa: F811  the fixture
    write_quick_settings(home)
    async with running_world(home, project) as one:
        yield one


# -- the screen ----------------------------------------------------------------------------------


async def test_cards_show_facts_and_answers(world: World) -> None:
    async with on_cloud(world) as (screen, pilot):
        assert "@sandbox valid, from the environment" in said(screen, "account")
        assert "No limit is set" in said(screen, "spending")
        hardware = said(screen, "hardware")
        assert "$3.51/h" in hardware
        assert "● up" in hardware
        assert "newest  in use" in hardware
        assert "● verified" in said(screen, "listener")
        assert "127.0.0.1:" in said(screen, "listener")
        network = said(screen, "network")
        assert "connected" in network
        assert "tcp" in network
        assert "all systems operational" in network
        assert "not verified" in said(screen, "delivery")
        assert "to do" in said(screen, "setup")
        assert world.sandbox.token not in text_of(pilot.app)
        # The app may end while the screen opens: its cards are closing, and none is displayed.
        await screen.query(CardView).remove()
        screen.on_mount()


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 40), (200, 60)])
async def test_every_card_can_be_reached_by_keys(world: World, size: tuple[int, int]) -> None:
    async with on_cloud(world, size=size) as (screen, pilot):
        seen = []
        for _ in range(7):
            seen.append(screen.view.card.NAME)
            view = screen.view
            top = view.region.y
            assert screen.scroll.region.y <= top < screen.scroll.region.bottom
            assert view.region.right <= size[0]
            await pilot.press("tab")
            await pilot.pause()
        assert len(set(seen)) == 7
        await pilot.press("G")
        assert screen.scroll.scroll_y == screen.scroll.max_scroll_y
        await pilot.press("g", "g")
        assert screen.scroll.scroll_y == 0


async def test_two_columns_where_there_is_room(world: World) -> None:
    async with on_cloud(world, size=(120, 40)) as (screen, pilot):
        account, listener = (screen.query_one(f"#card-{one}") for one in ("account", "listener"))
        assert listener.region.x > account.region.x
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert listener.region.x == account.region.x


async def test_checks_run_again_and_leaving_cancels_them(world: World) -> None:
    async with on_cloud(world) as (screen, pilot):
        before = screen.data.known["account"]["_at"]
        await pilot.press("T")
        await settled(screen, pilot)
        assert screen.data.known["account"]["_at"] > before
        assert "● works" in said(screen, "delivery")
        screen.do_check_all()
        checks = [worker for worker in pilot.app.workers if worker.node is screen]
        assert len(checks) > 3
        await pilot.app.pop_screen()
        await wait_for(pilot, lambda: all(worker.is_finished for worker in checks))
        assert any(worker.is_cancelled for worker in checks)
        assert screen.data.known["account"]["valid"]


async def test_without_an_engine_what_is_known_is_shown_and_nothing_is_offered(
    world: World,
) -> None:
    async with on_cloud(world) as (screen, pilot):
        app_of(screen).link._change_state(EngineState("gone", "The engine has stopped."))
        await pilot.press("T")
        assert "engine is not running" in app_of(screen).notices[-1].message
        await pilot.press("e")
        assert not isinstance(pilot.app.screen, CardForm)
        assert "@sandbox" in said(screen, "account")


# -- account and token ---------------------------------------------------------------------------


async def test_a_token_is_typed_unseen_and_kept_for_the_session_without_a_keyring(
    world: World,
) -> None:
    async with on_cloud(world) as (screen, pilot):
        form = await open_form(screen, pilot, "account", "replicate")
        await pilot.press("enter")
        await wait_for(pilot, lambda: form.input.has_focus)
        assert form.input.password
        token = world.sandbox.token
        form.input.value = f"  {token}\n"
        assert token not in text_of(screen.app)
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, Confirm), 20)
        await wait_for(pilot, lambda: "this session only" in text_of(screen.app))
        await pilot.press("y")
        await wait_for(pilot, lambda: pilot.app.screen is form)
        await done(form, pilot)
        state = (await world.client.cloud.tokens())["replicate"]
        assert state["session"] is True
        assert "kept for this session only. Replicate: valid, @sandbox" in form._said
        assert form.input.value == ""
        assert token not in text_of(screen.app)
        await pilot.press("escape")
        await wait_for(pilot, lambda: "REPLICATE_API_TOKEN of the environment" in said(
            screen, "account"))  # fmt: skip


async def test_a_refused_token_says_why_and_can_be_deleted(world: World) -> None:
    world.client = ControlClient(world.home.socket, world.sandbox.base_url)  # without a token
    world.engine.clients.tokens.give("replicate", world.sandbox.base_url, "", "environment")
    async with on_cloud(world) as (screen, pilot):
        assert "no token" in said(screen, "account")
        assert "✗ none" in said(screen, "account")
        form = await open_form(screen, pilot, "account", "session replicate")
        await type_in(form, pilot, "r8_" + "x" * 37)
        assert "refused: mistyped, revoked" in said(screen, "account")
        await go_to(form, pilot, "delete replicate")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("y")
        await wait_for(pilot, lambda: pilot.app.screen is form)
        await done(form, pilot)
        assert (await world.client.cloud.tokens())["replicate"]["in_use"] is None
        assert "✗ none" in said(screen, "account")


async def test_an_empty_token_is_refused_at_its_field(world: World) -> None:
    async with on_cloud(world) as (screen, pilot):
        form = await open_form(screen, pilot, "account", "session replicate")
        await type_in(form, pilot, "   ")
        assert form.problems == {"session replicate": "must not be empty"}
        assert form.item is not None
        assert form.item.key == "session replicate"


# -- money ---------------------------------------------------------------------------------------


async def test_a_limit_is_set_where_there_was_none(world: World) -> None:
    job = await world.ended(await world.submit())
    assert job.cost_micros is not None
    async with on_cloud(world) as (screen, pilot):
        assert "1 completed" in said(screen, "spending")
        assert "https://replicate.com/account/billing" in said(screen, "spending")
        assert f"API          {world.sandbox.base_url}" in said(screen, "account")
        # a delivery that has worked is not called unverified, though nothing was checked
        await wait_for(pilot, lambda: world.job(job.job_id).submit.get("delivered") or {})
        screen.data.from_store()
        screen.data.known.pop("delivery:local", None)
        screen.query_one("#card-delivery", CardView).update()
        assert "worked last time" in said(screen, "delivery")
        assert f"✓ results arrived  of {job.name}, " in said(screen, "delivery")
        form = await open_form(screen, pilot, "spending", "enabled")
        await pilot.press("enter")
        await done(form, pilot)
        assert load_settings(world.home, {}).spending.enabled
        await go_to(form, pilot, "amount")
        await type_in(form, pilot, "1,5")
        assert "write 1.5" in form.problems["amount"]
        assert form.input.has_focus  # to be corrected where it was typed
        assert form.input.value == "1,5"
        form.input.value = "$1,250.50"
        await pilot.press("enter")
        await done(form, pilot)
        assert form.problems == {}
        assert load_settings(world.home, {}).spending.amount_micros == 1_250_500_000
        await go_to(form, pilot, "action")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, Picker))
        await pilot.press("down", "enter")
        await done(form, pilot)
        assert load_settings(world.home, {}).spending.action == "block"
        await pilot.press("escape")
        await pilot.pause()
        assert "of $1,250.50 / 30 d, refuses more" in said(screen, "spending")
        assert "of $1,250.50 / 30 d" in screen.context.status.spending


async def test_stopping_jobs_at_the_limit_asks_once(world: World) -> None:
    async with on_cloud(world) as (screen, pilot):
        form = await open_form(screen, pilot, "spending", "stop_running")
        for answer, wanted in (("n", False), ("y", True)):
            await pilot.press("enter")
            await wait_for(pilot, lambda: isinstance(pilot.app.screen, Confirm))
            await pilot.press(answer)
            await wait_for(pilot, lambda: pilot.app.screen is form)
            await done(form, pilot)
            assert load_settings(world.home, {}).spending.stop_running is wanted
        await pilot.press("enter")
        await done(form, pilot)
        assert load_settings(world.home, {}).spending.stop_running is False


async def test_the_chart_over_other_days(world: World) -> None:
    await world.ended(await world.submit())
    async with on_cloud(world) as (screen, pilot):
        screen.query_one("#card-spending").focus()
        await pilot.pause()
        for days in (90, 7, 30):
            await pilot.press("plus")
            await settled(screen, pilot)
            assert f"{days} days" in said(screen, "spending")
            assert "█" in said(screen, "spending")


def _one_line(text: str) -> str:
    """A card's text without its line breaks."""
    return " ".join(text.split())


# -- versions and hardware -----------------------------------------------------------------------


async def test_a_version_is_compared_pinned_and_followed_again(world: World) -> None:
    model = "simpletuner/advanced-trainer-l40s"
    async with on_cloud(world) as (screen, pilot):
        form = await open_form(screen, pilot, "hardware", f"compare {model}")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, Picker))
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, Page), 20)
        assert f"Inputs of {model}" in text_of(screen.app)
        await pilot.press("escape")
        await wait_for(pilot, lambda: pilot.app.screen is form)
        await go_to(form, pilot, f"pin {model}")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, Picker))
        await pilot.press("down", "down", "enter")
        await done(form, pilot)
        pinned = load_settings(world.home, {}).cloud.pinned_versions[model]
        assert pinned == screen.data.versions_of(model)[1]["id"]
        assert "pinned" in said(screen, "hardware")
        await go_to(form, pilot, "manual")
        await type_in(form, pilot, "no model")
        assert "owner/name" in form.problems["manual"]
        form.input.value = model
        await pilot.press("enter")
        await done(form, pilot)
        assert load_settings(world.home, {}).cloud.pinned_versions == {}
        assert "its schema says that it unpacks archives" in _one_line(said(screen, "hardware"))
        await go_to(form, pilot, "release")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, Picker))
        await pilot.press("down", "down", "enter")
        await done(form, pilot)
        assert load_settings(world.home, {}).cloud.trainer_release == "4.10.1"
        said_now = _one_line(said(screen, "hardware"))
        assert "SimpleTuner 4.10.1 (as you said)." in said_now
        assert "you said so, and that counts more than the rest" in said_now


async def test_rates_are_changed_and_reset(world: World) -> None:
    async with on_cloud(world) as (screen, pilot):
        form = await open_form(screen, pilot, "hardware", "rate l40s")
        await type_in(form, pilot, "cheap")
        assert "$3.51/h" in form.problems["rate l40s"]
        form.input.value = "$3.60/h"
        await pilot.press("enter")
        await done(form, pilot)
        assert "$3.60/h*" in said(screen, "hardware")
        await go_to(form, pilot, "reset")
        await pilot.press("enter")
        await done(form, pilot)
        assert "$3.51/h" in said(screen, "hardware")
        assert load_settings(world.home, {}).rates_micros == {}


# -- delivery, listener, network -----------------------------------------------------------------


def flat(text: str) -> str:
    """A wrapped text as one line."""
    return " ".join(text.split())


async def test_each_way_of_delivery_is_verified(world: World) -> None:
    async with on_cloud(world) as (screen, pilot):
        form = await open_form(screen, pilot, "delivery", "local")
        await pilot.press("enter")
        await done(form, pilot)
        assert "came in here, and was removed" in flat(said(screen, "delivery"))
        await go_to(form, pilot, "s3")
        await pilot.press("enter")
        await done(form, pilot)
        assert "no S3 destination is set up" in flat(said(screen, "delivery"))
        await world.use_hub("hf_read")
        await go_to(form, pilot, "hub")
        await type_in(form, pilot, "sandbox/cat")
        assert "✗ would fail" in said(screen, "delivery")
        assert "can only read" in flat(said(screen, "delivery"))
        await world.use_hub("hf_fine")
        await type_in(form, pilot, "sandbox/cat")
        assert "✗ would fail" in said(screen, "delivery")  # of S3
        assert "the token can make it: tried, and removed again" in flat(said(screen, "delivery"))
        assert world.sandbox.hub is not None
        world.sandbox.hub.hub.faults.failures["/api/"] = 99
        await type_in(form, pilot, "sandbox/cat")
        assert "○ not proved" in said(screen, "delivery")
        await go_to(form, pilot, "delivery")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, Picker))
        await pilot.press("down", "enter")
        await done(form, pilot)
        assert load_settings(world.home, {}).cloud.delivery == "hub"
        assert "results to   the Hub" in said(screen, "delivery")


async def test_the_listener_is_set_up_and_tested(world: World) -> None:
    async with on_cloud(world) as (screen, pilot):
        form = await open_form(screen, pilot, "listener", "listener.public_url")
        await type_in(form, pilot, "https://me:secret@hooks.example")
        assert "user name or a password" in form.problems["listener.public_url"]
        await pilot.press("escape")
        await go_to(form, pilot, "preset")
        await pilot.press("enter")
        await done(form, pilot)
        assert "34.82.0.0/16, 35.185.0.0/16" in said(screen, "listener")
        await go_to(form, pilot, "listener.allowed_ips")
        await type_in(form, pilot, "not-an-address")
        assert form.problems["listener.allowed_ips"]
        form.input.value = "127.0.0.1"
        await pilot.press("enter")
        await done(form, pilot)
        await go_to(form, pilot, "disallow")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, Picker))
        await pilot.press("enter")
        await done(form, pilot)
        assert load_settings(world.home, {}).listener.allowed_ips == ("35.185.0.0/16", "127.0.0.1")
        await go_to(form, pilot, "test")
        await pilot.press("enter")
        await done(form, pilot)
        assert "came in after" in form._said
        await wait_for(pilot, lambda: "accepted     1" in said(screen, "listener"))


async def test_signatures_off_is_asked_about_and_red(world: World) -> None:
    async with on_cloud(world) as (screen, pilot):
        form = await open_form(screen, pilot, "listener", "listener.verify_signatures")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("y")
        await wait_for(pilot, lambda: pilot.app.screen is form)
        await done(form, pilot)
        assert "signatures off" in said(screen, "listener")
        view = screen.query_one("#card-listener")
        tones = [tone for words in view.lines for text, tone in words if "✗ OFF" in text]  # type: ignore[attr-defined]
        assert tones == ["bad"]


async def test_tokens_on_open_lines_are_red_beside_the_address(world: World) -> None:
    async with on_cloud(world) as (screen, pilot):
        view = screen.query_one("#card-account")

        def tones() -> list[str]:
            lines = view.lines  # type: ignore[attr-defined]
            return [tone for words in lines for text, tone in words if "NOT ENCRYPTED" in text]

        assert tones() == []
        allowed = {"network.send_secrets_unencrypted": True}
        await world.client.cloud.change_settings(allowed, confirm=True)
        await wait_for(pilot, lambda: bool(tones()))
        assert tones() == ["bad"]


async def test_the_test_from_outside_asks_first(world: World) -> None:
    async with on_cloud(world) as (screen, pilot):
        before = len(world.predictions)
        form = await open_form(screen, pilot, "listener", "outside")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        assert "$0.0001" in text_of(screen.app)
        await pilot.press("enter")  # the answer that stands first is no
        await wait_for(pilot, lambda: pilot.app.screen is form)
        assert len(world.predictions) == before
        await go_to(form, pilot, "how")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, Page))
        assert "cloudflared tunnel --url http://127.0.0.1:" in text_of(screen.app)


async def test_the_network_is_set_and_what_fails_says_so(world: World) -> None:
    async with on_cloud(world) as (screen, pilot):
        form = await open_form(screen, pilot, "network", "proxy")
        await type_in(form, pilot, "http://proxy:0")
        assert "1 to 65535" in form.problems["proxy"]
        await pilot.press("escape")
        await go_to(form, pilot, "ca_bundle")
        await type_in(form, pilot, str(world.home.root))
        assert "is a folder" in form.problems["ca_bundle"]
        await pilot.press("escape")
        await go_to(form, pilot, "timeout")
        await type_in(form, pilot, "1e309")
        assert "1 to 600" in form.problems["timeout"]
        form.input.value = "12"
        await pilot.press("enter")
        await done(form, pilot)
        assert load_settings(world.home, {}).network.timeout == 12.0
        await go_to(form, pilot, "ssl_verify")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, Confirm))
        await pilot.press("y")
        await wait_for(pilot, lambda: pilot.app.screen is form)
        await done(form, pilot)
        assert load_settings(world.home, {}).network.ssl_verify is False
        assert "✗ NOT VERIFIED" in said(screen, "network")
        assert "TLS not verified" in said(screen, "network")


async def test_an_endpoint_that_fails_stands_there_with_its_fix(world: World) -> None:
    async with on_cloud(world) as (screen, pilot):
        await world.sandbox.aclose()
        screen.query_one("#card-network").focus()
        await pilot.pause()
        await pilot.press("t")
        await settled(screen, pilot)
        words = said(screen, "network")
        assert "TCP failed" in words
        assert "not reached" in words


# -- first steps ---------------------------------------------------------------------------------


async def test_the_checklist_goes_when_nothing_is_open(world: World) -> None:
    async with on_cloud(world) as (screen, pilot):
        assert "○ Set a cost limit" in said(screen, "setup")
        form = await open_form(screen, pilot, "setup")
        for item in [one.key for one in form._items if one.key.startswith("skipped")]:
            await go_to(form, pilot, item)
            await pilot.press("enter")
            await done(form, pilot)
        await pilot.press("escape")
        await pilot.pause()
        assert not screen.query_one("#card-setup").display
        assert screen.focused is not None
        assert screen.focused.id != "card-setup"
