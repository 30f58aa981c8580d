"""Finding the engine, or starting it.

Like ssh-agent: a window attaches to the engine that runs, starts one when none does, and hands over
what its own environment holds. Standard library only.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tui.engine.control_client import ControlClient, ControlError, EngineGoneError
from tui.settings import API_BASE_VARIABLE, HOME_VARIABLE, Home, Settings

_START_LIMIT: Final = 30.0
HF_VARIABLES: Final = (
    "HF_TOKEN",
    "HUGGINGFACE_HUB_TOKEN",
    "HUGGINGFACEHUB_API_TOKEN",
    "HF_API_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
)
"""Where SimpleTuner looks for the Hub's token, in its order."""
REPLICATE_VARIABLE: Final = "REPLICATE_API_TOKEN"


class EngineStartError(ControlError):
    """The engine could not be started."""

    def __init__(self, reason: str, home: Home) -> None:
        super().__init__(
            f"The engine could not be started: {reason}",
            f"{home.engine_log} says more.",
            status=503,
            code="engine_start",
        )


@dataclass(frozen=True, slots=True)
class OwnedEngine:
    """An engine that ends when its owner does (demo and tests)."""

    process: subprocess.Popen[bytes]
    client: ControlClient

    def stop(self, limit: float = 10.0) -> None:
        """Close the line the engine watches and wait for it to go."""
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        try:
            self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def session_of(environ: Mapping[str, str]) -> dict[str, str]:
    """What a client's environment holds for the engine: API base and tokens."""
    session = {}
    token = environ.get(REPLICATE_VARIABLE, "").strip()
    if token:
        session["replicate_token"] = token
    hub = next((environ[name].strip() for name in HF_VARIABLES if environ.get(name)), "")
    if hub:
        session["hf_token"] = hub
    return session


def engine_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of a started engine: the caller's, without tokens and without its API base.

    Both reach the engine over the socket, so that an engine that outlives this shell neither keeps
    its secrets in a place other programs of the user can read, nor mixes up two API bases.
    """
    hidden = {REPLICATE_VARIABLE, API_BASE_VARIABLE, *HF_VARIABLES}
    return {name: value for name, value in environ.items() if name not in hidden}


def start_engine(home: Home, environ: Mapping[str, str], *, owned: bool) -> subprocess.Popen[bytes]:
    """Start an engine process; it says `ready` on its output once its socket answers.

    Args:
        home: whose engine.
        environ: the environment to derive its own from.
        owned: end it when this process ends; otherwise it ends by itself when nothing needs it.
    """
    home.create()
    mode = "--until-eof" if owned else "--agent"
    env = engine_environment(environ)
    if Home.resolve(env) != home:  # a demo's or a test's home
        env[HOME_VARIABLE] = str(home.root)
    log = os.open(home.engine_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
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


def wait_ready(process: subprocess.Popen[bytes]) -> str:
    """Wait for the engine's first line: `ready`, `busy` (another one runs) or the reason it failed.

    The pipe is left open: what an engine prints later has nowhere to go and is never much.
    """
    if process.stdout is None:
        return "no output"
    line = process.stdout.readline().decode("utf-8", "replace").strip()
    if line != "ready":
        process.wait()
    process.stdout.close()
    return line or f"it ended with status {process.returncode}"


def own_engine(home: Home, settings: Settings, environ: Mapping[str, str]) -> OwnedEngine:
    """Start an engine that belongs to this process. Blocking.

    Raises:
        EngineStartError: it did not start.
    """
    process = start_engine(home, environ, owned=True)
    answer = wait_ready(process)
    if answer != "ready":
        raise EngineStartError(answer, home)
    client = ControlClient(home.socket, settings.cloud.api_base)
    client.request("PUT", "/api/session", session_of(environ))
    return OwnedEngine(process, client)


def attach_blocking(home: Home, settings: Settings, environ: Mapping[str, str]) -> ControlClient:
    """The engine of this home, started if need be, with this environment's tokens handed over.

    Raises:
        EngineStartError: it could not be started.
    """
    client = ControlClient(home.socket, settings.cloud.api_base)
    session = session_of(environ)
    try:
        client.request("PUT", "/api/session", session)
    except EngineGoneError:
        pass
    else:
        return client
    answer = wait_ready(start_engine(home, environ, owned=False))
    if answer not in ("ready", "busy"):
        raise EngineStartError(answer, home)
    client.request("PUT", "/api/session", session)
    return client


async def attach(home: Home, settings: Settings, environ: Mapping[str, str]) -> ControlClient:
    """`attach_blocking` without blocking the event loop.

    Raises:
        EngineStartError: it could not be started, or not in time.
    """
    try:
        return await asyncio.wait_for(
            asyncio.to_thread(attach_blocking, home, settings, environ), _START_LIMIT
        )
    except TimeoutError as error:
        raise EngineStartError(f"it was not ready after {_START_LIMIT:g} s", home) from error
