"""Finding the engine or starting it: one for each home, alone with its secrets, gone when idle."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.world import write_quick_settings
from tests.support import eventually, eventually_sync
from tui.client.client import ControlClient, EngineGoneError
from tui.client.engine_process import EngineStartError, attach, attach_blocking, own_engine
from tui.settings import Home, load_settings

CANARY = "r8_" + "CanaryCanaryCanaryCanaryCanaryCanary1"
HUB_CANARY = "hf_CanaryOfTheHub00000000000000000000"


def environ_of(home: Home, **more: str) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if "TOKEN" not in k}
    return {
        **inherited,
        "SIMPLETUNER_TUI_HOME": str(home.root),
        "SIMPLETUNER_TUI_API_BASE": "http://127.0.0.1:9/v1",
        **more,
    }


def engines_of(home: Home) -> list[int]:
    """Process ids of engines that work in a home."""
    answer = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if not entry.name.isdecimal() or (entry / "cwd").resolve() != home.root.resolve():
                continue
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            if b"\0engine\0" in (entry / "cmdline").read_bytes() and state != "Z":
                answer.append(int(entry.name))
    return answer


@pytest.fixture
def agent_home(home: Home) -> Iterator[Home]:
    write_quick_settings(home)
    yield home
    for pid in engines_of(home):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def start(home: Home, environ: dict[str, str]) -> ControlClient:
    return attach_blocking(home, load_settings(home, environ), environ)


def test_attach_starts_an_engine_and_hands_over_the_tokens(agent_home: Home) -> None:
    environ = environ_of(agent_home, REPLICATE_API_TOKEN=CANARY, HF_TOKEN=HUB_CANARY)
    client = start(agent_home, environ)
    info = client.info().result()
    assert info["home"] == str(agent_home.root)
    assert engines_of(agent_home) == [info["pid"]]
    answer = client.validate().result()
    assert answer["token_source"] == "environment"
    process = Path("/proc") / str(info["pid"])
    for name in ("environ", "cmdline"):
        assert b"Canary" not in (process / name).read_bytes()
    assert os.getsid(info["pid"]) != os.getsid(0)  # the line that started it may drop
    for path in agent_home.root.rglob("*"):
        if path.is_file():
            assert b"Canary" not in path.read_bytes(), path
    assert stat.S_IMODE(agent_home.socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(agent_home.root.stat().st_mode) == 0o700
    assert stat.S_IMODE(agent_home.engine_log.stat().st_mode) == 0o600
    again = start(agent_home, environ)
    assert again.info().result()["pid"] == info["pid"]
    client.shut_down().result()
    eventually_sync(lambda: not engines_of(agent_home))
    assert not agent_home.socket.exists()


async def test_clients_that_attach_at_once_share_an_engine(agent_home: Home) -> None:
    environ = environ_of(agent_home, REPLICATE_API_TOKEN=CANARY)
    settings = load_settings(agent_home, environ)
    clients = await asyncio.gather(*(attach(agent_home, settings, environ) for _ in range(3)))
    pids = {(await client.info())["pid"] for client in clients}
    assert len(pids) == 1
    await asyncio.to_thread(eventually_sync, lambda: engines_of(agent_home) == list(pids))


@contextlib.contextmanager
def taken(home: Home) -> Iterator[int]:
    """The lock of the store held by somebody else."""
    handle = os.open(home.root / "engine.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        yield handle
    finally:
        with contextlib.suppress(OSError):
            os.close(handle)


async def test_an_engine_that_is_ending_is_waited_for(agent_home: Home) -> None:
    """Its socket is gone, its store not yet free: the starter tries until it is."""
    environ = environ_of(agent_home)
    with taken(agent_home) as handle:
        started = asyncio.create_task(
            attach(agent_home, load_settings(agent_home, environ), environ)
        )
        await eventually(agent_home.engine_log.exists)
        os.close(handle)
        assert (await (await started).info())["pid"]


def test_an_engine_starts_after_another_was_killed(agent_home: Home) -> None:
    environ = environ_of(agent_home)
    first = start(agent_home, environ).info().result()["pid"]
    os.kill(first, signal.SIGKILL)
    eventually_sync(lambda: first not in engines_of(agent_home))
    assert agent_home.socket.exists()
    assert start(agent_home, environ).info().result()["pid"] != first


def test_the_socket_of_a_home_with_a_long_name_is_elsewhere(tmp_path: Path) -> None:
    root = tmp_path / ("long" * 40)
    home = Home(root, root / "cloud_outputs")
    write_quick_settings(home)
    assert len(os.fsencode(home.socket)) < 104
    environ = environ_of(home)
    owned = own_engine(home, environ, lambda: environ)
    try:
        assert owned.client.info().result()["home"] == str(root)
        assert stat.S_IMODE(home.socket.stat().st_mode) == 0o600
        assert stat.S_IMODE(home.socket.parent.stat().st_mode) == 0o700
    finally:
        owned.stop()
        shutil.rmtree(home.socket.parent)


def test_a_relative_home_starts_at_the_callers_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = Path(tempfile.mkdtemp(prefix="st-"))
    monkeypatch.chdir(short)
    environ = environ_of(Home(Path("h"), Path("h")))
    home = Home.resolve(environ)
    assert home.root == short / "h"
    write_quick_settings(home)
    owned = own_engine(home, environ, lambda: environ)
    try:
        assert owned.client.info().result()["home"] == str(short / "h")
    finally:
        owned.stop()
        shutil.rmtree(short)


def test_an_owned_engine_ends_when_its_owner_is_killed(agent_home: Home) -> None:
    script = (
        "import os, time\n"
        "from tui.client.engine_process import own_engine\n"
        "from tui.settings import Home\n"
        "own_engine(Home.resolve(), os.environ, lambda: os.environ)\n"
        "print('there', flush=True)\n"
        "time.sleep(60)\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", script], env=environ_of(agent_home), stdout=subprocess.PIPE
    )
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"there\n"
    assert len(engines_of(agent_home)) == 1
    owner.kill()
    owner.wait()
    owner.stdout.close()
    eventually_sync(lambda: not engines_of(agent_home))


def test_an_idle_agent_ends_and_a_used_one_stays(agent_home: Home) -> None:
    script = (
        "from tui.engine.process.main import run_engine\n"
        "from tui.settings import Home\n"
        "run_engine(Home.resolve(), agent=True, idle_seconds=4.0)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], env=environ_of(agent_home),
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    client = ControlClient(agent_home.socket)
    stream = client.events_blocking()
    assert next(stream).kind == "beat"
    with pytest.raises(subprocess.TimeoutExpired):  # a window is open
        process.wait(6.0)
    stream.close()
    assert process.wait(20) == 0
    process.stdout.close()
    with pytest.raises(EngineGoneError):
        client.info().result()


@pytest.mark.parametrize("reason", ["/home/s: Read-only file system", "It is another user's."])
def test_the_reason_ends_as_a_sentence(agent_home: Home, reason: str) -> None:
    """Others put a sentence behind it."""
    message = EngineStartError(reason, agent_home).message
    assert message == f"The engine could not be started: {reason.rstrip('.')}."


def test_the_reason_why_an_engine_cannot_start_is_reported(agent_home: Home) -> None:
    environ = environ_of(agent_home)
    agent_home.settings_file.write_text("[cloud\n")
    with pytest.raises(EngineStartError, match="not valid TOML"):
        attach_blocking(agent_home, load_settings(Home(Path("/none"), Path("/none")), {}), environ)
    write_quick_settings(agent_home)
    agent_home.database.write_bytes(b"this is no database at all" * 100)
    with pytest.raises(EngineStartError, match="cannot be opened"):
        start(agent_home, environ)
    agent_home.database.unlink()
    shutil.rmtree(agent_home.logs)
    agent_home.logs.write_text("in the way")
    with pytest.raises(EngineStartError):
        start(agent_home, environ)


def test_a_store_that_stays_locked_is_reported(
    agent_home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.client.engine_process._START_LIMIT", 3.0)
    with taken(agent_home), pytest.raises(EngineStartError):
        start(agent_home, environ_of(agent_home))
