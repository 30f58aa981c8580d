"""The last step of display: send only the cells that differ from what the terminal shows.

Textual's compositor sends every line of a widget that changed, each piece with its full colours. On
a slow line that is felt. This keeps a copy of the terminal's cells, compares, moves lines that only
scrolled, and writes what is left with the shortest colour changes.

It reaches into a private step of Textual, so it is used only with versions it was tested with, can
be switched off (`[ui] frame_diff = false`), and gives way to the stock display for good if it ever
fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from operator import ne
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import textual
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

from tui.app.terminal.cell_output import sequence
from tui.app.terminal.cell_runs import UNSEEN, Cell, Change
from tui.app.terminal.sgr import RESET, blank_codes
from tui.app.terminal.sight import Sight

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from textual.app import App
    from textual.messages import TerminalSupportsSynchronizedOutput
    from textual.screen import Screen

    from tui.app.terminal.paced_file import PacedFile

    _Base = App[int]
else:
    _Base = object

TESTED: Final = ("8.",)
"""Beginnings of the Textual versions whose display step is known."""

_MIN_SCROLL: Final = 4
_NULL: Final = Style.null()
_SHORT: Final = 2
"""Texts with fewer characters are not kept."""


@lru_cache(maxsize=1)
def supported() -> bool:
    """Returns whether this Textual is one of those that were tested."""
    return _version().startswith(TESTED)


def _version() -> str:
    """Returns Textual's version, from the name of its metadata folder.

    `textual.__version__` reads the metadata itself, which costs 25 ms before the first frame.
    """
    folders = list(Path(textual.__file__).parent.parent.glob("textual-*.dist-info"))
    if len(folders) != 1:
        return str(textual.__version__)
    return folders[0].name.removeprefix("textual-").removesuffix(".dist-info")


def pieces_of(update: LayoutUpdate | ChopsUpdate) -> Iterator[tuple[int, int, Strip]]:
    """Yields (x, y, strip) for everything that an update paints, where it would paint it."""
    if isinstance(update, LayoutUpdate):
        for y, line in enumerate(update.strips, update.region.y):
            x = update.region.x
            for whole in line:
                yield x, y, whole
                x += whole.cell_length
        return
    for y, left, right in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is None or x > right or end <= left:
                continue
            fits = right > x >= left and end <= right
            yield x, y, strip if fits else strip.crop(0, min(end, right) - x)


def cells_of(strip: Strip, colors: ColorSystem) -> list[Cell]:
    """Returns the cells of a strip."""
    cells: list[Cell] = []
    for text, style, control in strip:
        if control:
            continue
        one = style or _NULL
        codes = one._ansi  # noqa: SLF001  Textual's own cache, filled by render_ansi
        if codes is None:
            codes = Strip.render_ansi(one, colors)
        if one.link:
            codes = f"{codes}\0{one.link}"
        if len(text) < _SHORT:  # a cell of a picture, which no other is like
            marks, own = _cells.__wrapped__(text, codes)
        else:
            marks, own = _cells(text, codes)
        if marks and cells and cells[-1][0]:
            cells[-1] = (cells[-1][0] + marks, cells[-1][1])
        cells += own
    return cells


@lru_cache(maxsize=1024)
def _cells(text: str, codes: str) -> tuple[str, tuple[Cell, ...]]:
    """Returns the signs that stand over the cell before a text, and the text's own cells.

    Kept, because lines that scroll are drawn again and again. Cells that are the same object are
    compared at once.
    """
    blank = (" ", blank_codes(codes))
    if text.isascii():
        return "", tuple([blank if char == " " else (char, codes) for char in text])
    marks = ""
    cells: list[Cell] = []
    for char in text:
        if char == " ":
            cells.append(blank)
            continue
        width = cell_len(char)
        if width == 0:
            if not cells:
                marks += char
            elif cells[-1][0]:
                cells[-1] = (cells[-1][0] + char, cells[-1][1])
        else:
            cells.append((char, codes))
            if width == 2:
                cells.append(("", codes))
    return marks, tuple(cells)


class TerminalCells:
    """The cells that the terminal shows, as far as this program knows."""

    def __init__(self) -> None:
        self._rows: list[list[Cell]] = []
        self._size = (0, 0)
        self._codes: str | None = None
        """The SGR codes in force; None where nobody knows."""

    def forget(self) -> None:
        """Forgets the cells: the terminal may show anything now, and the next update sends all."""
        self._rows = []
        self._size = (0, 0)
        self._codes = None

    def render(
        self, update: LayoutUpdate | ChopsUpdate, size: tuple[int, int], colors: ColorSystem
    ) -> str:
        """Returns the sequence that turns what is shown into what `update` wants."""
        width, height = size
        if self._size != size:
            self._rows = [[UNSEEN] * width for _ in range(height)]
            self._size = size
        wanted: dict[int, list[Cell]] = {}
        for x, y, strip in pieces_of(update):
            if not 0 <= y < height:
                continue
            row = wanted.get(y)
            if row is None:
                row = wanted[y] = self._rows[y].copy()
            cells = cells_of(strip, colors)
            row[x : x + len(cells)] = cells
            del row[width:]
        out: list[str] = []
        if len(wanted) >= _MIN_SCROLL:
            self._scroll(wanted, out)
        changes: list[Change] = []
        for y, row in wanted.items():
            if row != self._rows[y]:
                changes.append(Change(y, row, self._rows[y]))
                self._rows[y] = row
        if changes:
            out.append(RESET if self._codes is None else "")
            text, codes = sequence(changes, self._codes or "")
            out.append(text)
            self._codes, _, link = codes.partition("\0")
            out.append("\x1b]8;;\x1b\\" if link else "")
        return "".join(out)

    # -- lines that moved ---------------------------------------------------------------------

    def _scroll(self, wanted: dict[int, list[Cell]], out: list[str]) -> None:
        """Returns the sequence that scrolls lines which only moved up or down."""
        shown = self._rows
        changed = [y for y, row in wanted.items() if row != shown[y]]
        if len(changed) < _MIN_SCROLL:
            return
        shift = self._shift(changed, wanted)
        if not shift:
            return
        moved = [
            y for y in changed if 0 <= y + shift < len(shown) and wanted[y] == shown[y + shift]
        ]
        top, bottom = min(moved), max(moved)
        while self._nearly(wanted, top - 1, shift):
            top -= 1
        while self._nearly(wanted, bottom + 1, shift):
            bottom += 1
        first, last = top + min(0, shift), bottom + max(0, shift)
        for y in range(first, last + 1):
            wanted.setdefault(y, shown[y].copy())
        count = abs(shift)
        blank = [[UNSEEN] * self._size[0] for _ in range(count)]
        body = shown[first : last + 1]
        if shift > 0:
            shown[first : last + 1] = body[count:] + blank
        else:
            shown[first : last + 1] = blank + body[:-count]
        letter = "M" if shift > 0 else "L"
        out.append(f"\x1b[{first + 1};{last + 1}r\x1b[{first + 1};1H\x1b[{count}{letter}\x1b[r")

    def _nearly(self, wanted: dict[int, list[Cell]], y: int, shift: int) -> bool:
        """Returns whether a line has moved with few cells changed (a scroll bar's mark)."""
        if y not in wanted or not 0 <= y + shift < len(self._rows):
            return False
        before = self._rows[y + shift]
        changed: int = sum(map(ne, wanted[y], before))
        return changed <= len(before) // 4

    def _shift(self, changed: list[int], wanted: dict[int, list[Cell]]) -> int:
        """Returns by how many lines most changed lines moved up; 0 when it is not worth it."""
        places: dict[tuple[Cell, ...], int] = {}
        for y, row in enumerate(self._rows):
            places.setdefault(tuple(row), y)
        votes: dict[int, int] = {}
        for y in changed:
            place = places.get(tuple(wanted[y]))
            if place is not None and place != y:
                votes[place - y] = votes.get(place - y, 0) + 1
        if not votes:
            return 0
        shift = max(votes, key=lambda lines: votes[lines])
        return shift if votes[shift] >= max(_MIN_SCROLL - 1, len(changed) // 2) else 0


class DiffUpdate(CompositorUpdate):
    """A compositor update that renders itself as a difference."""

    def __init__(self, app: FrameDiff, update: LayoutUpdate | ChopsUpdate) -> None:
        self._app = app
        self._update = update

    def render_segments(self, console: Console) -> str:
        """Returns the difference, or the stock rendering if anything goes wrong."""
        colors = console._color_system or ColorSystem.TRUECOLOR  # noqa: SLF001  as Textual does
        try:
            return self._app.terminal_cells.render(self._update, self._app.size, colors)
        except Exception as error:  # noqa: BLE001  the stock display must always remain possible
            self._app.stop_frame_diff(error)
            return RESET + self._update.render_segments(console)


class FrameDiff(_Base):
    """Displays differences; mixed into the app before `App`, whose `_display` it replaces."""

    frame_diff_on: bool = True
    terminal_cells: TerminalCells
    sight: Sight
    _frame_held: bool = False

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        differs = self.frame_diff_on and supported()
        if isinstance(renderable, (LayoutUpdate, ChopsUpdate)):
            # Behind another frame it would be old when it comes; after one that was left out it may
            # be a part of what is to be seen, beside the remains of another screen.
            if differs and (self._frame_held or self._is_terminal_behind()):
                self._frame_held = True
                return
            self.sight.leaves()
            # A compositor update is no Rich renderable of its own type; Textual passes it the same.
            shown = DiffUpdate(self, renderable) if differs else renderable
            super()._display(screen, cast("RenderableType", shown))
            self.sight.left()
            return
        if renderable is not None:
            self.terminal_cells.forget()
        super()._display(screen, renderable)

    def _is_terminal_behind(self) -> bool:
        paced: PacedFile | None = getattr(self._driver, "paced", None)
        return paced is not None and paced.is_behind

    def terminal_caught_up(self) -> None:
        """Draws what is to be seen now, where frames were left out while the terminal was slow."""
        if self._frame_held:
            self._frame_held = False
            self.refresh()

    def _on_terminal_supports_synchronized_output(
        self, message: TerminalSupportsSynchronizedOutput
    ) -> None:
        super()._on_terminal_supports_synchronized_output(message)
        self.sight.replied()

    def stop_frame_diff(self, error: Exception) -> None:
        """Goes on with the stock display."""
        self.frame_diff_on = False
        self.log.error(f"frame diff switched off: {error!r}")
        self.call_later(self.refresh)
