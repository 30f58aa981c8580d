"""Every style that text is drawn with can be read, on every ground that it is drawn on."""

from __future__ import annotations

from dataclasses import fields

import pytest
from rich.color import Color, ColorSystem
from rich.style import Style
from textual.theme import Theme

from tests.app.contrast import LEAST, contrast, contrast_of
from tui.app.terminal.theme import DARK, LIGHT, THEMES, Palette, _make, _rich
from tui.settings.values import catalog

NO_TEXT = {"line", "cursor"}
"""Frames, and the ground of the cursor's line."""


def test_every_theme_can_be_set_and_no_other() -> None:
    assert catalog()["ui.theme"].spec.choices == tuple(theme.name for theme in THEMES)


def test_the_formula_is_that_of_wcag() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((119, 119, 119), (255, 255, 255)) == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("colors", [ColorSystem.TRUECOLOR, ColorSystem.EIGHT_BIT])
@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_every_role_can_be_read_on_every_ground(theme: Theme, colors: ColorSystem) -> None:
    """With 256 colours too, where a bluish dark grey becomes navy and a bluish white lavender."""
    palette = _make(theme)
    grounds = {
        name: Color.parse(_rich(color or "")).downgrade(colors)
        for name, color in {
            "background": theme.background, "surface": theme.surface, "panel": theme.panel,
            "cursor": theme.variables["cursor"],
        }.items()
    }  # fmt: skip
    assert grounds["cursor"] != grounds["background"]
    for name, ground in grounds.items():
        light = ground.get_truecolor()
        assert max(light) - min(light) <= 24, f"{name} is no calm grey: {light}"
    faint = {}
    for role in (item.name for item in fields(Palette) if item.name not in NO_TEXT):
        front = getattr(palette, role).color
        for name, ground in grounds.items():
            ratio = contrast_of(Style(color=front and front.downgrade(colors), bgcolor=ground))
            if ratio is not None and ratio < LEAST:
                faint[f"{role} on {name}"] = round(ratio, 2)
    assert faint == {}
