"""`demo`: opens the app on a session of its own: home, project, sandbox and engine."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

from tui.cli import exit_codes
from tui.cli.open_app import has_screen
from tui.cli.output import tell
from tui.client.agent import (
    HF_ENDPOINT_VARIABLE,
    HF_VARIABLES,
    REPLICATE_VARIABLE,
    OwnedEngine,
    own_engine,
)
from tui.client.client import ControlClient, ControlError, EngineGoneError
from tui.settings import API_BASE_VARIABLE, Home, Settings, load_settings, save_setting

BUCKET_NAME = "demo-bucket"
BUCKET_SECONDS = 7 * 24 * 3600


@dataclass
class DemoSession:
    """A home, an example project, a sandbox and an engine that belong to the demo alone."""

    home: Home
    project: Path
    sandbox: subprocess.Popen[bytes] | None = None
    engine: OwnedEngine | None = None
    said: dict[str, str] = field(default_factory=dict)

    def build(self) -> None:
        """Everything that is quick: folders, the example, settings that point to it."""
        from tui.sandbox.demo import write_demo_project

        self.home.create()
        write_demo_project(self.project)
        save_setting(self.home, "cloud", "config_roots", (str(self.project),))
        save_setting(self.home, "cloud", "outputs_dir", str(self.home.outputs))

    def settings(self) -> Settings:
        """The demo's settings; its API base is known once the sandbox answers."""
        settings = load_settings(self.home, {})
        return replace(settings, cloud=replace(settings.cloud, api_base="http://127.0.0.1/v1"))

    async def open(self) -> ControlClient:
        """Start what takes a moment, while the app is already on the screen."""
        return await asyncio.to_thread(self._start)

    def _start(self) -> ControlClient:
        if self.engine is None or self.engine.process.poll() is not None:
            self.engine = own_engine(self.home, os.environ, self._world)
            _add_bucket(self.engine.client)
        return self.engine.client

    def _world(self) -> dict[str, str]:
        """The environment that points to the sandbox, which is started if need be."""
        if self.sandbox is None or self.sandbox.poll() is not None:
            self.sandbox, self.said = self._start_sandbox()
        return {
            API_BASE_VARIABLE: self.said["api_base"],
            REPLICATE_VARIABLE: self.said["token"],
            HF_ENDPOINT_VARIABLE: self.said["hf_endpoint"],
            HF_VARIABLES[0]: self.said["hf_token"],
        }

    def _start_sandbox(self) -> tuple[subprocess.Popen[bytes], dict[str, str]]:
        log = self.home.root / "sandbox.log"
        with log.open("ab") as errors:
            process = subprocess.Popen(  # noqa: S603  our own program
                [
                    *(sys.executable, "-m", "tui", "sandbox", "--json", "--until-eof"),
                    *("--work-dir", str(self.home.root / "sandbox")),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        line = process.stdout.readline() if process.stdout else b""
        if not line:
            raise ControlError("The sandbox could not be started.", f"{log} says why.")
        said: dict[str, str] = json.loads(line)
        return process, said

    def close(self) -> None:
        """End both."""
        if self.engine is not None:
            self.engine.stop()
        if self.sandbox is not None and self.sandbox.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.sandbox.stdin.close()
            try:
                self.sandbox.wait(10)
            except subprocess.TimeoutExpired:
                self.sandbox.kill()
        for process in (self.engine.process if self.engine else None, self.sandbox):
            if process is not None and process.stdout is not None:
                process.stdout.close()


def _add_bucket(client: ControlClient) -> None:
    """A bucket to rehearse S3 with: the engine's own receiver, with keys of its own for it."""
    try:
        made = client.request("POST", "/api/storage-keys", {"ttl_seconds": BUCKET_SECONDS})
        wanted = ("endpoint", "bucket", "region", "access_key", "secret_key")
        place = {name: made[name] for name in wanted}
        place |= {"name": BUCKET_NAME, "kind": "s3", "prefix": "bucket", "session_only": True}
        client.request("POST", "/api/engine/destinations", place)
    except EngineGoneError:
        raise
    except ControlError:  # the listener is off: the rest of the demo works without
        return


def demo(_options: argparse.Namespace) -> int:
    """Open the app on a sandbox of its own; nothing it does leaves this machine."""
    if not has_screen():
        return exit_codes.USAGE
    root = Path(tempfile.mkdtemp(prefix="simpletuner-demo-"))
    session = DemoSession(Home(root / "state", root / "cloud_outputs"), root / "project")
    session.build()
    from tui.app.app import run

    try:
        return run(session.home, session.settings(), attach=session.open, sandbox=True)
    finally:
        session.close()
        _leave(root)


def _leave(root: Path) -> None:
    """Keep what was delivered, and say where; otherwise leave nothing behind."""
    outputs = root / "cloud_outputs"
    if any(path.suffix == ".safetensors" for path in outputs.rglob("*")):
        tell(f"The demo's files are in {outputs}; to remove them: rm -r {root}")
    else:
        shutil.rmtree(root, ignore_errors=True)
