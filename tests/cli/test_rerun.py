"""`rerun`: the same run by one command, and the limit's exit status on every way to a job."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.shell import Shell
from tests.support import eventually_sync
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
        ways = ("--sweep", "lora_rank=2,4", "--at-once", "1", "--dry-run")
        plan = shell.json("rerun", done["job_id"], *ways)
        assert (plan["ok"], plan["at_once"]) == (True, 1)
        assert [one["name"] for one in plan["members"]] == ["cats-3-r2", "cats-3-r4"]
        assert {one["config"] for one in plan["members"]} == {same["config"]["path"]}
        assert [one["changes"] for one in plan["members"]] == [
            {"lora_rank": "2"}, {"lora_rank": "4"}
        ]  # fmt: skip
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
                last = said.stderr.rstrip().rpartition("\n")[2]
                assert (last == "Nothing was sent.") == ("--dry-run" not in more)
            failure = shell.json(*words, "--yes", status=exit_codes.BLOCKED)
            assert failure["error"] == "cost_limit_exceeded"
            assert "over the limit" in failure["message"]
            figures = failure["details"]
            assert figures["over_micros"] == figures["projected_micros"] - 1000 > 0
            parts = ("spent_micros", "running_micros", "estimate_micros")
            assert figures["projected_micros"] == sum(figures[part] for part in parts)
        assert (
            "over the limit"
            in shell.run("check", str(shell.config), status=exit_codes.BLOCKED).stdout
        )
        failure = shell.json("check", str(shell.config), status=exit_codes.BLOCKED)
        assert failure["details"]["over_micros"] > 0
    finally:
        shell.run("limit", "off")


def test_jobs_are_stopped_at_the_limit_only_after_a_yes_and_each_says_so(
    shell: Shell, done: Any
) -> None:
    refused = shell.run("limit", "set", "500", "--stop-running", status=exit_codes.USAGE)
    assert "Agree with --yes" in refused.stderr
    assert not shell.json("limit", "show")["enabled"], "nothing was changed"
    running = shell.submit("--steps", "20000")["job_id"]
    try:
        assert shell.json("limit", "set", "500", "--stop-running", "--yes")["stop_running"]
        shell.run("limit", "set", "400", "--stop-running")  # it is on: it is not asked again
        eventually_sync(lambda: shell.json("job", running)["stop_running"])
        assert "cancelled at $400 / 30 d" in shell.run("job", running).stdout
        listed = {job["job_id"]: job["stop_running"] for job in shell.json("jobs")}
        assert (listed[running], listed[done["job_id"]]) == (True, False)
        assert shell.json("jobs", "state:active")[0]["stop_running"]
    finally:
        shell.run("limit", "set", "1", "--no-stop-running")
        shell.run("limit", "off")
        shell.run("cancel", running)
    assert not shell.json("job", running)["stop_running"]
