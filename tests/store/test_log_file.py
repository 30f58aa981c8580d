from __future__ import annotations

import os
import random
import threading
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simpletuner.log.samples import whole_run
from tui.store.log_file import Change, LogFile
from tui.store.log_line import LINE_BYTES, LINE_CELLS
from tui.store.log_source import BLOCK


def lines_of(data: bytes) -> list[bytes]:
    parts = data.split(b"\n")
    return parts[:-1] if data.endswith(b"\n") or not data else parts


def indexed(path: Path) -> LogFile:
    log = LogFile(path)
    log.start_index()
    assert log.wait_indexed(10)
    return log


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "job.log"


def test_the_tail_needs_no_index(path: Path) -> None:
    path.write_bytes(b"".join(b"line %d\n" % n for n in range(50_000)))
    with LogFile(path) as log:
        assert log.line_count is None
        assert [line.text for line in log.tail(3)] == ["line 49997", "line 49998", "line 49999"]


def test_every_line_by_number(path: Path) -> None:
    chance = random.Random(3)
    data = b"".join(
        b"%d %s\n" % (n, b"x" * chance.choice([0, 5, 80, 900, 40_000 if n % 500 == 0 else 3]))
        for n in range(5_000)
    )
    path.write_bytes(data)
    expected = lines_of(data)
    with indexed(path) as log:
        assert log.line_count == len(expected)
        for row in [0, 1, 499, 500, 501, 2_500, 4_998, 4_999]:
            (line,) = log.lines(row, 1)
            assert line.raw == expected[row]
            assert log.row_of(line.offset) == row
            assert log.row_of(line.end) == row
        assert [line.raw for line in log.lines(0, 9_999)] == expected
        assert log.lines(5_000, 1) == []
        assert log.lines(-1, 1) == []


@settings(max_examples=80, deadline=None)
@given(
    data=st.lists(
        st.sampled_from([b"a", b"\n", b"bb\n", b"\n\n", b"c" * 700, b"d" * BLOCK, b"\xff\x00"]),
        max_size=60,
    ).map(b"".join),
    count=st.integers(0, 30),
)
def test_lines_are_those_of_the_file(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, count: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "x.log"
    path.write_bytes(data)
    expected = lines_of(data)
    with indexed(path) as log:
        assert log.line_count == len(expected)
        last = expected[max(0, len(expected) - count) :] if count else []
        assert [log.raw(line) for line in log.tail(count)] == last
        for row in range(len(expected)):
            (line,) = log.lines(row, 1)
            assert log.raw(line) == expected[row]
            assert log.row_of(line.offset) == row
            assert log.line_start(line.end) == line.offset
            assert [x.offset for x in log.before(line.offset, 2)] == [
                x.offset for x in log.lines(max(0, row - 2), min(2, row))
            ]
        assert log.offset_of(len(expected)) is None


def test_the_last_drawing_of_a_bar_is_shown_and_the_rest_kept(path: Path) -> None:
    path.write_bytes(b"first\r\nbar 1\rbar 2\rbar 3\n\rbar 4\rbar 5")
    with indexed(path) as log:
        assert [line.text for line in log.tail(9)] == ["first", "bar 3", "bar 5"]
        assert log.raw(log.tail(2)[0]) == b"bar 1\rbar 2\rbar 3"
        assert log.line_count == 3


def test_a_whole_run_reads_like_on_a_terminal(path: Path) -> None:
    path.write_bytes(whole_run(steps=120)[0])
    with LogFile(path) as log:
        texts = [line.text for line in log.tail(10_000)]
    assert not any("\r" in text for text in texts)
    assert any("120/120" in text for text in texts)
    assert not any("119/120" in text for text in texts)


def test_growth_is_followed(path: Path) -> None:
    path.write_bytes(b"one\ntw")
    with indexed(path) as log:
        assert log.refresh() is Change.SAME
        with path.open("ab") as file:
            file.write(b"o\nthree\n")
        assert log.refresh() is Change.GROWN
        assert [line.text for line in log.tail(2)] == ["two", "three"]
        assert log.line_count == 3
        for n in range(200):
            with path.open("ab") as file:
                file.write(b"%d\n" % n * 100)
            assert log.refresh() is Change.GROWN
            assert log.line_count == 3 + (n + 1) * 100
        assert log.lines(3 + 150 * 100, 1)[0].text == "150"


def test_a_great_growth_is_counted_in_the_background(path: Path) -> None:
    path.write_bytes(b"x\n")
    done = threading.Event()
    with LogFile(path) as log:
        log.start_index(done.set)
        assert done.wait(5)
        done.clear()
        with path.open("ab") as file:
            file.write(b"0123456789\n" * 1_000_000)
        log.refresh()
        assert done.wait(20)
        assert log.line_count == 1_000_001


def test_a_file_that_comes_later(path: Path) -> None:
    with indexed(path) as log:
        assert log.refresh() is Change.SAME
        assert (log.size, log.line_count, log.tail(5), log.lines(0, 5)) == (0, 0, [], [])
        path.write_bytes(b"here\n")
        assert log.refresh() is Change.REPLACED
        assert log.lines(0, 1)[0].text == "here"


def test_a_replaced_file_is_read_anew(path: Path) -> None:
    path.write_bytes(b"old\n" * 20_000)
    with indexed(path) as log:
        new = path.with_suffix(".new")
        new.write_bytes(b"new one\n" * 20_000)
        new.replace(path)
        assert log.refresh() is Change.REPLACED
        assert log.wait_indexed(10)
        assert log.line_count == 20_000
        assert log.lines(19_999, 1)[0].text == "new one"


def test_a_file_truncated_while_it_is_read_does_no_harm(path: Path) -> None:
    path.write_bytes(b"0123456789\n" * 50_000)
    with indexed(path) as log:
        os.truncate(path, 25)
        # Not noticed yet: less is read than expected, nothing worse.
        assert log.lines(40_000, 3) == []
        assert len(log.tail(3)) <= 3
        assert log.row_of(400_000) is not None
        assert log.refresh() is Change.REPLACED
        assert [line.text for line in log.tail(9)] == ["0123456789", "0123456789", "012"]


def test_a_vanished_file_stays_readable(path: Path) -> None:
    path.write_bytes(b"still here\n")
    with indexed(path) as log:
        path.unlink()
        assert log.refresh() is Change.GONE
        assert log.tail(1)[0].text == "still here"
        path.write_bytes(b"back\n")
        assert log.refresh() is Change.REPLACED
        assert log.tail(1)[0].text == "back"


def test_a_folder_or_a_forbidden_path_is_an_empty_log(tmp_path: Path) -> None:
    with indexed(tmp_path) as log:
        assert log.tail(5) == []
    with indexed(tmp_path / "x" / "y") as log:
        assert log.tail(5) == []


def test_a_closed_log_answers_nothing(path: Path) -> None:
    path.write_bytes(b"x\n")
    log = indexed(path)
    log.close()
    assert (log.size, log.tail(1), log.lines(0, 1), log.row_of(0)) == (0, [], [], None)


def test_descriptors_are_closed(path: Path) -> None:
    path.write_bytes(b"x\n" * 100)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        indexed(path).close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_line_of_ten_megabytes_is_shown_cut_and_read_bounded(path: Path) -> None:
    path.write_bytes(b"before\n" + b"x" * 10_000_000 + b"\nafter\n")
    with indexed(path) as log:
        tracemalloc.start()
        try:
            texts = [line.text for line in log.tail(3)]
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert texts[0] == "before"
        assert texts[2] == "after"
        assert len(texts[1]) < LINE_CELLS + 50
        assert texts[1].endswith("… (10,000,000 bytes)")
        assert peak < 2_000_000
        assert log.row_of(9_000_000) == 1
        assert log.lines(2, 1)[0].text == "after"


def test_a_long_line_of_bars_shows_its_last_drawing(path: Path) -> None:
    path.write_bytes(b"\r".join(b"bar %d" % n for n in range(100_000)) + b"\n")
    assert path.stat().st_size > LINE_BYTES
    with LogFile(path) as log:
        assert log.tail(1)[0].text == "bar 99999"


def test_hostile_bytes_are_made_safe(path: Path) -> None:
    path.write_bytes("\x1b[2J\x1b]0;own\x07a\u202eb\x00c\xadd\te\n".encode() + b"\xff\xfe\x9b31m\n")
    with LogFile(path) as log:
        first, second = (line.text for line in log.tail(2))
    assert first == "abc\xadd    e"
    assert "\x9b" not in second
    assert all(ord(char) >= 32 for char in first + second)


def test_an_older_drawing_is_found_by_its_offset(path: Path) -> None:
    bars = [b"Steps: %d/9000 with a tail of some length" % n for n in range(9_000)]
    path.write_bytes(b"before\n" + b"\r".join(bars) + b"\r\nafter\n")
    with LogFile(path) as log:
        _, line, after = log.tail(3)
        assert line.end - line.offset > LINE_BYTES
        assert line.raw == bars[-1]
        for number in (0, 1, 4_500, 8_999):
            place = path.read_bytes().index(bars[number]) + 3
            assert log.drawing(line, place).raw == bars[number]
            begin, end = log.drawing_span(line, place)
            assert path.read_bytes()[begin:end] == bars[number]
        assert log.drawing(after, after.offset) == after
        assert log.drawing(line, after.offset) == line


def test_an_offset_in_a_line_without_end_gives_the_line(path: Path) -> None:
    path.write_bytes(b"x" * (LINE_BYTES * 4) + b"\n")
    with LogFile(path) as log:
        (line,) = log.tail(1)
        assert log.drawing(line, LINE_BYTES * 2) == line


def test_a_tagged_line_after_a_bar_counts_as_the_last_drawing(path: Path) -> None:
    bar = b"Steps:  75%|###| 150/200 [00:12<00:04, 12.20it/s, lr=1e-5]"
    news = b"[STAGE] Saving Checkpoint"
    path.write_bytes(b"Steps:  74%| | 149/200 [x]\r" + bar + news + b"\n" + bar + b"\n")
    with LogFile(path) as log:
        first, second = log.tail(2)
        assert (first.raw, second.raw) == (news, bar)
        data = path.read_bytes()
        assert log.drawing(first, data.index(b"150/")).raw == bar
        assert log.drawing(first, data.index(b"Saving")).raw == news
        assert log.drawing(first, data.index(b"149/")).raw == b"Steps:  74%| | 149/200 [x]"
