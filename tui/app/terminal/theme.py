"""Themes: dark, light, and the terminal's own colours.

Colour never carries meaning alone: each state also has a glyph and a word. Widgets that draw their
own lines take styles from `Palette`; the rest uses the same theme through the style sheets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.segment import Segment
from rich.style import Style
from textual.filter import LineFilter
from textual.theme import Theme

from tui.base.ascii_glyphs import ASCII_GLYPHS
from tui.base.job_status import JobStatus

if TYPE_CHECKING:
    from textual.app import App
    from textual.color import Color

DARK: Final = Theme(
    name="simpletuner-dark",
    primary="#82aaff",
    secondary="#5f7ec2",
    accent="#82aaff",
    success="#8ccf9a",
    warning="#e5b567",
    error="#f07f8a",
    foreground="#d3d8e2",
    background="#15171c",
    surface="#1c1e24",
    panel="#24272f",
    dark=True,
    variables={
        "dim": "#8e96a7",
        "line": "#3c4352",
        "cursor": "#272a33",
        "sandbox": "#d3a1f5",
        "border": "#3c4352",
        "border-blurred": "#3c4352",
        "footer-key-foreground": "#82aaff",
        "input-cursor-background": "#82aaff",
        "input-selection-background": "#82aaff 30%",
    },
)
LIGHT: Final = Theme(
    name="simpletuner-light",
    primary="#2257c4",
    secondary="#5c7fc9",
    accent="#2257c4",
    success="#1b7238",
    warning="#8a5a00",
    error="#b3261e",
    foreground="#23272f",
    background="#fbfaf7",
    surface="#f3f1ec",
    panel="#e8e7e4",
    dark=False,
    variables={
        "dim": "#5d6571",
        "line": "#c9c7c1",
        "cursor": "#e6e8ec",
        "sandbox": "#7d2fc4",
        "border": "#c9c7c1",
        "border-blurred": "#c9c7c1",
        "footer-key-foreground": "#2257c4",
        "input-cursor-background": "#2257c4",
        "input-selection-background": "#2257c4 25%",
    },
)
TERMINAL: Final = Theme(
    name="simpletuner-terminal",
    ansi=True,
    primary="ansi_blue",
    secondary="ansi_cyan",
    accent="ansi_blue",
    success="ansi_green",
    warning="ansi_yellow",
    error="ansi_red",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    dark=True,
    variables={
        "dim": "ansi_bright_black",
        "line": "ansi_bright_black",
        "cursor": "ansi_default",
        "sandbox": "ansi_magenta",
        "ansi-background": "ansi_default",
        "ansi-foreground": "ansi_default",
        "border": "ansi_bright_black",
        "border-blurred": "ansi_bright_black",
        "block-cursor-foreground": "ansi_black",
        "block-cursor-background": "ansi_white",
        "block-cursor-text-style": "none",
        "footer-key-foreground": "ansi_blue",
        "input-cursor-background": "ansi_white",
        "input-cursor-foreground": "ansi_black",
        "input-selection-background": "ansi_bright_blue",
        "input-selection-foreground": "ansi_black",
        "screen-selection-background": "ansi_bright_blue",
        "screen-selection-foreground": "ansi_black",
    },
)
THEMES: Final = (DARK, LIGHT, TERMINAL)
_PALETTES: dict[str, Palette] = {}


@dataclass(frozen=True, slots=True)
class Palette:
    """Rich styles by role, all of them on the theme's background."""

    base: Style
    dim: Style
    line: Style
    strong: Style
    accent: Style
    good: Style
    warn: Style
    bad: Style
    sandbox: Style
    cursor: Style
    """Laid over another style on the line of the cursor."""

    def status(self, state: JobStatus) -> Style:
        """Returns the style of a job's state; its glyph and word stand beside it."""
        return {
            JobStatus.PENDING: self.dim,
            JobStatus.UPLOADING: self.accent,
            JobStatus.QUEUED: self.warn,
            JobStatus.RUNNING: self.accent,
            JobStatus.COMPLETED: self.good,
            JobStatus.FAILED: self.bad,
            JobStatus.CANCELLED: self.dim,
        }[state]


def palette(app: App[Any]) -> Palette:
    """Returns the palette of the app's theme."""
    known = _PALETTES.get(app.theme)
    if known is None:
        theme = app.current_theme
        known = _PALETTES[theme.name] = _make(theme)
    return known


def _make(theme: Theme) -> Palette:
    variables = {**theme.to_color_system().generate(), **theme.variables}
    text = theme.foreground or variables["foreground"]
    background = "" if theme.ansi else f" on {_rich(theme.background or variables['background'])}"

    def style(color: str | None, extra: str = "") -> Style:
        return Style.parse(f"{extra} {_rich(color or 'ansi_default')}{background}".strip())

    return Palette(
        base=style(text),
        dim=style(variables.get("dim", text)),
        line=style(variables.get("line", text)),
        strong=style(text, "bold"),
        accent=style(theme.accent or theme.primary),
        good=style(theme.success or variables["success"]),
        warn=style(theme.warning or variables["warning"]),
        bad=style(theme.error or variables["error"]),
        sandbox=style(variables.get("sandbox", theme.primary), "bold"),
        cursor=(
            Style.parse("bold")
            if theme.ansi
            else Style.parse(f"on {_rich(variables.get('cursor', variables['surface']))}")
        ),
    )


def _rich(color: str) -> str:
    """Returns a colour of a theme as Rich writes it."""
    if color.startswith("ansi_"):
        return color.removeprefix("ansi_")
    from textual.color import Color

    return Color.parse(color).hex6


class AsciiFilter(LineFilter):
    """Replaces every glyph by an ASCII character of the same width, for terminals without UTF-8."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        """Translates the text of each segment."""
        return [
            segment
            if segment.control or segment.text.isascii()
            else Segment(self._plain(segment.text), segment.style)
            for segment in segments
        ]

    def _plain(self, text: str) -> str:
        from rich.cells import cell_len

        text = text.translate(ASCII_GLYPHS)
        if text.isascii():
            return text
        return "".join(
            char
            if char.isascii()
            else (
                "*"
                if "\u2800" < char <= "\u28ff"
                else " "
                if char == "\u2800"
                else "?" * cell_len(char)
            )
            for char in text
        )
