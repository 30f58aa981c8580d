"""A trainer's log as a terminal may get it: nothing in it is obeyed there."""

from __future__ import annotations

import codecs
import re
from typing import Final

from tui.base.formatting import plain
from tui.simpletuner.log.grammar import clean

_KEPT: Final = re.compile(r"([\r\n\t])")
_BEGUN: Final = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b\r\n]{0,4000}\x1b?|[ -/]*)\Z")
"""An escape sequence whose end has not been read yet; longer ones are shown as text."""


class LogText:
    """Cleans a log that comes in pieces, as the app's log does.

    A trainer prints what is in other people's files; a sequence in there could rename the window,
    write to the clipboard, or draw over lines that were read already. Carriage returns stay: they
    draw progress bars.
    """

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._held = b""

    def feed(self, piece: bytes) -> str:
        """The next piece as text that a terminal may show."""
        data = self._held + piece
        begun = _BEGUN.search(data)
        self._held = data[begun.start() :] if begun else b""
        text = self._decode(clean(data[: begun.start()] if begun else data))
        return "".join(
            part if part in "\r\n\t" else plain(part) for part in _KEPT.split(text) if part
        )
