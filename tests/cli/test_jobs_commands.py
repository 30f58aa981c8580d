"""The life of a job by commands alone: exit codes, JSON, words."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import signal
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.cli.shell import PROGRAM, Shell
from tests.support import eventually_sync
from tui.base import formatting
from tui.cli.exit_codes import OUTPUT_LOST
from tui.settings import Home
from tui.store.reader import StoreReader


@pytest.fixture(scope="module")
def done(shell: Shell) -> Any:
    """A job that was submitted with --wait and has ended well."""
    return shell.submit("--wait", "--name", "first")


def test_submit_and_wait_ends_with_the_job_and_its_files(shell: Shell, done: Any) -> None:
    assert done["status"] == "completed"
    assert done["name"] == "first"
    assert done["is_terminal"] is True
    assert done["is_active"] is False
    assert done["cost_usd"] > 0
    assert done["progress"]["step"] == 8
    assert done["metadata"]["model_family"] == "flux"
    for name in ("created_at", "started_at", "completed_at"):
        assert datetime.fromisoformat(done[name]).tzinfo
    assert any(file["path"].endswith(".safetensors") for file in done["files"])
    for file in done["files"]:
        data = Path(file["path"]).read_bytes()
        assert file == {
            "path": file["path"], "size": len(data), "sha256": hashlib.sha256(data).hexdigest(),
        }  # fmt: skip


def test_job_and_jobs_print_the_same(shell: Shell, done: Any) -> None:
    job_id = done["job_id"]
    one = shell.json("job", job_id)
    assert one == done
    assert shell.json("job", done["metadata"]["prediction_id"][:8])["job_id"] == job_id
    quick = shell.json("jobs")
    ordinary = shell.json("jobs", "name:first")
    assert [job["job_id"] for job in quick] == [job_id]
    for text in (quick[0], ordinary[0]):
        assert set(text) == set(one) - {"note"}  # a megabyte each in a list
        assert text["files"] == one["files"]
        assert text["metadata"] == one["metadata"]
    assert shell.json("jobs", "state:failed") == []
    assert "no field “stat”" in shell.run("jobs", "stat:failed", status=2).stderr
    assert len(shell.json("jobs", "-n", "1")) == 1
    table = shell.run("jobs").stdout
    assert job_id in table
    assert "done" in table
    output = shell.run("job", job_id).stdout
    assert "first" in output
    assert done["files"][0]["sha256"] in output


def test_a_job_is_named_noted_tagged_and_pinned(shell: Shell, done: Any) -> None:
    job_id = done["job_id"]
    assert shell.run("rename", job_id, "second").stdout == "first is now second\n"
    assert shell.json("rename", job_id, done["name"])["name"] == "first"  # others look for it
    assert (
        shell.run("note", job_id, "-", given="why\n\nand how\n").stdout == "first: note written\n"
    )
    assert shell.run("note", job_id).stdout == "why\n\nand how\n"
    assert shell.run("tag", job_id, "+face", "-gone", "v3").stdout == "first: face, v3\n"
    assert shell.json("tag", job_id) == {"job_id": job_id, "tags": ["face", "v3"]}
    assert shell.json("pin", job_id)["pinned"] is True
    found = shell.json("jobs", "tag:face", "has:note", "has:pin")
    assert [(job["job_id"], job["tags"]) for job in found] == [(job_id, ["face", "v3"])]
    output = shell.run("job", job_id).stdout
    assert f"{job_id}  first  (pinned)\ntags        face, v3\n" in output
    assert "\nnote        why\n\n            and how\n" in output
    refused = shell.run("rename", job_id, " ", status=2)
    assert refused.stderr.startswith("simpletuner-tui: name must not be empty.")
    shell.run("note", job_id, "")
    shell.run("tag", job_id, "-face", "-v3")
    shell.run("unpin", job_id)
    assert shell.json("job", job_id) == done


def test_logs_and_metrics_are_complete(shell: Shell, done: Any) -> None:
    job_id = done["job_id"]
    printed = subprocess.run(
        [*PROGRAM, "logs", job_id], env=shell.environ, capture_output=True, check=True
    ).stdout.decode()
    record = shell.world.sandbox.core.jobs.by_id[done["metadata"]["prediction_id"]]
    assert printed == record.logs
    assert shell.run("logs", job_id, "-f").stdout.endswith("\n")  # has ended: does not wait
    metrics = shell.json("metrics", job_id)
    assert metrics["job_id"] == job_id
    assert [step for step, _ in metrics["metrics"]["loss"]] == list(range(1, 9))
    csv = shell.run("metrics", job_id).stdout.splitlines()
    assert csv[0] == "name,step,value"
    assert len([line for line in csv if line.startswith("loss,")]) == 8


def test_collect_verifies(shell: Shell, done: Any) -> None:
    job_id = done["job_id"]
    answer = shell.json("collect", job_id)
    assert answer["missing"] == []
    assert {file["sha256"] for file in answer["files"]} == {f["sha256"] for f in done["files"]}
    assert done["files"][0]["sha256"] in shell.run("collect", job_id).stdout
    path = Path(done["files"][0]["path"])
    content = path.read_bytes()
    path.write_bytes(b"?")
    assert shell.json("collect", job_id, status=1)["missing"]
    path.write_bytes(content)
    shell.json("collect", job_id)


def test_ended_jobs_cannot_be_cancelled_and_unknown_jobs_are_reported(
    shell: Shell, done: Any
) -> None:
    assert shell.json("cancel", done["job_id"], status=1)["error"] == "invalid_job_state"
    commands = ("job", "logs", "metrics", "cancel", "collect", "delete", "artifacts")
    for arguments in (*((command,) for command in commands), ("publish", "--to", "dir:x")):
        answer = shell.run(*arguments, "nosuchjob", status=2)
        assert "nosuchjob" in answer.stderr
        assert "simpletuner-tui jobs" in answer.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("job", "nosuch"), "job_not_found"),
        (("artifacts", "nosuch"), "job_not_found"),
        (("publish", "nosuch", "--to", "dir:x"), "job_not_found"),
        (("transfers", "pause", "nosuch"), "not_found"),
        (("destinations", "test", "nosuch"), "not_found"),
        (("destinations", "remove", "nosuch"), "not_found"),
        (("api-key", "revoke", "nosuch"), "not_found"),
        (("api-key", "revoke"), "validation"),
        (("limit", "set"), "validation"),
        (("rates", "set", "l40s"), "validation"),
        (("settings", "set", "ui.theme"), "validation"),
        (("settings", "get", "nosuch"), "validation"),
        (("token", "set"), "validation"),
        (("transfers", "pause"), "validation"),
        (("destinations", "add", "x"), "validation"),
    ],
)
def test_missing_objects_and_arguments_are_reported_in_the_same_shape(
    shell: Shell, arguments: tuple[str, ...], code: str
) -> None:
    failure = shell.json(*arguments, status=2)
    assert set(failure) == {"error", "message", "advice", "detail", "details"}
    assert failure["error"] == code
    assert failure["detail"] == f"{failure['message']} {failure['advice']}".strip()


def test_cancel_delete_and_a_repeated_idempotency_key(shell: Shell) -> None:
    job = shell.submit("--steps", "4000", "--idempotency-key", "abc")
    assert job["status"] in ("pending", "uploading")
    assert job["is_active"] is True
    assert shell.submit("--idempotency-key", "abc")["job_id"] == job["job_id"]
    assert shell.json("delete", job["job_id"], status=1)["error"]
    shell.json("cancel", job["job_id"])
    eventually_sync(lambda: shell.json("job", job["job_id"])["status"] == "cancelled")
    shell.json("delete", job["job_id"])
    shell.run("job", job["job_id"], status=None)


def test_a_failed_job_ends_the_wait_with_status_1(shell: Shell) -> None:
    with shell.faults("oom=3*1"):
        job = shell.submit("--wait", status=1)
    assert job["status"] == "failed"
    assert "memory" in job["error_message"].lower()
    assert job["diagnosis"]["advice"]
    assert job["diagnosis"]["rule"] == "out-of-memory"
    assert job["diagnosis"]["again"] == "no"
    assert "again       no" in shell.run("job", job["job_id"]).stdout


def test_following_a_log_survives_a_killed_engine(shell: Shell) -> None:
    job = shell.submit("--steps", "300")
    eventually_sync(lambda: shell.json("job", job["job_id"])["progress"]["step"], within=30)
    follower = shell.start("logs", job["job_id"], "-f")
    pid = shell.engine_pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    out, errors = follower.communicate(timeout=60)
    assert follower.returncode == 0, errors
    assert "Traceback" not in errors
    ended = shell.json("job", job["job_id"])
    assert ended["status"] == "completed"
    record = shell.world.sandbox.core.jobs.by_id[ended["metadata"]["prediction_id"]]
    assert out.replace("\n", "") == record.logs.replace("\r", "").replace("\n", "")


def test_jobs_starts_the_engine_for_active_jobs(shell: Shell) -> None:
    job = shell.submit("--steps", "90000")
    pid = shell.engine_pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually_sync(lambda: shell.engine_pid() != pid)
    assert shell.json("jobs")[0]["job_id"] == job["job_id"]

    def started() -> bool:
        # The socket of a killed process can answer a moment longer than its name can be read.
        return shell.engine_pid() not in (None, pid) or not shell.json("jobs")

    eventually_sync(started)
    shell.json("cancel", job["job_id"])
    eventually_sync(lambda: shell.json("jobs", "-n", "1")[0]["is_terminal"], within=60)


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("logs ID -f --json", signal.SIGTERM),
        ("submit CONFIG --yes --wait --steps 90000 --json", signal.SIGINT),
    ],
)
def test_an_interrupt_is_told_in_json_and_the_job_goes_on(
    shell: Shell, line: str, number: signal.Signals
) -> None:
    words = {"CONFIG": str(shell.config)}
    if "ID" in line:
        words["ID"] = shell.submit("--steps", "90000")["job_id"]  # longer than any slow machine
    given = [words.get(word, word) for word in line.split()]
    if given[0] == "logs":  # no more of it can be printed, so that there is nothing to wait for
        full = ["sh", "-c", '"$@" >/dev/full', "sh", *PROGRAM, *given]
        ended = subprocess.run(full, env=shell.environ, timeout=60, check=False)
        assert ended.returncode == OUTPUT_LOST
    running = shell.json("jobs", "state:running")
    command = shell.start(*given)
    assert command.stdout is not None
    assert command.stderr is not None
    if given[0] == "logs":
        assert command.stdout.readline()
    else:
        eventually_sync(lambda: len(shell.json("jobs", "state:running")) > len(running), within=30)
    command.send_signal(number)
    # Not `communicate`: it would leave what has been read ahead of the first line.
    with command:
        output, errors = command.stdout.read(), command.stderr.read()
    assert command.returncode == 128 + number
    assert "Traceback" not in errors
    *_, last = map(json.loads, output.splitlines())
    assert last["error"] == "interrupted"
    assert last["message"]
    assert last["advice"]
    active = [one["job_id"] for one in shell.json("jobs", "state:active")]
    if given[0] == "submit":
        assert last["job_id"] in active
        assert f"simpletuner-tui logs {last['job_id']} -f" in last["advice"]
        assert "The job goes on." in errors
    for job_id in active:
        shell.json("cancel", job_id)


def test_a_closed_output_pipe_is_no_error(shell: Shell, done: Any) -> None:
    line = f"{' '.join(PROGRAM)} logs {done['job_id']} | head -c 20; exit ${{PIPESTATUS[0]}}"
    answer = subprocess.run(
        ["bash", "-c", line], env=shell.environ, capture_output=True, text=True, check=False
    )
    assert answer.returncode in (0, -13)
    assert answer.stderr == ""


def test_no_job_is_started_without_consent(shell: Shell) -> None:
    before = len(shell.world.sandbox.core.jobs.order["prediction"])
    answer = shell.run("submit", str(shell.config), status=2)
    assert "--yes" in answer.stderr
    answer = shell.run("submit", str(shell.config), "--dry-run", "--json")
    report = json.loads(answer.stdout)
    assert report["request"]["input"]["s3_secret_key"] == "***"
    assert len(shell.world.sandbox.core.jobs.order["prediction"]) == before


def test_sync_and_check(shell: Shell) -> None:
    assert shell.json("sync")["synced"] == 0
    report = shell.json("check", str(shell.config))
    assert report["config"]["model_family"] == "flux"
    assert {item["level"] for item in report["checks"]} <= {"ok", "warn"}
    output = shell.run("check", str(shell.config)).stdout
    assert "estimated" in output
    resting = [item for item in report["checks"] if item["release"]]
    assert {"version", "delivery-schedule"} <= {item["id"] for item in resting}
    assert all(f"{item['message']} · {item['release']}" in output for item in resting)
    by_name = shell.run("check", "cat-lora", "--json", status=None)
    assert by_name.returncode == 2  # there is none here


def test_a_terminal_that_cannot_show_the_app_is_reported(shell: Shell) -> None:
    for arguments in ([], ["demo"]):
        answer = shell.run(*arguments, status=2)
        assert "needs a terminal" in answer.stderr
        assert "--help" in answer.stderr
        master, slave = pty.openpty()
        on_tty = subprocess.run(
            [*PROGRAM, *arguments], env=shell.environ, stdin=slave, stdout=slave,
            stderr=subprocess.PIPE, text=True, timeout=30, check=False,
        )  # fmt: skip
        os.close(master)
        os.close(slave)
        assert on_tty.returncode == 2
        assert "TERM=dumb" in on_tty.stderr


def test_wrong_usage_ends_with_status_2(shell: Shell) -> None:
    for arguments in (
        ["nonsense"], ["submit"], ["jobs", "-n", "0"], ["job"], ["submit", "x", "--steps", "many"],
        ["sandbox", "--speed", "0"], ["sandbox", "--fault", "gremlins"],
    ):  # fmt: skip
        assert shell.run(*arguments, status=2).stderr
    assert shell.run("--version").stdout.startswith("simpletuner-tui ")
    assert "jobs" in shell.run("--help").stdout


def test_a_waiting_job_is_moved_by_command(shell: Shell) -> None:
    hosted = ("--data", "hosted", "--images-url", "https://example.com/a.zip",
              "--accept-data", "--delivery", "none")  # fmt: skip
    with shell.faults("queue-forever*1"):
        job = shell.submit("--steps", "8", "--fix-delivery", *hosted)
        eventually_sync(lambda: shell.json("job", job["job_id"])["status"] == "queued")
    before = len(shell.json("jobs"))
    standing = shell.json("move", job["job_id"])
    assert {other["id"] for other in standing["others"]} >= {"h100"}
    assert "about $" in shell.run("move", job["job_id"]).stdout
    (price,) = [other for other in standing["others"] if other["id"] == "h100"]
    asked = shell.run("move", job["job_id"], "--to", "1xH100", status=2).stderr
    assert "Agree with --yes" in asked
    assert f"H100, {formatting.rate(price['rate_micros'])}" in asked
    assert f"about {formatting.money(price['estimate_micros'])} in all" in asked
    assert "Its data: read from the address in the request" in asked
    assert "hardware called" in shell.run("move", job["job_id"], "--to", "zx80", status=1).stderr
    assert shell.json("move", job["job_id"], "--to", "h100", "--yes")["hardware"] == "h100"
    eventually_sync(lambda: len(shell.json("jobs")) == before + 1, within=30)
    assert shell.json("job", job["job_id"])["status"] == "cancelled"


def test_yes_agrees_to_what_was_printed_and_to_that_place(shell: Shell) -> None:
    answer = shell.run(
        "submit", str(shell.config), "--steps", "8", "--data", "staged", "--delivery", "none",
        "--yes", "--wait", "--json",
    )  # fmt: skip
    printed = answer.stderr.splitlines()
    assert any(line.startswith("  estimated $") for line in printed)
    (stays,) = [line for line in printed if line.startswith("  stays on this machine: ")]
    assert stays.endswith("; the sandbox, which runs here, reads them")
    reader = StoreReader(Home(shell.home, shell.home / "cloud_outputs").database)
    try:
        job = reader.job(json.loads(answer.stdout)["job_id"])
    finally:
        reader.close()
    assert job is not None
    assert job.submit["draft"]["staging"] == "here"


def test_a_submit_that_fails_in_the_background_is_told_where_submit_said(shell: Shell) -> None:
    """Such as an archive that turns out to be too large: the job has no log then."""
    with shell.faults("expired-token@/files"):
        sent = shell.run(
            "submit", str(shell.config), "--steps", "8", "--rank", "2", "--delivery", "none",
            "--data", "upload", "--accept-data", "--yes",
        )  # fmt: skip
        job_id = sent.stdout.strip()
        assert f"sent in the background: simpletuner-tui job {job_id} tells" in sent.stderr
        eventually_sync(lambda: shell.json("job", job_id)["status"] == "failed", within=30)
    job = shell.json("job", job_id)
    assert job["error_message"]
    assert job["error_message"] in shell.run("job", job_id).stdout
    assert not shell.run("logs", job_id, status=None).stdout
