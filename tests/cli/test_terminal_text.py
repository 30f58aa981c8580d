"""Names, errors and logs come from others' machines: a terminal is to show them, not to obey."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.app.world import job
from tests.cli.shell import client, tui, tui_json
from tests.support import eventually_sync
from tui.base.job_status import JobStatus
from tui.cli.failures import explain
from tui.cli.output import say_json, say_prose, table, tell
from tui.destinations.common.errors import PublishError, Trouble
from tui.secrets.keyring import for_this_shell
from tui.settings import Home
from tui.simpletuner.log.harmless import LogText
from tui.store.records import FileRecord
from tui.store.transfer_records import TransferRecord, TransferState
from tui.store.writer import Change, StoreWriter

HOSTILE = "a\x1b]0;pwned\x07\x1b[2J\x9b2J\u202eb\rc"
LOG = (
    b"\x1b[32mgreen\x1b[0m words\n\x1b]0;pwned\x07\x1b]52;c;cm0gLXJm\x07\x1b[2J\xc2\x9b2J"
    b" 10%|#         |\r 20%|##        |\rdone \xe2\x80\xae\n\ttab \xe2\x9c\x93\n"
)
SHOWN = "green words\n·2J 10%|#         |\r 20%|##        |\rdone ·\n\ttab ✓\n"


def is_harmless(text: str) -> bool:
    return all(char.isprintable() or char == "\n" for char in text)


@pytest.fixture
def hostile_job(home: Path) -> Iterator[str]:
    """A job, a file and a transfer of which every text is hostile."""
    place = Home(home, home / "cloud_outputs")
    place.create()
    place.settings_file.write_text('[listener]\nlisten = "127.0.0.1:0"\n')
    record = replace(job(1, JobStatus.FAILED), name=HOSTILE, error=HOSTILE, web_url=HOSTILE)
    now = datetime.now(UTC)
    writer = StoreWriter(place)
    writer.insert(record)
    writer.apply(
        record.job_id,
        Change(files=[FileRecord(f"x/{HOSTILE}.txt", 1, "0" * 64, "delivered", now)]),
    )
    writer.transfers.insert(
        TransferRecord(
            "t1", record.job_id, record.api_base, f"hub:{HOSTILE}", now,
            state=TransferState.FAILED, message=HOSTILE, advice=HOSTILE, link=HOSTILE,
        ),
        [],
    )  # fmt: skip
    writer.close()
    place.log_file(record.job_id).parent.mkdir(parents=True, exist_ok=True)
    place.log_file(record.job_id).write_bytes(LOG)
    yield record.job_id
    if place.socket.exists():
        client(home).shut_down().result()
    eventually_sync(lambda: not place.socket.exists(), within=30)


def on_terminal(*arguments: str) -> bytes:
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "tui", *arguments]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, stdin=theirs) as process:
        os.close(theirs)
        answer = b""
        try:
            while piece := os.read(ours, 65536):
                answer += piece
        except OSError:
            pass  # the other end is closed
        process.wait(60)
    os.close(ours)
    return answer


def test_no_command_prints_control_sequences_to_a_terminal(
    hostile_job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    coloured = on_terminal("jobs")  # the colours are ours
    assert b"\x1b" in coloured
    assert b"\x1b" not in re.sub(rb"\x1b\[3[1236]m([^\x1b]*)\x1b\[0m", rb"\1", coloured)
    monkeypatch.setenv("NO_COLOR", "1")
    for arguments in (("jobs",), ("job", hostile_job), ("artifacts", hostile_job), ("transfers",)):
        done = tui(*arguments)
        assert "pwned" in done.stdout, arguments
        assert is_harmless(done.stdout + done.stderr), arguments
        shown = on_terminal(*arguments)
        assert b"\x1b" not in shown, arguments
        assert "\x9b".encode() not in shown, arguments
    row = tui_json("job", hostile_job)
    assert row["name"] == HOSTILE  # data stay what they are
    for arguments in (("job", hostile_job), ("jobs",), ("artifacts", hostile_job), ("spending",)):
        shown = on_terminal(*arguments, "--json")
        assert is_harmless(shown.decode().replace("\r\n", "\n")), arguments
        if arguments[0] in ("job", "jobs"):
            data = json.loads(shown)
            assert (data if arguments[0] == "job" else data[0])["name"] == HOSTILE


def test_a_log_is_raw_in_a_pipe_and_clean_on_a_terminal(hostile_job: str) -> None:
    command = [sys.executable, "-m", "tui", "logs", hostile_job]
    piped = subprocess.run(command, capture_output=True, check=True, timeout=60)
    assert piped.stdout == LOG
    assert on_terminal("logs", hostile_job).decode() == SHOWN.replace("\n", "\r\n")


def test_a_log_is_cleaned_wherever_it_is_cut() -> None:
    for cut in range(len(LOG)):
        text = LogText()
        assert text.feed(LOG[:cut]) + text.feed(LOG[cut:]) == SHOWN, cut
    one = LogText()
    assert "".join(one.feed(LOG[at : at + 1]) for at in range(len(LOG))) == SHOWN


def test_an_unfinished_sequence_is_not_held_back_for_ever() -> None:
    text = LogText()
    shown = text.feed(b"\x1b]0;" + b"x" * 5000) + text.feed(b"y\n")
    assert is_harmless(shown)
    assert shown.endswith("xy\n")


def test_errors_and_tables_print_no_control_sequences(capsys: pytest.CaptureFixture[str]) -> None:
    explain(PublishError(HOSTILE, HOSTILE, Trouble.REFUSED), as_json=False)
    assert is_harmless(capsys.readouterr().err)
    lines = table([["NAME", "STATE"], [f"{HOSTILE}\n", "done"]])
    assert all(line.isprintable() for line in lines)
    assert lines[0].index("STATE") == lines[1].index("done")


@pytest.mark.parametrize("opening", [b"\x1b]0;title", b"\x1bPq", b"\x1b_x", b"\x1b^y", b"\x1bXz"])
@pytest.mark.parametrize("end", [b"", b"\x07", b"\x1b\\"])
def test_a_sequence_that_does_not_end_in_its_line_swallows_no_line(
    opening: bytes, end: bytes
) -> None:
    log = b"before\n" + opening + b" rest\nstep 1\nstep 2 " + end + b"\nafter\n"
    whole = LogText().feed(log)
    pieces = LogText()
    assert "".join(pieces.feed(log[at : at + 1]) for at in range(len(log))) == whole
    lines = whole.split("\n")
    assert [lines[0], *lines[2:5]] == ["before", "step 1", lines[3], "after"]
    assert lines[3].startswith("step 2 ")
    assert lines[1].endswith(" rest")
    assert not {"\x1b", "\x07"} & set(whole)


def test_json_on_a_terminal_escapes_whatever_it_would_obey_or_hide(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = "\x1b\x07\x85\x9b\u202e\u2066\u200b\u200d\ufeff\u2028\u00ad\U000e0041 猫✓"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    say_json({"name": odd, odd: [odd]})
    printed = capsys.readouterr().out
    assert is_harmless(printed)
    assert "猫✓" in printed
    assert json.loads(printed) == {"name": odd, odd: [odd]}


def test_a_table_on_a_terminal_is_as_wide_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [["ID", "NAME"], ["a", "x" * 200], ["b", "cat"]]
    assert table(rows)[1] == f"a   {'x' * 200}"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "60")
    assert {len(line) for line in table(rows)[1:2]} == {60}
    monkeypatch.setenv("COLUMNS", "wide")
    assert len(table(rows)[1]) == 80  # where the system does not know it either


class Screen(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_message_is_folded_between_words_and_a_command_in_it_stays_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    commands = (for_this_shell("replicate").partition(": ")[2], "simpletuner-tui token set")
    text = f"  There is no keyring on this machine: {commands[0]}\nOr {commands[1]} later on."
    shown = {}
    for stream, put in (("stdout", say_prose), ("stderr", tell)):
        for kind in (Screen, io.StringIO):
            monkeypatch.setattr(sys, stream, kind())
            put(text)
            shown[kind] = getattr(sys, stream).getvalue()
        assert shown[io.StringIO] == f"{text}\n"
        lines = shown[Screen].splitlines()
        assert " ".join(line.strip() for line in lines) == " ".join(text.split())
        for command in commands:
            assert any(command in line for line in lines), lines
        assert all(len(line) <= 50 or commands[0] in line for line in lines), lines
        assert lines[1].startswith("    ")
