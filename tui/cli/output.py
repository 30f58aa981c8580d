"""Output of commands: data on standard output, messages for people on standard error."""

from __future__ import annotations

import os
import sys
from io import BufferedWriter, FileIO, TextIOWrapper

from tui.base.ascii_glyphs import GLYPHS, terminal_is_plain
from tui.base.columns import fold, line_up
from tui.cli.exit_codes import FINE, OUTPUT_LOST

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final, TextIO

    from _typeshed import ReadableBuffer


class OutputEndedError(Exception):
    """Nothing more can be written on standard output."""


class _Stream(FileIO):
    """A standard stream that drops what cannot be written, as on a full disk.

    Nothing that is printed may change what a command does, or how a job is said to have ended.

    Attributes:
        trouble: why nothing is written any more.
        before: the stream that it stands for, which closes the descriptor when it goes.
    """

    trouble: OSError | None = None
    before: TextIO

    def write(self, data: ReadableBuffer, /) -> int:
        """Write bytes; returns how many count as written."""
        if self.trouble is None:
            try:
                return super().write(data)
            except OSError as error:
                self.trouble = error
        return memoryview(data).nbytes


def forgive_streams() -> None:
    """Have the standard streams drop what they cannot take, instead of failing.

    A command whose work is done must not fail because a terminal or a pipe is not UTF-8, or a disk
    is full. Glyphs become ASCII ones; a terminal that has no others gets nothing else.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, TextIOWrapper):
            continue
        plain = stream.isatty() and terminal_is_plain()
        stream.reconfigure(encoding="ascii" if plain else None, errors=GLYPHS)
        buffer = stream.buffer
        if type(getattr(buffer, "raw", buffer)) is FileIO:  # neither a test's nor one of these
            raw = _Stream(stream.fileno(), "w", closefd=False)
            raw.before = stream
            made = TextIOWrapper(
                BufferedWriter(raw) if hasattr(buffer, "raw") else raw,
                stream.encoding, stream.errors,
                line_buffering=stream.line_buffering, write_through=stream.write_through,
            )  # fmt: skip
            setattr(sys, name, made)


def _trouble(stream: TextIO) -> OSError | None:
    """Why a stream drops what is written to it."""
    buffer = getattr(stream, "buffer", None)
    return getattr(getattr(buffer, "raw", buffer), "trouble", None)


def require_output() -> None:
    """Write what waits to be written, where a command has nothing to do but to write on.

    Raises:
        OutputEndedError: nothing more can be written.
    """
    sys.stdout.flush()
    if _trouble(sys.stdout) is not None:
        raise OutputEndedError


def settled(status: int) -> int:
    """How a command ends: as it does, unless its output is missing and nothing else is the matter.

    A reader who goes away misses nothing.
    """
    sys.stdout.flush()
    trouble = _trouble(sys.stdout)
    if trouble is None or isinstance(trouble, BrokenPipeError):
        return status
    tell_output_lost(trouble)
    return status or OUTPUT_LOST


def tell_output_lost(error: OSError) -> int:
    """Say why the output is missing; returns the exit status of a command that did all else."""
    tell(f"simpletuner-tui: The output could not be written: {error.strerror or error}.")
    return OUTPUT_LOST


def say(text: str = "") -> None:
    """Print data or an answer on standard output."""
    sys.stdout.write(f"{harmless(text)}\n")


def say_prose(text: str) -> None:
    """Print sentences on standard output, folded where a terminal would break their words."""
    sys.stdout.write(f"{_prose(text, sys.stdout)}\n")


def say_drawn(text: str) -> None:
    """Print what was drawn here, colours included; what is in it has been made harmless."""
    sys.stdout.write(f"{text}\n")


def tell(text: str) -> None:
    """Print a message for a person on standard error, where that can be written."""
    try:
        sys.stderr.write(f"{_prose(text, sys.stderr)}\n")
        sys.stderr.flush()
    except OSError:  # before `forgive_streams`
        drop(2)


_COMMAND: Final = r"`[^`]+`|(?<=: )\S[^:]*? (?:-|&&|\|).*$|\bsimpletuner-tui [a-z-]+(?: [a-z-]+)?"
"""What is copied from a sentence and run, so that it has to stay on one line."""


def folded(text: str, width: int | None, indent: int) -> list[str]:
    """Lines that fit, as `fold` makes them; a command in the text is like one word.

    Args:
        text: printable text.
        width: columns of a line; None breaks none.
        indent: spaces before each line but the first.
    """
    if width is None or len(text) <= width:
        return [text]
    import re

    kept = re.sub(_COMMAND, lambda found: found[0].replace(" ", "\0"), text)
    return [line.replace("\0", " ") for line in fold(kept, width, indent)]


def _prose(text: str, stream: TextIO) -> str:
    text = harmless(text)
    width = columns(stream)
    if width is None:
        return text
    lines = []
    for line in text.split("\n"):
        indent = len(line) - len(line.lstrip(" ")) + 2
        lines += folded(line, width, indent)
    return "\n".join(lines)


def reader_has_gone() -> int:
    """What a command ends with whose output nobody reads to its end, as in `… | head`: it is fine.

    What is still in the stream goes nowhere, so that the interpreter does not stumble over it.
    """
    drop(1)
    return FINE


def drop(descriptor: int) -> None:
    """Let what is written to a descriptor go nowhere from now on."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


def harmless(text: str) -> str:
    """The text without control characters: names and errors come from other machines.

    `--json` prints them unchanged.
    """
    if text.isprintable():
        return text
    from tui.base.formatting import plain

    return "\n".join(map(plain, text.split("\n")))


def say_json(value: Any) -> None:
    """Print a JSON document on standard output: indented on a terminal, else one item per line.

    Python's quick encoder cannot indent (`json.encoder.c_make_encoder`); a script that reads a
    thousand jobs waits three times as long for the spaces.
    """
    import json

    if sys.stdout.isatty():
        text = json.dumps(value, ensure_ascii=False, indent=2)
        # The same data, but nothing that a terminal would obey.
        text = "".join(
            char if char.isprintable() or char == "\n" else json.dumps(char)[1:-1] for char in text
        )
    elif isinstance(value, list):
        encode = json.JSONEncoder(ensure_ascii=False).encode
        text = "[" + ",\n ".join(map(encode, value)) + "]"
    else:
        text = json.dumps(value, ensure_ascii=False)
    sys.stdout.write(f"{encodable_json(text)}\n")
    sys.stdout.flush()


def say_json_line(value: Any) -> None:
    """Print a JSON document on one line, of several that follow each other."""
    import json

    sys.stdout.write(f"{encodable_json(json.dumps(value))}\n")
    sys.stdout.flush()


def encodable_json(text: str) -> str:
    """The same JSON, escaped where standard output's encoding lacks a letter: no data is lost."""
    encoding = sys.stdout.encoding or "utf-8"
    if _fits(text, encoding):
        return text
    import json

    return "".join(char if _fits(char, encoding) else json.dumps(char)[1:-1] for char in text)


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def columns(stream: TextIO | None = None) -> int | None:
    """The width of the terminal that a stream is, by default standard output; else None."""
    stream = stream or sys.stdout
    if not stream.isatty():
        return None
    given = os.environ.get("COLUMNS", "")
    if given.isascii() and given.isdecimal() and 0 < len(given) < 6 and int(given):
        return int(given)
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80


def table(
    rows: list[list[str]],
    right: frozenset[int] = frozenset(),
    tones: Mapping[tuple[int, int], str] | None = None,
) -> list[str]:
    """Columns lined up; on a terminal each line fits into it, elsewhere nothing is cut.

    Args:
        rows: cells, the header first.
        right: numbers of the columns to align right.
        tones: `good`, `warn`, `bad` or `busy` of cells, by row and column.
    """
    cells = rows
    if not all("".join(row).isprintable() for row in rows):
        cells = [[harmless(cell).replace("\n", "·") for cell in row] for row in rows]
    if not tones or not has_colours():
        return line_up(cells, right, columns())
    return line_up(
        cells, right, columns(),
        lambda row, column, text: toned(text, tones.get((row, column), "")),
    )  # fmt: skip


_SGR: Final = {"good": "32", "warn": "33", "bad": "31", "busy": "36"}
"""The terminal's own colours: they are readable in its theme."""
TONES: Final = {"ok": "good", "warn": "warn", "error": "bad"}
"""By the level of a finding."""
_wish: str = "auto"


def choose_colours(wish: str) -> None:
    """Follow `--color`: `always`, `never`, or `auto`, on a terminal without `NO_COLOR`."""
    global _wish  # noqa: PLW0603  one for the process, as its streams are
    _wish = wish
    if wish == "never":
        os.environ["NO_COLOR"] = "1"  # for the app
    elif wish == "always":
        os.environ.pop("NO_COLOR", None)


def has_colours() -> bool:
    """Whether standard output gets colours."""
    if _wish != "auto":
        return _wish == "always"
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "") in ("", "dumb")
    return not plain and sys.stdout.isatty()


def toned(text: str, tone: str) -> str:
    """A text in the colour of a tone, where there are colours; no meaning is in them alone."""
    if tone not in _SGR or not has_colours():
        return text
    return f"\x1b[{_SGR[tone]}m{text}\x1b[0m"
