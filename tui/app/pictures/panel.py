"""The Pictures tab: what a run drew, prompts by steps, one enlarged, or two beside each other."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias, cast

from rich.segment import Segment
from textual import events
from textual.strip import Strip
from textual.widget import Widget

from tui.app.job.tab_bar import TabStatus
from tui.app.keys.actions import PICTURES
from tui.app.keys.keymap import bindings
from tui.app.pictures.decode import PictureError, Pixels, decode
from tui.app.pictures.paint import paint
from tui.app.pictures.source import media_of, why_none
from tui.app.pictures.state import SIZES, PicturesState, Spot, titled
from tui.app.terminal.text_lines import fit, strip_of, wrap
from tui.app.terminal.theme import Palette, palette
from tui.base.formatting import duration, plural, size
from tui.simpletuner.validation_media import Medium, grid, grid_of_runs
from tui.store.records import FileRecord, JobRecord

if TYPE_CHECKING:
    from tui.app.context import AppContext

_REMEMBERED: Final = 256
"""Scaled pictures that are kept: 5 kB each in the grid, 35 kB enlarged."""
_INFO: Final = 1
Key: TypeAlias = tuple[str, int, int]
"""What a scaled picture is kept by: its content's hash, columns and rows."""


class PicturesPanel(Widget, can_focus=True):
    """Shows the pictures of a job; decodes those on the page in a thread, the cursor's first.

    Args:
        outputs: the folder of the job's files.
        now: the present.
        painted: False shows words in place of pictures, for terminals without the signs.
    """

    ALLOW_SELECT = False
    BINDINGS: ClassVar = bindings(PICTURES)
    DEFAULT_CSS = """
    PicturesPanel {
        height: 1fr; width: 100%; padding: 0 1;
        border-left: solid $border; border-right: solid $border;
    }
    """

    def __init__(self, outputs: Path, now: Callable[[], datetime], *, painted: bool = True) -> None:
        super().__init__()
        self.state = PicturesState()
        self._outputs = outputs
        self._now = now
        self._painted = painted
        self._job: JobRecord | None = None
        self._files: dict[str, FileRecord] = {}
        self._wanted: list[tuple[str, list[FileRecord]]] | None = None
        self._reading = False
        self._read_all = False
        self._pixels: OrderedDict[Key, Pixels | str] = OrderedDict()
        self._strips: OrderedDict[tuple[Key, bool], list[Strip]] = OrderedDict()
        self._missing: list[tuple[Key, Medium]] = []
        self._decoding = False
        self._step: int | None = None
        """The step that the cursor is put on once the pictures are known."""
        self._lines: list[Strip] | None = None

    # -- content ------------------------------------------------------------------------------

    def set(self, job: JobRecord, files: Sequence[FileRecord]) -> None:
        """Show the pictures among a job's files; a list of the trainer is read in a thread."""
        self._job = job
        if self._wanted is None and list(self._files.values()) == list(files):
            return
        self._want_files([("", list(files))])

    def set_runs(self, runs: Sequence[tuple[str, Sequence[FileRecord]]]) -> None:
        """Show the pictures of several runs below each other, at the steps they have in common.

        Args:
            runs: the name and the files of each.
        """
        files = [file for _, files in runs for file in files]
        if not self._read_all or list(self._files.values()) != files:
            self._want_files([(label, list(files)) for label, files in runs])

    def _want_files(self, wanted: list[tuple[str, list[FileRecord]]]) -> None:
        self._wanted = wanted
        if not self._reading:
            self._reading = True
            self.run_worker(self._read(), group="pictures list")

    async def _read(self) -> None:
        try:
            while (wanted := self._wanted) is not None:
                self._wanted = None
                runs = [
                    (label, grid(await asyncio.to_thread(media_of, files, self._outputs)))
                    for label, files in wanted
                ]
                self._files = {file.path: file for _, files in wanted for file in files}
                alone = len(runs) == 1 and not runs[0][0]
                self.state.show(runs[0][1] if alone else grid_of_runs(runs))
                self._read_all = True
                if self._step is not None:
                    self.state.go_to_step(self._step)
                    self._step = None
                self._changed()
        finally:
            self._reading = False

    def _changed(self) -> None:
        self._lines = None
        self.refresh()
        self.post_message(TabStatus(self, self._words()))

    def _words(self) -> list[str]:
        table = self.state.grid
        if not table.rows:
            return []
        words = []
        newest = [
            self._files[medium.path].received_at
            for medium in table.cells.values()
            if medium.path in self._files
        ]
        if newest and self._job is not None and self._job.status.is_active:
            words.append(f"newest {duration((self._now() - max(newest)).total_seconds())} ago")
        noun = "row" if self._job is None else "prompt"
        count = f"{plural(len(table.rows), noun)} · {plural(len(table.steps), 'step')}"
        return [*words, count]

    # -- keys ---------------------------------------------------------------------------------

    def action_perform(self, action_id: str) -> None:
        """Does one of the tab's actions."""
        name = action_id.partition(".")[2]
        moves = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0),
                 "oldest": (0, -(10**6)), "newest": (0, 10**6)}  # fmt: skip
        if name in moves:
            self.state.move(*moves[name])
        elif name == "line":
            if self.state.current is None:
                self.context.tell("There is no picture under the cursor.")
            self.open()
        elif name == "width":
            self.state.size = (self.state.size + 1) % len(SIZES)
        elif name == "mark" and not self.state.mark():
            self.context.tell("There is no picture under the cursor.")
        self._redraw()

    def open(self) -> None:
        """Let the picture of the cursor fill the page, or show all again."""
        self.state.enlarged = not self.state.enlarged and self.state.current is not None
        self._redraw()

    def compare(self) -> None:
        """Set the marked picture beside that of the cursor, or no more."""
        if not self.state.set_beside():
            self.context.tell("Mark a picture first (space), then go to the one to set beside it.")
        self._redraw()

    def step_now(self) -> int | None:
        """Return the step of the cursor; None while the newest one is followed."""
        return self.state.step

    def show_step(self, step: int, *, asked: bool) -> None:  # noqa: ARG002  see LogPanel
        """Go to the pictures of a step, or the last ones before it."""
        if self._read_all:
            self.state.go_to_step(step)
        else:
            self._step = step
        self._redraw()

    def step_back(self) -> bool:
        """Undo the last of beside, enlarged and marked; returns whether there was one."""
        undone = self.state.step_back()
        self._redraw()
        return undone

    @property
    def file(self) -> Path | None:
        """The picture under the cursor, where it is here."""
        current = self.state.current
        if current is None or current.path not in self._files:
            return None
        return self._outputs / current.path

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on the picture that was clicked."""
        at = event.get_content_offset(self)
        if at is None or self.state.enlarged or self.state.beside:
            return
        for spot in self._spots():
            inside = spot.x <= at.x < spot.x + spot.width
            if inside and spot.y <= at.y <= spot.y + spot.height:
                self.state.move(spot.row - self.state.row, spot.column - self.state.column)
                self._redraw()
                return

    @property
    def context(self) -> AppContext:
        """The app, with its own type."""
        return cast("AppContext", self.app)

    def _redraw(self) -> None:
        self._lines = None
        self.refresh()

    # -- decoding -----------------------------------------------------------------------------

    def _key(self, medium: Medium, width: int, height: int) -> Key | None:
        file = self._files.get(medium.path)
        if file is None or file.missing or medium.kind != "picture":
            return None
        return file.sha256 or medium.path, width, height

    def _want(self, wanted: list[tuple[Key, Medium]]) -> None:
        self._missing = [item for item in wanted if item[0] not in self._pixels]
        if self._missing and not self._decoding:
            self._decoding = True
            self.run_worker(self._decode(), group="pictures")

    async def _decode(self) -> None:
        """Decode what the page lacks, one at a time: the page may have changed after each."""
        try:
            while self._missing:
                key, medium = self._missing.pop(0)
                path = self._outputs / medium.path
                try:
                    done: Pixels | str = await asyncio.to_thread(decode, path, key[1], key[2])
                except PictureError as error:
                    done = str(error)
                self._pixels[key] = done
                while len(self._pixels) > _REMEMBERED:
                    self._pixels.popitem(last=False)
                self._redraw()
        finally:
            self._decoding = False

    # -- drawing ------------------------------------------------------------------------------

    def notify_style_update(self) -> None:
        """Drops the drawn lines when the colours change."""
        super().notify_style_update()
        self._lines = None

    def on_resize(self) -> None:
        """Drops the drawn lines when the size changes."""
        self._lines = None

    def render_line(self, y: int) -> Strip:
        """Returns one line; all are put together once for each change."""
        if self._lines is None:
            width, height = self.content_size
            self._lines = self._draw(width, height)
        if y < len(self._lines):
            return self._lines[y]
        return Strip.blank(self.content_size.width, palette(self.app).base)

    def _spots(self) -> list[Spot]:
        width, height = self.content_size
        return self.state.spots(width, height - _INFO)

    def _draw(self, width: int, height: int) -> list[Strip]:
        colors, state = palette(self.app), self.state
        if not state.grid.rows:
            text = why_none(self._job) if self._job is not None else ""
            if self._job is None and self._read_all:
                text = "None of these runs has a picture here."
            lines = wrap(text, max(1, width - 6)) if text else []
            return [
                strip_of([], width, colors.base),
                *(strip_of([(f"   {line}", colors.dim)], width, colors.base) for line in lines),
            ]
        canvas = _Canvas(width, height, colors)
        wanted: list[tuple[Key, Medium]] = []
        for spot, medium, here in self._placed(width, height - _INFO):
            title = fit(self._label(spot, medium, here=here), spot.width)
            tone = colors.accent if here else colors.dim
            canvas.put(spot.x, spot.y, [Segment(title, tone)])
            if medium is None:
                continue
            key = self._key(medium, spot.width, spot.height)
            pixels = self._pixels.get(key) if key else None
            if key is not None:
                wanted.append((key, medium))
            if isinstance(pixels, Pixels) and key is not None and self._painted:
                for line, strip in enumerate(self._paint(key, pixels), start=1):
                    canvas.put(spot.x, spot.y + line, list(strip))
            else:
                words = self._instead(medium, key, pixels)
                for line, text in enumerate(wrap(words, spot.width)[: spot.height], start=1):
                    canvas.put(spot.x, spot.y + line, [Segment(fit(text, spot.width), colors.dim)])
        canvas.put(0, height - 1, [Segment(fit(self._facts(), width), colors.base)])
        self._want(wanted if self._painted else [])
        return canvas.strips()

    def _placed(self, width: int, height: int) -> list[tuple[Spot, Medium | None, bool]]:
        """What stands where: the spot, its picture, and whether the cursor is there."""
        state = self.state
        row, column = state.row, state.column
        if state.beside:
            half = max(1, (width - 2) // 2)
            left = Spot(row, column, 0, 0, half, max(1, height - 1))
            right = Spot(row, column, half + 2, 0, half, max(1, height - 1))
            return [(right, state.current, True), (left, state.marked, False)]
        if state.enlarged:
            whole = Spot(row, column, 0, 0, width, max(1, height - 1))
            return [(whole, state.current, True)]
        return [
            (spot, state.grid.at(spot.row, spot.column),
             (spot.row, spot.column) == (row, column))
            for spot in state.spots(width, height)
        ]  # fmt: skip

    def _label(self, spot: Spot, medium: Medium | None, *, here: bool) -> str:
        prompt, index = self.state.grid.rows[spot.row]
        step = self.state.grid.steps[spot.column]
        if medium is not None:
            prompt, index, step = medium.prompt, medium.index, medium.step
        name = prompt + (f" {index + 1}" if index else "")
        cursor = (
            "▸ " if here else "* " if medium is not None and medium == self.state.marked else ""
        )
        when = f"{step:,}" if step is not None else "no step"
        alone = spot.x > 0 and not (self.state.beside or here)
        return f"{cursor}{when}" if alone else titled(cursor, name, when, spot.width)

    def _instead(self, medium: Medium, key: Key | None, pixels: Pixels | str | None) -> str:
        """The words in the place of a picture that is not drawn."""
        file = self._files.get(medium.path)
        if medium.kind != "picture":
            return f"{medium.kind} · {size(file.size)}" if file else f"{medium.kind}, on its way"
        if file is None:
            return "on its way"
        if file.missing or key is None:
            return file.missing or "not here"
        if isinstance(pixels, str):
            return pixels
        return "…" if self._painted else f"{size(file.size)} · {medium.path}"

    def _paint(self, key: Key, pixels: Pixels) -> list[Strip]:
        true_colour = self.app.console.color_system == "truecolor"
        known = self._strips.get((key, true_colour))
        if known is None:
            known = self._strips[key, true_colour] = paint(pixels, true_colour=true_colour)
            while len(self._strips) > _REMEMBERED:
                self._strips.popitem(last=False)
        return known

    def _facts(self) -> str:
        """The line about the picture of the cursor."""
        current = self.state.current
        if current is None:
            return "No picture of this prompt at this step."
        step = f"step {current.step:,}" if current.step is not None else "step unknown"
        parts = [step, current.prompt]
        if current.width is not None:
            parts.append(f"{current.width}×{current.height}")
        file = self._files.get(current.path)
        if file is not None:
            parts.append(size(file.size))
        return " · ".join([*parts, PurePosixPath(current.path).name])


class _Canvas:
    """Lines that pieces are put on, from left to right."""

    def __init__(self, width: int, height: int, colors: Palette) -> None:
        self._width = width
        self._base = colors.base
        self._pieces: list[list[tuple[int, list[Segment]]]] = [[] for _ in range(max(0, height))]

    def put(self, x: int, y: int, segments: list[Segment]) -> None:
        """Put segments at a place; what is below the last line is left out."""
        if 0 <= y < len(self._pieces):
            self._pieces[y].append((x, segments))

    def strips(self) -> list[Strip]:
        """The lines, each of the whole width."""
        return [self._strip(pieces) for pieces in self._pieces]

    def _strip(self, pieces: list[tuple[int, list[Segment]]]) -> Strip:
        line: list[Segment] = []
        at = 0
        for x, segments in sorted(pieces, key=lambda piece: piece[0]):
            if x > at:
                line.append(Segment(" " * (x - at), self._base))
            line += segments
            at = max(at, x) + sum(segment.cell_length for segment in segments)
        return Strip(line).adjust_cell_length(self._width, self._base)
