"""The list of past notices: no message is lost because it went away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import ModalScreen

from tui.app.shell.messages import Notice
from tui.app.terminal.prompt_frames import PromptFrames
from tui.app.terminal.styles import style_sheet
from tui.app.terminal.theme import Palette
from tui.app.widgets.panel_title import PanelTitle
from tui.app.widgets.picker import PanelFoot
from tui.app.widgets.virtual_list import Piece, VirtualList
from tui.base import formatting

_GLYPHS = {"info": "·", "warning": "!", "error": "✗"}


class NoticeLines(VirtualList):
    """Lists notices, the newest first, each with its advice."""

    CURSOR: ClassVar = False

    def __init__(self, notices: Sequence[Notice]) -> None:
        super().__init__(id="notice-lines")
        self._lines: list[tuple[str, str, str]] = []
        for notice in reversed(notices):
            self._lines.append((notice.level, formatting.clock(notice.at), notice.message))
            if notice.advice:
                self._lines.append(("", "", notice.advice))

    @property
    def count(self) -> int:
        """The number of lines."""
        return len(self._lines)

    def empty_lines(self) -> list[str]:
        """Returns the message for no notices."""
        return ["Nothing has been said yet."]

    def line(self, index: int, width: int, colors: Palette) -> list[Piece]:  # noqa: ARG002
        """Returns a message or its advice."""
        level, clock, text = self._lines[index]
        tones = {"info": colors.base, "warning": colors.warn, "error": colors.bad}
        glyph = _GLYPHS.get(level, " ")
        return [
            (f" {clock:5} ", colors.dim),
            (f"{glyph} ", tones.get(level, colors.dim)),
            (text, tones.get(level, colors.dim)),
        ]


class NoticesScreen(ModalScreen[None], PromptFrames):
    """Shows the list of past notices."""

    CSS_PATH = style_sheet("help")
    BINDINGS: ClassVar = [Binding("escape,q,ctrl+n", "dismiss", "back")]

    def __init__(self, notices: Sequence[Notice]) -> None:
        super().__init__()
        self._notices = notices

    def compose(self) -> ComposeResult:
        """Yields title and list."""
        title = PanelTitle()
        title.set(("Notices", formatting.plural(len(self._notices), "message")), ("esc back",))
        yield title
        yield NoticeLines(self._notices)
        yield PanelFoot()
