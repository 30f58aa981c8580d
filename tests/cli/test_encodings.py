"""A stream whose encoding lacks a letter gets another one: that is no reason for a job to fail."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import pty
import signal
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from textual.scrollbar import ScrollBarRender

import tui.app
from tests.cli.shell import PROGRAM, Shell
from tui.app.app import drawn_on_this_terminal
from tui.base.ascii_glyphs import ASCII_GLYPHS, GLYPHS, terminal_is_plain
from tui.base.columns import width_of
from tui.cli.exit_codes import OUTPUT_LOST
from tui.cli.output import forgive_streams, say
from tui.settings import Settings, UiSettings

_SIGNS = frozenset({"Po", "Pi", "Pf", "Pd", "Sm", "So"})
NAME = "café ✓ 猫 😀"
ENCODINGS = {
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "C": {"LC_ALL": "C", "PYTHONUTF8": "0"},
}
each = pytest.mark.parametrize("encoding", list(ENCODINGS))


def run(
    shell: Shell, *arguments: str | bytes, encoding: str = "", status: int | None = 0
) -> tuple[str, str]:
    """What a command writes on its two streams, decoded as they are encoded."""
    done = subprocess.run(
        [*PROGRAM, *arguments], env=shell.environ | ENCODINGS.get(encoding, {}), cwd=shell.root,
        stdin=subprocess.DEVNULL, capture_output=True, timeout=100, check=False,
    )  # fmt: skip
    coding = {"C": "ascii", "": "utf-8"}.get(encoding, encoding)
    strict = "replace" if arguments[0] == "logs" else "strict"  # in a pipe a log is what it is
    output, errors = done.stdout.decode(coding, strict), done.stderr.decode(coding)
    assert "Traceback" not in output + errors, errors
    assert "inside simpletuner-tui" not in errors, errors
    if status is not None:
        assert done.returncode == status, (arguments, done.returncode, output, errors)
    return output, errors


def submit(shell: Shell, *arguments: str, encoding: str = "") -> tuple[str, str]:
    return run(
        shell, "submit", str(shell.config), "--steps", "8", "--rank", "2", "--delivery", "local",
        "--yes", "--wait", *arguments, encoding=encoding,
    )  # fmt: skip


@pytest.fixture(scope="module")
def done(shell: Shell) -> Any:
    """A job with a name that few encodings have."""
    output, _ = submit(shell, "--name", NAME, "--json")
    job = json.loads(output)
    assert job["name"] == NAME
    return job


def test_what_is_typed_is_utf_8_in_any_locale_or_refused(shell: Shell, done: Any) -> None:
    output, _ = run(shell, "job", NAME, encoding="C")
    assert output.startswith(f"job         {done['job_id']}")
    run(shell, "tag", NAME, "+käse", encoding="C")
    output, _ = run(shell, "jobs", "tag:käse")
    assert done["job_id"] in output
    run(shell, "tag", NAME, "-käse", encoding="C")
    for verb in ("job", "jobs", "submit"):
        _, errors = run(shell, verb, "k\xe4se".encode("latin-1"), status=2)
        assert r"k\udce4se is no text in UTF-8" in errors


@each
def test_submit_succeeds_in_any_encoding(shell: Shell, encoding: str) -> None:
    output, _ = submit(shell, encoding=encoding)
    first, *files = output.splitlines()
    assert first.startswith("+ done") or " + done" in first  # the tick
    assert any(line.endswith(".safetensors") for line in files)


def test_glyphs_become_ascii_ones_and_letters_a_question_mark() -> None:
    text = "✓ done · ≤ $1 → café 猫 \udcff"
    assert text.encode("ascii", GLYPHS) == b"+ done - < $1 > caf? ? ?"
    assert text.encode("latin-1", GLYPHS).decode("latin-1") == "+ done · < $1 > café ? ?"
    assert "… — “x”".encode("cp1252", GLYPHS).decode("cp1252") == "… — “x”"
    for glyph, plain in ASCII_GLYPHS.items():
        assert plain.isascii(), chr(glyph)
        assert width_of(chr(glyph)) == len(plain) == 1, chr(glyph)


def test_every_sign_of_the_app_and_of_its_toolkit_has_one_in_ascii() -> None:
    """What has none is drawn as a question mark, as the ends of scroll bars were."""
    drawn = {*ScrollBarRender.VERTICAL_BARS, *ScrollBarRender.HORIZONTAL_BARS}
    for path in Path(tui.app.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                drawn.update(node.value)
    signs = {sign for sign in "".join(drawn) if unicodedata.category(sign) in _SIGNS}
    lacking = {sign for sign in signs if not sign.isascii() and ord(sign) not in ASCII_GLYPHS}
    assert {sign for sign in lacking if not 0x2800 <= ord(sign) < 0x2900} == set()  # braille


@pytest.mark.parametrize(
    ("chosen", "plain"),
    [
        ({"LANG": "C"}, True),
        ({"LC_ALL": "C", "LANG": "de_DE.UTF-8"}, True),
        ({"LC_ALL": "POSIX"}, True),
        ({"LANG": "de_DE.ISO-8859-1"}, True),
        ({"LANG": "de_DE.utf8@euro"}, False),
        ({"LANG": "C.UTF-8"}, False),
        ({"LANG": "C", "LC_ALL": "C.UTF-8"}, False),
        ({"LANG": "de_DE"}, False),
        ({}, False),
        ({"TERM": "linux", "LANG": "de_DE.UTF-8"}, True),
        ({"TERM": "xterm-256color"}, False),
        ({"TERM": "vt100", "LANG": "C.UTF-8"}, False),
    ],
)
def test_a_terminal_without_utf8_is_one_that_was_chosen_or_the_console(
    chosen: dict[str, str], *, plain: bool
) -> None:
    assert terminal_is_plain(chosen) is plain
    ui = UiSettings(ascii=False)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("LANG", "LC_ALL", "LC_CTYPE", "TERM"):
            patch.delenv(name, raising=False)
        for name, value in chosen.items():
            patch.setenv(name, value)
        assert drawn_on_this_terminal(Settings(ui=ui)).ui.ascii is plain


def on_terminal(shell: Shell, *arguments: str, **environ: str) -> str:
    """What a command writes on a terminal."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, *arguments], env=shell.environ | environ, cwd=shell.root,
        stdin=subprocess.DEVNULL, stdout=slave, stderr=slave,
    )  # fmt: skip
    os.close(slave)
    shown = b""
    with contextlib.suppress(OSError):  # how a terminal ends on Linux
        while piece := os.read(master, 4096):
            shown += piece
    os.close(master)
    assert process.wait() == 0, shown
    return shown.decode()


def test_a_terminal_gets_colours_and_what_its_locale_has(shell: Shell, done: Any) -> None:
    utf8 = {"LC_ALL": "C.UTF-8", "TERM": "xterm", "COLUMNS": "90"}
    shown = on_terminal(shell, "jobs", **utf8)
    assert "\x1b[32m✓ done" in shown
    assert done["job_id"] in shown
    assert "\x1b" not in on_terminal(shell, "jobs", **utf8, NO_COLOR="1")
    assert "\x1b" not in on_terminal(shell, "jobs", "--color", "never", **utf8)
    for line in (["jobs"], ["jobs", "state:done"]):  # the quick way and the ordinary one
        shown = on_terminal(shell, *line, **utf8 | {"LC_ALL": "C"})
        assert shown.isascii()
        assert "\x1b[32m+ done" in shown
    assert "\x1b[32m✓ done" in run(shell, "--color", "always", "jobs")[0]
    assert "\x1b" not in run(shell, "jobs")[0]


@pytest.mark.parametrize("line", [["jobs"], ["jobs", "state:done"], ["logs"], ["export"]])
def test_a_reader_that_goes_away_is_no_failure(shell: Shell, done: Any, line: list[str]) -> None:
    more = [done["job_id"]] if line[0] in ("logs", "export") else []
    reading, writing = os.pipe()
    os.close(reading)  # as `head` does when it has its lines
    finished = subprocess.run(
        [*PROGRAM, *line, *more], env=shell.environ, stdin=subprocess.DEVNULL, stdout=writing,
        stderr=subprocess.PIPE, timeout=60, check=False,
    )  # fmt: skip
    os.close(writing)
    assert (finished.returncode, finished.stderr) == (0, b"")


@each
def test_json_keeps_every_letter(shell: Shell, done: Any, encoding: str) -> None:
    for arguments in (
        ["job", done["job_id"], "--json"],
        ["jobs", "--json"],
        ["jobs", "-n99", "--json"],
    ):
        answer = json.loads(run(shell, *arguments, encoding=encoding)[0])
        # A list leaves out notes, which may be a megabyte each.
        jobs = answer if isinstance(answer, list) else [answer]
        assert _without_note(done) in map(_without_note, jobs), arguments


def _without_note(job: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in job.items() if name != "note"}


@pytest.fixture(scope="module")
def statuses(shell: Shell, done: Any) -> list[tuple[list[str], int]]:
    """Commands, and how they end where every letter can be written."""
    job_id, place = done["job_id"], f"dir:{shell.root}/published"
    commands = [
        ["jobs"], ["job", job_id], ["logs", job_id], ["metrics", job_id], ["collect", job_id],
        ["sync"], ["artifacts", job_id], ["publish", job_id, "--to", place], ["transfers"],
        ["check", str(shell.config)], ["submit", str(shell.config), "--dry-run"],
        ["submit", str(shell.config)], ["job", "nobody"],
        ["hardware"], ["versions"], ["rates", "show"], ["spending"], ["settings", "get"],
        ["settings", "get", "✓"], ["api-key", "list"], ["token", "status"], ["doctor"],
        ["submit", "--help"], ["✓"],
    ]  # fmt: skip
    return [(arguments, ends_with(shell, arguments)) for arguments in commands]


def ends_with(shell: Shell, arguments: list[str]) -> int:
    return subprocess.run(
        [*PROGRAM, *arguments], env=shell.environ, cwd=shell.root, stdin=subprocess.DEVNULL,
        capture_output=True, timeout=100, check=False,
    ).returncode  # fmt: skip


@pytest.mark.parametrize("encoding", ["ascii", "C"])  # they have the fewest letters
def test_every_command_prints_its_messages_in_any_encoding(
    shell: Shell, statuses: list[tuple[list[str], int]], encoding: str
) -> None:
    for arguments, status in statuses:
        run(shell, *arguments, encoding=encoding, status=status)


@pytest.mark.parametrize("kind", ["", "--json"])
def test_serve_prints_events_in_any_encoding(shell: Shell, kind: str) -> None:
    arguments = [word for word in ("serve", kind, "--public-url", "https://bücher.example") if word]
    environ = shell.environ | ENCODINGS["ascii"]
    with subprocess.Popen(
        [*PROGRAM, *arguments], env=environ, cwd=shell.root,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        first = process.stdout.readline().decode("ascii")
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    if kind:
        assert json.loads(first)["event"] == "ready"
    else:
        assert first.startswith("Listening on")


def test_an_argument_that_is_no_text_is_reported(shell: Shell) -> None:
    """An argument may be any bytes: Python makes halves of letters of them."""
    output, errors = run(shell, "settings", "get", b"n\xff", "--json", status=2)
    assert json.loads(output)["message"] == r"n\udcff is no text in UTF-8."
    assert r"n\udcff is no text in UTF-8" in errors
    run(shell, "settings", "get", b"n\xff", encoding="ascii", status=2)


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("jobs --json", 0), ("jobs", 0), ("settings get", 0), ("logs {}", 0), ("jobs x --json", 0),
        ("jobs stat:x --json", 2), ("spending", 0), ("jobs --help", 0),
    ],
)  # fmt: skip
def test_streams_that_are_closed_or_full_do_not_change_how_a_command_ends(
    shell: Shell, done: Any, line: str, status: int
) -> None:
    words = [*PROGRAM, *line.format(done["job_id"]).split()]
    for streams, ends in (
        (">&- 2>&-", status),
        ("<&- >/dev/null", status),
        (">/dev/null 2>/dev/full", status),
        (">/dev/full", status or OUTPUT_LOST),
    ):
        ended = subprocess.run(
            ["sh", "-c", f'"$@" {streams}', "sh", *words], env=shell.environ, cwd=shell.root,
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        assert ended.returncode == ends, (streams, ended.stderr)
        assert "Traceback" not in ended.stderr
        told = "could not be written: No space left on device." in ended.stderr
        assert told is (streams == ">/dev/full")


WITH_FULL_STREAMS = """
import io, json, os, sys
from tui.cli import main, output

def stub(options):
    for word in ("begun", "x" * 100_000, "ended"):
        output.say(word)
        output.tell(word)
        output.say_json({"word": word})
        sys.stderr.write(word)
        sys.stderr.flush()
    done.append(word)
    return wanted

real = os.dup(1)
main._COMMANDS = {"jobs": ("__main__", "stub")}
reading, broken = os.pipe()
os.close(reading)
full, nowhere = (os.open(name, os.O_WRONLY) for name in ("/dev/full", "/dev/null"))
ends = []
for out, err in ((full, nowhere), (nowhere, full), (broken, broken), (nowhere, nowhere)):
    for wanted in (0, 1, 6):
        done = []
        os.dup2(out, 1)
        os.dup2(err, 2)
        for name, number in (("stdout", 1), ("stderr", 2)):
            raw = io.FileIO(number, "w", closefd=False)
            stream = io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8")
            setattr(sys, name, stream)
        ends.append((main.run(["jobs"]), done == ["ended"]))
os.write(real, json.dumps(ends).encode())
os._exit(0)
"""


def test_full_and_broken_streams_stop_no_command_and_change_no_failure() -> None:
    told = subprocess.run(
        [sys.executable, "-c", WITH_FULL_STREAMS], stdin=subprocess.DEVNULL, capture_output=True,
        check=True,
    )  # fmt: skip
    assert json.loads(told.stdout) == [
        [end, True] for ends in ((OUTPUT_LOST, 1, 6), *((0, 1, 6),) * 3) for end in ends
    ]


def test_what_python_does_not_buffer_is_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with open(writing, "wb", buffering=0) as raw:
        stream = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
        monkeypatch.setattr(sys, "stdout", stream)
        forgive_streams()
        assert sys.stdout is not stream
        say("now")
        assert os.read(reading, 99) == b"now\n"
        monkeypatch.undo()
    os.close(reading)


def test_a_job_that_is_done_and_paid_is_not_said_to_have_failed_where_the_disk_is_full(
    shell: Shell,
) -> None:
    words = [str(shell.config), "--steps", "8", "--rank", "2", "--delivery", "local", "--yes"]
    ended = subprocess.run(
        ["sh", "-c", '"$@" >/dev/full', "sh", *PROGRAM, "submit", *words, "--wait"],
        env=shell.environ, cwd=shell.root, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == OUTPUT_LOST, ended.stderr
