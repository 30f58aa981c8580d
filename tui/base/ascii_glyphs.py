"""ASCII in place of the glyphs that the program draws, for terminals and streams without them."""

from __future__ import annotations

import codecs
import os
import sys

from tui.base.job_status import STATUS_ASCII, STATUS_GLYPHS, JobStatus

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

ASCII_GLYPHS: Final = str.maketrans(
    {
        **{STATUS_GLYPHS[state]: STATUS_ASCII[state] for state in JobStatus},
        "▸": ">", "◆": "*", "━": "=", "╸": "-", "╺": "-", "─": "-", "│": "|", "┃": "#",
        "╭": "+", "╮": "+", "╰": "+", "╯": "+", "├": "+", "┤": "+", "┬": "+", "┴": "+",
        "┼": "+", "┌": "+", "┐": "+", "└": "+", "┘": "+", "·": "-", "…": "~", "—": "-",
        "–": "-", "“": '"', "”": '"', "’": "'", "▾": "v", "▴": "^", "→": ">", "←": "<",
        "↑": "^", "↓": "v", "×": "x", "≤": "<", "≥": ">", "█": "#", "▌": "#", "▎": "|",
        "▁": "_", "▔": "-", "▊": "#", "▀": "#", "▄": "#", "◐": "o", "◌": "~", "★": "*",
        "◫": "p", "▣": "#", "↻": "@", "▹": ">", "░": ".", "≈": "~", "•": "*", "‹": "<", "›": ">",
        "▂": "_", "▃": "_", "▅": "#", "▆": "#", "▇": "#",  # the ends of scroll bars
        "▉": "#", "▋": "#", "▍": "|", "▏": "|",
    }
)  # fmt: skip
"""Of the same width, so that what is lined up stays so."""
GLYPHS: Final = "simpletuner-glyphs"
"""Name of the error handler for `codecs`."""
_COERCED: Final = ("C.UTF-8", "C.utf8", "UTF-8")
"""What Python sets `LC_CTYPE` to in a C locale (PEP 538)."""


def locale_is_plain(environ: Mapping[str, str] | None = None) -> bool:
    """Whether the user has chosen a locale that is not UTF-8, such as `LANG=C`.

    Python writes UTF-8 in a C locale all the same, which is right for a pipe; a terminal shows
    what its locale has. Where nothing was chosen, Python's choice stands.
    """
    environ = os.environ if environ is None else environ
    name = environ.get("LC_ALL", "")
    kind = environ.get("LC_CTYPE", "")
    if not name and not (kind in _COERCED and sys.flags.utf8_mode):
        name = kind
    name = name or environ.get("LANG", "")
    codeset = name.partition(".")[2].partition("@")[0].lower().replace("-", "")
    return name in ("C", "POSIX") or codeset not in ("", "utf8")


def terminal_is_plain(environ: Mapping[str, str] | None = None) -> bool:
    """Whether the terminal has ASCII alone: a locale without UTF-8, or the Linux console.

    The console's font has at most 512 glyphs, none of them braille, circles or ticks.
    """
    environ = os.environ if environ is None else environ
    return environ.get("TERM") == "linux" or locale_is_plain(environ)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end].translate(ASCII_GLYPHS)
    return "".join(char if char.isascii() else "?" for char in lacking), error.end


codecs.register_error(GLYPHS, _replace)
