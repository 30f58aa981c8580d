"""The demo on a real terminal, from the first key to the files on disk."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest
from safetensors import deserialize

from tests.e2e.screen import Screen

DEMO = [sys.executable, "-m", "tui", "demo"]


def environment(folder: Path) -> dict[str, str]:
    return {"HOME": str(folder), "TERM": "xterm-256color", "TMPDIR": str(folder)}


@pytest.mark.parametrize(
    "size",
    [(120, 40), pytest.param((80, 24), marks=pytest.mark.release)],  # test_ssh.py has this size
)
def test_two_keys_run_a_job_to_its_files(tmp_path: Path, size: tuple[int, int]) -> None:
    with Screen(DEMO, environment(tmp_path), tmp_path, size) as screen:
        assert "SANDBOX" in screen.wait("Press n to start one")
        screen.press("n")
        screen.wait("cat-lora")
        screen.press("C-s")
        screen.wait(r"(running|uploading|queued|preparing)")
        screen.wait(r"✓ done", within=60)
        screen.press("q")
        screen.wait(r"Remove them, and all else of the demo\?")
        screen.press("Enter")
        screen.wait("ENDED 0")
    delivered = sorted(tmp_path.glob("simpletuner-demo-*/cloud_outputs/**/*.safetensors"))
    # The trainer does not announce its files, so they are compared with those of its container.
    runs = tmp_path.glob("simpletuner-demo-*/state/sandbox/runs/**/*.safetensors")
    written = {hashlib.sha256(path.read_bytes()).hexdigest() for path in runs}
    assert "checkpoint-200" in {path.parent.name for path in delivered}, "the last step's weights"
    for path in delivered:
        assert hashlib.sha256(path.read_bytes()).hexdigest() in written
        assert dict(deserialize(path.read_bytes()))


def test_a_terminal_that_is_too_small_shows_a_message_and_recovers(tmp_path: Path) -> None:
    with Screen(DEMO, environment(tmp_path), tmp_path, (50, 12)) as screen:
        screen.wait(r"60")
        screen.resize(100, 30)
        screen.wait("Press n to start one")
        screen.press("q")
        screen.wait("ENDED 0")
