"""The setup of a new user over a real ssh connection, by keys alone, from an empty home.

Replicate and the Hub have their real host names, which only Squid resolves, so the program runs
without any special configuration. Tests that are not about the proxy set it in the environment.
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
from tests.conftest import TIER
from tests.destinations.hosting import Loop
from tests.e2e.screen import Screen, needs
from tests.e2e.sshd import ssh_server
from tests.proxied_hosts import API_HOST, HUB_HOST, PAGES, ProxiedHosts, proxied_hosts
from tests.squid import Squid, needs_squid, squid
from tests.support import eventually_sync
from tests.wished import wished
from tui.sandbox.server import RunningSandbox, serve

pytestmark = [
    needs_squid,
    pytest.mark.skipif(os.geteuid() != 0, reason="port 443 needs root"),
    # In an empty home the listener uses the default port, so only one test can run at a time.
    pytest.mark.xdist_group("new-user"),
    pytest.mark.timeout(400),
]
SMALL = pytest.param((80, 24), id="80x24")
LARGE = pytest.param((120, 40), id="120x40")
SMALL_OF_RELEASE = pytest.param((80, 24), id="80x24", marks=pytest.mark.release)
LARGE_OF_RELEASE = pytest.param((120, 40), id="120x40", marks=pytest.mark.release)
HUB_TOKEN = f"hf_{MARK}abcdefghijklmnopqrstuvwx"
LOGIN = f"alice:{MARK}-word"
TWO_MINUTES = 120.0
STEP = 90.0
"""Timeout of one step in seconds, for a busy machine; `within_two_minutes` limits the sum."""
_EARLY = "That key came before"
_SESSION_ONLY = r"for this session only\?"
_CURSOR = r"▸ (?:  |✗ ) *(\w+(?: \w+)*)"
_OWNED = (
    "dbus-send --session --print-reply --dest=org.freedesktop.DBus / "
    "org.freedesktop.DBus.NameHasOwner string:org.freedesktop.secrets"
)
KEYRING = (
    "printf pw | gnome-keyring-daemon --unlock --daemonize --components=secrets >/dev/null; "
    f"until {_OWNED} | grep -q 'boolean true'; do sleep 0.05; done; exec "
)
"""Unlocks a keyring and waits for it: a program that asks before starts a second, locked one."""


@dataclass
class World:
    """The services of a new user: Replicate, the Hub, and a machine to log in to."""

    sandbox: RunningSandbox
    town: ProxiedHosts
    folder: Path

    @contextlib.contextmanager
    def log_in(
        self, size: tuple[int, int], env: dict[str, str], *, keyring: bool
    ) -> Iterator[Session]:
        """Log in and start the program with an empty home."""
        with (
            ssh_server(self.folder) as ssh,
            tempfile.TemporaryDirectory(prefix="st-") as home,
        ):
            given = {"HOME": home, "TMPDIR": home, "XDG_RUNTIME_DIR": home, "LANG": "C.UTF-8",
                     "PATH": os.environ["PATH"], "TERM": "xterm-256color", **env}  # fmt: skip
            assignments = [f"{name}={value}" for name, value in given.items()]
            program = shlex.join([sys.executable, "-m", "tui"])
            if keyring:
                program = f"dbus-run-session -- sh -c {shlex.quote(KEYRING + program)}"
            command = f"cd {home} && exec env -i {shlex.join(assignments)} {program}"
            outside = {"HOME": str(self.folder), "TERM": "xterm-256color"}
            try:
                with Screen([*ssh.arguments, command], outside, self.folder, size) as screen:
                    yield Session(screen, Path(home), self)
            finally:
                state = Path(home, ".simpletuner", "tui")
                end_engine(state)
                eventually_sync(lambda: engine_of(state) is None, within=30)
                assert_clean(below=Path(home))


@dataclass
class Session:
    """A session of the program: it presses keys and waits for the screen."""

    screen: Screen
    home: Path
    world: World

    def wait_for(self, pattern: str) -> str:
        """Wait for a pattern on the screen."""
        return self.screen.wait(pattern, within=STEP)

    def wait_until_gone(self, pattern: str) -> None:
        """Wait until a pattern is not on the screen any more."""
        eventually_sync(lambda: not re.search(pattern, self.screen.text()), within=STEP)

    def type(self, text: str) -> None:
        """Type into the open input line and confirm it."""
        self.screen.press("-l", text)
        self.screen.press("Enter")

    def open_form(self, title: str) -> None:
        """Move to a card and open its form."""
        for _ in range(9):
            self.screen.press("e")
            text = self.wait_for("enter change")
            if re.search(rf"{title}.*enter change", text):
                return
            self.close_form()
            self.screen.press("Tab")
        raise AssertionError(f"no card {title}:\n{self.screen.text()}")

    def close_form(self) -> None:
        """Close the form."""
        self.screen.press("Escape")
        self.wait_until_gone(_CURSOR)  # not its title, over which a message may lie

    def open_item(self, label: str) -> None:
        """Move the cursor of a form to a line and press Enter."""
        for _ in range(12):
            match = re.search(_CURSOR, self.wait_for(_CURSOR))
            assert match is not None
            if match[1] == label:
                self.screen.press("Enter")
                return
            self.screen.press("Down")
            self.wait_until_gone(_CURSOR.replace(r"(\w+(?: \w+)*)", rf"{match[1]}\b"))
        raise AssertionError(f"no line {label}:\n{self.screen.text()}")

    def fill_in(self, label: str, text: str) -> None:
        """Open a line of a form and type a value."""
        self.open_item(label)
        self.wait_for(rf"│ +{re.escape(label)}\b")  # the line to type in says what is typed
        self.type(text)

    # -- the steps ----------------------------------------------------------------------------

    def read_first_pages(self) -> None:
        """Confirm the first pages, up to the one about the token."""
        for page in range(1, 4):
            self.wait_for(f"{page} of 6")
            self.screen.press("Enter")
        self.wait_for("4 of 6")

    def enter_token(self, *, kept: str) -> None:
        """Type the token on its page."""
        self._type_token()
        if "session" in kept:
            self.wait_for(_SESSION_ONLY)
            self._agree(_SESSION_ONLY)
        elif re.search(_SESSION_ONLY, self.wait_for(rf"The token is kept|{_SESSION_ONLY}")):
            # On a busy machine the keyring may not answer in time, and the program asks: try again.
            self.screen.press("n")
            self.wait_until_gone(_SESSION_ONLY)
            self._type_token()
        self.wait_for(f"The token is kept {kept}")

    def _agree(self, question: str) -> None:
        """Press y, and again where it came before the question could be read."""
        self.screen.press("y")
        shown: list[str] = []

        def answered() -> bool:
            shown[:] = [self.screen.text()]
            return _EARLY in shown[0] or not re.search(question, shown[0])

        eventually_sync(answered)
        if _EARLY in shown[0]:
            self.wait_until_gone(_EARLY)
            self.screen.press("y")

    def _type_token(self) -> None:
        self.screen.press("Enter")
        self.wait_for("paste it")
        self.type(self.world.sandbox.token)

    def set_limit(self) -> None:
        """Confirm the pages of the cost limit and of the summary."""
        self.wait_for("5 of 6")
        self.screen.press("Enter")
        self.wait_for("6 of 6")
        self.wait_for(r"of \$50")
        self.screen.press("Enter")
        self.wait_until_gone("6 of 6")

    def verify_hub(self, *, session: bool) -> None:
        """Enter a Hub token and verify the delivery to the Hub."""
        self.open_form("Account & token")
        self.fill_in("Hub token", HUB_TOKEN)
        if session:
            self.wait_for(_SESSION_ONLY)
            self._agree(_SESSION_ONLY)
        self.wait_for("Hugging Face: valid")
        self.close_form()
        self.open_form("Delivery")
        self.open_item("Results to")
        self.wait_for("enter choose")
        self.screen.press("Down", "Enter")
        self.wait_for("deliver to the Hub")
        self.fill_in("Prove the Hub", "sandbox/cats")
        self.wait_for("Delivery to the Hub works")
        self.close_form()
        self.wait_for(r"Delivery ─+ verified ─")

    def check_network(self) -> None:
        """Wait until the network card reports no problem."""
        self.open_form("Network")
        self.close_form()
        self.wait_for(r"Network ─+ connected ─")

    def check_setup(self) -> None:
        """Check that the setup card has only the two optional steps left."""
        self.open_form("Setup")
        self.close_form()
        text = self.wait_for("2 to do")
        for step in ("Give a Replicate token", "Set a cost limit", "Choose how results come"):
            assert f"✓ {step}" in text, text

    def quit(self) -> None:
        """Quit the program and wait for its exit status."""
        self.screen.press("q")
        self.wait_for("ENDED 0")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    (tmp_path / OUTSIDE).touch()
    loop = Loop()
    try:
        sandbox = loop.run(serve(wished(work_dir=tmp_path / "sandbox", speed=40.0)))
        try:
            yield World(sandbox, loop.enter(proxied_hosts(sandbox, tmp_path / "ca")), tmp_path)
        finally:
            loop.run(sandbox.aclose())
    finally:
        loop.close()


@contextlib.contextmanager
def within_two_minutes(what: str) -> Iterator[None]:
    """Print the duration; before a release, fail when it is above two minutes.

    Other runs share their machine, and no bound of time holds there.
    """
    begin = time.monotonic()
    yield
    spent = time.monotonic() - begin
    print(f"{what}: {spent:.1f} s")
    assert spent < TWO_MINUTES or os.environ.get(TIER) != "release"


def proxy_environment(proxy: Squid, place: ProxiedHosts) -> dict[str, str]:
    """Environment variables for the proxy and its certificate authority."""
    return {"HTTPS_PROXY": proxy.address, "SSL_CERT_FILE": str(place.bundle)}


@pytest.mark.parametrize("size", [SMALL, LARGE_OF_RELEASE])
def test_setup_from_an_empty_home_with_a_keyring(world: World, size: tuple[int, int]) -> None:
    needs("dbus-run-session")
    needs("gnome-keyring-daemon")
    with (
        squid(world.town.hosts) as proxy,
        world.log_in(size, proxy_environment(proxy, world.town), keyring=True) as session,
        within_two_minutes(f"with a keyring, {size}"),
    ):
        session.read_first_pages()
        session.enter_token(kept="in the keyring")
        session.wait_for("valid, @sandbox")
        session.close_form()
        session.set_limit()
        session.verify_hub(session=False)
        session.check_network()
        session.check_setup()
        session.quit()
        assert "enabled = true" in (session.home / ".simpletuner/tui/settings.toml").read_text()
        assert list(session.home.rglob("*.keyring"))


@pytest.mark.parametrize("size", [SMALL_OF_RELEASE, LARGE])
def test_setup_from_an_empty_home_without_a_keyring(world: World, size: tuple[int, int]) -> None:
    with (
        squid(world.town.hosts) as proxy,
        world.log_in(size, proxy_environment(proxy, world.town), keyring=False) as session,
        within_two_minutes(f"without a keyring, {size}"),
    ):
        session.read_first_pages()
        session.enter_token(kept="for this session only")
        session.wait_for("valid, @sandbox")
        session.close_form()
        session.set_limit()
        session.verify_hub(session=True)
        session.check_network()
        session.check_setup()
        session.quit()
        assert not list(session.home.rglob("*.keyring"))


@pytest.mark.parametrize("size", [SMALL, LARGE_OF_RELEASE])
def test_setup_from_an_empty_home_behind_a_mandatory_proxy(
    world: World, size: tuple[int, int]
) -> None:
    needs("dbus-run-session")
    needs("gnome-keyring-daemon")
    with (
        squid(world.town.hosts, password=LOGIN) as proxy,
        world.log_in(size, {}, keyring=True) as session,
        within_two_minutes(f"behind a proxy, {size}"),
    ):
        session.read_first_pages()
        session.enter_token(kept="in the keyring")
        session.close_form()
        session.set_limit()
        session.open_form("Network")
        name, _, word = LOGIN.partition(":")
        session.fill_in("Proxy", proxy.address.replace("://", f"://{name}@"))
        session.wait_for("its password")
        session.fill_in("its password", word)
        session.wait_for("its password .* set")
        session.fill_in("CA bundle", str(world.town.bundle))
        written = session.home / ".simpletuner/tui/settings.toml"
        # The message that it is in force may still be that of the password.
        eventually_sync(lambda: str(world.town.bundle) in written.read_text(), within=STEP)
        session.wait_until_gone("enter accept")
        session.wait_for("In force for every connection")
        session.close_form()
        session.wait_for(r"Network ─+ connected ─")
        session.verify_hub(session=False)
        session.check_setup()
        session.quit()
        assert {f"{name}:443" for name in (API_HOST, HUB_HOST, *PAGES)} <= proxy.hosts()
        assert 'proxy = "http://alice@127.0.0.1:' in written.read_text()
