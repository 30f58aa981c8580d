"""Finds the engine or starts it.

As with ssh-agent: a window attaches to the engine that runs, starts one when none does, and hands
over the tokens of its own environment. Standard library only.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from tui.client.client import ControlClient
from tui.client.errors import ControlError, EngineGoneError, EngineSilentError
from tui.client.presence import SILENT, presence, silent_words
from tui.replicate.environment_proxies import EnvironmentProxies
from tui.replicate.known_secrets import KNOWN
from tui.settings import API_BASE_VARIABLE, HOME_VARIABLE, Home, Settings, SettingsError

if TYPE_CHECKING:
    from tui.api.engine import Session

IDLE_SECONDS: Final = 20.0
"""Seconds after which an engine that nothing needs ends."""
_START_LIMIT: Final = 30.0
_SESSION_LIMIT: Final = 10.0
_AGAIN: Final = 0.1
HF_VARIABLES: Final = (
    "HF_TOKEN",
    "HUGGINGFACE_HUB_TOKEN",
    "HUGGINGFACEHUB_API_TOKEN",
    "HF_API_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
)
"""Where SimpleTuner looks for the Hub's token, in its order."""
HF_ENDPOINT_VARIABLE: Final = "HF_ENDPOINT"
"""Where huggingface_hub looks for the Hub's address; a token beside it is that Hub's."""
REPLICATE_VARIABLE: Final = "REPLICATE_API_TOKEN"
_KEPT: Final = frozenset(
    {
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "TMPDIR",
        "TEMP", "TMP", "LD_LIBRARY_PATH", "VIRTUAL_ENV",
        # the way out
        "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR",
        # the keyring and its prompt
        "DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY",
        "GNOME_KEYRING_CONTROL",
        "HF_HOME",
    }
)  # fmt: skip
_KEPT_STARTS: Final = ("LC_", "XDG_", "KDE_", "PYTHON", "HF_HUB_", "HF_XET_", "SIMPLETUNER_TUI_")


class EngineStartError(ControlError):
    """The engine could not be started."""

    def __init__(self, reason: str, home: Home, advice: str = "") -> None:
        super().__init__(
            # The system's own words end without a full stop; callers put sentences behind it.
            f"The engine could not be started: {reason.removesuffix('.')}.",
            advice or f"{home.engine_log} says more.",
            status=503,
            code="engine_start",
        )


@dataclass(frozen=True, slots=True)
class OwnedEngine:
    """An engine that ends when its owner does (demo and tests)."""

    process: subprocess.Popen[bytes]
    client: ControlClient

    def stop(self, limit: float = 10.0) -> None:
        """Close the pipe that the engine watches and wait until it has ended.

        Args:
            limit: seconds after which it is killed.
        """
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        try:
            self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def session_of(environ: Mapping[str, str]) -> Session:
    """What a client's environment holds for the engine: tokens, which Hub is meant, proxies."""
    session: Session = {"proxies": EnvironmentProxies.of(environ).to_text()}
    token = environ.get(REPLICATE_VARIABLE, "").strip()
    if token:
        session["replicate_token"] = token
    hub = next((environ[name].strip() for name in HF_VARIABLES if environ.get(name)), "")
    if hub:
        session["hf_token"] = hub
    if endpoint := environ.get(HF_ENDPOINT_VARIABLE, "").strip():
        session["hf_endpoint"] = endpoint
    KNOWN.add(token, hub)
    return session


def engine_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a started engine: what it and its libraries need of the caller's.

    Tokens, API base and Hub reach the engine over the socket, so that an engine that outlives this
    shell neither mixes up two APIs or two Hubs, nor keeps this shell's secrets, whosever they are,
    in a place that other programs of the user can read.
    """
    hidden = {REPLICATE_VARIABLE, API_BASE_VARIABLE, HF_ENDPOINT_VARIABLE, *HF_VARIABLES}
    return {
        name: value
        for name, value in environ.items()
        if name not in hidden and (name.upper() in _KEPT or name.startswith(_KEPT_STARTS))
    }


def start_engine(home: Home, environ: Mapping[str, str], *, owned: bool) -> subprocess.Popen[bytes]:
    """Start an engine process; it prints `ready` once its socket answers.

    Args:
        home: whose engine.
        environ: the environment to derive its own from.
        owned: end it when this process ends; otherwise it ends by itself when nothing needs it.

    Raises:
        EngineStartError: the state folder cannot be used.
    """
    mode = "--until-eof" if owned else "--agent"
    env = engine_environment(environ)
    if env.get(HOME_VARIABLE) or Home.resolve(env) != home:
        # The engine works in another folder, where a relative name would mean something else; and
        # a demo's or a test's home is named nowhere.
        env[HOME_VARIABLE] = str(home.root)
    _claim(home)
    try:
        log = os.open(home.engine_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise EngineStartError(f"{home.root}: {error.strerror or error}", home) from error
    try:
        return subprocess.Popen(  # noqa: S603  our own program
            [sys.executable, "-m", "tui", "engine", mode],
            stdin=subprocess.PIPE if owned else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env=env,
            cwd=home.root,
            start_new_session=True,
        )
    finally:
        os.close(log)


def _claim(home: Home) -> None:
    """Make the state folder, or make sure that nobody else controls it.

    Raises:
        EngineStartError: it cannot be used.
    """
    try:
        home.create()
    except SettingsError as error:
        raise EngineStartError(error.message, home, error.advice) from error
    except OSError as error:
        raise EngineStartError(f"{home.root}: {error.strerror or error}", home) from error


def wait_ready(process: subprocess.Popen[bytes], limit: float = _START_LIMIT) -> str:
    """Wait for the engine's first line: `ready`, `busy` (another one runs) or the reason it failed.

    An engine that prints nothing within `limit` seconds is killed.
    """
    if process.stdout is None:
        return "no output"
    line = _first_line(process.stdout.fileno(), time.monotonic() + limit)
    process.stdout.close()
    if line == "ready":
        return line
    try:
        status = process.wait(1.0 if line else 0.1)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return line or f"it was not ready after {limit:g} s"
    return line or f"it ended with status {status}"


def _first_line(handle: int, deadline: float) -> str:
    """The output before the first newline, or before the deadline."""
    data = b""
    while b"\n" not in data and (left := deadline - time.monotonic()) > 0:
        readable, _, _ = select.select([handle], [], [], left)
        piece = os.read(handle, 4096) if readable else b""
        if not piece:
            break
        data += piece
    return data.partition(b"\n")[0].decode("utf-8", "replace").strip()


def own_engine(
    home: Home,
    environ: Mapping[str, str],
    meanwhile: Callable[[], Mapping[str, str]],
) -> OwnedEngine:
    """Start an engine that belongs to this process. Blocking.

    Args:
        home: whose engine.
        environ: the environment to derive its own from.
        meanwhile: called while the engine starts; returns the environment whose API base and tokens
            the engine is to use.

    Raises:
        EngineStartError: it did not start.
    """
    process = start_engine(home, environ, owned=True)
    try:
        session = meanwhile()
        _expect_ready(process, home)
        client = ControlClient(home.socket, session[API_BASE_VARIABLE])
        client.set_session(session_of(session)).result()
    except BaseException:
        OwnedEngine(process, ControlClient(home.socket)).stop()
        raise
    return OwnedEngine(process, client)


def _expect_ready(process: subprocess.Popen[bytes], home: Home) -> None:
    answer = wait_ready(process)
    if answer != "ready":
        reason = "another engine is using this folder" if answer == "busy" else answer
        raise EngineStartError(reason, home)


def refuse_silence(error: EngineSilentError) -> None:
    """The answer to a silent engine of callers that do not wait for it."""
    raise error


def attach_blocking(
    home: Home,
    settings: Settings,
    environ: Mapping[str, str],
    on_silence: Callable[[EngineSilentError], object] = refuse_silence,
) -> ControlClient:
    """A client of this home's engine, started if need be, with this environment's tokens.

    Two callers at once may both start one; the second engine finds the store locked and ends, and
    its starter waits for the first. An engine that is just ending is waited for in the same way.

    Args:
        home: whose engine.
        settings: the user's.
        environ: the caller's.
        on_silence: called each time that an engine is there and does not answer. It is waited for
            until this raises, or for half a minute.

    Raises:
        EngineStartError: it could not be started, or not in time, or another user controls the
            state folder.
        EngineSilentError: there is one, and it does not answer.
        StrangerError: another user listens on the socket.
    """
    _claim(home)
    client = ControlClient(home.socket, settings.cloud.api_base)
    session = session_of(environ)
    deadline = time.monotonic() + _START_LIMIT
    while True:
        state, pid = presence(str(home.socket))
        if state == SILENT:
            silence = EngineSilentError(*silent_words(pid))
            on_silence(silence)
            if time.monotonic() >= deadline:
                raise silence
            continue
        try:
            info = client.set_session(session, timeout=_SESSION_LIMIT).result()
        except EngineGoneError:
            left = deadline - time.monotonic()
            if left <= 0:
                reason = "another one holds the job database and does not answer"
                raise EngineStartError(reason, home) from None
        else:
            client.engine_version = info["version"]
            return client
        _started[:] = [process for process in _started if process.poll() is None]
        process = start_engine(home, environ, owned=False)
        answer = wait_ready(process, left)
        if answer == "ready":
            _started.append(process)
        elif answer == "busy":
            time.sleep(_AGAIN)
        else:
            raise EngineStartError(answer, home)


_started: list[subprocess.Popen[bytes]] = []
"""Agents that this process has started. They outlive it; kept so that one that ends is reaped."""


async def attach(home: Home, settings: Settings, environ: Mapping[str, str]) -> ControlClient:
    """`attach_blocking` without blocking the event loop.

    Raises:
        EngineStartError: it could not be started, or not in time.
    """
    return await asyncio.to_thread(attach_blocking, home, settings, environ)
