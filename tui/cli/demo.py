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

from tui.base import formatting
from tui.cli import exit_codes
from tui.cli.open_app import require_screen
from tui.cli.output import tell
from tui.client.client import ControlClient
from tui.client.engine_process import (
    HF_ENDPOINT_VARIABLE,
    HF_VARIABLES,
    REPLICATE_VARIABLE,
    OwnedEngine,
    own_engine,
)
from tui.client.errors import ControlError, EngineGoneError
from tui.settings import API_BASE_VARIABLE, Home, Settings, load_settings, save_setting

BUCKET_NAME = "demo-bucket"
BUCKET_SECONDS = 7 * 24 * 3600


@dataclass
class DemoSession:
    """A home, an example project, a sandbox and an engine that belong to the demo alone.

    Attributes:
        home: its state folder.
        project: where the example project is written.
        sandbox: the sandbox's process; None before it is started.
        engine: the engine; None before it is started.
        addresses: what the sandbox printed: `api_base`, `token`, `hf_endpoint`, `hf_token`.
    """

    home: Home
    project: Path
    sandbox: subprocess.Popen[bytes] | None = None
    engine: OwnedEngine | None = None
    addresses: dict[str, str] = field(default_factory=dict)

    def build(self) -> None:
        """Do what is quick: make folders, write the example and settings that name it."""
        from tui.sandbox.demo import write_demo_project

        self.home.create()
        write_demo_project(self.project)
        save_setting(self.home, "cloud", "config_roots", (str(self.project),))
        save_setting(self.home, "cloud", "outputs_dir", str(self.home.outputs))
        save_setting(self.home, "cloud", "staging", "here")

    def settings(self) -> Settings:
        """The demo's settings; the API base is a placeholder until the sandbox answers."""
        settings = load_settings(self.home, {})
        return replace(settings, cloud=replace(settings.cloud, api_base="http://127.0.0.1/v1"))

    async def open(self) -> ControlClient:
        """Start the sandbox and the engine, while the app is already on the screen."""
        return await asyncio.to_thread(self._start)

    def _start(self) -> ControlClient:
        if self.engine is None or self.engine.process.poll() is not None:
            self.engine = own_engine(self.home, os.environ, self._environment)
            _add_bucket(self.engine.client)
        return self.engine.client

    def _environment(self) -> dict[str, str]:
        """The environment that names the sandbox, which is started if need be."""
        if self.sandbox is None or self.sandbox.poll() is not None:
            self.sandbox, self.addresses = self._start_sandbox()
        return {
            API_BASE_VARIABLE: self.addresses["api_base"],
            REPLICATE_VARIABLE: self.addresses["token"],
            HF_ENDPOINT_VARIABLE: self.addresses["hf_endpoint"],
            HF_VARIABLES[0]: self.addresses["hf_token"],
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
        addresses: dict[str, str] = json.loads(line)
        return process, addresses

    def close(self) -> None:
        """End the engine and the sandbox."""
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
    """Add a destination to rehearse S3 with: the engine's own receiver, with a key pair for it."""
    try:
        key = client.make_storage_key(BUCKET_SECONDS).result()
        client.publishing.add_destination(
            name=BUCKET_NAME,
            kind="s3",
            prefix="bucket",
            endpoint=key["endpoint"],
            bucket=key["bucket"],
            region=key["region"],
            access_key=key["access_key"],
            secret_key=key["secret_key"],
            session_only=True,
        ).result()
    except EngineGoneError:
        raise
    except ControlError:  # the listener is off: the rest of the demo works without
        return


def demo(_options: argparse.Namespace) -> int:
    """Open the app on a sandbox of its own; nothing it does leaves this machine."""
    require_screen()
    root = Path(tempfile.mkdtemp(prefix="simpletuner-demo-"))
    session = DemoSession(Home(root / "state", root / "cloud_outputs"), root / "project")
    session.build()
    from tui.app.app import run

    status = exit_codes.ENDED_BY_SIGNAL  # whatever else happens, nobody is there to answer
    try:
        status = run(session.home, session.settings(), attach=session.open, sandbox=True)
        return status
    finally:
        session.close()
        leave(root, ask=status < exit_codes.ENDED_BY_SIGNAL)


def leave(root: Path, *, ask: bool = True) -> None:
    """Say where delivered files are, and remove the demo's folder unless they are to stay.

    They stay without a clear yes: when the terminal is gone, or a signal ended the demo, nobody
    answers.
    """
    outputs = root / "cloud_outputs"
    inside = (path for path in outputs.rglob("*") if path.is_file())
    # The receiver's own records are hidden, and no result.
    files = [path for path in inside if not path.relative_to(outputs).parts[0].startswith(".")]
    if not any(path.suffix == ".safetensors" for path in files):
        shutil.rmtree(root, ignore_errors=True)
        return
    total = formatting.size(sum(path.stat().st_size for path in files))
    tell(f"The demo's files are in {outputs} ({formatting.plural(len(files), 'file')}, {total}).")
    if ask and _agrees("Remove them, and all else of the demo? [y/N] "):
        shutil.rmtree(root, ignore_errors=True)
        tell("Removed.")
    else:
        tell(f"They stay. To remove them later: rm -r {root}")


def _agrees(question: str) -> bool:
    if not sys.stdin.isatty():
        return False
    try:
        sys.stderr.write(question)
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")
    except (OSError, KeyboardInterrupt):  # the terminal is gone, or ctrl+c is the answer
        return False
