from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tui.store import log_backtracking, log_expression, log_re2
from tui.store.log_expression import expression
from tui.store.log_re2 import CannotSpellError, spell

ATOMS = [
    *(
        "a",
        "b",
        "A",
        "é",
        "É",
        "1",
        "٣",
        "_",
        "-",
        " ",
        "\xa0",
        "█",
        "aa",
        "ß",
        "ſ",
        "\u212a",
        "k",
        "s",
    ),
    *(".", r"\d", r"\D", r"\w", r"\W", r"\s", r"\S", r"\b", r"\B", "^", "$", r"\A", r"\Z"),
    *("[ab]", "[^a]", "[^é]", "[a-c]", r"[\w-]", r"[^\W\d]", r"[^\s█]", "[À-ÿ]", r"[^\x00-\x7f]"),
    *(
        "\u212a",
        "İ",
        "i",
        r"\n",
        r"\r",
        r"\x80",
        r"[^\n]",
        "\U0010ffff",
        r"\ud800",
        r"[\udc80-\udcff]",
    ),
]
TIMES = ["*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{2,}", "{0,2}?", "++"]
EXPRESSIONS = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        st.builds("{}{}".format, inner, inner),
        st.builds("(?:{}|{})".format, inner, inner),
        st.builds("({})".format, inner),
        st.builds("(?:{}){}".format, inner, st.sampled_from(TIMES)),
        st.builds("(?{}:{})".format, st.sampled_from(["i", "a", "s", "-m", "u", "=", "!"]), inner),
    ),
    max_leaves=6,
)
PARTS = [
    *("a", "b", "A", "é", "É", "1", "٣", "_", "-", " ", "\xa0", "█", "\n", "\n", "\r", "c", "s"),
    *("aa", "ßſ\u212akİi", "\U0010ffff", "\x1c", "\x00"),
]
BROKEN = [b"\xff", b"\xc3", b"\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x96"]
LINES = st.lists(st.sampled_from([part.encode() for part in PARTS] + BROKEN), max_size=14).map(
    b"".join
)


def one_by_one(pattern: re.Pattern[str], data: bytes) -> Iterator[tuple[int, int]]:
    """Yields what `re` finds in each line by itself, without empty hits."""
    start = 0
    for line in data.split(b"\n"):
        text = line.decode("utf-8", "surrogateescape")
        for found in pattern.finditer(text):
            if found[0]:
                before = text[: found.start()].encode("utf-8", "surrogateescape")
                yield start + len(before), len(found[0].encode("utf-8", "surrogateescape"))
        start += len(line) + 1


def find_here(
    engine: log_expression._Backtracking, data: bytes, _: float | None = None
) -> Iterator[tuple[int, int]]:
    return log_backtracking.find(engine._pattern, data)


@settings(max_examples=200, deadline=None)
@given(query=EXPRESSIONS, flag=st.sampled_from(["", "", "", "(?i)", "(?a)"]), data=LINES)
@example(query=r"[^a]+", flag="", data=b"b\xff\xc3\xa9\na\xe2\x96\nbb")
@example(query=r".b", flag="", data=b"\xffb\xe2\x96\xffb\xc3\xa9b")
@example(query=r"\bb", flag="", data="éb\nb é\nb".encode())
@example(query=r"[^é]\bA", flag="", data="é-A\xa0".encode() + b"\xff-A\n-A\nb")
@example(query=r"a$", flag="", data=b"a\n\xff\na")
@example(query=r"k", flag="(?i)", data="\u212a\nk".encode())
@example(query=r"(?-m:a$)", flag="", data=b"a\nb")
def test_hits_are_those_of_re_in_each_line(query: str, flag: str, data: bytes) -> None:
    try:
        pattern = re.compile(flag + query, re.MULTILINE)
    except re.error:
        assume(False)
    found = expression(pattern)
    # What is asked in another process is the same there as here.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_expression._Backtracking, "find", find_here)
        assert list(found.find(data)) == list(one_by_one(pattern, data))


@pytest.fixture
def re2() -> None:
    """RE2, which has no wheel for every system that this program runs on."""
    pytest.importorskip("re2", reason="google-re2 is not installed")


@pytest.mark.usefixtures("re2")
@pytest.mark.parametrize(
    "query",
    [
        r"loss=0\.0[0-9]+",
        "(error|warning|nan)",
        r"^\[rank\d\]",
        "[A-Z]{5,}",
        r"(?i)cuda .*memory",
        r"(?P<name>\w+)=(\S+?),",
        r"(?x) lr = \d+  # spaced",
        "(a+)+$",
    ],
)
def test_what_is_typed_in_practice_is_searched_in_linear_time(query: str) -> None:
    assert expression(re.compile(query, re.MULTILINE)).linear


@pytest.mark.parametrize(
    "query",
    [
        r"(?=a)b",
        r"^(?!.*Steps)",
        r"(a)\1",
        r"a++",
        r"(?>a+)b",
        r"(a)?(?(1)b|c)",
        "a*",  # empty hits
        "(?:a?)+b",
        r"(?a:\w)",
        "a{1001}",
        r"[\udc80-\udc8f]",
        "\U0010ffff",
        "(?i)[\U0003fff0-\U00040001]",
    ],
)
def test_what_re2_cannot_find_the_same_way_is_left_to_re(query: str) -> None:
    assert not expression(re.compile(query, re.MULTILINE)).linear


@pytest.mark.parametrize("query", [r"step \d+00\b", r"\bnan\b", r"\w+\B"])
def test_word_edges_are_left_to_re_only_where_there_are_foreign_letters(query: str) -> None:
    found = expression(re.compile(query, re.MULTILINE))
    assert not found.remote
    assert not found.linear


@pytest.mark.usefixtures("re2")
def test_an_expression_that_takes_re_for_ever_is_searched_at_once() -> None:
    found = expression(re.compile("(a+)+$", re.MULTILINE))
    assert list(found.find(b"a" * 10_000 + b"b\n" + b"a" * 9)) == [(10_002, 9)]


def test_without_re2_the_hits_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "re2._re2", None)
    found = expression(re.compile("only here [a-z]", re.MULTILINE))
    assert found.remote
    monkeypatch.setattr(log_expression._Backtracking, "find", find_here)
    assert list(found.find(b"\xff only here a\nonly here \nb")) == [(2, 11)]


def test_a_parser_of_another_version_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "re._parser", sys)
    with pytest.raises(CannotSpellError):
        spell("a", 0)


def test_no_character_that_is_not_looked_at_is_in_a_class_or_has_case() -> None:
    rest = "".join(map(chr, range(log_re2._SCANNED, sys.maxunicode + 1)))
    assert re.search(r"[\w\d\s]", rest) is None
    assert rest.lower() == rest.upper() == rest.casefold() == rest
