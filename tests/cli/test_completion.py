"""Completion in real shells, the manual page, and examples that can be pasted."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.app.world import NOW, home_at, job
from tests.cli.grammar import commands
from tui.base.job_status import JobStatus
from tui.cli import completion_values
from tui.cli.completion_command import completion
from tui.cli.completion_values import FILTER_NUMBERS, FILTER_WORDS, HAS, STATES, complete
from tui.cli.examples import EXAMPLES
from tui.cli.grammar_words import verbs_of
from tui.cli.main import build_parser
from tui.simpletuner.request.hardware import PROFILES
from tui.store.filter import _STATES, FIELDS, filter_problem
from tui.store.sweeps import MemberRecord, SweepRecord
from tui.store.writer import StoreWriter

_MAIN = """
import sys
sys.argv = ["simpletuner-tui", *sys.argv[1:]]
from tui import __main__ as program
program.leave = lambda status: status
status = program.main()
sys.stdout.flush()
sys.stderr.write("\\n" + " ".join(sys.modules))
sys.exit(status)
"""


def printed(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert completion(build_parser().parse_args(["completion", shell])) == 0
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with jobs, a folder with configs, and the program on the path."""
    root = tmp_path_factory.mktemp("place")
    writer = StoreWriter(home_at(root))
    for number, name in enumerate(["cat-lora", "café cat", "dog"]):
        values = {"--lora-rank": 16, "optimizer": "adamw"} if number else {}
        writer.insert(replace(job(number, JobStatus.COMPLETED), name=name, config=values))
    writer.close()
    for config in ("config/tabby/config.json", "config/plain.json", "config/no/readme"):
        path = root / config
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    program = root / "bin" / "simpletuner-tui"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m tui "$@"\n')
    program.chmod(0o755)
    return root


def ask(place: Path, *command: str) -> str:
    environ = os.environ | {
        "SIMPLETUNER_TUI_HOME": str(place), "HOME": str(place), "LC_ALL": "C.UTF-8",
        "PATH": f"{place}/bin:{os.environ['PATH']}",
    }  # fmt: skip
    done = subprocess.run(
        command, env=environ, cwd=place, capture_output=True, text=True, timeout=60, check=False
    )
    assert not done.stderr, done.stderr
    return done.stdout


LINES = [
    (["pub"], {"publish"}),
    (["jobs", "--l"], {"--limit"}),
    (["job", "--json", "cat"], {"cat-lora"}),
    (["job", "ca"], {"cat-lora", "café cat"}),
    (["job", "job00002"], {"job00002"}),
    (["submit", "--delivery", "h"], {"hub"}),
    (["submit", "--delivery", "hub", "ta"], {"tabby"}),
    (["settings", "get", "ui.them"], {"ui.theme"}),
    (["token", "va"], {"validate"}),
    (["transfers", "retry", "x"], set()),
    (["completion", "ba"], {"bash"}),
    (["jobs", "stat"], {"state:", "status:"}),
    (["jobs", "cat", "state:f"], {"state:failed"}),
    (["jobs", "cos"], {"cost<", "cost>"}),
    (["jobs", "conf"], {"config:", "config."}),
    (["jobs", "config."], {"config.lora_rank:", "config.lora_rank<", "config.lora_rank>",
                           "config.optimizer:"}),
    (["submit", "--hardware", "h100-x"], {"h100-x2", "h100-x4", "h100-x8"}),
    (["move", "cat-lora", "--to", "a100-x8"], {"a100-x8"}),
    (["--color", "ne"], {"never"}),
]  # fmt: skip


def test_bash_completes_behind_a_colon_at_which_it_takes_words_apart(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = printed("bash", capsys)
    for words, wanted in (("state : ru", "running\n"), ("has :", "note\ntag\npin\nwarning\n")):
        last = len(words.split()) + 1
        line = f"COMP_WORDS=(simpletuner-tui jobs {words}); COMP_CWORD={last}; _simpletuner_tui"
        shown = ask(place, "bash", "-c", f"{script}\n{line}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"")
        assert shown == wanted


def test_sweeps_are_completed_from_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = StoreWriter(home_at(tmp_path))
    members = [MemberRecord(f"job{at}", "cats", at, NOW, {}) for at in range(2)]
    writer.sweeps.insert(SweepRecord("cats", "", "running", "", "", 2, NOW, NOW), members)
    writer.close()
    monkeypatch.setenv("SIMPLETUNER_TUI_HOME", str(tmp_path))
    assert complete(["filter", "sweep:c"]) == 0
    assert capsys.readouterr().out == "sweep:cats\n"


def test_what_completion_knows_by_heart_is_what_there_is() -> None:
    assert {*FILTER_WORDS, *FILTER_NUMBERS} == FIELDS
    assert {*STATES} == {*_STATES, "done"}
    assert set(completion_values._values("hardware", "")) == set(PROFILES)
    for value in HAS:
        assert filter_problem(f"has:{value}") is None


def test_bash_completes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [printed("bash", capsys)]
    for words, _ in LINES:
        line = " ".join(map(shlex.quote, ["simpletuner-tui", *words]))
        lines.append(f"COMP_WORDS=({line}); COMP_CWORD={len(words)}; _simpletuner_tui")
        lines.append("printf '%s\\n' \"${COMPREPLY[@]}\" --")
    answers = ask(place, "bash", "-c", "\n".join(lines)).split("--\n")
    assert len(answers) == len(LINES) + 1
    for (words, wanted), answer in zip(LINES, answers, strict=False):
        found = {"".join(shlex.split(line)) for line in answer.splitlines() if line}
        assert found == wanted, words


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_completes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [
        "compdef() { : }",
        printed("zsh", capsys),
        """compadd() {
            if [[ $1 == -a ]]; then print -rl -- "${found[@]}"; return; fi
            shift
            print -rl -- "${(M)@:#${current}*}"
        }""",
    ]
    for words, _ in LINES:
        line = " ".join(map(shlex.quote, ["simpletuner-tui", *words]))
        lines.append(f"words=({line}); CURRENT={len(words) + 1}; _simpletuner_tui; print -- ----")
    answers = ask(place, "zsh", "-f", "-c", "\n".join(lines)).split("----\n")
    assert len(answers) == len(LINES) + 1
    for (words, wanted), answer in zip(LINES, answers, strict=False):
        assert set(filter(None, answer.splitlines())) == wanted, words


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [printed("fish", capsys)]
    for words, _ in LINES:
        line = " ".join(["simpletuner-tui", *words])
        lines += [f"complete -C {shlex.quote(line)}", "echo ----"]
    answers = ask(place, "fish", "-N", "-c", "\n".join(lines)).split("----\n")
    assert len(answers) == len(LINES) + 1
    for (words, wanted), answer in zip(LINES, answers, strict=False):
        found = {line.partition("\t")[0] for line in answer.splitlines()}
        assert wanted <= found, (words, found)


def test_asking_for_values_loads_little(place: Path) -> None:
    for kind in ("job", "config", "filter", "hardware", "destination", "transfer", "nonsense"):
        done = subprocess.run(
            [sys.executable, "-c", _MAIN, "--complete", kind, ""], check=True, cwd=place,
            env=os.environ | {"SIMPLETUNER_TUI_HOME": str(place)}, capture_output=True, text=True,
        )  # fmt: skip
        loaded = {name.partition(".")[0] for name in done.stderr.rpartition("\n")[2].split()}
        assert not loaded & {"argparse", "asyncio", "json", "pathlib", "typing"}, kind
        assert bool(done.stdout) == (kind in ("job", "config", "filter", "hardware")), kind


def test_every_command_and_option_is_in_the_manual_page(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = printed("man", capsys).replace("\\-", "-")
    for verb in verbs_of(build_parser()):
        assert re.search(rf'^\.SS "{verb.name}\b', page, re.MULTILINE)
        for option in set(verb.options) - {"-h", "--help"}:
            assert f"\\fB{option}\\fR" in page, (verb.name, option)


def test_every_command_has_examples_that_can_be_pasted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert sorted(EXAMPLES) == sorted(commands())
    for name, lines in EXAMPLES.items():
        for line in lines:
            words = shlex.split(line.partition(" > ")[0])
            assert build_parser().parse_args(words).command == name
        with pytest.raises(SystemExit):
            build_parser().parse_args([name, "--help"])
        text = capsys.readouterr().out
        assert f"simpletuner-tui {lines[0]}\n" in text
        assert not re.search(r"[a-z]-\n", text), "an option is broken at a hyphen"
