"""Every style that text is drawn with can be read, on every ground that it is drawn on."""

from __future__ import annotations

from dataclasses import fields

import pytest
from rich.style import Style
from textual.theme import Theme

from tests.app.contrast import LEAST, contrast, contrast_of
from tui.app.terminal.theme import DARK, LIGHT, Palette, _make, _rich

NO_TEXT = {"line", "cursor"}
"""Frames, and the ground of the cursor's line."""


def test_the_formula_is_that_of_wcag() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_every_role_can_be_read_on_every_ground(theme: Theme) -> None:
    palette = _make(theme)
    grounds = {
        "background": theme.background, "surface": theme.surface, "panel": theme.panel,
        "cursor": theme.variables["cursor"],
    }  # fmt: skip
    roles = [item.name for item in fields(Palette) if item.name not in NO_TEXT]
    faint = {
        f"{role} on {ground}": round(ratio, 2)
        for role in roles
        for ground, color in grounds.items()
        if (ratio := contrast_of(getattr(palette, role) + Style(bgcolor=_rich(color or ""))))
        is not None
        and ratio < LEAST
    }
    assert faint == {}
