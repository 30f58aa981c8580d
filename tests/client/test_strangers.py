"""Tokens are sent to an engine of the same user, in a folder that nobody else controls."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.screen import Screen
from tests.stranger import NOBODY, needs_root, stranger_listening
from tui.client.client import ControlClient, ControlError, StrangerError
from tui.client.engine_process import EngineStartError, attach, attach_blocking, own_engine
from tui.settings import Home, SettingsError, load_settings

CANARY = "r8_" + "CanaryCanaryCanaryCanaryCanaryCanary1"


def environ_of(home: Home) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "TERM": "xterm-256color",
        "HOME": str(home.root.parent),
        "SIMPLETUNER_TUI_HOME": str(home.root),
        "SIMPLETUNER_TUI_API_BASE": "http://127.0.0.1:9/v1",
        "REPLICATE_API_TOKEN": CANARY,
    }


@pytest.fixture
def far_home(home: Home) -> Iterator[Home]:
    """A home whose name is too long for a socket."""
    home.root.parent.chmod(0o711)
    root = home.root / ("long" * 30)
    far = Home(root, root / "cloud_outputs")
    yield far
    if far.socket.parent != root:
        shutil.rmtree(far.socket.parent, ignore_errors=True)


@pytest.fixture
def near_home(home: Home) -> Home:
    home.root.parent.chmod(0o711)
    return home


def session(home: Home, send: Callable[[ControlClient], object]) -> bytes:
    """What a stranger on a home's socket is sent by a client that must refuse."""
    with stranger_listening(home.socket) as stranger, pytest.raises(StrangerError) as raised:
        send(ControlClient(home.socket))
    assert "nothing was sent" in raised.value.message
    assert raised.value.advice
    return stranger.received


def put(client: ControlClient) -> object:
    return client.set_session({"replicate_token": CANARY}).result()


@needs_root
async def test_nothing_is_sent_to_another_user_in_our_own_folder(near_home: Home) -> None:
    near_home.create()
    assert session(near_home, put) == b""
    near_home.socket.unlink()
    assert session(near_home, lambda client: next(client.events_blocking())) == b""
    near_home.socket.unlink()
    with stranger_listening(near_home.socket) as stranger, pytest.raises(StrangerError):
        await ControlClient(near_home.socket).set_session({"replicate_token": CANARY})
    assert stranger.received == b""
    near_home.socket.unlink()
    with stranger_listening(near_home.socket) as stranger, pytest.raises(StrangerError):
        await anext(ControlClient(near_home.socket).events())
    assert stranger.received == b""


@needs_root
async def test_a_folder_of_another_user_is_refused(near_home: Home) -> None:
    home = near_home
    home.socket.parent.mkdir(parents=True)
    os.chown(home.socket.parent, NOBODY, NOBODY)
    environ = environ_of(home)
    settings = load_settings(home, environ)
    with stranger_listening(home.socket) as stranger:
        with pytest.raises(ControlError, match="belongs to another user") as raised:
            attach_blocking(home, settings, environ)
        assert raised.value.advice
        with pytest.raises(ControlError, match="belongs to another user"):
            await attach(home, settings, environ)
        with pytest.raises(ControlError, match="belongs to another user"):
            own_engine(home, environ, lambda: environ)
        with pytest.raises(StrangerError, match="belongs to another user"):
            put(ControlClient(home.socket))
        done = subprocess.run(
            [sys.executable, "-m", "tui", "token", "validate"], env=environ, text=True,
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 1, done
        assert "belongs to another user" in done.stderr
    assert stranger.received == b""


def test_a_sockets_short_folder_cannot_be_made_before(far_home: Home) -> None:
    assert far_home.socket.parent == far_home.root  # nothing is there yet, and nothing can be
    with pytest.raises(ControlError):
        put(ControlClient(far_home.socket))
    far_home.create()
    short = far_home.socket.parent
    other = Home(far_home.root.parent / ("other" * 30), far_home.outputs)
    other.create()
    assert short != other.socket.parent
    assert len(str(far_home.socket)) < 100
    shutil.rmtree(other.socket.parent)
    far_home.create()
    assert far_home.socket.parent == short  # every window finds the same


@needs_root
@pytest.mark.parametrize("kind", ["folder", "link", "gone"])
def test_a_short_folder_that_others_have_made_again_is_left_alone(
    far_home: Home, kind: str
) -> None:
    far_home.create()
    short = far_home.socket.parent
    short.rmdir()
    if kind == "folder":
        short.mkdir(mode=0o777)
        os.chown(short, NOBODY, NOBODY)
    elif kind == "link":
        short.symlink_to(far_home.logs)
    try:
        far_home.create()
        assert far_home.socket.parent != short
        assert stat.S_IMODE(far_home.socket.parent.stat().st_mode) == 0o700
        assert not far_home.socket.parent.is_symlink()
    finally:
        short.unlink() if short.is_symlink() else shutil.rmtree(short, ignore_errors=True)


@needs_root
def test_a_symbolic_link_of_another_user_is_refused(near_home: Home) -> None:
    real = near_home.root.parent / "real"
    real.mkdir(mode=0o700)
    near_home.root.symlink_to(real)
    os.chown(near_home.root, NOBODY, NOBODY, follow_symlinks=False)
    with pytest.raises(SettingsError, match="belongs to another user"):
        near_home.create()
    near_home.root.unlink()
    near_home.root.symlink_to(real)  # one's own leads where one wants
    near_home.create()
    assert (real / "logs").is_dir()


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_folder_that_others_can_write_to_is_refused(home: Home, mode: int) -> None:
    home.root.mkdir(parents=True)
    home.settings_file.write_text('[cloud]\napi_base = "https://example.org/v1"\n')
    home.root.chmod(mode)
    environ = environ_of(home)
    with pytest.raises(EngineStartError, match="written to by other users") as raised:
        attach_blocking(home, load_settings(home, environ), environ)
    assert f"chmod 700 {home.root}" in raised.value.advice
    with pytest.raises(StrangerError, match="written to by other users"):
        put(ControlClient(home.socket))
    assert stat.S_IMODE(home.root.stat().st_mode) == mode  # the second try says the same


def test_an_empty_or_readable_folder_is_made_private(home: Home) -> None:
    home.root.mkdir(parents=True)
    for mode, name in ((0o777, ""), (0o755, "settings.toml")):
        for entry in home.root.iterdir():
            entry.rmdir()
        if name:
            (home.root / name).touch()
        home.root.chmod(mode)
        home.create()
        assert stat.S_IMODE(home.root.stat().st_mode) == 0o700


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o277])
@pytest.mark.parametrize("kind", ["near", "far"])
def test_folders_are_made_private_whatever_the_umask(
    home: Home, far_home: Home, umask: int, kind: str
) -> None:
    place = home if kind == "near" else far_home
    script = (
        "import os, sys\n"
        "os.umask(int(sys.argv[1]))\n"
        "from tui.settings import Home\n"
        "Home.resolve().create()\n"
    )
    subprocess.run(
        [sys.executable, "-c", script, str(umask)], env=environ_of(place), check=True, timeout=60
    )
    for folder in {place.root, place.logs, place.archives, place.socket.parent}:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
    above = place.root.parent
    while above != home.root.parent:
        assert not stat.S_IMODE(above.stat().st_mode) & 0o022, above
        above = above.parent


@needs_root
def test_the_app_reports_another_users_folder_and_stays_open(near_home: Home) -> None:
    near_home.root.mkdir(parents=True)
    os.chown(near_home.root, NOBODY, NOBODY)
    with (
        stranger_listening(near_home.socket) as stranger,
        Screen(
            [sys.executable, "-m", "tui"], environ_of(near_home), near_home.root.parent
        ) as screen,
    ):
        screen.wait("to another user, so")
    assert stranger.received == b""
