"""One line of a log, which may have been drawn several times over.

Progress bars redraw themselves with carriage returns, and a tagged line may follow a bar without
any break: that is the news and counts as drawn over the bar. What stood last is what a line says;
what it said before can be had by its place.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from tui.simpletuner.log.text import safe_text

if TYPE_CHECKING:
    from tui.store.log_source import Source

# Of a longer line only the beginning (or its last drawing) is read and shown.
LINE_BYTES: Final = 1 << 16
LINE_CELLS: Final = 1 << 14
_GLUED: Final = re.compile(
    rb"%\|[^\r\n]*?\](?=\[(?:STAGE|TRAINING|CHECKPOINT|INFO|WARN|ERROR|DEBUG|EVENT|COG)\])"
)


class LogLine(NamedTuple):
    """One line of the file.

    Attributes:
        offset: where it begins, in bytes.
        end: where it ends, without its newline.
        raw: its last drawing, at most `LINE_BYTES` of it.
        cut: whether `raw` is only the beginning of what should be shown.
    """

    offset: int
    end: int
    raw: bytes
    cut: bool

    @property
    def text(self) -> str:
        """Safe to show: no escapes, no control characters, of bounded width."""
        text = safe_text(self.raw.decode("utf-8", "replace"))
        if self.cut or len(text) > LINE_CELLS:
            return f"{text[:LINE_CELLS]}… ({self.end - self.offset:,} bytes)"
        return text


def read_line(source: Source, start: int, end: int) -> LogLine:
    """The line between two bytes, however long it is."""
    if end - start <= LINE_BYTES:
        return LogLine(start, end, last_drawing(source.read(start, end - start)), cut=False)
    data = source.read(end - LINE_BYTES, LINE_BYTES)
    drawn = last_drawing(data)
    if len(drawn) < len(data.rstrip(b"\r")):
        return LogLine(start, end, drawn, cut=False)
    return LogLine(start, end, source.read(start, LINE_BYTES), cut=True)


def last_drawing(data: bytes) -> bytes:
    """What stands after the last carriage return that has something behind it."""
    if 13 in data:
        data = data.rstrip(b"\r ")
        data = data[data.rfind(b"\r") + 1 :]
    glued = _GLUED.search(data) if b"][" in data else None
    return data if glued is None else data[glued.end() :]


def drawing(source: Source, line: LogLine, place: int) -> LogLine:
    """The line as it was drawn where `place` lies."""
    begin, end = drawing_span(source, line, place)
    if (begin, end) == (line.offset, line.end):
        return line
    data = source.read(begin, end - begin)
    return LogLine(line.offset, line.end, data, cut=False) if data.strip() else line


def drawing_span(source: Source, line: LogLine, place: int) -> tuple[int, int]:
    """Where the drawing that holds `place` begins and ends.

    The whole line where `place` lies outside of it or the drawing is longer than `LINE_BYTES`.
    """
    whole = line.offset, line.end
    if not line.offset <= place < line.end:
        return whole
    start = max(line.offset, place - LINE_BYTES)
    data = source.read(start, min(line.end, place + LINE_BYTES) - start)
    begin = data.rfind(b"\r", 0, place - start) + 1
    end = data.find(b"\r", place - start)
    if (not begin and start > line.offset) or (end < 0 and start + len(data) < line.end):
        return whole
    end = len(data) if end < 0 else end
    glued = _GLUED.search(data, begin, end)
    if glued is not None:
        begin, end = (begin, glued.end()) if place - start < glued.end() else (glued.end(), end)
    return start + begin, start + end
