"""Commands that only read, while the engine is there and does not answer."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.shell import Shell
from tests.support import eventually_sync


@pytest.fixture(scope="module")
def job(shell: Shell) -> Iterator[Any]:
    """A running job whose engine is stopped by a signal."""
    job = shell.submit("--steps", "90000")
    eventually_sync(lambda: shell.json("job", job["job_id"])["progress"]["step"], within=30)
    pid = shell.engine_pid()
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    yield job
    os.kill(pid, signal.SIGCONT)
    shell.json("cancel", job["job_id"])


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("jobs", "ID"),
        ("jobs --json", "ID"),
        ("jobs state:running", "ID"),
        ("job ID", "ID"),
        ("job ID --json", "ID"),
        ("spending", "24 h"),
        ("spending --json", "daily_micros"),
        ("artifacts", ""),
        ("artifacts ID --json", "ID"),
    ],
)
def test_what_is_read_is_answered_and_the_silence_is_said(
    shell: Shell, job: Any, command: str, shown: str
) -> None:
    job_id = job["job_id"]
    done = shell.run(*command.replace("ID", job_id).split(), status=0)
    assert shown.replace("ID", job_id) in done.stdout
    if "--json" in command:
        json.loads(done.stdout)
    if "ID" in shown:
        assert "engine does not answer" in done.stdout or "artifacts" in command
    if command == "job ID":
        assert "at least " in done.stdout
    if "spending" in command and "--json" not in command:
        assert "at least" in done.stdout
        assert "1 job not heard of" in done.stdout
    assert f"engine (process {shell.engine_pid()}) does not answer" in done.stderr
    assert "kill -CONT" in done.stderr
    assert "not be started" not in done.stderr


@pytest.mark.parametrize(
    "command", ["logs ID", "metrics ID", "settings get", "settings get ui.theme"]
)
def test_what_needs_no_engine_says_nothing_of_it(shell: Shell, job: Any, command: str) -> None:
    done = shell.run(*command.replace("ID", job["job_id"]).split(), status=0)
    assert done.stdout
    assert not done.stderr or "file:" in done.stderr
