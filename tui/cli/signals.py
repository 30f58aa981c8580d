"""Signals that end a command: a script that asked for JSON is told of them as of any failure."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator, Mapping
from typing import NoReturn

from tui.cli import exit_codes
from tui.cli.failures import failed
from tui.cli.output import say_json, tell


class Interrupted(KeyboardInterrupt):
    """A command was ended by a signal.

    Attributes:
        number: of the signal.
        words: what goes on without the command.
        advice: where that can be looked at.
        answer: what the command can answer all the same.
    """

    def __init__(
        self,
        number: int = signal.SIGINT,
        words: str = "",
        advice: str = "What it began goes on in the engine: `simpletuner-tui jobs` shows it.",
        answer: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__()
        self.number, self.words, self.advice, self.answer = number, words, advice, answer or {}


@contextlib.contextmanager
def sigterm_interrupts(*, wanted: bool) -> Iterator[None]:
    """Let SIGTERM raise `Interrupted`; where it is ignored or has a handler, that stays so.

    Args:
        wanted: whether somebody is to be told; else the signal ends the process, as it does anyway.
    """
    if not wanted or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _interrupt(number: int, _: object) -> NoReturn:
    raise Interrupted(number)


@contextlib.contextmanager
def goes_on(words: str, advice: str, answer: Mapping[str, object]) -> Iterator[None]:
    """Tell, where the wait for something is interrupted, that it goes on."""
    try:
        yield
    except KeyboardInterrupt as error:
        tell(f"{words} {advice}")
        number = error.number if isinstance(error, Interrupted) else signal.SIGINT
        raise Interrupted(number, words, advice, answer) from None


def explain_interrupt(error: KeyboardInterrupt, *, as_json: bool) -> int:
    """Print, where JSON was asked for, what ended the command; returns the exit status."""
    cause = error if isinstance(error, Interrupted) else Interrupted()
    if as_json:
        message = f"The command was ended by {signal.Signals(cause.number).name}. {cause.words}"
        with contextlib.suppress(OSError):  # who reads may have got the signal as well
            say_json(failed(cause.answer, "interrupted", message.rstrip(), cause.advice))
    return exit_codes.ENDED_BY_SIGNAL + cause.number
