"""The sandbox as a program of its own, as scripts start it and as the README shows it."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tui.sandbox.faults import Fault, FaultKind
from tui.sandbox.ids import version_id

README = (Path(__file__).parents[2] / "README.md").read_text()
COMMAND = [sys.executable, "-m", "tui", "sandbox"]


@contextmanager
def started(*options: str) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client, Any]]:
    """The program, a client of its API, and what it said."""
    with subprocess.Popen(
        [*COMMAND, "--json", *options], stdout=subprocess.PIPE, stdin=subprocess.PIPE
    ) as program:
        assert program.stdout is not None
        announcement = json.loads(program.stdout.readline())
        headers = {"Authorization": f"Bearer {announcement['token']}"}
        with httpx.Client(
            base_url=announcement["api_base"], headers=headers, trust_env=False, timeout=20
        ) as http:
            yield program, http, announcement
        program.send_signal(signal.SIGTERM)


def test_faults_of_the_command_line_are_active_from_the_start() -> None:
    with started("--speed", "50", "--fault", "nsfw@h100", "--fault", "rate-limit=3*1") as (
        _,
        http,
        announcement,
    ):
        root = announcement["api_base"].removesuffix("/v1")
        listed = http.get(f"{root}/_sandbox/faults").json()["faults"]
        assert [(item["kind"], item["value"], item["times"]) for item in listed] == [
            ("nsfw", None, 0),
            ("rate-limit", 3, 1),
        ]
        assert http.get("/account").headers["retry-after"] == "3"
        assert http.get("/account").status_code == 200


@pytest.mark.parametrize("kind", list(FaultKind))
def test_every_fault_can_be_parsed_and_is_in_the_readme(kind: FaultKind) -> None:
    assert Fault.parse(f"{kind.value}=3*2@x") == Fault(kind, 3.0, 2, "x")
    assert f"`{kind.value}`" in README


def test_an_unknown_fault_is_refused_with_the_known_ones() -> None:
    command = [*COMMAND, "--fault", "earthquake"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no fault is called 'earthquake'" in done.stderr
    assert "wrong-length" in done.stderr


@pytest.mark.parametrize(
    ("options", "release"),
    [((), "4.10.1"), (("--release", "4.10.1"), "4.10.1"), (("--release", "wished"), "wished")],
)
def test_the_newest_release_of_the_trainers_can_be_chosen(
    options: tuple[str, ...], release: str
) -> None:
    with started(*options) as (_, http, _):
        for trainer in ("advanced-trainer-l40s", "advanced-trainer-l40s-x4"):
            newest = http.get(f"/models/simpletuner/{trainer}").json()["latest_version"]
            assert newest["id"] == version_id(f"simpletuner/{trainer}", release)


def test_an_unknown_release_is_refused_with_the_known_ones() -> None:
    command = [*COMMAND, "--release", "5.0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no release is called '5.0'; known: wished, 4.10.1" in done.stderr


def test_it_exits_at_the_end_of_input_and_by_interrupt() -> None:
    with started("--until-eof") as (program, _, _):
        assert program.stdin is not None
        program.stdin.close()
        assert program.wait(10) == 0
    with started() as (program, _, _):
        program.send_signal(signal.SIGINT)
        assert program.wait(10) == 0


def test_the_scripts_of_the_readme_run(tmp_path: Path) -> None:
    """The lines of the section's Python example, against a sandbox started as it says."""
    section = README.split("## The sandbox in your own scripts")[1].split("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    example = next(code for code in blocks if "httpx" in code)
    script = tmp_path / "example.py"
    script.write_text(example)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "succeeded" in done.stdout
