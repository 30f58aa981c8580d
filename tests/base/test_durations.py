"""A length of time reads the same wherever it is shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tui
from tui.base.formatting import duration

_IN_MINUTES = re.compile(r"(?:/|//|%) *(?:60|3600)\b|divmod\(.*\b(?:60|3600)\)")
_NOT_SHOWN = {
    "base/text_fields.py": "a price per hour",
    "engine/staging/reading_time.py": "the life of temporary keys, in whole minutes",
}


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59.6, "1 m"), (61, "1 m 01 s"), (599.7, "10 m"), (765, "12 m"),
     (3599, "59 m"), (3840, "1 h 04 m"), (180_000, "2 d 2 h")],
)  # fmt: skip
def test_a_length_of_time(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_no_other_module_turns_seconds_into_words() -> None:
    root = Path(tui.__file__).parent
    others = {
        name
        for path in root.rglob("*.py")
        if _IN_MINUTES.search(path.read_text())
        and not (name := path.relative_to(root).as_posix()).startswith("sandbox/")
    }
    assert others == {"base/formatting.py", *_NOT_SHOWN}
