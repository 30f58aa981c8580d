"""The listener's card on a real engine: everything set by keys, refused at its field, and shown."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from textual.pilot import Pilot

from tests.app.cloud.world import done, go_to, on_cloud, open_form, said, type_in
from tests.app.conftest import app_of, text_of, wait_for
from tests.engine.conftest import home, project  # noqa: F401  short paths for sockets
from tests.engine.listener.addresses import make_certificate, status
from tests.engine.world import World, running_world, write_quick_settings
from tests.support import free_port, needs_program
from tui.app.cloud.card_form import CardForm
from tui.app.widgets.confirm import Confirm
from tui.app.widgets.picker import Page, Picker
from tui.listener.webhooks import WEBHOOK_PATH
from tui.settings import Home, ListenerSettings, load_settings


@pytest.fixture
async def world(home: Home, project: Path) -> AsyncIterator[World]:  # noqa: F811  the fixture
    write_quick_settings(home)
    settings = load_settings(home, {})
    async with running_world(home, project, settings=settings) as one:
        yield one


def kept(world: World) -> ListenerSettings:
    """What the file says."""
    return load_settings(world.home, {}).listener


async def answer(form: CardForm, pilot: Pilot[int], key: str) -> None:
    """Answer the question before a change."""
    await wait_for(pilot, lambda: isinstance(pilot.app.screen, Confirm))
    await pilot.press(key)
    await wait_for(pilot, lambda: pilot.app.screen is form)
    await done(form, pilot)


# -- what is refused -----------------------------------------------------------------------------

BAD = {
    "listener.listen": [
        ("", "host:port"), ("localhost", "no port"), ("127.0.0.1:0", "from 1 to 65535"),
        ("127.0.0.1:1e309", "port that is none"), ("http://127.0.0.1:80", "without http://"),
        ("[fe80::1%eth0]:80", "zone"), ("x" * 4000, "host:port"),
        ("0.0.0.0:8099", "allow that first"), ("192.0.2.7:8099", "allow that first"),
    ],
    "listener.public_url": [
        ("hooks.example", "must be an address such as https://"),
        ("http://hooks.example", "https addresses only"),
        ("https://me:geheim@hooks.example", "user name or a password"),
        ("https://hooks.example/#x", "before any ? or #"), ("https://hooks.example:0", "port"),
        ("https://[fe80::1%25eth0]", "zone"),
    ],
    "listener.tls_cert": [
        ("/", "is a folder"), ("/no/such.pem", "does not exist"), ("/etc/hostname", "certificate"),
    ],
    "listener.tls_key": [("/", "is a folder"), ("/etc/hostname", "no private key")],
    "listener.allowed_ips": [
        ("   ", "must not be empty"), ("34.82.1.5/16", "write 34.82.0.0/16"),
        ("fe80::1%eth0", "zone"), ("0.0.0.0/0", "is everybody"), ("NaN", "neither"),
        ("10.0.0.0/33", "neither"),
    ],
    "listener.trusted_proxies": [("::/0", "is everybody"), ("proxy.example", "neither")],
}  # fmt: skip


@pytest.mark.parametrize("key", BAD)
async def test_bad_input_stands_at_its_field_and_nothing_is_lost(world: World, key: str) -> None:
    await world.client.cloud.change_settings(
        {"listener.allowed_ips": "203.0.113.7", "listener.trusted_proxies": "10.0.0.1"}
    )
    before, address = kept(world), world.engine.listening.address
    async with on_cloud(world) as (screen, pilot):
        form = await open_form(screen, pilot, "listener", key)
        for typed, words in BAD[key]:
            await type_in(form, pilot, typed)
            assert words in form.problems[key], typed
            assert form.input.has_focus  # to be corrected where it was typed
            assert form.input.value == typed
            assert "geheim" not in form.problems[key]
            assert words in text_of(screen.app)
            await pilot.press("escape")
            await wait_for(pilot, lambda: form.list.has_focus)
            assert form.item is not None
            assert form.item.key == key
        assert (kept(world), world.engine.listening.address) == (before, address)
        assert screen.data.known["listener"]["address"] == address


# -- where it listens ----------------------------------------------------------------------------


async def test_the_listener_moves_or_stays_at_its_address(world: World) -> None:
    async with on_cloud(world) as (screen, pilot):
        form = await open_form(screen, pilot, "listener", "listener.listen")
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            before = world.engine.listening.address
            await type_in(form, pilot, f"127.0.0.1:{holder.getsockname()[1]}")
            assert "is taken by another program" in form.problems["listener.listen"]
            assert await status(before) == 401
        port = free_port()
        form.input.value = str(port)
        await pilot.press("enter")
        await done(form, pilot)
        assert form.problems == {}
        assert kept(world).listen == f"127.0.0.1:{port}"
        assert f"● 127.0.0.1:{port}  no TLS of its own" in said(screen, "listener")
        assert await status(f"127.0.0.1:{port}") == 401
        await go_to(form, pilot, "listener.allow_public_bind")
        for reply, wanted in (("n", False), ("y", True)):
            await pilot.press("enter")
            await answer(form, pilot, reply)
            assert kept(world).allow_public_bind is wanted
        await go_to(form, pilot, "listener.listen")
        await type_in(form, pilot, f"0.0.0.0:{port}")
        assert "Other machines can reach the listener" in " ".join(said(screen, "listener").split())
        await go_to(form, pilot, "listener.allow_public_bind")
        await pilot.press("enter")
        await done(form, pilot)
        assert "change that address first" in form.problems["listener.allow_public_bind"]
        assert kept(world).allow_public_bind


@needs_program("openssl")
async def test_a_certificate_and_its_key_are_set_together(world: World, tmp_path: Path) -> None:
    certificate, key = await make_certificate(tmp_path)
    _, other_key = await make_certificate(tmp_path, "2")
    async with on_cloud(world) as (screen, pilot):
        form = await open_form(screen, pilot, "listener", "listener.tls_cert")
        await type_in(form, pilot, str(certificate))
        assert "holds no key" in form.problems["listener.tls_cert"]
        form.input.value = f"{certificate}, {other_key}"
        await pilot.press("enter")
        await done(form, pilot)
        assert form.problems["listener.tls_cert"] == "TLS key: is of another certificate"
        form.input.value = f"{certificate}, {key}"
        await pilot.press("enter")
        await done(form, pilot)
        assert form.problems == {}
        assert (kept(world).tls_cert, kept(world).tls_key) == (str(certificate), str(key))
        assert "  TLS" in said(screen, "listener")
        assert await status(world.engine.listening.address, "https", certificate) == 401
        await go_to(form, pilot, "listener.tls_key")
        await type_in(form, pilot, str(other_key))
        assert "is of another certificate" in form.problems["listener.tls_key"]
        await pilot.press("escape")
        await go_to(form, pilot, "listener.tls_cert")
        await type_in(form, pilot, "")
        assert (kept(world).tls_cert, kept(world).tls_key) == ("", "")
        assert await status(world.engine.listening.address) == 401


# -- who may knock -------------------------------------------------------------------------------


async def test_addresses_are_added_to_and_removed_from_the_lists(world: World) -> None:
    async with on_cloud(world) as (screen, pilot):
        form = await open_form(screen, pilot, "listener", "listener.trusted_proxies")
        await type_in(form, pilot, "127.0.0.1, 10.0.0.0/8")
        assert "proxies      127.0.0.1, 10.0.0.0/8" in said(screen, "listener")
        await go_to(form, pilot, "preset")
        await pilot.press("enter")
        await done(form, pilot)
        await go_to(form, pilot, "listener.allowed_ips")
        await type_in(form, pilot, "2001:DB8::/32")
        allowed = ("34.82.0.0/16", "35.185.0.0/16", "2001:db8::/32")
        assert kept(world).allowed_ips == allowed
        assert "preset" not in [item.key for item in form._items]
        # The proxy's word counts now, and the list decides on what it says.
        url = f"http://{world.engine.listening.address}{WEBHOOK_PATH}"
        async with httpx.AsyncClient() as http:
            for address, wanted in (("34.82.1.2", 401), ("8.8.8.8", 403), ("2001:db8::5", 401)):
                sent = {"x-forwarded-for": f"{address}, 10.1.1.1"}
                assert (await http.post(url, headers=sent, content=b"{}")).status_code == wanted
        await go_to(form, pilot, "distrust")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, Picker))
        await pilot.press("enter")
        await done(form, pilot)
        assert kept(world).trusted_proxies == ("10.0.0.0/8",)
        assert kept(world).allowed_ips == allowed


# -- what came in --------------------------------------------------------------------------------


async def test_webhooks_are_shown_with_job_sender_and_reason(world: World) -> None:
    job_id = await world.submit(name="cat-lora")
    await world.ended(job_id)
    async with on_cloud(world) as (screen, pilot):
        await wait_for(pilot, lambda: "completed  cat-lora" in said(screen, "listener"))
        url = f"http://{world.engine.listening.address}{WEBHOOK_PATH}"
        async with httpx.AsyncClient() as http:
            await http.post(f"{url}?key=of-nobody", json={"id": "x", "status": "starting"})
        await wait_for(pilot, lambda: "key of no job  from 127.0.0.1" in said(screen, "listener"))
        assert "1: 1 key of no job" in said(screen, "listener")
        form = await open_form(screen, pilot, "listener", "events")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(pilot.app.screen, Page))
        page = text_of(screen.app)
        assert "Last webhooks" in page
        assert "The key in the address belongs to no job." in page
        assert "start  cat-lora  from 127.0.0.1" in page
        assert "of-nobody" not in page
        await pilot.press("escape")
        await go_to(form, pilot, "test")
        await pilot.press("enter")
        await done(form, pilot)
        await wait_for(pilot, lambda: "start  a test" in said(screen, "listener"))


# -- changed by others ---------------------------------------------------------------------------


async def test_changes_by_other_programs_show_at_once(world: World) -> None:
    async with on_cloud(world) as (screen, pilot):
        form = await open_form(screen, pilot, "listener", "listener.public_url")
        await world.client.cloud.change_settings({"listener.public_url": "https://a.example"})
        await wait_for(pilot, lambda: "https://a.example" in text_of(screen.app))
        text = world.home.settings_file.read_text()
        world.home.settings_file.write_text(
            text.replace("a.example", "b.example") + '[cloud]\nconsent = "never"\n'
        )
        await wait_for(pilot, lambda: "https://b.example" in text_of(screen.app), 30)
        assert form.item is not None
        assert form.item.key == "listener.public_url"
        await pilot.press("escape")
        await wait_for(pilot, lambda: "uploads      never" in said(screen, "settings"), 30)
        world.home.settings_file.write_text(f"{text}[network]\ntimeout = 'soon'\n")
        await wait_for(pilot, lambda: "1 wrong in the file" in said(screen, "settings"), 30)
        line = len(text.splitlines()) + 2
        assert f"settings.toml line {line}: network.timeout must be a number" in " ".join(
            said(screen, "settings").split()
        )
        notices: list[Any] = app_of(screen).notices
        assert any("network.timeout" in one.message for one in notices)
