"""A new user's first two minutes, over a real ssh line, with keys alone, from an empty home.

Replicate and the Hub have their true names, which Squid alone knows; so the program runs as it does
for anybody, first pages included. Where the proxy is not what is tried, the environment names it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.canary import MARK, OUTSIDE, assert_clean
from tests.cli.shell import end_engine, engine_of
from tests.destinations.hosting import Loop
from tests.e2e.screen import Screen, needs
from tests.e2e.sshd import ssh_line
from tests.proxied_hosts import API_HOST, HUB_HOST, PAGES, ProxiedHosts, proxied_hosts
from tests.squid import Squid, needs_squid, squid
from tests.support import eventually_sync
from tui.sandbox.config import SandboxConfig
from tui.sandbox.server import RunningSandbox, serve

pytestmark = [
    needs_squid,
    pytest.mark.skipif(os.geteuid() != 0, reason="port 443 needs root"),
    # The listener of an empty home has the port that everybody's has.
    pytest.mark.xdist_group("new-user"),
    pytest.mark.timeout(400),
]
SIZES = pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
HUB_TOKEN = f"hf_{MARK}abcdefghijklmnopqrstuvwx"
LOGIN = f"alice:{MARK}-word"
TWO_MINUTES = 120.0
STEP = 90.0
"""Seconds that one step may take on a machine with much other work; all of them have two minutes
where it has none, which the test says."""
_CURSOR = r"▸ (?:  |✗ ) *(\w+(?: \w+)*)"
KEYRING = (
    "printf pw | gnome-keyring-daemon --unlock --daemonize --components=secrets >/dev/null; exec "
)


@dataclass
class World:
    """What a new user finds: Replicate and the Hub, a proxy to them, a machine to log in to."""

    sandbox: RunningSandbox
    town: ProxiedHosts
    folder: Path

    @contextlib.contextmanager
    def walk(self, size: tuple[int, int], env: dict[str, str], *, keyring: bool) -> Iterator[Walk]:
        """Log in and start the program, in a home where nothing is."""
        with (
            ssh_line(self.folder) as line,
            tempfile.TemporaryDirectory(prefix="st-") as home,
        ):
            given = {"HOME": home, "TMPDIR": home, "XDG_RUNTIME_DIR": home, "LANG": "C.UTF-8",
                     "PATH": os.environ["PATH"], "TERM": "xterm-256color", **env}  # fmt: skip
            words = [f"{name}={value}" for name, value in given.items()]
            program = shlex.join([sys.executable, "-m", "tui"])
            if keyring:
                program = f"dbus-run-session -- sh -c {shlex.quote(KEYRING + program)}"
            command = f"cd {home} && exec env -i {shlex.join(words)} {program}"
            outside = {"HOME": str(self.folder), "TERM": "xterm-256color"}
            try:
                with Screen([*line.arguments, command], outside, self.folder, size) as screen:
                    yield Walk(screen, Path(home), self)
            finally:
                state = Path(home, ".simpletuner", "tui")
                end_engine(state)
                eventually_sync(lambda: engine_of(state) is None, within=30)
                assert_clean(below=Path(home))


@dataclass
class Walk:
    """Keys and what they bring onto the screen."""

    screen: Screen
    home: Path
    world: World

    def see(self, pattern: str) -> str:
        """Wait for words."""
        return self.screen.wait(pattern, within=STEP)

    def gone(self, pattern: str) -> None:
        """Wait until words are gone."""
        eventually_sync(lambda: not re.search(pattern, self.screen.text()), within=STEP)

    def type(self, text: str) -> None:
        """Write into the line that is open, and send it."""
        self.screen.press("-l", text)
        self.screen.press("Enter")

    def form(self, title: str) -> None:
        """Go to a card and open its form."""
        for _ in range(9):
            self.screen.press("e")
            text = self.see("enter change")
            if re.search(rf"{title}.*enter change", text):
                return
            self.leave()
            self.screen.press("Tab")
        raise AssertionError(f"no card {title}:\n{self.screen.text()}")

    def leave(self) -> None:
        """Close the form."""
        self.screen.press("Escape")
        self.gone("enter change")

    def item(self, label: str) -> None:
        """Move the cursor of a form to a line and open it."""
        for _ in range(12):
            match = re.search(_CURSOR, self.see(_CURSOR))
            assert match is not None
            if match[1] == label:
                self.screen.press("Enter")
                return
            self.screen.press("Down")
            self.gone(_CURSOR.replace(r"(\w+(?: \w+)*)", rf"{match[1]}\b"))
        raise AssertionError(f"no line {label}:\n{self.screen.text()}")

    def write(self, label: str, text: str) -> None:
        """Write into a line of a form."""
        self.item(label)
        self.see(rf"│ +{re.escape(label)}\b")  # the line to type in says what is typed
        self.type(text)

    # -- the steps ----------------------------------------------------------------------------

    def read_on(self) -> None:
        """The first pages, up to the one about the token."""
        for page in range(1, 4):
            self.see(f"{page} of 6")
            self.screen.press("Enter")
        self.see("4 of 6")

    def give_token(self, *, kept: str) -> None:
        """The token's page, where it is typed at once."""
        self.screen.press("Enter")
        self.see("paste it")
        self.type(self.world.sandbox.token)
        if "session" in kept:
            self.see("for this session only\\?")
            self.screen.press("y")
        self.see(f"The token is kept {kept}")

    def set_limit(self) -> None:
        """The limit's page, and the last one."""
        self.see("5 of 6")
        self.screen.press("Enter")
        self.see("6 of 6")
        self.see(r"of \$50")
        self.screen.press("Enter")
        self.gone("6 of 6")

    def prove_hub(self, *, session: bool) -> None:
        """A token of the Hub, the usual way, and its proof."""
        self.form("Account & token")
        self.write("Hub token", HUB_TOKEN)
        if session:
            self.see("for this session only\\?")
            self.screen.press("y")
        self.see("Hugging Face: valid")
        self.leave()
        self.form("Delivery")
        self.item("Results to")
        self.see("enter choose")
        self.screen.press("Down", "Enter")
        self.see("deliver to the Hub")
        self.write("Prove the Hub", "sandbox/cats")
        self.see("Delivery to the Hub works")
        self.leave()
        self.see(r"Delivery ─+ verified ─")

    def green(self) -> None:
        """The network card, without a word of trouble."""
        self.form("Network")
        self.leave()
        self.see(r"Network ─+ connected ─")

    def done(self) -> None:
        """Only what costs money, or needs none of this, is left to do."""
        self.form("Setup")
        self.leave()
        text = self.see("2 to do")
        for step in ("Give a Replicate token", "Set a cost limit", "Choose how results come"):
            assert f"✓ {step}" in text, text

    def quit(self) -> None:
        """The program ends, and says so."""
        self.screen.press("q")
        self.see("ENDED 0")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    (tmp_path / OUTSIDE).touch()
    loop = Loop()
    try:
        sandbox = loop.run(serve(SandboxConfig(work_dir=tmp_path / "sandbox", speed=40.0)))
        try:
            yield World(sandbox, loop.enter(proxied_hosts(sandbox, tmp_path / "ca")), tmp_path)
        finally:
            loop.run(sandbox.aclose())
    finally:
        loop.close()


@contextlib.contextmanager
def in_two_minutes(what: str) -> Iterator[None]:
    """Print how long it took, and fail when it was too long."""
    begin = time.monotonic()
    yield
    spent = time.monotonic() - begin
    print(f"{what}: {spent:.1f} s")
    assert spent < TWO_MINUTES


def around(proxy: Squid, place: ProxiedHosts) -> dict[str, str]:
    """The way out, as an environment says it."""
    return {"HTTPS_PROXY": proxy.address, "SSL_CERT_FILE": str(place.bundle)}


@SIZES
def test_setup_from_an_empty_home_with_a_keyring(world: World, size: tuple[int, int]) -> None:
    needs("dbus-run-session")
    needs("gnome-keyring-daemon")
    with (
        squid(world.town.hosts) as proxy,
        world.walk(size, around(proxy, world.town), keyring=True) as walk,
        in_two_minutes(f"with a keyring, {size}"),
    ):
        walk.read_on()
        walk.give_token(kept="in the keyring")
        walk.see("valid, @sandbox")
        walk.leave()
        walk.set_limit()
        walk.prove_hub(session=False)
        walk.green()
        walk.done()
        walk.quit()
        assert "enabled = true" in (walk.home / ".simpletuner/tui/settings.toml").read_text()
        assert list(walk.home.rglob("*.keyring"))


@SIZES
def test_setup_from_an_empty_home_without_a_keyring(world: World, size: tuple[int, int]) -> None:
    with (
        squid(world.town.hosts) as proxy,
        world.walk(size, around(proxy, world.town), keyring=False) as walk,
        in_two_minutes(f"without a keyring, {size}"),
    ):
        walk.read_on()
        walk.give_token(kept="for this session only")
        walk.see("valid, @sandbox")
        walk.leave()
        walk.set_limit()
        walk.prove_hub(session=True)
        walk.green()
        walk.done()
        walk.quit()
        assert not list(walk.home.rglob("*.keyring"))


@SIZES
def test_setup_from_an_empty_home_behind_a_mandatory_proxy(
    world: World, size: tuple[int, int]
) -> None:
    needs("dbus-run-session")
    needs("gnome-keyring-daemon")
    with (
        squid(world.town.hosts, password=LOGIN) as proxy,
        world.walk(size, {}, keyring=True) as walk,
        in_two_minutes(f"behind a proxy, {size}"),
    ):
        walk.read_on()
        walk.give_token(kept="in the keyring")
        walk.leave()
        walk.set_limit()
        walk.form("Network")
        name, _, word = LOGIN.partition(":")
        walk.write("Proxy", proxy.address.replace("://", f"://{name}@"))
        walk.see("its password")
        walk.write("its password", word)
        walk.see("its password .* set")
        walk.write("CA bundle", str(world.town.bundle))
        walk.see("In force for every connection")
        walk.leave()
        walk.see(r"Network ─+ connected ─")
        walk.prove_hub(session=False)
        walk.done()
        walk.quit()
        assert {f"{name}:443" for name in (API_HOST, HUB_HOST, *PAGES)} <= proxy.hosts()
        written = (walk.home / ".simpletuner/tui/settings.toml").read_text()
        assert 'proxy = "http://alice@127.0.0.1:' in written
