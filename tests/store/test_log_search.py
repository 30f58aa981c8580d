from __future__ import annotations

import os
import re
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simpletuner.log.samples import mixed_lines
from tui.store.log_file import LogFile
from tui.store.log_search import Hit, LogSearch, required_text
from tui.store.log_source import PIECE
from tui.store.search_error import SearchError


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "mixed.log"
    path.write_bytes(mixed_lines(30_000).replace(b"\r", b"\n"))
    return path


def naive(data: bytes, query: str, *, regex: bool, fold: bool) -> list[Hit]:
    pattern = re.compile(query if regex else re.escape(query), re.IGNORECASE if fold else 0)
    hits, start = [], 0
    for line in data.split(b"\n"):
        text = line.decode("utf-8", "surrogateescape")
        for match in pattern.finditer(text):
            if match[0]:
                before = text[: match.start()].encode("utf-8", "surrogateescape")
                length = len(match[0].encode("utf-8", "surrogateescape"))
                hits.append(Hit(start + len(before), length))
        start += len(line) + 1
    return hits


def walk(search: LogSearch, size: int) -> tuple[list[Hit], list[Hit]]:
    forward, at = [], 0
    while hit := search.next(at):
        forward.append(hit)
        at = hit.offset + hit.length
    backward, at = [], size
    while hit := search.previous(at):
        backward.append(hit)
        at = hit.offset
    return forward, backward[::-1]


@pytest.mark.parametrize(
    ("query", "regex"),
    [
        ("gpu.fault", False),
        ("[STAGE]", False),
        ("⏳", False),
        (r"step_loss=0\.12\d", True),
        (r"^\[ERROR\]", True),
        (r"\d+ of 1000", True),
        (r"(?:FATAL|Fatal) \w+", True),
        (r"█{9}", True),
        (r"lr=\S+ step", True),
        (r"disabled, (no|never)", True),
        (r"Traceback|gpu\.f\w+t$", True),
        (r"token\s*$", True),
        (r"[^\]]\] Checkpoint", True),
    ],
)
@pytest.mark.parametrize("fold", [False, True])
def test_counts_are_those_of_a_line_by_line_search(
    sample: Path, query: str, regex: bool, fold: bool
) -> None:
    expected = naive(sample.read_bytes(), query, regex=regex, fold=fold)
    with LogFile(sample) as log:
        search = LogSearch(log, query, regex=regex, ignore_case=fold)
        assert search.count() == len(expected)
        if expected:
            middle = expected[len(expected) // 2]
            assert search.next(middle.offset) == middle
            assert search.next(0) == expected[0]
            assert search.previous(log.size) == expected[-1]
            assert search.previous(expected[0].offset) is None
            assert search.next(expected[-1].offset + 1) is None


TEXTS = st.text(alphabet="aAbé█\n x", max_size=200)


@settings(max_examples=150, deadline=None)
@given(
    text=TEXTS,
    query=st.sampled_from(["a", "ab", "aa", "é", "█ x", "b a", "x"]),
    fold=st.booleans(),
)
def test_plain_hits(
    tmp_path_factory: pytest.TempPathFactory, text: str, query: str, fold: bool
) -> None:
    path = tmp_path_factory.mktemp("s") / "x"
    path.write_bytes(text.encode())
    expected = naive(text.encode(), query, regex=False, fold=fold and query.isascii())
    with LogFile(path) as log:
        search = LogSearch(log, query, ignore_case=fold)
        assert search.count() == len(expected)
        assert walk(search, log.size)[0] == expected


def test_plain_hits_do_not_overlap(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(b"aaaa\n")
    with LogFile(path) as log:
        search = LogSearch(log, "aa")
        assert search.count() == 2
        assert list(search.find_in(b"aaaa")) == [(0, 2), (2, 2)]
        assert search.previous(2) == Hit(0, 2)
        assert search.previous(0) is search.previous(-1) is None
        assert [search.ordinal(offset) for offset in (0, 1, 2, 3, 4)] == [0, 1, 1, 2, 2]


@settings(max_examples=200, deadline=None)
@given(
    text=TEXTS,
    query=st.sampled_from(
        [r"a+", r"a.b", r"^a", r"x$", r"a\sb", r"[^a]b", r"(ab)+", r"\bA", r"é?b", r"(?i)ab", r"a*"]
    ),
)
def test_hits_of_expressions(
    tmp_path_factory: pytest.TempPathFactory, text: str, query: str
) -> None:
    path = tmp_path_factory.mktemp("s") / "x"
    path.write_bytes(text.encode())
    expected = naive(text.encode(), query, regex=True, fold=False)
    with LogFile(path) as log:
        search = LogSearch(log, query, regex=True)
        assert search.count() == len(expected)
        forward, backward = walk(search, log.size)
        assert forward == expected
        assert backward == expected


def test_growth_is_counted_without_beginning_again(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(b"hit\n" * 1000 + b"unfinished hi")
    with LogFile(path) as log:
        search = LogSearch(log, "hit")
        assert search.count() == 1000
        with path.open("ab") as file:
            file.write(b"t\nhit")
        log.refresh()
        assert search.count() == 1002
        assert search.count() == 1002
        starts: list[int] = []
        with path.open("ab") as file:
            file.write(b"\nnothing\n")
        log.refresh()
        assert search.count(progress=lambda done, _total: starts.append(done)) == 1002
        assert len(starts) == 1
        for _ in range(3):  # what grows in small pieces is noted in one place
            with path.open("ab") as file:
                file.write(b"a hit\n")
            log.refresh()
            search.count()
        assert len(search._marks) == 3
        assert search._marks[-1] == (log.size, search.hits) == (log.size, 1005)
        new = tmp_path / "y"
        new.write_bytes(b"hit\n")
        new.replace(path)
        log.refresh()
        assert search.count() == 1


def test_a_hit_across_the_border_of_two_reads_is_found(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    for lead in range(PIECE - 12, PIECE + 3):
        path.write_bytes(b"." * lead + b"needle here\n" + b"." * 300_000 + b"\nneedle\n")
        with LogFile(path) as log:
            search = LogSearch(log, "needle")
            assert search.count() == 2
            assert search.next(0) == Hit(lead, 6)
            assert search.previous(lead + 100) == Hit(lead, 6)


def test_a_search_can_be_cancelled(sample: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with LogFile(sample) as log:
        search = LogSearch(log, "STAGE")
        assert search.count(cancel) == 0
        assert search.next(0, cancel) is None
        assert search.previous(log.size, cancel) is None
        assert search.count() > 0


def test_a_search_outlives_its_closed_or_cut_file(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(b"needle\n" * 100_000)
    log = LogFile(path)
    search = LogSearch(log, "needle")
    os.truncate(path, 70)
    assert search.count() == 10
    assert search.next(60_000) is None
    log.close()
    assert search.count() == 0
    assert search.next(0) is None
    assert search.previous(10) is None


@pytest.mark.parametrize(
    ("query", "regex"),
    [("", False), ("a\nb", False), ("(", True), ("*", True), ("a{9999999999999}", True)],
)
def test_an_invalid_query_is_reported(tmp_path: Path, query: str, regex: bool) -> None:
    with LogFile(tmp_path / "none") as log, pytest.raises(SearchError) as caught:
        LogSearch(log, query, regex=regex)
    assert caught.value.message
    assert caught.value.advice


@pytest.mark.parametrize(
    ("pattern", "literal", "leads"),
    [
        ("needle", "needle", True),
        (r"\d+ needle", " needle", False),
        (r"^needle", "needle", False),
        (r"(?:long needle)?x", "x", False),
        (r"a|bcd", "", False),
        (r"ab(cde)+f", "cde", False),
        (r"(?i)needle", "", False),
        (r"(?i:needle) x", " x", False),
        (r"(?-i:needle) x", " x", False),
        (r"x*yy", "yy", False),
        (r"\dxx", "xx", False),
        (r"(abc)d", "abc", False),
        (r"(?:abc)+d", "abc", False),
    ],
)
def test_required_text(pattern: str, literal: str, leads: bool) -> None:
    assert required_text(pattern) == (literal, leads)


@settings(max_examples=100, deadline=None)
@given(text=TEXTS, query=st.sampled_from(["a", "ab", "x"]))
def test_hits_have_numbers(tmp_path_factory: pytest.TempPathFactory, text: str, query: str) -> None:
    path = tmp_path_factory.mktemp("s") / "x"
    path.write_bytes(text.encode())
    expected = naive(text.encode(), query, regex=False, fold=False)
    with LogFile(path) as log:
        search = LogSearch(log, query)
        assert search.ordinal(0) is None
        search.count()
        for number, hit in enumerate(expected):
            assert search.ordinal(hit.offset) == number
            assert search.ordinal(hit.offset + 1) == number + 1


def test_numbers_of_hits_in_a_big_and_growing_file(sample: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(sample.read_bytes())
    with LogFile(path) as log:
        search = LogSearch(log, "[STAGE]")
        for _ in range(20):
            with path.open("ab") as file:
                file.write(b"[STAGE] one more\nand [STAGE] unfin")
            log.refresh()
            search.count()
        expected = naive(path.read_bytes(), "[STAGE]", regex=False, fold=False)
        for number in (0, 1, len(expected) // 2, len(expected) - 1):
            assert search.ordinal(expected[number].offset) == number
        assert search.ordinal(log.size) == len(expected)
        borders = len(sample.read_bytes()) // PIECE
        assert len(search._marks) <= borders + 4  # short pieces of a growing file share one
