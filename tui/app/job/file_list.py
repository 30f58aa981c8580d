"""The list of a job's files."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import ClassVar, Final

from rich.cells import cell_len

from tui.app.publishing.text import unfetched
from tui.app.terminal.text_lines import fit, fit_end, plain
from tui.app.terminal.theme import Palette
from tui.app.widgets.virtual_list import Piece, VirtualList
from tui.base import formatting
from tui.store.artifact_json import unfetched_json
from tui.store.records import FileRecord, shared_folder
from tui.store.transfer_records import FetchRecord

_CHECKPOINT: Final = re.compile(r"(?:^|/)checkpoint-(\d{1,12})/")


def checkpoint_of(path: str) -> int | None:
    """Returns the step of the checkpoint that a file belongs to; None of any other file."""
    found = _CHECKPOINT.search(path)
    return int(found[1]) if found else None


class FileList(VirtualList):
    """Lists the files of a job, and those that are not here.

    Args:
        now: the time of day.
        empty: the message for a job without files.
    """

    HEADER: ClassVar = 1

    def __init__(self, now: Callable[[], datetime], empty: str = "") -> None:
        super().__init__(id="files")
        self._now = now
        self._empty_text = empty
        self.files: Sequence[FileRecord] = ()
        self.missing: Sequence[FetchRecord] = ()
        self._shared = ""

    @property
    def shows_cursor(self) -> bool:
        """Whether the list has the keys."""
        return self.has_focus

    def empty_lines(self) -> list[str]:
        """Returns the message for a job without files."""
        return [self._empty_text] if self._empty_text else []

    def set(self, files: Sequence[FileRecord], missing: Sequence[FetchRecord] = ()) -> None:
        """Shows files and missing files; the cursor stays on its file."""
        before = self.file
        self.files, self.missing = files, missing
        self._shared = shared_folder([item.path for item in files])
        names = [file.path for file in files]
        same = before is not None and before.path in names
        place = names.index(before.path) if before is not None and same else self.index
        self.move_to(place, tell=False)
        self.refresh()

    @property
    def count(self) -> int:
        """The number of lines."""
        return len(self.files) + len(self.missing)

    @property
    def file(self) -> FileRecord | None:
        """The file under the cursor."""
        return self.files[self.index] if 0 <= self.index < len(self.files) else None

    def go_to_checkpoint(self, step: int) -> None:
        """Puts the cursor on the weights of a checkpoint, or else its first file that is here."""
        here = [index for index, file in enumerate(self.files)
                if not file.missing and checkpoint_of(file.path) == step]  # fmt: skip
        if here:
            weights = (at for at in here if self.files[at].path.endswith(".safetensors"))
            self.move_to(next(weights, here[0]))

    def header_line(self, number: int, width: int, colors: Palette) -> list[Piece]:  # noqa: ARG002
        """Returns the headings."""
        return [(f"    {fit('FILE', self._name_width(width))}  {'SIZE':>10}  SHA256", colors.dim)]

    def _name_width(self, width: int) -> int:
        return max(20, width - 18 - self._hash_width(width))

    def _hash_width(self, width: int) -> int:
        return 64 if width >= 140 else 16

    def line(self, index: int, width: int, colors: Palette) -> list[Piece]:
        """Returns the line of a file; a missing one says why it is not here."""
        here = index == self.index and self.has_focus
        if index >= len(self.files):
            return self._missing(self.missing[index - len(self.files)], width, colors, here=here)
        item = self.files[index]
        name = self._name_width(width)
        path = item.path.removeprefix(self._shared)
        pieces: list[Piece] = [
            (" ▸  " if here else "    ", colors.accent),
            (fit(path, name), colors.strong if here else colors.base),
        ]
        if item.missing:
            return [*pieces, (f"  ✗ {item.missing}", colors.bad)]
        digest = item.sha256[: self._hash_width(width)]
        return [
            *pieces,
            (f"  {formatting.size(item.size):>10}", colors.base),
            (f"  {digest}", colors.dim),
        ]

    def _missing(
        self, file: FetchRecord, width: int, colors: Palette, *, here: bool
    ) -> list[Piece]:
        """Returns the line of a file at a remote place: its progress, or why it is not here."""
        glyph, words, tone = unfetched(unfetched_json(file), self._now())
        name = fit_end(plain(file.name), max(20, (width - 8) // 2)).rstrip()
        return [
            (" ▸  " if here else "    ", colors.accent),
            (name, colors.strong if here else colors.base),
            (f"  {glyph} {fit(plain(words), width - 8 - cell_len(name))}", getattr(colors, tone)),
        ]
