from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from tui.store.log_literal import Literal


def plainly(data: bytes, text: bytes, begin: int) -> list[int]:
    places, at = [], data.find(text, begin)
    while at >= 0:
        places.append(at)
        at = data.find(text, at + len(text))
    return places


@given(
    # Many repetitions have more of each byte than are looked at one by one.
    data=st.builds(bytes.__mul__, st.text("aAb\né").map(str.encode), st.sampled_from((1, 150))),
    text=st.text("aAb\né", min_size=1, max_size=4).map(str.encode),
    begin=st.integers(0, 12),
    fold=st.booleans(),
)
@example(data=b"ab" * 101 + b"aab", text=b"aab", begin=0, fold=False)
@example(data=b"aba" * 150, text=b"aba", begin=1, fold=False)
def test_a_text_is_found_where_bytes_find_it(
    data: bytes, text: bytes, begin: int, fold: bool
) -> None:
    literal = Literal(text, fold=fold)
    seen, known = (data.lower(), text.lower()) if fold else (data, text)
    assert list(literal.find_all(data, begin)) == plainly(seen, known, begin)
    assert literal.count(data) == seen.count(known)


def test_a_byte_that_was_rare_at_first_may_become_frequent() -> None:
    literal = Literal(b"needle")
    assert literal.count(b"eenlee needle\n") == 1
    data = b"d" * 1000 + b"needle" * 300
    assert literal.count(data) == 300
    assert list(literal.find_all(data)) == list(range(1000, 2800, 6))


def test_no_text_is_nowhere() -> None:
    assert Literal(b"").count(b"anything") == 0
    assert list(Literal(b"").find_all(b"anything")) == []
