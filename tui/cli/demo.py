"""`demo`: opens the app on the sandbox."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from tui.cli import exit_codes
from tui.cli.open_app import has_screen
from tui.cli.output import tell
from tui.cli.stage import Stage
from tui.settings import Home


def demo(_options: argparse.Namespace) -> int:
    """The app on a sandbox of its own; nothing it does leaves this machine."""
    if not has_screen():
        return exit_codes.USAGE
    root = Path(tempfile.mkdtemp(prefix="simpletuner-demo-"))
    stage = Stage(Home(root / "state", root / "cloud_outputs"), root / "project")
    stage.build()
    from tui.app.app import run

    try:
        return run(stage.home, stage.settings(), attach=stage.open, sandbox=True)
    finally:
        stage.close()
        _leave(root)


def _leave(root: Path) -> None:
    """Keep what was delivered, and say where; otherwise leave nothing behind."""
    outputs = root / "cloud_outputs"
    if any(path.suffix == ".safetensors" for path in outputs.rglob("*")):
        tell(f"The demo's files are in {outputs}; to remove them: rm -r {root}")
    else:
        shutil.rmtree(root, ignore_errors=True)
