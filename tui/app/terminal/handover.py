"""Programs that have the terminal for a while: pagers and the user's own commands."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from tui.simpletuner.log.harmless import LogText

if TYPE_CHECKING:
    from textual.app import App

_LINE_PAGERS: Final = ("more", "most", "vim", "vi", "nvim", "view", "nano")
"""Programs that begin at a line by `+N file`."""
_VIMS: Final = ("vim", "vi", "nvim", "view")
NO_MODELINES: Final = ("--cmd", "autocmd BufReadPre * setlocal nomodeline")
"""Keeps Vim from obeying a line of the log that is written as settings of Vim's; a later `set
modeline` in the user's own file changes nothing of it."""
_SHOWS_CONTROLS: Final = ("less", *_LINE_PAGERS[1:])
"""Programs that make control characters visible instead of sending them to the terminal."""
_PIECE: Final = 1 << 18
_CLOSED_PIPE: Final = (141, -signal.SIGPIPE)
"""The command had read enough."""
_LOOK_SECONDS: Final = 0.2
_running: list[subprocess.Popen[bytes]] = []
_ending: list[bool] = []
"""Holds something once the app itself is being ended: nobody will press a key."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended.

    Attributes:
        status: its exit status; negative for a signal.
        problem: why it did not run at all; empty when it did.
    """

    status: int = 0
    problem: str = ""

    @property
    def is_failure(self) -> bool:
        """Whether the user has to be told."""
        return bool(self.problem) or (self.status not in (0, *_CLOSED_PIPE))


def pager_command(offset: int, line: int | None) -> list[str]:
    """Returns the user's pager and its options, at a place of a file. No shell is involved.

    Args:
        offset: the byte at which the view begins.
        line: its number, from 1; None when it is not known.
    """
    try:
        command = shlex.split(os.environ.get("PAGER", ""))
    except ValueError:  # an open quote
        command = []
    if not command:
        command = ["less", "-R"] if shutil.which("less") else ["more"]
    name = Path(command[0]).name
    if name == "less":
        command.append(f"+{offset}P")
    elif name in _LINE_PAGERS and line is not None:
        command.append(f"+{line}")
    if name in _VIMS and "vim" in Path(shutil.which(command[0]) or "").resolve().name:
        command += NO_MODELINES  # another vi knows neither modelines nor this option
    return command


def lend(app: App[Any], command: Sequence[str], file: Path) -> Ended:
    """Lets a program show a file until it ends.

    Args:
        app: the app, which has the terminal again afterwards.
        command: the program and its options.
        file: a log; a program that would send the terminal all of it gets a harmless copy.

    Raises:
        textual.app.SuspendNotSupported: this terminal cannot be lent.
    """
    with app.suspend():
        if Path(command[0]).name in _SHOWS_CONTROLS:
            return _run([*command, str(file)])
        try:
            with file.open("rb") as source, tempfile.NamedTemporaryFile(suffix=".log") as copy:
                copy.writelines(harmless_pieces(_pieces(source)))
                copy.flush()
                return _run([*command, copy.name])
        except OSError as error:
            return Ended(problem=f"{file} cannot be copied: {error.strerror or error}")


def pipe(app: App[Any], command: str, source: IO[bytes] | bytes) -> Ended:
    """Gives text to a command line, shows what it prints, and waits until the user has read it.

    The command is the user's own, typed for this, so the user's own shell carries it out.

    Args:
        app: the app, which has the terminal again afterwards.
        command: the command line.
        source: a file or the text itself. What the command prints reaches the terminal, so it gets
            nothing that a terminal would obey.

    Raises:
        textual.app.SuspendNotSupported: this terminal cannot be lent.
    """
    shell = os.environ.get("SHELL") or "/bin/sh"
    with app.suspend():
        pieces = [source] if isinstance(source, bytes) else _pieces(source)
        ended = _run([shell, "-c", command], harmless_pieces(pieces))
        said = ended.problem or (
            f"“{command}” ended with exit status {ended.status}" if ended.is_failure else command
        )
        _wait_for_enter(f"{said} · enter goes back")
    return ended


def end_running() -> None:
    """Ends the program that has the terminal, if there is one: the app itself is being ended."""
    _ending.append(True)
    for process in _running:
        with contextlib.suppress(OSError):
            process.terminate()


def _pieces(source: IO[bytes]) -> Iterator[bytes]:
    while piece := source.read(_PIECE):
        yield piece


def harmless_pieces(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yields the text of a log without what a terminal would obey; its lines stay."""
    text = LogText()
    for piece in pieces:
        yield text.feed(piece).encode("utf-8", "replace")


def _run(command: Sequence[str], pieces: Iterable[bytes] | None = None) -> Ended:
    with _ctrl_c_is_the_program_s():
        source = None if pieces is None else subprocess.PIPE
        try:
            process = subprocess.Popen(command, stdin=source)  # noqa: S603  the user's own
        except OSError as error:
            return Ended(problem=f"{command[0]} cannot be run: {error.strerror or error}")
        _running.append(process)
        try:
            if process.stdin is not None:
                with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
                    stdin.writelines(pieces or ())
            process.wait()
        finally:
            _running.remove(process)
    return Ended(process.returncode)


@contextlib.contextmanager
def _ctrl_c_is_the_program_s() -> Iterator[None]:
    """While another program has the keys, ctrl+c is meant for it alone.

    Not ignored: a program that is started would inherit that.
    """
    numbers = (signal.SIGINT, signal.SIGQUIT)
    before = [signal.signal(number, lambda *_: None) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _wait_for_enter(words: str) -> None:
    stream = sys.__stdout__
    with contextlib.suppress(OSError, ValueError), _ctrl_c_is_the_program_s():
        if stream is not None:
            stream.write(f"\n\x1b[7m {words} \x1b[0m ")
            stream.flush()
        while not _ending:
            if select.select([0], [], [], _LOOK_SECONDS)[0]:
                key = os.read(0, 1024)
                if not key or b"\n" in key:
                    return
