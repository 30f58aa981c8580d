"""Bad configs, bad data, bad answers, bad places: words, exit codes, no traceback."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.shell import PROGRAM, Shell
from tests.simpletuner.projects import local_entry, write_dataset, write_image, write_project
from tui.settings import Home
from tui.store.writer import StoreWriter


def problem(shell: Shell, config: Path | str, command: str = "check", status: int = 1) -> str:
    """The messages about a config that cannot work, as text; checks that JSON has them."""
    result = shell.run(command, str(config), status=status)
    report = json.loads(shell.run(command, str(config), "--json", status=status).stdout)
    assert "message" in report or not report["ok"]
    return result.stdout + result.stderr


def test_a_config_that_is_missing_or_not_json(shell: Shell, tmp_path: Path) -> None:
    assert "/not/there" in problem(shell, "/not/there", status=2)
    config = write_project(tmp_path)
    config.write_text('{"model_family": "flux",\n oops')
    assert "line 2" in problem(shell, config)
    config.write_bytes(b"\xff\xfe\x00")
    problem(shell, config)
    config.write_text("[1, 2]")
    problem(shell, config)


def test_a_config_without_a_family_or_dataloader(shell: Shell, tmp_path: Path) -> None:
    assert "model_family" in problem(shell, write_project(tmp_path / "a", model_family=None))
    missing = write_project(tmp_path / "b", data_backend_config="config/nowhere.json")
    assert "nowhere.json" in problem(shell, missing)


def test_datasets_that_are_missing_empty_or_doubled(shell: Shell, tmp_path: Path) -> None:
    gone = write_project(tmp_path / "a", [local_entry("datasets/gone")])
    assert "gone" in problem(shell, gone)
    (tmp_path / "b/datasets/empty").mkdir(parents=True)
    problem(shell, write_project(tmp_path / "b", [local_entry("datasets/empty")]))
    write_dataset(tmp_path / "c/datasets/cats")
    twice = [local_entry("datasets/cats"), local_entry("datasets/cats")]
    assert "cats" in problem(shell, write_project(tmp_path / "c", twice))


def test_unusual_files_are_named_and_not_packed(shell: Shell, tmp_path: Path) -> None:
    config = write_project(tmp_path / "p")
    cats = tmp_path / "p/datasets/cats"
    (cats / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n no picture")
    (cats / "a.txt").write_bytes(b"")
    (cats / ".env").write_text("TOKEN=hush")
    (cats / "id_rsa").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    write_image(tmp_path / "outside.png")
    (cats / "link.png").symlink_to(tmp_path / "outside.png")
    report = json.loads(shell.run("check", str(config), "--json", status=None).stdout)
    messages = " ".join(item["message"] for item in report["checks"])
    assert "broken.png" in messages
    assert "a.txt" in messages
    skipped = {Path(item["path"]).name for item in report["leaves"]["skipped"]}
    assert {".env", "id_rsa", "link.png"} <= skipped
    assert "hush" not in json.dumps(report)


def test_an_archive_one_byte_too_large_is_not_sent(shell: Shell, tmp_path: Path) -> None:
    config = write_project(tmp_path)
    picture = tmp_path / "datasets/cats/a.png"
    files = shell.world.sandbox.core.files
    before = len(files.all())
    with picture.open("ab") as file:
        file.truncate(104_857_601)
    message = problem(shell, config)
    assert "100" in message
    assert "--data staged" in message  # one of the ways out
    assert "https" in message
    shell.run("submit", str(config), "--yes", "--wait", "--delivery", "local", status=1)
    assert len(files.all()) == before


# -- tokens -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "token", ["", "   ", "r8_with space", "r8_with\nnewline", "notatoken", "r8_" + "x" * 37, "r8_ü"]
)
def test_a_missing_malformed_or_refused_token_ends_with_status_3(shell: Shell, token: str) -> None:
    with fresh_home(shell) as other:
        answer = other.run(
            "submit", str(other.config), "--yes", "--json", status=3, REPLICATE_API_TOKEN=token
        )
        assert "token" in answer.stderr.lower()
        if token.strip():
            assert token.strip() not in answer.stdout + answer.stderr


def fresh_home(shell: Shell) -> Any:
    """The same sandbox from a home that has seen no token."""
    import contextlib
    import tempfile

    @contextlib.contextmanager
    def opened() -> Any:
        with tempfile.TemporaryDirectory(prefix="st-", ignore_cleanup_errors=True) as root:
            other = Shell(Path(root), shell.world)
            try:
                yield other
            finally:
                other.close()

    return opened()


def test_the_token_commands_without_a_keyring(shell: Shell) -> None:
    state = shell.json("token", "status")
    assert state["used"] == "environment"
    answer = shell.json("token", "validate")
    assert answer["valid"] is True
    assert answer["user_info"]["username"] == "sandbox"
    assert shell.run("token", "set", status=2).stderr  # nothing on its input
    refused = shell.run("token", "set", status=1, given="r8_" + "y" * 37 + "\n")
    assert "keyring" in refused.stderr
    assert "yyyy" not in refused.stdout + refused.stderr
    assert shell.world.sandbox.token not in json.dumps(state)
    wrong = {"REPLICATE_API_TOKEN": "r8_" + "z" * 37}
    assert shell.run("token", "validate", status=3, **wrong).stdout
    shell.run("token", "validate", status=0)


# -- what a server may answer -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("expired-token@GET /v1/account", 3),
        ("server-error@GET /v1/account", 4),
        ("garbage@GET /v1/account", 4),
        ("cut@GET /v1/account", 4),
        ("rate-limit=600@GET /v1/account", 4),
        ("server-error@GET /v1/models", 4),
    ],
)
def test_invalid_answers_before_a_submit(shell: Shell, fault: str, status: int) -> None:
    with fresh_home(shell) as other, shell.faults(fault):
        answer = other.run("submit", str(other.config), "--yes", "--json", status=status)
        report = json.loads(answer.stdout)
        assert report["message"]
        assert answer.stderr


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("no-credit@POST /v1/predictions", "credit"),
        ("expired-token@POST /v1/predictions", "token"),
    ],
)
def test_a_refused_prediction_fails_the_job_with_a_message(
    shell: Shell, fault: str, message: str
) -> None:
    with shell.faults(fault):
        job = shell.submit("--wait", status=1)
    assert message in job["error_message"].lower()
    assert job["diagnosis"]["advice"]


def test_slow_and_broken_answers_cost_nothing(shell: Shell) -> None:
    with shell.faults(
        "slow=40*1@POST /v1/files", "cut=10*1@POST /v1/predictions",
        "server-error*2@GET /v1/predictions/", "slow=20*2@GET /v1/predictions/",
    ):  # fmt: skip
        assert shell.submit("--wait")["status"] == "completed"


def test_unknown_models_and_versions_are_reported(shell: Shell) -> None:
    for arguments in (["--model", "nobody/nothing"], ["--model-version", "f" * 64]):
        answer = shell.run("submit", str(shell.config), "--yes", *arguments, status=None)
        assert answer.returncode in (1, 4)
        assert answer.stderr


def test_an_unreachable_server_ends_with_status_4(shell: Shell) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{closed.getsockname()[1]}/v1"
        answer = shell.run(
            "submit", str(shell.config), "--yes", status=4, SIMPLETUNER_TUI_API_BASE=base,
            REPLICATE_API_TOKEN="r8_" + "n" * 37,
        )  # fmt: skip
    assert "refused" in answer.stderr


# -- places -----------------------------------------------------------------------------------


def test_an_unusable_state_folder_is_reported(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for home in (tmp_path / "file", tmp_path / "file" / "below"):
        for arguments in (["jobs"], ["submit", str(shell.config), "--yes"]):
            answer = shell.run(*arguments, status=None, SIMPLETUNER_TUI_HOME=str(home))
            if arguments[0] == "submit":
                assert answer.returncode == 1
                assert str(home) in answer.stderr


def test_foreign_databases_are_reported(shell: Shell, tmp_path: Path) -> None:
    home = Home(tmp_path / "h", tmp_path / "h" / "cloud_outputs")
    writer = StoreWriter(home)
    writer._db.execute("PRAGMA user_version = 99")
    writer.close()
    environ = {"SIMPLETUNER_TUI_HOME": str(home.root)}
    for arguments in (["jobs"], ["jobs", "--json"], ["job", "x"], ["check", str(shell.config)]):
        answer = shell.run(*arguments, status=1, **environ)
        assert "newer" in answer.stderr
    home.database.write_bytes(os.urandom(9000))
    for arguments in (["jobs"], ["jobs", "--json"], ["submit", str(shell.config), "--yes"]):
        answer = shell.run(*arguments, status=1, **environ)
        assert str(home.database) in answer.stderr


@pytest.mark.parametrize(("text", "message"), [("[cloud", "not valid TOML"), ("\xff", "not UTF-8")])
def test_an_invalid_settings_file_is_reported(
    shell: Shell, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "settings.toml").write_bytes(text.encode("latin-1"))
    answer = shell.run("check", str(shell.config), status=1, SIMPLETUNER_TUI_HOME=str(tmp_path))
    assert message in answer.stderr
    assert str(tmp_path / "settings.toml") in answer.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cloud = 3", "line 1: cloud must be a table"),
        ("[cloud]\nhardware = 3", "line 2: cloud.hardware must be a text"),
        ("[rates_micros]\nl40s = 'x'", "line 2: rates_micros.l40s must be a whole number"),
    ],
)
def test_an_invalid_setting_is_reported_with_its_line_and_has_its_default(
    shell: Shell, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "settings.toml").write_text(text)
    answer = shell.run("settings", "get", "cloud.hardware", SIMPLETUNER_TUI_HOME=str(tmp_path))
    assert f"{tmp_path}/settings.toml {message}" in answer.stderr
    assert answer.stdout == "l40s\n"


# -- the sandbox command ----------------------------------------------------------------------


def sandbox(shell: Shell, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, "sandbox", *arguments], env=shell.environ, cwd=shell.root, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "eof"])
def test_the_sandbox_prints_its_address_and_runs_until_it_is_stopped(
    shell: Shell, how: str
) -> None:
    extra = ["--until-eof"] if how == "eof" else []
    process = sandbox(shell, "--json", "--speed", "20", *extra)
    assert process.stdout is not None
    addresses = json.loads(process.stdout.readline())
    assert addresses["api_base"].endswith("/v1")
    environ = {
        "SIMPLETUNER_TUI_API_BASE": addresses["api_base"],
        "REPLICATE_API_TOKEN": addresses["token"],
    }
    assert shell.json("token", "validate", **environ)["valid"] is True
    if how == "eof":
        assert process.stdin is not None
        process.stdin.close()
    else:
        process.send_signal(getattr(signal, how))
    assert process.wait(20) == 0
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    for stream in (process.stdout, process.stderr, process.stdin):
        if stream is not None:
            stream.close()


def test_a_taken_or_invalid_port_is_reported(shell: Shell) -> None:
    port = shell.world.sandbox.base_url.split(":")[2].split("/")[0]
    assert port in shell.run("sandbox", "--port", port, status=1).stderr
    assert "99999" in shell.run("sandbox", "--port", "99999", status=1).stderr
    (shell.root / "taken").write_text("")
    answer = shell.run("sandbox", "--work-dir", str(shell.root / "taken"), status=1)
    assert "taken" in answer.stderr
    shutil.rmtree(shell.root / "taken", ignore_errors=True)


def test_missing_results_of_a_finished_job_are_reported_by_every_command(shell: Shell) -> None:
    with shell.faults("lost-upload"):
        arguments = ["--steps", "8", "--rank", "2", "--delivery", "local", "--yes", "--wait"]
        done = shell.run("submit", str(shell.config), *arguments, status=1)
        assert "delivered: no" in done.stderr
        assert "nothing arrived on this machine" in done.stderr
        assert "✓" not in done.stdout
        assert "✓ done" not in done.stderr
        job = shell.submit("--wait", status=1)
    assert job["status"] == "completed"
    assert job["delivered"]["state"] == "no"
    assert job["delivered"]["missing"]
    assert shell.json("job", job["job_id"])["delivered"] == job["delivered"]
    listed = {one["job_id"]: one["delivered"] for one in shell.json("jobs")}
    assert listed[job["job_id"]] == job["delivered"]
    missing = ", ".join(job["delivered"]["missing"])
    assert f"done, delivered: no · {missing[:60]}" in shell.run("jobs").stdout
    assert missing in shell.run("job", job["job_id"]).stdout
    page = shell.run("job", job["job_id"]).stdout
    assert "no: nothing arrived on this machine" in page
    assert re.search(rf"^missing +{re.escape(missing)}$", page, re.MULTILINE)
    assert "! done  delivered: no" in page
