"""Controls one Cog server: a process with one slot, with HTTP over loopback.

Facts observed with cog 0.23.1: `COG_PREDICT_TYPE_STUB` names the predictor; the server starts its
worker as plain `python` from `PATH`; without `--host` it listens on all interfaces; if its worker
cannot start, its state stays STARTING, and after a crash UNHEALTHY. No route reads a prediction, so
the log comes from unsigned webhooks and from the answer of the POST that waits for the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import cast

import aiohttp

from tui.base.json_types import JsonObject
from tui.sandbox.config import SandboxConfig
from tui.sandbox.registry import Program

CONFIG_VARIABLE = "SIMPLETUNER_TUI_SANDBOX"
REWRITE_MARK = "rewrite-log"
"""File in a run's folder by which a program tells the worker to cut the log's first half."""
START_SECONDS = 60.0
WEBHOOK_SECONDS = 0.1
"""Least interval between two log webhooks of a running prediction."""

_RUNNERS: dict[Program, str] = {
    "train": "Train",
    "webhook-check": "WebhookCheck",
    "hello": "Hello",
}
_LOOK_SECONDS = 0.05
_CLOSING_SECONDS = 3.0


class CogError(Exception):
    """A Cog server failed."""


class CogServer:
    """One running Cog server.

    Attributes:
        program: the program that it runs.
        base: its address.
    """

    def __init__(
        self,
        program: Program,
        port: int,
        process: asyncio.subprocess.Process,
        session: aiohttp.ClientSession,
    ) -> None:
        self.program = program
        self.base = f"http://127.0.0.1:{port}"
        self._process = process
        self._session = session

    @classmethod
    async def start(
        cls,
        program: Program,
        config: SandboxConfig,
        folder: Path,
        *,
        session: aiohttp.ClientSession,
        webhook_token: str,
    ) -> CogServer:
        """Start a server and wait until it is ready.

        Args:
            program: the program to run.
            config: the sandbox's options.
            folder: folder of its log and of the `python` that it starts.
            session: HTTP session for calls to it.
            webhook_token: bearer token of its webhooks.

        Raises:
            CogError: it exited, its set-up failed, or it is not ready in time.
        """
        port = _free_port()
        environment = _environment(program, config, folder, port, webhook_token)
        with (folder / f"{program}-{port}.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tui.sandbox.cog_worker.launch",
                "--host",
                "127.0.0.1",
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=environment,
                start_new_session=True,
            )
        server = cls(program, port, process, session)
        try:
            await server.ready(START_SECONDS)
        except BaseException:
            await server.aclose()
            raise
        return server

    async def ready(self, limit: float) -> None:
        """Poll the server until it is ready.

        A server is polled again after each run, because it stays BUSY for a moment.

        Raises:
            CogError: it failed, or is not ready within `limit` seconds.
        """
        state = "STARTING"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                while (state := await self._state()) in {"STARTING", "BUSY"}:  # noqa: ASYNC110 - polled over HTTP
                    await asyncio.sleep(_LOOK_SECONDS)
        if state != "READY":
            raise CogError(f"The Cog server for {self.program} is {state.lower()}, not ready.")

    async def _state(self) -> str:
        if self._process.returncode is not None:
            return "ENDED"
        try:
            async with self._session.get(f"{self.base}/health-check") as answer:
                return str((await answer.json())["status"])
        except (aiohttp.ClientError, ValueError, KeyError):
            return "STARTING"

    async def predict(
        self,
        task_id: str,
        given: JsonObject,
        context: JsonObject,
        webhook: str,
    ) -> JsonObject:
        """Run one prediction to its end and return Cog's final answer.

        Raises:
            CogError: the server failed or refused the prediction.
        """
        body = {
            "id": task_id,
            "input": given,
            "context": {"task": json.dumps(context)},
            "webhook": webhook,
            "webhook_events_filter": ["start", "output", "logs", "completed"],
        }
        try:
            async with self._session.post(f"{self.base}/predictions", json=body) as answer:
                text = await answer.text()
        except aiohttp.ClientError as error:
            raise CogError(f"The Cog server for {self.program} broke off: {error}") from error
        if answer.status != 200:
            raise CogError(f"Cog answered {answer.status}: {text[:200]}")
        return cast("JsonObject", json.loads(text))

    async def look(self, task_id: str) -> JsonObject:
        """The current state of a running prediction; empty when it is not available.

        Cog's webhooks miss the last output before a pause, and there is no GET. A second PUT of a
        running prediction answers its state. If the prediction has ended, the PUT starts a run
        without a task, which fails at once.
        """
        url = f"{self.base}/predictions/{task_id}"
        headers = {"Prefer": "respond-async"}
        try:
            async with self._session.put(url, json={"input": {}}, headers=headers) as answer:
                state = await answer.json()
        except (aiohttp.ClientError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

    async def cancel(self, task_id: str) -> None:
        """Cancel a prediction; one that has ended is no error."""
        with contextlib.suppress(aiohttp.ClientError):
            async with self._session.post(f"{self.base}/predictions/{task_id}/cancel"):
                return

    def kill(self) -> None:
        """Kill the server and its worker."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def aclose(self) -> None:
        """Kill the server and its worker, and wait for their exit."""
        self.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_SECONDS):
                await self._process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment(
    program: Program, config: SandboxConfig, folder: Path, port: int, webhook_token: str
) -> dict[str, str]:
    binaries = folder / "bin"
    binaries.mkdir(parents=True, exist_ok=True)
    python = binaries / "python"
    if not python.exists():
        python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
        python.chmod(0o755)
    settings = {
        "speed": config.speed,
        "step_seconds": config.step_seconds,
        "username": config.username,
        "release": config.release,
        "hub_endpoint": config.hub_endpoint,
    }
    package_root = Path(__file__).parents[3]
    search = os.environ.get("PYTHONPATH")
    direct = "127.0.0.1,localhost"
    return os.environ | {
        "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONPATH": f"{package_root}{os.pathsep}{search}" if search else str(package_root),
        "PORT": str(port),
        "COG_PREDICT_TYPE_STUB": f"{Path(__file__).with_name('predictor.py')}:{_RUNNERS[program]}",
        "COG_THROTTLE_RESPONSE_INTERVAL": str(WEBHOOK_SECONDS),
        "WEBHOOK_AUTH_TOKEN": webhook_token,
        "NO_PROXY": direct,
        "no_proxy": direct,
        CONFIG_VARIABLE: json.dumps(settings),
    }
