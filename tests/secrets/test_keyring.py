"""The keyring at its worst: every call ends in time, and says why there is no token."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.engine.keyrings import limit_calls, secret_service
from tests.engine.prompter import unanswered_prompts
from tests.support import eventually
from tui.replicate.secret import Secret
from tui.secrets.keyring import _LIMIT as LIMIT
from tui.secrets.keyring import (
    NO_COLLECTION,
    NO_KEYRING,
    KeyringError,
    delete_token,
    has_session_bus,
    read_token,
    store_token,
)

pytestmark = pytest.mark.needs_system("gnome-keyring")
BOUND = 30.0
"""Far more than the limit of a call (4 s) on a loaded machine; far less than for ever."""


async def nothing_works(*words: str) -> None:
    """Each of the three calls ends in time and names the reason; no helper is left behind."""
    began = time.monotonic()
    found = await read_token("replicate", "api.test")
    assert found.value is None
    assert any(text in found.problem for text in words), found.problem
    for call in (
        lambda: store_token("replicate", "api.test", Secret("x")),
        lambda: delete_token("replicate", "api.test"),
    ):
        with pytest.raises(KeyringError) as caught:
            await call()
        assert any(text in caught.value.message for text in words), caught.value.message
        assert "read -rs REPLICATE_API_TOKEN && export" in caught.value.advice
    assert time.monotonic() - began < BOUND
    assert helpers() == []


def helpers() -> list[int]:
    """Children of this process that talk to a keyring."""
    mine = Path(f"/proc/self/task/{threading.main_thread().native_id}/children").read_text()
    found = []
    for child in mine.split():
        try:
            words = Path(f"/proc/{child}/cmdline").read_bytes()
        except OSError:
            continue
        if b"tui.secrets.helper" in words:
            found.append(int(child))
    return found


def test_the_limit_of_a_call_is_a_few_seconds() -> None:
    assert 2 <= LIMIT <= 5


async def test_an_unanswered_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    with secret_service(unlock=False) as keyring, unanswered_prompts(keyring.address) as prompts:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", keyring.address)
        limit_calls(monkeypatch, LIMIT)
        await nothing_works("waiting for a prompt")
        assert "BeginPrompting" in prompts


async def test_a_locked_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    with secret_service(unlock=False) as keyring:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", keyring.address)
        limit_calls(monkeypatch, LIMIT)
        await nothing_works("locked")


async def test_a_keyring_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    with secret_service() as keyring:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", keyring.address)
        await store_token("replicate", "api.test", Secret("before"))
        keyring.hang()
        limit_calls(monkeypatch)
        await nothing_works("does not answer")


async def test_a_bus_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    with secret_service() as keyring:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", keyring.address)
        os.kill(keyring.bus, signal.SIGSTOP)
        limit_calls(monkeypatch)
        await nothing_works("does not answer")


async def test_a_bus_that_accepts_and_never_answers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "bus"))
        silent.listen()
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/bus")
        limit_calls(monkeypatch)
        await nothing_works("does not answer")


@pytest.mark.parametrize("address", ["", "unix:path=/nonexistent/bus", "nonsense"])
async def test_no_bus(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    if address:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    await nothing_works("no keyring", "keyring service")


async def test_without_a_bus_no_process_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    found = await read_token("replicate", "api.test")
    assert found.problem == NO_KEYRING
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus")
    with pytest.raises(FileNotFoundError):
        await read_token("replicate", "api.test")


def test_where_a_bus_can_be(tmp_path: Path) -> None:
    assert not has_session_bus("linux", {})
    assert not has_session_bus("linux", {"XDG_RUNTIME_DIR": str(tmp_path)})
    (tmp_path / "bus").touch()
    assert has_session_bus("linux", {"XDG_RUNTIME_DIR": str(tmp_path)})
    assert has_session_bus("linux", {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/x"})
    assert has_session_bus("linux", {"DISPLAY": ":0"})
    assert has_session_bus("darwin", {})


async def test_a_bus_that_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    with secret_service() as keyring:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", keyring.address)
        keyring.daemon.kill()
        keyring.daemon.wait()
        os.kill(keyring.bus, signal.SIGKILL)
        await nothing_works("no keyring", "keyring service")


async def test_a_plain_file_is_no_keyring(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The library would take the backend that its own settings name, whatever it does."""
    (tmp_path / "plain.py").write_text(
        "from keyring.backend import KeyringBackend\n"
        "class Keyring(KeyringBackend):\n"
        "    priority = 99\n"
        "    def get_password(self, service, user): return 'from a file'\n"
        "    def set_password(self, service, user, word): pass\n"
        "    def delete_password(self, service, user): pass\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "plain.Keyring")
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus")
    await nothing_works("no keyring that can be trusted")


async def test_calls_side_by_side_do_not_wait_for_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with secret_service() as keyring:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", keyring.address)
        keyring.hang()
        limit_calls(monkeypatch)
        began = time.monotonic()
        found = await asyncio.gather(*(read_token("replicate", f"h{n}") for n in range(4)))
        assert all("does not answer" in one.problem for one in found)
        assert time.monotonic() - began < BOUND


async def test_a_keyring_without_a_collection_is_told_with_the_commands_that_make_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a server: nobody has logged in at its screen, and there is none."""

    async def stored() -> bool:
        try:
            await store_token("replicate", "api.test", Secret("x"))
        except KeyringError:
            return False
        return True

    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    limit_calls(monkeypatch, BOUND)  # the prompt that cannot be shown fails after a while
    with secret_service(made=False) as keyring:
        for name, value in (
            ("DBUS_SESSION_BUS_ADDRESS", keyring.address), ("HOME", str(keyring.home)),
            ("XDG_RUNTIME_DIR", str(keyring.home)), ("XDG_DATA_HOME", str(keyring.home / "data")),
        ):  # fmt: skip
            monkeypatch.setenv(name, value)
        with pytest.raises(KeyringError) as caught:
            await store_token("replicate", "api.test", Secret("x"))
        assert caught.value.message == NO_COLLECTION
        _, _, command = caught.value.advice.partition(": ")
        command = command.replace("--daemonize", "--foreground")  # so that it can be ended
        daemon = await asyncio.create_subprocess_exec(
            "bash", "-c", f"{{ {command}; }} >/dev/null 2>&1", stdin=asyncio.subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        try:
            assert daemon.stdin is not None
            daemon.stdin.write(b"pw\n")
            daemon.stdin.close()
            async with asyncio.timeout(BOUND):
                await asyncio.to_thread(keyring.daemon.wait)  # it was replaced
                await asyncio.to_thread(keyring.wait_for_service)
            # The new one is there before its collection, which it makes between two questions.
            await eventually(stored, within=BOUND, every=0.5)
            found = await read_token("replicate", "api.test")
            assert (found.value is not None, found.problem) == (True, "")
        finally:
            os.killpg(daemon.pid, signal.SIGKILL)
            await daemon.wait()
