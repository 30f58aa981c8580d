"""Saves the Jobs screen for the next start, and keeps a saved frame on the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.color import ColorSystem
from textual.driver import Driver
from textual.strip import Strip

from tui.app.terminal import first_frame
from tui.app.terminal.frame_diff import cells_of
from tui.app.terminal.sgr import change_of_style
from tui.base import formatting

if TYPE_CHECKING:
    from datetime import datetime

    from textual.app import App

    from tui.settings import Home

_ALTERNATE = "\x1b[?1049h"


def stdout_driver(driver_class: type[Driver]) -> type[Driver]:
    """Returns a driver that draws on standard output and keeps a frame painted there.

    Textual draws on standard error, so `2>errors.txt` would take the screen away. And it enters the
    alternate screen in any case, which clears a painted frame.
    """

    def start(self: Driver, *arguments: Any, **options: Any) -> None:
        driver_class.__init__(self, *arguments, **options)
        if getattr(self, "_file", None) is sys.__stderr__:
            self._file = sys.__stdout__  # type: ignore[attr-defined]  # its drivers have it

    def write(self: Driver, data: str) -> None:
        if data == _ALTERNATE and first_frame.painted():
            first_frame.take_over()
        else:
            driver_class.write(self, data)

    return type("OwnDriver", (driver_class,), {"__init__": start, "write": write})


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
            rows.append(_text(around, colors, gap=(hidden.x, hidden.width)))
        else:
            rows.append(_text(strip, colors))
    try:
        first_frame.save(home, rows, (app.size.width, app.size.height),
                         formatting.clock(now))  # fmt: skip
    except OSError:
        return  # a picture for the next start is not worth a message


def _text(strip: Strip, colors: ColorSystem, gap: tuple[int, int] = (0, 0)) -> str:
    cells = cells_of(strip, colors)
    start, width = gap
    cells[start:start] = [(" ", cells[-1][1] if cells else "")] * width
    out, codes = [], ""
    for char, wanted in cells:
        if wanted != codes:
            out.append(change_of_style(codes, wanted))
            codes = wanted
        out.append(char)
    return "".join(out) + "\x1b[0m"
