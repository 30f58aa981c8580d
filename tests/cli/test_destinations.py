"""`destinations` by commands alone: keys, changes, what is missing, what is kept how long."""

from __future__ import annotations

import argparse
import json
import os
import pty
import subprocess
from typing import Any

import pytest

from tests.cli.shell import PROGRAM, Shell
from tests.support import eventually_sync
from tui.cli.destination_grammar import add_destinations

MINIO = ("--kind", "s3", "--bucket", "cat-models", "--endpoint", "http://127.0.0.1:9")
AMAZON = ("--kind", "s3", "--bucket", "cat-models")
ENVIRON: dict[str, Any] = {"AWS_ACCESS_KEY_ID": "AKIAENV", "AWS_SECRET_ACCESS_KEY": "envsecret"}
PAIR = "AKIAPIPED\npipedsecret\n"


def add(
    shell: Shell, name: str, *arguments: str, status: int = 0, given: str = "", **environ: Any
) -> subprocess.CompletedProcess[str]:
    return shell.run(
        "destinations", "add", name, *arguments, "--session-only",
        status=status, given=given, **environ,
    )  # fmt: skip


@pytest.mark.parametrize(
    "given",
    [PAIR, "  AKIAPIPED \r\n pipedsecret", json.dumps({"access_key": "A", "secret_key": "b"}),
     json.dumps({"access_key": "A", "secret_key": "b", "bucket": "more"}, indent=1)],
)  # fmt: skip
def test_keys_are_read_from_standard_input(shell: Shell, given: str) -> None:
    answer = add(shell, "piped", *MINIO, given=given)
    assert "piped: " in answer.stdout
    assert "pipedsecret" not in answer.stdout + answer.stderr


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "keys are missing"),
        ("AKIAONLY\n", "no two lines"),
        ("\n\n", "no two lines"),
        ('{"access_key": "A"}', "no secret_key"),
        ('{"access_key": ', "begins like JSON"),
    ],
)
def test_missing_keys_are_reported_with_all_ways_to_give_them(
    shell: Shell, given: str, message: str
) -> None:
    answer = add(shell, "nokeys", *MINIO, given=given, status=2)
    assert message in answer.stderr
    for way in ("prompt", "two lines", "JSON", "--keys-from-env"):
        assert way in answer.stderr
    assert "nokeys" not in shell.run("destinations", "list").stdout


def test_keys_of_the_environment_are_used_for_amazon_alone(shell: Shell) -> None:
    answer = add(shell, "amazon", *AMAZON, **ENVIRON)
    assert "The keys are those in AWS_ACCESS_KEY_ID" in answer.stderr
    for arguments in (MINIO, (*AMAZON, "--preset", "wasabi")):
        refused = add(shell, "other", *arguments, status=2, **ENVIRON)
        assert "not sent to" in refused.stderr
        assert "--keys-from-env" in refused.stderr
        taken = add(shell, "other", *arguments, "--keys-from-env", **ENVIRON)
        assert "The keys are those in AWS_ACCESS_KEY_ID" in taken.stderr
    piped = add(shell, "amazon", *AMAZON, given=PAIR, **ENVIRON)
    assert "AWS_ACCESS_KEY_ID" not in piped.stderr, "what was piped in counts more"
    half = add(shell, "x", *MINIO, "--keys-from-env", status=2, AWS_ACCESS_KEY_ID="A")
    assert "AWS_SECRET_ACCESS_KEY is not set" in half.stderr
    lent = add(shell, "amazon", *AMAZON, **ENVIRON, AWS_SESSION_TOKEN="t")
    assert "AWS_SESSION_TOKEN is not taken along" in lent.stderr


def test_keys_typed_on_a_terminal_are_not_shown(shell: Shell) -> None:
    control, terminal = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, "destinations", "add", "typed", *MINIO, "--session-only"],
        env=shell.environ, cwd=shell.root, stdin=terminal, stdout=terminal, stderr=terminal,
        start_new_session=True,
    )  # fmt: skip
    os.close(terminal)
    shown = b""

    def until(prompt: bytes) -> None:
        nonlocal shown
        while prompt not in shown:
            shown += os.read(control, 4096)

    until(b"Access key for 127.0.0.1: ")
    os.write(control, b"AKIATYPED\n")
    until(b"Secret key: ")
    os.write(control, b"typedsecret\n")
    until(b"typed: ")
    assert process.wait(60) == 0
    os.close(control)
    assert b"AKIATYPED" not in shown
    assert b"typedsecret" not in shown


def test_edit_changes_only_the_options_that_are_given(shell: Shell) -> None:
    first = json.loads(add(shell, "mine", *MINIO, "--json", given=PAIR).stdout)
    assert first["changed"] is False
    again = add(shell, "mine", *MINIO, "--prefix", "runs", given=PAIR)
    assert again.stdout.startswith("mine: changed")
    edited = shell.json(
        "destinations", "edit", "mine", "--acl", "public-read", "--addressing", "virtual",
        "--encryption", "aws:kms", "--kms-key", "k",
    )["options"]  # fmt: skip
    assert (edited["prefix"], edited["acl"], edited["kms_key"]) == ("runs", "public-read", "k")
    cleared = shell.json("destinations", "edit", "mine", "--encryption", "none", "--acl", "none")
    assert (cleared["options"]["encryption"], cleared["options"]["acl"]) == ("", "")
    moved = ("destinations", "edit", "mine", "--endpoint", "http://127.0.0.1:10", "--session-only")
    assert "keys are missing" in shell.run(*moved, status=2).stderr
    unsaid = shell.run(*moved[:-1], status=2)
    assert "Keys belong to one server" in unsaid.stderr
    shell.run(*moved, given=PAIR)
    (row,) = [
        one for one in shell.json("destinations", "list")["destinations"] if one["name"] == "mine"
    ]
    assert row["options"]["endpoint"] == "http://127.0.0.1:10"
    assert "nothing to change" in shell.run("destinations", "edit", "mine", status=2).stderr
    wrong = shell.run("destinations", "edit", "mine", "--addressing", "odd", status=2)
    assert "--addressing must be one of auto, path, virtual" in wrong.stderr


def test_lost_keys_are_replaced_without_other_changes(shell: Shell) -> None:
    add(shell, "gone", *MINIO, given=PAIR)
    pid = shell.engine_pid()
    shell.close()  # and with it the keys
    eventually_sync(lambda: shell.engine_pid() != pid, within=20)
    report = shell.json("destinations", "test", "gone", status=3)
    assert "simpletuner-tui destinations keys gone" in report["steps"][0]["advice"]
    answer = shell.run("destinations", "keys", "gone", "--session-only", given=PAIR)
    assert answer.stdout.startswith("gone: changed")
    assert shell.json("destinations", "test", "gone", status=1)["steps"][0]["name"] != "credentials"
    other = shell.run("destinations", "keys", "gone", "--prefix", "x", status=2)
    assert "destinations edit" in other.stderr
    shell.run("destinations", "add", "disk", "--kind", "folder", "--path", "d")
    assert "no keys" in shell.run("destinations", "keys", "disk", status=2).stderr


def test_the_lifetime_of_keys_in_memory_is_printed(shell: Shell) -> None:
    said = " ".join(add(shell, "short", *MINIO, given=PAIR).stderr.split())
    assert "until the engine ends, which is 20 s after nothing needs it any more" in said
    assert "destinations keys short" in said


def test_removal_without_a_keyring_reports_no_leftover_keys(shell: Shell) -> None:
    add(shell, "memory", *MINIO, given=PAIR)
    removed = shell.run("destinations", "remove", "memory")
    assert removed.stderr == ""
    kept = shell.run("destinations", "add", "ring", *MINIO, status=1, given=PAIR)
    assert "--session-only" in kept.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("add", "x"), "--kind is missing"),
        (("add", "x", "--kind", "hub"), "--repo is missing"),
        (("add", "x", "--kind", "folder"), "--path is missing"),
        (("add", "x", "--kind", "folder", "--path", ""), "--path is missing"),
        (("add", "x", "--kind", "s3"), "--bucket is missing"),
        (("add", "x", *AMAZON, "--preset", "r2"), "--account is missing"),
        (("add", "x", *AMAZON, "--preset", "custom"), "--endpoint is missing"),
        (("add", "x", "--kind", "folder", "--path", "d", "--public"), "--public means nothing"),
        (("add", "x", "--kind", "hub", "--repo", "a/b", "--acl", "x"), "--acl means nothing"),
        (("add", "x", "--kind", "hub", "--repo", "a/b", "--session-only"), "means nothing"),
        (("add",), "needs a name"),
        (("test", ""), "needs a name"),
        (("edit", "nosuch", "--prefix", "x"), "no destination 'nosuch'"),
    ],
)
def test_missing_and_inapplicable_options_are_named(
    shell: Shell, arguments: tuple[str, ...], message: str
) -> None:
    assert message in shell.run("destinations", *arguments, status=2).stderr


def test_a_relative_path_starts_at_the_working_directory(shell: Shell) -> None:
    arguments = ("destinations", "add", "rel", "--kind", "folder", "--path", "sub/../d")
    assert shell.json(*arguments)["options"]["path"] == str(shell.root / "d")
    again = ("destinations", "add", "rel", "--kind", "hub", "--repo", "a/b")
    assert "of kind folder already" in shell.run(*again, status=2).stderr


def test_every_option_has_help_and_an_empty_list_says_how_to_begin(shell: Shell) -> None:
    output = shell.run("destinations", "--help", COLUMNS="500").stdout
    parser = argparse.ArgumentParser()
    add_destinations(parser)
    assert [one.dest for one in parser._actions if not one.help] == []
    for choice in ("b2", "wasabi", "aws:kms", "public-read", "virtual", "--kms-key", "two lines"):
        assert choice in output
    fresh = shell.root / "fresh"
    fresh.mkdir(exist_ok=True)
    (fresh / "settings.toml").write_text('[listener]\nlisten = "127.0.0.1:0"\n')
    listed = shell.run("destinations", "list", SIMPLETUNER_TUI_HOME=str(fresh)).stdout
    assert "destinations add NAME" in listed
