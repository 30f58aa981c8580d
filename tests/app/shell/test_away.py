"""What reaches somebody who looks elsewhere: the bell, notices of the terminal, its title."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.app.world import NOW, home_at, job
from tui.app.shell.away import GATHER_SECONDS, Away, notice_sequence, title_words
from tui.base.job_status import JobStatus
from tui.settings import NoticesSettings
from tui.store.reader import StoreReader
from tui.store.records import JobRow
from tui.store.writer import StoreWriter


class Terminal:
    """A window whose time a test moves, and what was written to its terminal."""

    def __init__(
        self, term: str = "xterm-256color", *, bell: bool = True, terminal: bool = True,
        title: bool = True,
    ) -> None:  # fmt: skip
        self.now = 1000.0
        self.sent: list[str] = []
        self.due: list[tuple[float, Callable[[], object]]] = []
        self.away = Away(
            self.sent.append, self.later, {"TERM": term}, NOW,
            settings=lambda: NoticesSettings(bell, terminal, title), monotonic=lambda: self.now,
        )  # fmt: skip

    def later(self, seconds: float, call: Callable[[], object]) -> None:
        self.due.append((self.now + seconds, call))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        for at, call in [one for one in self.due if one[0] <= self.now]:
            self.due.remove((at, call))
            call()


@pytest.fixture
def row(tmp_path: Path) -> JobRow:
    writer = StoreWriter(home_at(tmp_path))
    writer.insert(job(0, JobStatus.RUNNING))
    writer.close()
    reader = StoreReader(home_at(tmp_path).database)
    (found,) = reader.rows(["job00000"]).values()
    reader.close()
    return found


def done(row: JobRow, minutes: float = 1) -> JobRow:
    at = NOW + timedelta(minutes=minutes)
    return replace(
        row, status=JobStatus.COMPLETED, stage="", completed_at=at, cost_micros=1_840_000
    )


def test_several_within_five_seconds_are_one_bell_and_one_notice(row: JobRow) -> None:
    terminal = Terminal()
    terminal.away.ended(done(row))
    terminal.away.call("job9 stalled", "logo: no step for 4 m")
    terminal.wait(GATHER_SECONDS - 1)
    assert terminal.sent == []
    terminal.wait(1)
    assert terminal.sent == ["\x07\x1b]9;✓ done · cat-lora-0 · $1.84 (and 1 more)\x07"]
    terminal.away.call("job9 diverging", "logo: loss is 1.9 × its best")
    terminal.wait(GATHER_SECONDS)
    assert len(terminal.sent) == 2


def test_one_thing_is_told_once_and_what_ended_before_the_window_never(row: JobRow) -> None:
    terminal = Terminal()
    terminal.away.ended(done(row, -1))
    terminal.away.ended(row)
    assert terminal.due == []
    for _ in range(3):  # files arrive, delivery is confirmed
        terminal.away.ended(done(row))
        terminal.wait(60)
    assert len(terminal.sent) == 1


def test_nothing_but_the_toast_while_one_looks(row: JobRow) -> None:
    terminal = Terminal()
    terminal.away.is_looking = True
    terminal.away.ended(done(row))
    terminal.away.is_looking = False
    terminal.away.ended(done(row))  # it was seen
    assert terminal.due == []


@pytest.mark.parametrize(
    ("settings", "sent"),
    [
        ({"bell": False}, ["\x1b]9;x\x07"]),
        ({"terminal": False}, ["\x07"]),
        ({"bell": False, "terminal": False}, []),
    ],
)
def test_each_part_can_be_switched_off(settings: dict[str, bool], sent: list[str]) -> None:
    terminal = Terminal("xterm", **settings)
    terminal.away.call("a", "x")
    terminal.wait(GATHER_SECONDS)
    assert terminal.sent == sent


def test_a_name_cannot_end_the_sequence(row: JobRow) -> None:
    hostile = replace(done(row), name="a\x07\x1b]0;x\x1b\\\n;b" + "y" * 300)
    terminal = Terminal("foot")
    terminal.away.ended(hostile)
    terminal.wait(GATHER_SECONDS)
    (sent,) = terminal.sent
    start = "\x07\x1b]777;notify;simpletuner-tui;"
    assert sent.startswith(start)
    assert sent.endswith("\x07")
    body = sent.removeprefix(start)[:-1]
    assert body.isprintable()
    assert len(body) <= 120
    assert ";" not in body
    assert title_words(replace(row, name=hostile.name), NOW).isprintable()


@pytest.mark.parametrize(
    ("environ", "sequence"),
    [
        ({"TERM": "vt100"}, ""),
        ({"TERM": "linux"}, ""),
        ({}, ""),
        ({"TERM": "xterm-kitty"}, "\x1b]9;hi\x07"),
        ({"TERM": "rxvt-unicode-256color"}, "\x1b]777;notify;simpletuner-tui;hi\x07"),
        ({"TERM": "tmux-256color", "TMUX": "/x"}, "\x1bPtmux;\x1b\x1b]9;hi\x07\x1b\\"),
    ],
)
def test_the_sequence_is_the_terminals(environ: dict[str, str], sequence: str) -> None:
    assert notice_sequence("hi", environ) == sequence


def test_the_title_changes_by_whole_percents_every_ten_seconds_and_is_given_back(
    row: JobRow,
) -> None:
    terminal, away = Terminal(), Terminal("vt100").away
    terminal.away.show(row, NOW)
    assert terminal.sent == ["\x1b[22;0t\x1b]2;● 20 % cat-lora-0 · 25 m\x07"]
    terminal.away.show(replace(row, percent=20.7), NOW)
    terminal.away.show(replace(row, percent=21.2), NOW)
    terminal.away.show(replace(row, percent=22.2), NOW)
    assert len(terminal.sent) == 1
    terminal.wait(10)
    assert terminal.sent[1:] == ["\x1b]2;● 22 % cat-lora-0 · 25 m\x07"]
    assert len(terminal.sent[1].encode()) <= 80
    terminal.wait(100)
    assert terminal.due == []
    assert terminal.away.farewell() == "\x1b[23;0t"
    away.show(row, NOW)
    assert away.farewell() == ""
