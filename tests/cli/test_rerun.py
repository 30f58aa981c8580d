"""`rerun`: the same run by one command, and the limit's exit status on every way to a job."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.shell import Shell
from tui.cli import exit_codes


@pytest.fixture(scope="module")
def done(shell: Shell) -> Any:
    """A job that has ended well."""
    return shell.submit("--wait", "--name", "cats")


def test_rerun_asks_then_starts_the_same_run_under_a_new_name(shell: Shell, done: Any) -> None:
    before = len(shell.world.sandbox.core.jobs.order["prediction"])
    config = shell.config.read_text()
    shell.config.write_text(json.dumps({**json.loads(config), "--learning_rate": 0.5}))
    try:
        refused = shell.run("rerun", done["job_id"], status=exit_codes.USAGE)
        assert "learning_rate" in refused.stderr
        assert "→ 0.5" in refused.stderr
        assert "--today" in refused.stderr
        assert "estimated $" in refused.stderr
        assert len(shell.world.sandbox.core.jobs.order["prediction"]) == before
        again = shell.json("rerun", done["job_id"], "--yes", "--wait")
        assert (again["name"], again["status"]) == ("cats-2", "completed")
        shown = shell.json("rerun", done["job_id"], "--today", "--dry-run")
        assert shown["config"]["learning_rate"] == 0.5
        same = shell.json("rerun", done["job_id"], "--dry-run", "--set", "lora_rank=4")
        assert same["config"]["learning_rate"] != 0.5
        assert same["config"]["lora_rank"] == 4
        assert same["run_name"] == "cats-3"
    finally:
        shell.config.write_text(config)


def test_what_cannot_be_had_again_is_refused_with_the_other_way(shell: Shell, done: Any) -> None:
    folders = list((shell.config.parents[2]).rglob("*.txt"))
    caption = next(path for path in folders if path.with_suffix(".png").exists()
                   or path.with_suffix(".jpg").exists())  # fmt: skip
    text = caption.read_text()
    caption.write_text("another caption")
    try:
        failure = shell.json("rerun", done["job_id"], "--yes", status=exit_codes.FAILED)
        assert "not those that" in failure["message"]
        assert "--today" in failure["advice"]
    finally:
        caption.write_text(text)


def test_the_limit_ends_every_way_to_a_job_with_its_own_status(shell: Shell, done: Any) -> None:
    shell.run("limit", "set", "0.001", "--then", "block")
    try:
        for words in (["submit", str(shell.config)], ["rerun", done["job_id"]]):
            for more in (["--yes"], ["--yes", "--dry-run"], []):
                said = shell.run(*words, *more, status=exit_codes.BLOCKED)
                assert "over the limit" in said.stdout + said.stderr
            failure = shell.json(*words, "--yes", status=exit_codes.BLOCKED)
            assert failure["error"] == "cost_limit_exceeded"
            assert "over the limit" in failure["message"]
    finally:
        shell.run("limit", "off")
