"""A way to this machine is proved by the address that its test came from, behind a real proxy."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.destinations.hosting import is_open
from tests.engine.delivery.sent_files import send
from tests.engine.world import World
from tests.support import eventually_sync, free_port, needs_program
from tui.base.clock import utc_now
from tui.base.listener_address import STORAGE_PATH, WEBHOOK_PATH
from tui.engine.delivery.result import DeliveryResult
from tui.engine.diagnostics.doctor import listener_line
from tui.engine.listener import sightings
from tui.engine.listener.sightings import Sightings, is_outside, is_own
from tui.simpletuner.checks.checks import Check

REPLICATE = "https://api.replicate.com/v1"
PUBLIC = "https://cats.example.org"
WORLD = "proxy_set_header X-Forwarded-For 34.105.7.8;"
"""As a proxy that a caller on the internet has reached."""
OFFICE = "proxy_set_header X-Forwarded-For 192.168.7.8;"
LARGE = "client_max_body_size 0;"
US = "proxy_set_header Host $http_host; proxy_pass http://us;"


@contextmanager
def nginx(root: Path, upstream: str, locations: str) -> Iterator[int]:
    """nginx before the listener, with these locations; yields its port."""
    program, port = shutil.which("nginx"), free_port()
    assert program
    root.mkdir(parents=True, exist_ok=True)
    places = "".join(
        f"{kind}_temp_path {root}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = root / "nginx.conf"
    config.write_text(
        f"daemon off; master_process off; pid {root}/pid; error_log {root}/errors;\nevents {{}}\n"
        f"http {{ access_log off;\n{places}upstream us {{ server {upstream}; }}\n"
        f"server {{ listen 127.0.0.1:{port}; proxy_http_version 1.1;\n{locations}\n}} }}\n"
    )
    with subprocess.Popen([program, "-e", "stderr", "-c", str(config)]) as process:
        try:
            eventually_sync(lambda: is_open(port))
            yield port
        finally:
            process.terminate()


def change(world: World, **values: object) -> None:
    """Change settings of the listener, which stays at its port."""
    if not world.home.settings_file.exists():
        world.home.settings_file.write_text('[listener]\nlisten = "127.0.0.1:0"\n')
    world.engine.live.change("listener", values)


async def proved(world: World, port: int, api_base: str = REPLICATE) -> DeliveryResult:
    """Test the delivery, with the proxy as the public URL."""
    listening = world.engine.listening
    change(world, public_url=PUBLIC, trusted_proxies=("127.0.0.1",))
    url = f"http://127.0.0.1:{port}{STORAGE_PATH}"
    listening.storage_url = lambda api_base: url  # type: ignore[method-assign]
    return await world.engine.delivery_check._local.test(api_base)


def reach(result: DeliveryResult) -> Check:
    return next(step for step in result.steps if step.id == "receiver-reach")


def through(header: str = "") -> str:
    return f"location / {{ {LARGE} {header} {US} }}"


@needs_program("nginx")
async def test_a_caller_from_the_internet_proves_the_way(world: World, tmp_path: Path) -> None:
    with nginx(tmp_path / "n", world.engine.listening.address, through(WORLD)) as port:
        result = await proved(world, port)
    assert (result.verdict, reach(result).level) == ("works", "ok"), result
    assert "from 34.105.7.8" in reach(result).message
    assert list(world.engine.listening.outputs.rglob("delivery-check*")) == []


@needs_program("nginx")
@pytest.mark.parametrize(
    ("header", "words"),
    [(OFFICE, "192.168.7.8, a private address"), ("", "127.0.0.1, this machine"),
     ("proxy_set_header X-Forwarded-For rubbish;", "an unknown address")],
)  # fmt: skip
async def test_a_caller_from_inside_proves_nothing(
    world: World, tmp_path: Path, header: str, words: str
) -> None:
    """As from the office, through a proxy that admits private addresses and nobody else."""
    with nginx(tmp_path / "n", world.engine.listening.address, through(header)) as port:
        result = await proved(world, port)
        assert (result.verdict, reach(result).level) == ("unknown", "warn")
        assert words in reach(result).message
        assert "not proved from outside" in reach(result).message
        assert "simpletuner-tui proxy nginx" in reach(result).advice
        near = await proved(world, port, world.sandbox.base_url)  # its trainer is on this machine
    assert (near.verdict, reach(near).level) == ("works", "ok")
    assert "the trainer is on this machine too" in reach(near).message


@needs_program("nginx")
async def test_an_earlier_delivery_from_outside_is_the_proof(world: World, tmp_path: Path) -> None:
    seen = world.engine.listening.sightings
    with nginx(tmp_path / "n", world.engine.listening.address, through(OFFICE)) as port:
        assert (await proved(world, port)).verdict == "unknown"
        seen.note("storage", "192.168.7.8")
        assert (await proved(world, port)).verdict == "unknown"
        seen.note("webhook", "34.82.1.1")  # another way
        assert (await proved(world, port)).verdict == "unknown"
        seen.note("storage", "34.105.9.9")
        result = await proved(world, port)
        assert result.verdict == "works"
        assert "the last delivery from outside came from 34.105.9.9" in reach(result).message
        change(world, public_url="https://dogs.example.org")
        assert seen.last("storage") is None, "of another public URL"


async def test_an_old_sighting_is_no_proof(world: World) -> None:
    clock = [utc_now()]
    seen = Sightings(world.engine.recorder.writer, lambda: clock[0], lambda: PUBLIC)
    seen.note("storage", "34.105.9.9")
    assert seen.last("storage") is not None
    clock[0] += timedelta(days=31)
    assert seen.last("storage") is None


@needs_program("nginx")
async def test_a_body_limit_is_named_with_the_location_to_add(world: World, tmp_path: Path) -> None:
    """nginx takes 1 MiB where nobody said otherwise."""
    small = f"location / {{ {WORLD} {US} }}"
    with nginx(tmp_path / "n", world.engine.listening.address, small) as port:
        result = await proved(world, port)
    assert result.verdict == "fails"
    assert "HTTP 413" in reach(result).message
    assert "location /api/cloud/storage {" in reach(result).advice
    assert "client_max_body_size 0;" in reach(result).advice
    assert "simpletuner-tui proxy nginx" in reach(result).advice


@needs_program("nginx")
@pytest.mark.parametrize("webhooks", [True, False])
async def test_a_refusing_proxy_is_named_with_the_location_to_add(
    world: World, tmp_path: Path, webhooks: bool
) -> None:
    """The proxy lets webhooks through, and answers 403 where files come in."""
    hooks = f"location /api/webhooks/ {{ {US} }}" if webhooks else ""
    deny = f"location / {{ deny all; {US} }}"
    with nginx(tmp_path / "n", world.engine.listening.address, f"{hooks}{deny}") as port:
        result = await proved(world, port)
    assert result.verdict == "fails"
    assert "HTTP 403" in reach(result).message
    assert ("lets webhooks through" in reach(result).message) is webhooks
    assert "location /api/cloud/storage {" in reach(result).advice


@needs_program("nginx")
async def test_every_screen_and_command_agrees(world: World, tmp_path: Path) -> None:
    """Not proved is no success: in the report, its fact and the check before a job."""
    judge = world.engine.delivery_check._local
    test = judge.test

    async def as_for_replicate(_api_base: str) -> DeliveryResult:
        return await test(REPLICATE)

    judge.test = as_for_replicate  # type: ignore[method-assign, assignment]
    with nginx(tmp_path / "n", world.engine.listening.address, through(OFFICE)) as port:
        await proved(world, port)
        report = await world.client.cloud.check_delivery(kind="local")
        assert (report["ok"], report["verdict"]) == (False, "unknown")
        checked = await world.client.check(world.draft())
        found = {check["id"]: check for check in checked["checks"]}
        assert found["receiver-reach"]["level"] == "warn"
        assert checked["ok"] is True, "the user may start it, with the warning"
        doctor = {line["id"]: line for line in (await world.client.cloud.doctor())["lines"]}
        assert doctor["delivery"]["level"] == "warn"
        assert "not proved from outside" in doctor["delivery"]["message"]


@pytest.mark.parametrize(
    ("address", "outside"),
    [("34.82.0.10", True), ("2600:1900::5", True), ("127.0.0.1", False), ("10.1.2.3", False),
     ("100.64.0.1", False), ("169.254.1.1", False), ("::1", False), ("fe80::1", False),
     ("fd00::1", False), ("224.0.0.1", False), ("", False), ("nonsense", False)],
)  # fmt: skip
def test_addresses_of_the_internet(address: str, outside: bool) -> None:
    assert is_outside(address) is outside


def test_a_public_address_of_this_machine_is_not_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_own("127.0.0.1")
    assert not is_own("34.82.0.10")
    monkeypatch.setattr(sightings, "is_own", lambda _address: True)
    assert not is_outside("34.82.0.10")


async def test_a_delivery_of_a_trainer_is_remembered_by_its_address(world: World) -> None:
    job = world.job(await world.submit())
    noted: list[Any] = []
    world.engine.listening.sightings.note = (  # type: ignore[method-assign]
        lambda way, address: noted.append((way, address))
    )
    await asyncio.to_thread(send, world, job, "a.bin", b"a")
    assert ("storage", "127.0.0.1") in noted


async def test_the_doctor_wants_a_webhook_from_outside(world: World) -> None:
    state = world.engine.listening.state()
    assert listener_line(state, proved=False).level == "ok", "nobody calls without a public URL"
    state["public_url"] = PUBLIC
    line = listener_line(state, proved=False)
    assert (line.level, "no webhook from outside" in line.message) == ("warn", True)
    assert listener_line(state, proved=True).level == "ok"


async def listener_of_doctor(world: World) -> tuple[str, str]:
    lines = (await world.client.cloud.doctor())["lines"]
    line = next(line for line in lines if line["id"] == "listener")
    return line["level"], line["message"]


async def test_the_doctor_is_not_green_while_nothing_comes_in_through_the_public_url(
    world: World,
) -> None:
    """Whatever came in earlier: a tunnel can die, and the port can be another program's."""
    with socket.socket() as bound:  # nobody listens there
        bound.bind(("127.0.0.1", 0))
        change(world, public_url=f"http://127.0.0.1:{bound.getsockname()[1]}")
        level, message = await listener_of_doctor(world)
        assert (level, "cannot be reached" in message) == ("error", True), message
    change(world, public_url=world.sandbox.base_url.removesuffix("/v1"))  # another server
    level, message = await listener_of_doctor(world)
    assert level == "error", message
    change(world, public_url=f"http://{world.engine.listening.address}")
    level, message = await listener_of_doctor(world)
    assert level == "ok", message


async def test_a_webhook_is_remembered_by_its_address(world: World) -> None:
    """Only one whose signature was right."""
    change(world, public_url=f"http://{world.engine.listening.address}")
    noted: list[tuple[str, str]] = []
    world.engine.listening.sightings.note = (  # type: ignore[method-assign]
        lambda way, address: noted.append((way, address))
    )
    async with httpx.AsyncClient() as stranger:
        await stranger.post(f"http://{world.engine.listening.address}{WEBHOOK_PATH}", content=b"{}")
    assert noted == []
    answer = await world.client.cloud.test_webhook()
    assert answer["success"], answer
    assert (answer["address"], answer["from_outside"]) == ("127.0.0.1", False)
    assert ("webhook", "127.0.0.1") in noted
