"""The files of a job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from tui import formatting
from tui.app.lines import fit
from tui.app.shelf.rows import shared_folder
from tui.app.theme import Palette
from tui.app.widgets.virtual_list import Piece, VirtualList
from tui.store.records import FileRecord


class FileList(VirtualList):
    """Files of one job.

    Args:
        empty: what to say when there are none.
    """

    HEADER: ClassVar = 1

    def __init__(self, empty: str = "") -> None:
        super().__init__(id="files")
        self._empty_text = empty
        self.files: Sequence[FileRecord] = ()
        self._shared = ""

    @property
    def shows_cursor(self) -> bool:
        """Only where the keys go."""
        return self.has_focus

    def empty_lines(self) -> list[str]:
        """What to say when there is nothing."""
        return [self._empty_text] if self._empty_text else []

    def set(self, files: Sequence[FileRecord]) -> None:
        """Show other files."""
        self.files = files
        self._shared = shared_folder([item.path for item in files])
        self.index = self.top = 0
        self.refresh()

    @property
    def count(self) -> int:
        """How many."""
        return len(self.files)

    @property
    def file(self) -> FileRecord | None:
        """The file under the cursor."""
        return self.files[self.index] if 0 <= self.index < self.count else None

    def header_line(self, number: int, width: int, colors: Palette) -> list[Piece]:  # noqa: ARG002
        """Headings."""
        return [(f"    {fit('FILE', self._name_width(width))}  {'SIZE':>10}  SHA256", colors.dim)]

    def _name_width(self, width: int) -> int:
        return max(20, width - 18 - self._hash_width(width))

    def _hash_width(self, width: int) -> int:
        return 64 if width >= 140 else 16

    def line(self, index: int, width: int, colors: Palette) -> list[Piece]:
        """A file; a missing one says why it is not here."""
        item = self.files[index]
        here = index == self.index and self.has_focus
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

    def on_focus(self) -> None:
        """The cursor shows."""
        self.refresh()

    def on_blur(self) -> None:
        """The cursor hides."""
        self.refresh()
