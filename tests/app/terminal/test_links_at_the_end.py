"""A frame that ends inside a link closes it; asserted on bytes, since pyte ignores links."""

from __future__ import annotations

from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual._compositor import LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from tui.app.terminal.frame_diff import TerminalCells

CLOSE = "\x1b]8;;\x1b\\"


def render(style: Style) -> str:
    strip = Strip([Segment("whole line", style)])
    update = LayoutUpdate([[strip]], Region(0, 0, 10, 1))
    return TerminalCells().render(update, (10, 1), ColorSystem.TRUECOLOR)


def test_a_frame_that_ends_inside_a_link_closes_it() -> None:
    sent = render(Style(link="https://hub/a"))
    assert "https://hub/a" in sent
    assert CLOSE in sent.rpartition("line")[2]


def test_a_frame_without_a_link_closes_none() -> None:
    assert CLOSE not in render(Style(bold=True))
