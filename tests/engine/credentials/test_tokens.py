"""Tokens: real keyrings in every state, each bounded in time, and never a file of ours."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from tests.engine.keyrings import Keyring, limit_calls, secret_service
from tests.engine.prompter import unanswered_prompts
from tests.engine.world import World, running_engine
from tests.wished import wished
from tui.api.engine import Session
from tui.base.errors import RefusedError
from tui.client.client import ControlClient, ControlError
from tui.engine.credentials.token_service import clean_token
from tui.sandbox.config import make_token
from tui.sandbox.server import serve
from tui.settings import Home

pytestmark = pytest.mark.needs_system("gnome-keyring")
HUB = "hf_" + "a" * 34


@pytest.fixture
def keyring(monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyring]:
    with secret_service() as keyring:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", keyring.address)
        yield keyring


def files_with(root: Path, text: str) -> list[Path]:
    return [p for p in root.rglob("*") if p.is_file() and text.encode() in p.read_bytes()]


async def test_a_token_goes_into_the_keyring_and_works_at_once(
    home: Home, tmp_path: Path, keyring: Keyring
) -> None:
    assert keyring.address
    sandbox = await serve(wished(work_dir=tmp_path / "sandbox"))
    try:
        async with running_engine(home) as (engine, _):
            client = ControlClient(home.socket, sandbox.base_url)
            assert (await client.validate())["reason"] == "none"
            half = len(sandbox.token) // 2
            pasted = f"  {sandbox.token[:half]}\r\n{sandbox.token[half:]}\n"
            answer = await client.cloud.set_token("replicate", pasted)
            assert answer["stored"] == "keyring"
            assert answer["validation"]["valid"] is True
            assert answer["validation"]["token_source"] == "keyring"
            state = (await client.cloud.tokens())["replicate"]
            host = sandbox.base_url.split("/")[2]
            assert (state["service"], state["user"]) == ("simpletuner-tui", f"replicate@{host}")
            assert state["in_use"] == "keyring"
            assert state["backend"]
            assert sandbox.token not in repr(answer) + repr(state)
            engine.clients.tokens.keyring_changed("replicate", sandbox.base_url)
            assert (await client.validate())["valid"] is True  # read again, from the real one
            other = await client.cloud.set_token("replicate", make_token())
            assert other["validation"]["reason"] == "rejected"
            gone = await client.cloud.delete_token("replicate")
            assert gone["deleted"] is True
            assert (await client.validate())["reason"] == "none"
            assert (await client.cloud.delete_token("replicate"))["deleted"] is False
        assert files_with(home.root, sandbox.token) == []
    finally:
        await sandbox.aclose()


async def test_the_environment_comes_first_and_says_so(world: World, keyring: Keyring) -> None:
    assert keyring.address
    answer = await world.client.cloud.set_token("replicate", make_token())
    assert answer["state"]["in_use"] == "environment"
    assert answer["state"]["shadowed"] is True
    assert any("environment" in words for words in answer["warnings"])
    assert answer["validation"]["valid"] is True  # it is the environment's that was asked


async def test_the_hub_token_is_kept_likewise(world: World, keyring: Keyring) -> None:
    assert keyring.address
    answer = await world.client.cloud.set_token("huggingface", HUB)
    assert answer["stored"] == "keyring"
    state = (await world.client.cloud.tokens())["huggingface"]
    assert state["in_use"] == "keyring"
    assert state["user"].startswith("huggingface@")
    assert (await world.client.cloud.delete_token("huggingface"))["deleted"] is True


async def test_a_locked_keyring_is_named_and_the_session_way_is_open(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with secret_service(unlock=False) as keyring:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", keyring.address)
        limit_calls(monkeypatch, 4.0)
        await refused(world, "locked", "dismissed", "refused", "no keyring service")


async def test_a_prompt_that_nobody_answers_is_named_and_the_session_way_is_open(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A locked keyring, a desktop that would ask for its password, and nobody sitting there."""
    with secret_service(unlock=False) as keyring, unanswered_prompts(keyring.address) as prompts:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", keyring.address)
        limit_calls(monkeypatch, 4.0)
        await refused(world, "waiting for a prompt")
        assert "BeginPrompting" in prompts


async def test_a_bus_that_hangs_is_named(
    world: World, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.kill(keyring.bus, signal.SIGSTOP)
    limit_calls(monkeypatch)
    await refused(world, "does not answer")


async def test_a_hung_keyring_takes_seconds_and_no_more(
    world: World, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring.hang()
    limit_calls(monkeypatch)
    await refused(world, "does not answer")  # without the limit it would never return


async def test_without_a_keyring_the_session_way_is_open(world: World) -> None:
    await refused(world, "no keyring")


async def refused(world: World, *words: str) -> None:
    """The keyring does not keep a token; the session does, and it is gone with the engine."""
    with pytest.raises(ControlError) as caught:
        await world.client.cloud.set_token("huggingface", HUB)
    assert caught.value.code == "keyring_unavailable"
    assert caught.value.details["session_only"] is True
    assert any(text in caught.value.message for text in words), caught.value.message
    answer = await world.client.cloud.set_token("huggingface", HUB, session_only=True)
    assert (answer["stored"], answer["state"]["in_use"]) == ("session", "session")
    assert any(text in answer["state"]["problem"] for text in words)
    assert files_with(world.home.root, HUB) == []
    assert (await world.client.cloud.delete_token("huggingface"))["deleted"] is True
    assert (await world.client.cloud.tokens())["huggingface"]["in_use"] is None


async def test_rejected_and_unreachable_are_told_apart(world: World) -> None:
    assert (await world.client.validate())["reason"] is None
    other = ControlClient(world.home.socket, "http://127.0.0.1:9/v1")
    await other.set_session({"replicate_token": make_token()})
    assert (await other.validate())["reason"] == "unreachable"
    await world.client.set_session({"replicate_token": make_token()})
    assert (await world.client.validate())["reason"] == "rejected"


@pytest.mark.parametrize("text", ["", "  \n", None, 5, "r8_ü", "r8_\x00", "x" * 5000])
def test_what_cannot_be_a_token_is_refused(text: object) -> None:
    with pytest.raises(RefusedError) as caught:
        clean_token("replicate", text)
    assert "token" in caught.value.details["fields"]


def test_an_odd_shape_is_only_a_warning() -> None:
    good = make_token()
    assert clean_token("replicate", f"export REPLICATE_API_TOKEN='{good}'\n") == (good, [])
    quoted, notes = clean_token("replicate", f'"{good}" ')
    assert quoted == good
    assert "quotes around it" in notes[0]
    assert clean_token("replicate", "abc")[1]
    assert clean_token("huggingface", HUB) == (HUB, [])


async def test_a_wrong_token_in_the_environment_is_named_and_sent_nowhere(world: World) -> None:
    """Another token takes its place nowhere: it may be another account's."""
    client = ControlClient(world.home.socket, world.sandbox.base_url)
    wrong = {"replicate_token": HUB, "hf_token": make_token()}
    await client.set_session(cast("Session", wrong | {"hf_endpoint": world.sandbox.hub_url}))
    answer = await client.validate()
    assert (answer["valid"], answer["reason"]) == (False, "rejected")
    assert "is one of Hugging Face (hf_…), not of Replicate" in (answer["error"] or "")
    assert "token set --hub" in answer["advice"]
    hub = await client.cloud.validate_token("huggingface")
    assert "is one of Replicate (r8_…)" in (hub["error"] or "")
    states = await client.cloud.tokens()
    assert "Hugging Face" in states["replicate"]["environment_problem"]
    with pytest.raises(ControlError) as caught:
        await client.submit(world.draft())
    assert "not of Replicate" in caught.value.message + str(caught.value.details)
    assert world.predictions == []
    # Other windows go on with their own.
    assert (await world.client.validate())["valid"] is True
    mended = ControlClient(world.home.socket, world.sandbox.base_url)
    await mended.set_session({"replicate_token": f' "{world.sandbox.token}" '})
    assert (await mended.validate())["valid"] is True


async def test_a_token_set_on_the_command_line_reaches_a_running_engine(
    home: Home, tmp_path: Path, keyring: Keyring
) -> None:
    assert keyring.address
    sandbox = await serve(wished(work_dir=tmp_path / "sandbox"))
    env = {
        **os.environ,
        "SIMPLETUNER_TUI_HOME": str(home.root),
        "SIMPLETUNER_TUI_API_BASE": sandbox.base_url,
    }

    async def command(*words: str, given: str = "") -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tui", "token", *words, env=env, stdin=asyncio.subprocess.PIPE
        )
        await process.communicate(given.encode())
        assert process.returncode == 0

    try:
        async with running_engine(home):
            client = ControlClient(home.socket, sandbox.base_url)
            assert (await client.validate())["reason"] == "none"
            await command("set", given=f"{sandbox.token}\n")
            assert (await client.validate())["valid"] is True
            await command("delete")
            assert (await client.validate())["reason"] == "none"
    finally:
        await sandbox.aclose()
