"""No secret of a user is printed, stored or shown: whole runs with recognisable secrets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.canary import MARK, assert_clean, assert_processes_clean
from tests.e2e.screen import Screen
from tests.sandbox.background import Background
from tests.support import eventually_sync
from tui.sandbox.demo import write_demo_project

PROGRAM = [sys.executable, "-m", "tui"]
HUB_TOKEN = f"hf_{MARK}abcdefghijklmnopqrstuvwx"
PRESIGNED = (
    "https://127.0.0.1:9/cats.zip?X-Amz-Algorithm=AWS4-HMAC-SHA256"
    f"&X-Amz-Credential=AKIA{MARK}%2F20261122&X-Amz-Signature={MARK}0123456789abcdef"
)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Background]:
    world = Background(tmp_path / "sandbox", speed=40.0)
    yield world
    world.close()


@pytest.fixture
def environment(sandbox: Background) -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="st-") as home:
        state = Path(home, "state")
        state.mkdir()
        (state / "settings.toml").write_text('[listener]\nlisten = "127.0.0.1:0"\n')
        assert sandbox.sandbox.hub is not None
        yield {
            "PATH": os.environ["PATH"],
            "HOME": home,
            "TERM": "xterm-256color",
            "SIMPLETUNER_TUI_HOME": str(state),
            "SIMPLETUNER_TUI_API_BASE": sandbox.sandbox.base_url,
            "REPLICATE_API_TOKEN": sandbox.sandbox.token,
            "HF_TOKEN": HUB_TOKEN,
            "HF_ENDPOINT": sandbox.sandbox.hub.url,
            "AWS_SECRET_ACCESS_KEY": f"{MARK}of-another-program",
        }


def run(environment: dict[str, str], *arguments: str, given: str = "") -> str:
    """Run a command of the program; its output must contain no secret, also when it fails."""
    done = subprocess.run(
        [*PROGRAM, *arguments],
        env=environment,
        input=given,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert_clean([done.stdout, done.stderr])
    return done.stdout


def test_no_output_file_or_screen_contains_a_secret(
    sandbox: Background, environment: dict[str, str], tmp_path: Path
) -> None:
    config = str(write_demo_project(tmp_path / "project"))
    home = Path(environment["HOME"])
    try:
        run(environment, "check", config)
        run(environment, "submit", config, "--dry-run", "--json")
        assert_processes_clean(home / "state")
        run(environment, "submit", config, "--yes", "--wait", "--json", "--steps", "8")
        # The Hub does not know this token, but it is sent with the job all the same.
        hub = ("--delivery", "hub", "--hub-model-id", "me/cat", "--accept-delivery")
        run(environment, "submit", config, "--yes", "--wait", "--json", "--steps", "8", *hub)
        names = _ids(environment)
        assert len(names) == 2
        for name in names:
            run(environment, "job", name, "--json")
            run(environment, "logs", name)
        run(environment, "token", "status")
        proxy = f"http://alice:{MARK}-word@127.0.0.1:9"
        run(environment, "settings", "set", "network.proxy", "-", given=f"{proxy}\n")
        run(environment, "settings", "get")
        assert_processes_clean(home / "state")
        for command in ("spending", "doctor"):
            assert run(environment, command)
            json.loads(run(environment, command, "--json"))
        run(environment, "settings", "unset", "network.proxy")
        for command in ("spending", "doctor"):
            assert run(environment, command)
        with Screen([*PROGRAM], environment, tmp_path) as screen:
            screen.wait("cat-lora")
            for keys in (("2",), ("Enter",), ("Escape",), ("3",), ("1",), ("n",), ("Escape",)):
                screen.press(*keys)
                assert_clean([screen.wait(r"\S")])

            # A terminal reads escape and a key right after it as one key, so press until it works.
            def ended() -> bool:
                screen.press("q")
                return "ENDED 0" in screen.text()

            eventually_sync(ended, within=30)
        wrong = environment | {"REPLICATE_API_TOKEN": f"r8_{MARK}wrong{'x' * 22}"}
        run(wrong, "submit", config, "--yes", "--json")
    finally:
        assert_clean(below=home)
    assert list(home.rglob("state.db"))
    assert list(home.rglob("engine.log"))


def test_a_presigned_address_is_sent_to_the_service_and_stored_nowhere(
    sandbox: Background, environment: dict[str, str], tmp_path: Path
) -> None:
    config = str(write_demo_project(tmp_path / "project"))
    hosted = ("--data", "hosted", "--images-url", "-")
    submit = ("submit", config, "--yes", "--wait", "--json", *hosted)
    run(environment, *submit, given=f"{PRESIGNED}\n")
    given = [record.input for record in sandbox.sandbox.core.jobs.order["prediction"]]
    assert given[0]["images"] == PRESIGNED
    run(environment, "job", "--json", next(iter(_ids(environment))))
    assert_clean(below=Path(environment["HOME"]))


def _ids(environment: dict[str, str]) -> list[str]:
    jobs = json.loads(run(environment, "jobs", "--json"))
    rows = jobs["jobs"] if isinstance(jobs, dict) else jobs
    return [row.get("job_id") or row["id"] for row in rows]
