"""The parser's own class: a wrong command line is an error like any other, with a suggestion."""

from __future__ import annotations

import argparse
import os
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, Final, NoReturn

from tui.base.similar import did_you_mean
from tui.cli.examples import EXAMPLES
from tui.cli.failures import wrong_usage

JOB_HELP: Final = "a job: its id, a prediction's, the start of either, or its name"
"""Every command that takes a job takes it so."""


def as_text(arguments: Sequence[str]) -> list[str]:
    """The words of a command line; where the locale is not UTF-8, what was typed still is.

    Raises:
        ApiError: a word is no text, so that nothing could be told of it.
    """
    return [word if _is_text(word) else _decoded(word) for word in arguments]


def _is_text(word: str) -> bool:
    return not any("\udc80" <= char <= "\udcff" for char in word)


def _decoded(word: str) -> str:
    try:
        return os.fsencode(word).decode()
    except UnicodeError:
        shown = word.encode("ascii", "backslashreplace").decode()
        raise wrong_usage(
            f"{shown} is no text in UTF-8.", "Type it in a terminal that is set to UTF-8."
        ) from None


class _Formatter(argparse.HelpFormatter):
    """Folds help between words alone: an option is not broken at a hyphen of its name."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return textwrap.indent("\n".join(self._split_lines(text, width - len(indent))), indent)


class Parser(argparse.ArgumentParser):
    """Raises `ApiError` where argparse would print its usage and end the process.

    So a script that asked for JSON gets the reason as JSON, whatever was wrong.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"formatter_class": _Formatter} | settings)

    def format_help(self) -> str:
        """The help with examples that can be pasted."""
        program, _, name = self.prog.partition(" ")
        lines = "".join(f"\n  {program} {line}" for line in EXAMPLES.get(name, ()))
        text = super().format_help()
        return f"{text}\nexamples:{lines}\n" if lines else text

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's, except that a command refuses itself what it does not know.

        Argparse leaves that to the program's parser, whose help shows nothing of the command's.

        Raises:
            ApiError: there are such words.
        """
        known, others = super().parse_known_args(args, namespace)
        if others and " " in self.prog:
            words = f"unrecognized arguments: {' '.join(others)}"
            if "filter" in known:
                raise wrong_usage(f"U{words[1:]}.", f"A term that begins with - stands behind --: "
                                  f"{self.prog} -- {' '.join(others)}")  # fmt: skip
            self.error(words)
        return known, others

    def error(self, message: str) -> NoReturn:
        """Refuse the command line.

        Raises:
            ApiError: always.
        """
        advice = f"{self.prog} --help tells how it is written."
        raise wrong_usage(f"{message[:1].upper()}{message[1:].rstrip('.')}.", advice)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse a word that is none of an argument's choices, and name the nearest of them."""
        choices: Iterable[Any] | None = action.choices
        if choices is None or value in choices:
            return
        names = [str(name) for name in choices if name != "engine-process"]
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001  its only name
            raise wrong_usage(
                f"There is no command {value}.",
                did_you_mean(str(value), names) or f"All of them: {self.prog} --help",
            )
        what = "/".join(action.option_strings) or action.metavar or action.dest
        near = did_you_mean(str(value), names)
        raise wrong_usage(
            f"{what} cannot be {value}.", near or f"It is one of: {', '.join(names)}."
        )
