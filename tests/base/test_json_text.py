"""The small encoder writes what the library's does."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tui.base.json_text import json_text

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
values = st.recursive(
    scalars,
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(), part, max_size=3),
    max_leaves=8,
)


@given(values)
def test_it_writes_what_the_library_writes(value: Any) -> None:
    assert json_text(value) == json.dumps(value, ensure_ascii=False)


def test_other_kinds_of_values_are_left_to_the_library() -> None:
    class Word(str):
        __slots__ = ()

    for value in (("a", 1), {"b": (True,)}, Word('"'), float("-inf")):
        assert json_text(value) == json.dumps(value, ensure_ascii=False)


def test_ordinary_answers_load_no_json() -> None:
    code = (
        "import sys; from tui.base.json_text import json_text;"
        "json_text({'a': ['ü', 1, 0.5, True, None]}); sys.exit('json' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
