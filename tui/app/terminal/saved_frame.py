"""Saves the Jobs screen for the next start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.color import ColorSystem
from textual.strip import Strip

from tui.app.terminal import first_frame
from tui.app.terminal.cell_output import sequence
from tui.app.terminal.cell_runs import UNSEEN, Cell, Change
from tui.app.terminal.frame_diff import cells_of
from tui.base import formatting

if TYPE_CHECKING:
    from datetime import datetime

    from textual.app import App

    from tui.settings import Home


def save_frame(app: App[Any], home: Home, now: datetime) -> None:
    """Saves what the Jobs screen shows, without the log lines: logs may hold anything.

    Args:
        app: the app; without a terminal, or on a tiny one, nothing is saved.
        home: the state directory that the frame is saved in.
        now: the time that the next start shows beside the frame.
    """
    from tui.app.jobs.screen import JobsScreen

    screen = app.screen_stack[0] if app.screen_stack else None
    if not isinstance(screen, JobsScreen) or app.is_headless or not screen.size:
        return
    if screen.has_class("-tiny") or screen.size != app.size:
        return
    hidden = screen.log_region()
    strips = screen._compositor.render_strips()  # noqa: SLF001  no public way to the lines
    colors = app.console._color_system or ColorSystem.TRUECOLOR  # noqa: SLF001  as Textual does
    rows = []
    for y, strip in enumerate(strips):
        if hidden.y <= y < hidden.bottom:
            around = Strip.join([strip.crop(0, hidden.x), strip.crop(hidden.right)])
            rows.append(_cells(around, colors, gap=(hidden.x, hidden.width)))
        else:
            rows.append(_cells(strip, colors))
    painting, _ = sequence([Change(y, row, [UNSEEN] * len(row)) for y, row in enumerate(rows)])
    try:
        first_frame.save(home, painting, (app.size.width, app.size.height),
                         formatting.clock(now))  # fmt: skip
    except OSError:
        return  # a picture for the next start is not worth a message


def _cells(strip: Strip, colors: ColorSystem, gap: tuple[int, int] = (0, 0)) -> list[Cell]:
    """The cells of a line, with blank ones put in from a column on."""
    cells = cells_of(strip, colors)
    start, width = gap
    cells[start:start] = [(" ", cells[-1][1] if cells else "")] * width
    return cells
