"""Lines of a log file, forwards and backwards, as it grows."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tui.app.widgets import log_source
from tui.app.widgets.log_source import Line, LogSource

PARTS = st.lists(st.sampled_from([b"a", b"step 12", b"\n", b"\r", b"\r\n", b"\xe2\x9c\x93 x"]))
WITH_FILE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def forwards(source: LogSource) -> list[Line]:
    found, at = [], 0
    while (line := source.line(at)) is not None:
        found.append(line)
        at = line.after
    return found


def backwards(source: LogSource) -> list[Line]:
    found, at = [], source.size
    while (line := source.before(at)) is not None:
        found.append(line)
        at = line.start
    return found[::-1]


@WITH_FILE
@given(parts=PARTS)
def test_lines_are_the_same_in_both_directions(tmp_path: Path, parts: list[bytes]) -> None:
    path = tmp_path / "job.log"
    data = b"".join(parts)
    path.write_bytes(data)
    source = LogSource(path)
    texts = [source.text(line) for line in forwards(source)]
    wanted = re.split(rb"\r*\n\r*|\r+", data)
    assert texts == (wanted if wanted[-1] else wanted[:-1])
    assert [line.end for line in backwards(source)] == [line.end for line in forwards(source)]
    assert [source.text(line) for line in backwards(source)] == texts


@WITH_FILE
@given(parts=PARTS, block=st.integers(1, 9))
def test_numbers_are_right_wherever_the_counting_is_cut(
    tmp_path: Path, parts: list[bytes], block: int
) -> None:
    path = tmp_path / "job.log"
    path.write_bytes(b"".join(parts))
    source = LogSource(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_source, "_COUNTED", block)
        while source.count():
            pass
        assert [source.number(line.start) for line in forwards(source)] == list(
            range(1, len(forwards(source)) + 1)
        )


def test_a_line_longer_than_any_block(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    path.write_bytes(b"first\n" + b"x" * 3_000_000 + b"\nlast\n")
    source = LogSource(path)
    assert [line.end - line.start for line in forwards(source)] == [5, 3_000_000, 4]
    assert [line.end - line.start for line in backwards(source)] == [5, 3_000_000, 4]
    assert len(source.text(forwards(source)[1])) == log_source.LINE_LIMIT
    assert source.start_of(1_000_000) == 6


def test_a_file_that_grows_is_replaced_shortened_and_deleted(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    source = LogSource(path)
    assert source.last() is None
    assert not source.refresh()
    path.write_bytes(b"one\ntw")
    assert source.refresh()
    assert source.text(source.last() or Line(0, 0, 0)) == b"tw"
    with path.open("ab") as file:
        file.write(b"o\nthree\n")
    assert source.refresh()
    assert not source.refresh()
    assert [source.text(line) for line in forwards(source)] == [b"one", b"two", b"three"]
    os.truncate(path, 4)
    assert source.refresh()
    assert [source.text(line) for line in forwards(source)] == [b"one"]
    other = tmp_path / "other"
    other.write_bytes(b"anew and longer than before\n")
    other.replace(path)
    assert source.refresh()
    assert source.text(source.last() or Line(0, 0, 0)) == b"anew and longer than before"
    path.unlink()
    assert source.refresh()
    assert source.last() is None


def test_truncating_while_it_is_open_does_not_hurt(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    path.write_bytes(b"line\n" * 100_000)
    source = LogSource(path)
    os.truncate(path, 0)
    assert source.read(400_000, 100) == b""
    assert source.line(400_000) is not None or source.refresh()


def test_chunks_hold_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "job.log"
    data = b"".join(b"line %d\n" % number for number in range(5_000))
    path.write_bytes(data)
    source = LogSource(path)
    pieces = list(source.chunks(0, 1000))
    assert b"".join(piece for _, piece in pieces) == data
    assert all(piece.endswith(b"\n") for _, piece in pieces)
    assert all(data[start : start + len(piece)] == piece for start, piece in pieces)
