"""A line of a log and its drawings.

Progress bars redraw themselves with carriage returns, and a tagged line may follow a bar without a
line break: it counts as a further drawing over the bar. The text of a line is its last drawing;
earlier ones are reached by their offset.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from tui.simpletuner.log.text import safe_text

if TYPE_CHECKING:
    from tui.store.log_source import Source

# Of a longer line only the start (or its last drawing) is read and shown.
LINE_BYTES: Final = 1 << 16
LINE_CELLS: Final = 1 << 14
_GLUED: Final = re.compile(
    rb"%\|[^\r\n]*?\](?=\[(?:STAGE|TRAINING|CHECKPOINT|INFO|WARN|ERROR|DEBUG|EVENT|COG)\])"
)


class LogLine(NamedTuple):
    """A line of the file.

    Attributes:
        offset: its start in bytes.
        end: its end, without the newline.
        raw: its last drawing, at most `LINE_BYTES`.
        cut: whether `raw` is only the start of that drawing.
    """

    offset: int
    end: int
    raw: bytes
    cut: bool

    @property
    def text(self) -> str:
        """The text for the screen: without escapes and control characters, of bounded width."""
        text = safe_text(self.raw.decode("utf-8", "replace"))
        if self.cut or len(text) > LINE_CELLS:
            return f"{text[:LINE_CELLS]}… ({self.end - self.offset:,} bytes)"
        return text


def read_line(source: Source, start: int, end: int) -> LogLine:
    """Read the line between two offsets, of any length."""
    if end - start <= LINE_BYTES:
        return LogLine(start, end, last_drawing(source.read(start, end - start)), cut=False)
    data = source.read(end - LINE_BYTES, LINE_BYTES)
    drawn = last_drawing(data)
    if len(drawn) < len(data.rstrip(b"\r")):
        return LogLine(start, end, drawn, cut=False)
    return LogLine(start, end, source.read(start, LINE_BYTES), cut=True)


def last_drawing(data: bytes) -> bytes:
    """Return the text after the last carriage return that is followed by text."""
    if 13 in data:
        data = data.rstrip(b"\r ")
        data = data[data.rfind(b"\r") + 1 :]
    glued = _GLUED.search(data) if b"][" in data else None
    return data if glued is None else data[glued.end() :]


def drawing(source: Source, line: LogLine, offset: int) -> LogLine:
    """Return the drawing of a line that contains `offset`."""
    begin, end = drawing_span(source, line, offset)
    if (begin, end) == (line.offset, line.end):
        return line
    data = source.read(begin, end - begin)
    return LogLine(line.offset, line.end, data, cut=False) if data.strip() else line


def drawing_span(source: Source, line: LogLine, offset: int) -> tuple[int, int]:
    """Return start and end of the drawing that contains `offset`.

    Those of the line if `offset` is outside of it or the drawing is longer than `LINE_BYTES`.
    """
    whole = line.offset, line.end
    if not line.offset <= offset < line.end:
        return whole
    start = max(line.offset, offset - LINE_BYTES)
    data = source.read(start, min(line.end, offset + LINE_BYTES) - start)
    begin = data.rfind(b"\r", 0, offset - start) + 1
    end = data.find(b"\r", offset - start)
    if (not begin and start > line.offset) or (end < 0 and start + len(data) < line.end):
        return whole
    end = len(data) if end < 0 else end
    glued = _GLUED.search(data, begin, end)
    if glued is not None:
        begin, end = (begin, glued.end()) if offset - start < glued.end() else (glued.end(), end)
    return start + begin, start + end
