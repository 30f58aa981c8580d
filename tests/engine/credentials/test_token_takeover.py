"""Tokens that shells hand in: which of them the engine uses for everybody, and which for one call.

"A shell" is a `ControlClient` with a session of its own, as a window or a command has.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.keyrings import Keyring, secret_service
from tests.engine.world import SPEED, World, running_engine, running_world, username
from tests.support import eventually
from tests.wished import wished
from tui.base.job_status import JobStatus
from tui.cli import exit_codes
from tui.client.client import ControlClient, ControlError
from tui.engine.credentials import token_store
from tui.engine.credentials.token_takeover import Takeover
from tui.engine.engine import Engine
from tui.sandbox.config import make_token
from tui.sandbox.demo import write_demo_project
from tui.sandbox.hub import HubToken
from tui.sandbox.server import serve
from tui.secrets.keyring import StoredToken, read_token
from tui.settings import Home
from tui.store.fact_names import scoped
from tui.store.filter import parse_filter

BOB, SECOND = make_token(), make_token()
LONG = 20_000
"""Steps of a job that a test does not live to see the end of."""


@pytest.fixture
async def world(home: Home, project: Path) -> AsyncIterator[World]:
    """A world whose jobs are heard of by polls alone, and an account beside the usual one."""
    users = {BOB: "bob", SECOND: "sandbox"}
    async with running_world(
        home, project, faults=["webhook-lost"], other_users=users, speed=SPEED
    ) as found:
        yield found


def shell(world: World) -> ControlClient:
    """Another shell of the same user."""
    return ControlClient(world.home.socket, world.sandbox.base_url)


def in_use(world: World, kind: token_store.Kind = "replicate") -> str:
    """The token that the engine uses for everybody."""
    found = world.engine.clients.tokens.known(kind, world.sandbox.base_url)
    return found.secret.reveal() if found is not None else ""


async def running(world: World) -> str:
    """A job that is followed and does not end by itself."""
    job_id = await world.submit(LONG)
    await eventually(lambda: bool(world.steps_of(job_id)), within=30)
    return job_id


async def followed(world: World, job_id: str) -> None:
    """More of the job's steps are heard of from here on, and no poll of it was refused."""
    await goes_on(world, job_id)
    assert "trouble" not in world.kinds(job_id)


async def goes_on(world: World, job_id: str) -> None:
    """More of the job's steps are heard of from here on."""
    before = len(world.steps_of(job_id))
    await eventually(lambda: len(world.steps_of(job_id)) > before + 1, within=30)


def tokens_told(world: World, job_id: str) -> list[str]:
    """What the history of a job tells of tokens."""
    reader = world.reader
    try:
        return [event.message for event in reader.events(job_id) if event.kind == "token"]
    finally:
        reader.close()


async def cancelled(world: World, job_id: str) -> None:
    """The job is over."""
    await world.client.cancel(job_id)
    assert (await world.ended(job_id)).status is JobStatus.CANCELLED


def account_shown(world: World) -> str:
    """The account that windows show."""
    reader = world.reader
    try:
        fact = reader.fact(scoped("account", world.sandbox.base_url))
    finally:
        reader.close()
    assert fact is not None
    name: str = fact.value["user_info"]["username"]
    return name


# -- Replicate's ------------------------------------------------------------------------------


async def test_a_rejected_token_keeps_polling_of_a_running_job(world: World) -> None:
    job_id, second = await running(world), shell(world)
    await second.set_session({"replicate_token": make_token()})
    assert (await second.validate())["reason"] == "rejected"
    with pytest.raises(ControlError):
        await second.submit(world.draft())
    assert (await world.client.validate())["valid"] is True
    await followed(world, job_id)
    assert in_use(world) == world.sandbox.token
    assert account_shown(world) == "sandbox"


async def test_a_command_with_a_rejected_token_keeps_polling_of_a_running_job(world: World) -> None:
    job_id = await running(world)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tui", "token", "validate",
        env={**os.environ, "SIMPLETUNER_TUI_HOME": str(world.home.root),
             "SIMPLETUNER_TUI_API_BASE": world.sandbox.base_url,
             "REPLICATE_API_TOKEN": make_token()},
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert await process.wait() == exit_codes.NOT_AUTHORISED
    await followed(world, job_id)
    assert in_use(world) == world.sandbox.token


async def test_another_accounts_token_serves_its_own_calls_while_a_job_runs(world: World) -> None:
    job_id, second = await running(world), shell(world)
    await second.set_session({"replicate_token": BOB})
    assert await username(second) == "bob"
    assert await username(world.client) == "sandbox"
    await followed(world, job_id)
    assert in_use(world) == world.sandbox.token
    assert account_shown(world) == "sandbox"
    assert await username(second) == "bob"


async def test_with_nothing_running_only_an_accepted_token_takes_over(world: World) -> None:
    second, third = shell(world), shell(world)
    await second.set_session({"replicate_token": make_token()})
    assert (await second.validate())["reason"] == "rejected"
    assert (await third.validate())["valid"] is True
    await second.set_session({"replicate_token": BOB})
    await eventually(lambda: in_use(world) == BOB)
    assert await username(third) == "bob"
    assert account_shown(world) == "bob"


async def test_the_same_accounts_token_takes_over_once_it_is_accepted(world: World) -> None:
    job_id, second = await running(world), shell(world)
    world.fault("slow=40@GET /v1/account")
    await second.set_session({"replicate_token": SECOND})
    assert in_use(world) == world.sandbox.token
    world.clear_faults()
    await eventually(lambda: in_use(world) == SECOND)
    await followed(world, job_id)


async def test_after_a_restart_a_running_job_waits_for_its_own_account(
    home: Home, project: Path, tmp_path: Path
) -> None:
    config = wished(speed=SPEED, work_dir=tmp_path / "sandbox", other_users={BOB: "bob"})
    sandbox = await serve(config)
    path = write_demo_project(project)

    def world_of(engine: Engine) -> World:
        return World(home, sandbox, engine, ControlClient(home.socket, sandbox.base_url), path)

    try:
        async with running_engine(home) as (engine, _):
            world = world_of(engine)
            world.fault("webhook-lost")
            await world.client.set_session({"replicate_token": sandbox.token})
            job_id = await running(world)
            await world.client.validate()
            assert account_shown(world) == "sandbox"
        async with running_engine(home) as (engine, _):
            world, other = world_of(engine), ControlClient(home.socket, sandbox.base_url)
            await other.set_session({"replicate_token": BOB})
            assert await username(other) == "bob"
            await eventually(
                lambda: bool(engine.clients.tokens.problem("replicate", sandbox.base_url))
            )
            assert in_use(world) == ""
            await world.client.set_session({"replicate_token": sandbox.token})
            await goes_on(world, job_id)
            assert world.job(job_id).status is JobStatus.RUNNING
            assert in_use(world) == sandbox.token
    finally:
        await sandbox.aclose()


async def test_two_accounts_at_once(home: Home, project: Path, tmp_path: Path) -> None:
    """Each job is followed and cancelled with a token of the account that it began with."""
    config = wished(speed=SPEED, work_dir=tmp_path / "sandbox", other_users={BOB: "bob"})
    sandbox = await serve(config)
    path = write_demo_project(project)

    def world_of(engine: Engine) -> World:
        return World(home, sandbox, engine, ControlClient(home.socket, sandbox.base_url), path)

    try:
        async with running_engine(home) as (engine, _):
            world = world_of(engine)
            world.fault("webhook-lost")
            await world.client.set_session({"replicate_token": sandbox.token})
            mine, other = await running(world), shell(world)
            await other.set_session({"replicate_token": BOB})
            bobs = (await other.submit(world.draft(LONG)))["job_id"]
            await eventually(lambda: bool(world.steps_of(bobs)), within=30)
            reader = world.reader
            assert [job.job_id for job in reader.records(parse_filter("account:bob"))] == [bobs]
            assert [job.job_id for job in reader.records(parse_filter("account:sandbox"))] == [mine]
            reader.close()
        async with running_engine(home) as (engine, _):
            world = world_of(engine)
            await world.client.set_session({"replicate_token": sandbox.token})
            await goes_on(world, mine)
            assert world.job(bobs).status is JobStatus.RUNNING
            await shell(world).set_session({"replicate_token": BOB})
            await goes_on(world, bobs)
            assert in_use(world) == sandbox.token, "the engine's own is the first one's"
            await goes_on(world, mine)
            for job_id in (bobs, mine):
                await cancelled(world, job_id)
    finally:
        await sandbox.aclose()


async def test_the_history_of_a_job_tells_of_another_token(world: World) -> None:
    job_id, second = await running(world), shell(world)
    await second.set_session({"replicate_token": SECOND})
    await eventually(lambda: "token" in world.kinds(job_id))
    assert tokens_told(world, job_id) == [
        "Another Replicate token is used now: environment, of @sandbox."
    ]


# -- the Hub's --------------------------------------------------------------------------------


async def hub_name(client: ControlClient) -> str | None:
    """Whom the Hub takes a shell for."""
    name: str | None = (await client.cloud.validate_token("huggingface"))["username"]
    return name


@pytest.fixture
async def hub(world: World) -> str:
    """The Hub's address; the engine uses `hf_write` there, and `hf_bob` is another user's."""
    assert world.sandbox.hub is not None
    world.sandbox.hub.hub.accounts.tokens["hf_bob"] = HubToken("bob")
    return await world.use_hub("hf_write")


async def test_a_refused_hub_token_is_used_by_nobody_else(world: World, hub: str) -> None:
    second = shell(world)
    await second.set_session({"hf_endpoint": hub, "hf_token": "hf_expired"})
    assert (await second.cloud.validate_token("huggingface"))["reason"] == "rejected"
    assert await hub_name(world.client) == "sandbox"
    assert in_use(world, "huggingface") == "hf_write"


async def test_another_users_hub_token_serves_its_own_calls_while_a_job_runs(
    world: World, hub: str
) -> None:
    job_id, second = await running(world), shell(world)
    await second.set_session({"hf_endpoint": hub, "hf_token": "hf_bob"})
    assert await hub_name(second) == "bob"
    assert await hub_name(world.client) == "sandbox"
    assert in_use(world, "huggingface") == "hf_write"
    await cancelled(world, job_id)
    await second.set_session({"hf_endpoint": hub, "hf_token": "hf_bob"})
    await eventually(lambda: in_use(world, "huggingface") == "hf_bob")


async def test_the_same_users_hub_token_takes_over_while_a_job_runs(
    world: World, hub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, second = await running(world), shell(world)
    answered, ask = asyncio.Event(), Takeover._owner_of

    async def held(*arguments: Any) -> Any:
        await answered.wait()
        return await ask(*arguments)

    monkeypatch.setattr(Takeover, "_owner_of", held)
    assert await hub_name(shell(world)) == "sandbox"
    await second.set_session({"hf_endpoint": hub, "hf_token": "hf_another"})
    assert in_use(world, "huggingface") == "hf_write"  # until the Hub has accepted it
    answered.set()
    await eventually(lambda: in_use(world, "huggingface") == "hf_another")
    assert await hub_name(shell(world)) == "sandbox"
    assert tokens_told(world, job_id) == [
        "Another Hugging Face token is used now: environment, of @sandbox."
    ]


async def test_another_hub_is_for_its_own_calls_while_a_job_runs(world: World, hub: str) -> None:
    await running(world)
    second, third = shell(world), shell(world)
    elsewhere = hub.replace("127.0.0.1", "localhost")
    await second.set_session({"hf_endpoint": elsewhere, "hf_token": "hf_bob"})
    await third.set_session({"hf_endpoint": "http://127.0.0.1:9"})
    assert await hub_name(second) == "bob"
    tokens = world.engine.clients.tokens
    assert tokens.hub(world.sandbox.base_url) == hub
    assert in_use(world, "huggingface") == "hf_write"


# -- the keyring ------------------------------------------------------------------------------


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyring]:
    with secret_service() as keyring:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", keyring.address)
        yield keyring


class HeldRead:
    """The real look-up, the first of which keeps what it found until `let_go`."""

    def __init__(self) -> None:
        self.has_read = asyncio.Event()
        self.let_go = asyncio.Event()

    async def __call__(self, kind: str, host: str) -> StoredToken:
        found = await read_token(kind, host)
        if not self.has_read.is_set():
            self.has_read.set()
            await self.let_go.wait()
        return found


@pytest.mark.needs_system("gnome-keyring")
@pytest.mark.parametrize("newer", ["hf_newer", None])
async def test_a_keyring_read_in_flight_never_overwrites_a_newer_set_or_delete(
    home: Home, keyring: Keyring, monkeypatch: pytest.MonkeyPatch, newer: str | None
) -> None:
    assert keyring.address
    base = "https://127.0.0.1:9/v1"
    async with running_engine(home) as (engine, _):
        client, box = ControlClient(home.socket, base), engine.clients.tokens
        await client.set_session({"hf_endpoint": "http://127.0.0.1:9"})
        await client.cloud.set_token("huggingface", "hf_older")
        held = HeldRead()
        monkeypatch.setattr(token_store, "read_token", held)
        reading = asyncio.create_task(box.stored("huggingface", base, fresh=True))
        await held.has_read.wait()
        if newer is not None:
            await client.cloud.set_token("huggingface", newer)
        else:
            await client.cloud.delete_token("huggingface")
        held.let_go.set()
        for found in (await reading, await box.stored("huggingface", base)):
            assert (found.value.reveal() if found.value is not None else None) == newer
