"""How every command ends, and that JSON says why; a new command fails here until it is added."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.finished_jobs import put_job
from tests.cli.grammar import commands, positionals, takes_json, the_parser, verbs
from tests.cli.shell import Shell
from tests.cli.statuses import SAY_NOTHING_SENT, STATUSES
from tui import __version__
from tui.base.errors import ApiError
from tui.cli import main
from tui.cli.arguments import JOB_HELP
from tui.cli.exit_codes import BY_CODE, FAILED, FINE, USAGE
from tui.cli.signals import Interrupted
from tui.client.errors import EngineGoneError


@pytest.fixture(scope="module")
def filled(shell: Shell) -> Shell:
    """A home with three jobs, two of them of one name, and a config that cannot be read."""
    for number, name in ((1, "cat"), (2, "dog"), (3, "dog")):
        put_job(shell, number, {"a.safetensors": b"x"}, name)
    broken = shell.root / "broken" / "config.json"
    broken.parent.mkdir()
    broken.write_text("[1]")
    return shell


@pytest.fixture
def there(filled: Shell, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    for name, value in {**filled.environ, "EDITOR": "false"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(filled.root)
    with Path("/dev/null").open(encoding="utf-8") as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        yield filled


def test_every_command_has_its_statuses_in_the_table() -> None:
    assert sorted(STATUSES) == sorted(verbs())


def test_every_command_finds_a_job_in_the_same_ways(
    there: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, parser in commands().items():
        if not any(one.help == JOB_HELP for one in positionals(parser)):
            continue
        more = {"publish": ["--to", "dir:x"], "rename": ["cat"], "tag": ["+face"]}.get(name, [])
        for ambiguous in ("job0000", "dog"):
            assert main.run([name, ambiguous, *more]) == USAGE, name
            told = capsys.readouterr().err
            assert "job00002 (dog)" in told, name
            assert "job00003 (dog)" in told, name
        if name != "delete":
            assert main.run([name, "cat", *more]) != USAGE or name == "rerun", name
            assert "There is no job" not in capsys.readouterr().err, name


def cases() -> list[tuple[str, str, int]]:
    return [(verb, words, status) for verb, rows in STATUSES.items() for words, status in rows]


def test_every_command_ends_as_the_table_says(
    there: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = []
    for verb, words, status in cases():
        line = f"{verb} {words}".replace("CONFIG", str(there.config)).replace("'", "").split()
        found = main.run(line)
        output = capsys.readouterr()
        if found != status or "inside simpletuner-tui" in output.err:
            wrong.append((verb, words, found, output.err[-300:]))
        elif status and not output.err.strip():
            wrong.append((verb, words, found, "says nothing"))
        elif output.err.count("Nothing was sent") != (words in SAY_NOTHING_SENT):
            wrong.append((verb, words, found, output.err))
        elif output.err.rfind("✓") > output.err.rfind("✗") > -1:
            wrong.append((verb, words, found, "why is told above what is fine"))
        if takes_json(commands()[verb.split()[0]]):
            found = main.run([*line, "--json"])
            output = capsys.readouterr()
            if found != status or (status and (why := shapeless(output.out))):
                wrong.append((f"{verb} --json", words, found, f"{why} {output.out[-300:]}"))
    assert not wrong, "\n".join(map(str, wrong))


def shapeless(text: str) -> str:
    """Why an error as JSON is not of the shape that all have; empty for one that is."""
    try:
        answer: Any = json.loads(text)
    except ValueError:
        return "no JSON"
    lacks = [
        name for name in ("error", "message", "advice")
        if not (isinstance(answer.get(name), str) and answer[name].strip())
    ]  # fmt: skip
    return f"lacks {lacks}" if lacks else ""


def test_the_engine_is_stopped_and_started_again(
    there: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    def ask(*words: str) -> Any:
        assert main.run(["engine", *words, "--json"]) == FINE
        return json.loads(capsys.readouterr().out)

    pid = ask("restart")["engine"]["pid"]
    assert there.engine_pid() == pid
    assert ask("status")["engine"]["pid"] == pid
    program = f"simpletuner-tui {__version__}\n"
    assert there.run("--version").stdout == f"{program}engine {__version__}\n"
    assert ask("restart")["engine"]["pid"] != pid
    assert ask("stop")["stopped"]
    assert there.run("--version").stdout == program
    assert ask("status") == {"running": False, "engine": None}
    assert not ask("stop")["stopped"]
    assert any("ready" in line for line in ask("logs")["lines"])


def test_a_job_is_exported_whole_and_replaces_nothing(
    there: Shell, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    there.run("note", "cat", "words")
    for line in ("tag cat +face", "pin cat"):
        assert main.run(line.split()) == FINE
    capsys.readouterr()
    assert main.run(["export", "cat"]) == FINE
    printed = json.loads(capsys.readouterr().out)
    job = printed["job"]
    assert (job["note"], job["tags"], job["pinned"]) == ("words", ["face"], True)
    assert printed["job"]["job_id"] == printed["job_id"] == "job00001"
    words = ["export", "cat", "--to", str(tmp_path / "new"), "--format", "csv"]
    assert main.run(words) == FINE
    assert capsys.readouterr().out.split("\n")[:-1] == [
        str(tmp_path / "new" / name) for name in ("job.json", "metrics.csv", "log.txt")
    ]
    assert json.loads((tmp_path / "new/job.json").read_text("utf-8")) == printed["job"]
    assert main.run([*words, "--json"]) == FAILED
    assert json.loads(capsys.readouterr().out)["error"] == "taken"
    precious = tmp_path / "precious"
    precious.write_text("mine")
    log = tmp_path / "new/log.txt"
    for path in (tmp_path / "new").iterdir():
        path.unlink()
    log.symlink_to(tmp_path / "nowhere")  # by somebody who may write there: a shared folder
    assert main.run(words) == FAILED
    log.unlink()
    log.symlink_to(precious)
    (tmp_path / f"new/.job.json.{os.getpid()}").symlink_to(precious)
    assert main.run([*words, "--overwrite"]) == FINE
    assert (precious.read_text(), log.is_symlink()) == ("mine", False)


@pytest.fixture(scope="module")
def one_parser() -> Iterator[None]:
    """Every command line is read by the same parser."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(main, "build_parser", the_parser)
        yield


@pytest.mark.usefixtures("one_parser")
@pytest.mark.parametrize("name", sorted(commands()))
def test_wrong_words_are_told_by_every_command(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = commands()[name]
    lines = [[name, "--no-such-option"]]
    if any(one.required and one.nargs != "*" for one in positionals(parser)):
        lines.append([name])
    if any(one.choices for one in positionals(parser)):
        lines.append([name, "nonsense"])
    for line in lines:
        assert main.run([*line, "--json"]) == USAGE
        assert not shapeless(capsys.readouterr().out), line


def test_a_mistyped_command_or_action_is_answered_with_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for line, meant in (
        ("jbos", "jobs"), ("pubish x", "publish"), ("token vaildate", "validate"),
        ("jobs stat:failed", "state"), ("jobs state:faild", "failed"), ("jobs csot>2", "cost"),
        ("jobs config.lora_rnk>2", "lora_rank"),
        ("settings get ui.them", "ui.theme"), ("submit x --delivery locl", "local"),
    ):  # fmt: skip
        assert main.run(line.split()) == USAGE
        assert f"Did you mean {meant}?" in capsys.readouterr().err, line
    assert main.run(["jobs", "cat", "-state:failed"]) == USAGE
    assert "simpletuner-tui jobs -- -state:failed" in capsys.readouterr().err


WRONG: list[tuple[BaseException, int, str]] = [
    (ApiError("No token.", status=401, code="unauthorised"), 3, "unauthorised"),
    (ApiError("No right.", status=403, code="permission_denied"), 3, "permission_denied"),
    (ApiError("No answer.", status=502, code="provider_error"), 4, "provider_error"),
    (EngineGoneError("No engine."), 4, "engine_gone"),
    (ApiError("Too much.", status=429, code="cost_limit_exceeded"), 5, "cost_limit_exceeded"),
    (KeyboardInterrupt(), 130, "interrupted"),
    (Interrupted(signal.SIGTERM), 143, "interrupted"),
]


@pytest.mark.usefixtures("one_parser")
@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_ends_as_documented_whatever_goes_wrong_in_it(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(main, "_COMMANDS", dict.fromkeys(main._COMMANDS, (__name__, "stub")))
    words = {"publish": ["x", "--to", "dir:x"], "limit": ["show"], "rates": ["show"],
             "config": ["edit", "x"], "token": ["status"], "settings": ["get"],
             "api-key": ["list"], "proxy": ["nginx"],
             "completion": ["bash"],
             "storage-key": ["list"], "destinations": ["list"]}  # fmt: skip
    needed = ["x" for one in positionals(commands()[name]) if one.required]
    line = [name, *words.get(name, needed)]
    for error, status, code in WRONG:

        def stub(_: object, error: BaseException = error) -> int:
            raise error

        monkeypatch.setattr(sys.modules[__name__], "stub", stub, raising=False)
        assert main.run(line) == status
        told = capsys.readouterr()
        # Who pressed ctrl+c knows.
        assert bool(told.err) is (code != "interrupted")
        assert told.out == ""
        if takes_json(commands()[name]):
            assert main.run([*line, "--json"]) == status
            output = capsys.readouterr().out
            assert not shapeless(output)
            assert json.loads(output)["error"] == code


def test_a_script_is_told_of_sigterm_and_nobody_else_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(main, "_COMMANDS", {"jobs": (__name__, "stub")})
    handlers = []

    def stub(_: object) -> int:
        handlers.append(signal.getsignal(signal.SIGTERM))
        if handlers[-1] not in (signal.SIG_DFL, signal.SIG_IGN):
            signal.raise_signal(signal.SIGTERM)
        return 0

    monkeypatch.setattr(sys.modules[__name__], "stub", stub, raising=False)
    assert main.run(["jobs", "--json"]) == 143
    answer = json.loads(capsys.readouterr().out)
    assert answer["message"] == "The command was ended by SIGTERM."
    assert main.run(["jobs"]) == 0
    previous = signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as under `nohup`, for SIGHUP
    try:
        assert main.run(["jobs", "--json"]) == 0
    finally:
        signal.signal(signal.SIGTERM, previous)
    assert handlers[1:] == [signal.SIG_DFL, signal.SIG_IGN]


def test_the_codes_of_the_engine_have_the_documented_statuses() -> None:
    assert {BY_CODE[code] for code in ("not_found", "job_not_found", "config_not_found")} == {2}
    assert set(BY_CODE.values()) == {2, 3, 4, 5}
