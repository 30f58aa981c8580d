"""Finding actions by words: what the palette offers for what was typed, the best first.

Whole words and their beginnings count, not letters spread over a sentence: whoever types `rerun`
must not be offered `Delete` because the letters occur in its help.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from tui.app.keys.actions import Action

_ALSO: Final = {
    "cancel": "stop abort kill",
    "delete": "remove",
    "collect": "download",
    "fetch": "download",
    "rerun": "again repeat retry restart",
    "retry": "rerun again repeat",
    "quit": "exit leave",
    "search": "find",
    "filter": "find search",
    "sync": "sync refresh",
    "pager": "less",
}
"""Other words for actions, by the part of their id after the dot."""
_WORD: Final = re.compile(r"\w+")
_INSIDE: Final = 3
"""Letters that a part of a word needs to count inside of it."""


def score(query: str, action: Action) -> float:
    """Returns how well an action fits a query, 0 for not at all."""
    wanted = words_of(query)
    if not wanted:
        return 0.0
    label, help_words = action.label.lower(), words_of(action.help)
    names = [*words_of(action.name.replace("_", " ")), *_ALSO.get(action.name, "").split()]
    fits = [fit(word, words_of(label), names, help_words) for word in wanted]
    if not all(fits):
        return 0.0
    begins = 1.0 if label.startswith(query.strip().lower()) else 0.0
    return begins + sum(fits) / len(fits)


def fit(word: str, label: Sequence[str], names: Sequence[str], more: Sequence[str]) -> float:
    """Returns how well a word fits, 0 for not at all.

    Args:
        word: what was typed, in lower case.
        label: the words of the name on the screen.
        names: other words for the same.
        more: words of a sentence about it, which count least.
    """
    if word in label:
        return 1.0
    if any(one.startswith(word) for one in label):
        return 0.9
    if any(one.startswith(word) for one in names):
        return 0.8
    if len(word) >= _INSIDE and any(word in one for one in (*label, *names)):
        return 0.6
    return 0.3 if any(one.startswith(word) for one in more) else 0.0


def words_of(text: str) -> list[str]:
    """Returns the words of a text, in lower case."""
    return _WORD.findall(text.lower())
