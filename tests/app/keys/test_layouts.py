"""Keys that people with a German, French or Spanish keyboard can type.

A sign counts as hard there when it needs AltGr (option on a Mac) or is a dead key, which gives
nothing until a second key is pressed. An action may have a hard key only beside an easy one.
"""

from __future__ import annotations

import pytest

from tui.app.keys.keymap import ALL, shown

HARD = {
    "German (QWERTZ)": set("@[]{}\\|~") | set("^`´"),
    "French (AZERTY)": set("@[]{}\\|~#`") | set("^¨"),
    "Spanish": set("@[]{}\\|#€~") | set("`´^¨"),
}
"""AltGr, then dead keys."""


@pytest.mark.parametrize("layout", HARD)
def test_every_action_with_a_key_has_one_that_can_be_typed(layout: str) -> None:
    hard = {
        action.id: [shown(key) for key in action.keys]
        for action in ALL
        if action.keys and all(shown(key) in HARD[layout] for key in action.keys)
    }
    assert hard == {}
