"""The manual page, from the grammar."""

from __future__ import annotations

import argparse

from tui import __version__
from tui.cli.grammar_words import PROGRAM, examples_of, verbs_of

_STATUSES = (
    ("0", "fine"),
    ("1", "the job or a check failed, or it could not be proved that its results arrived"),
    ("2", "wrong usage, or nothing of that name"),
    ("3", "not authorised: a token or keys are missing or refused"),
    ("4", "Replicate or the engine cannot be reached"),
    ("5", "blocked by the cost limit"),
    ("6", "everything was sent, and the far end does not let it be verified"),
    ("7", "everything was done, and its output could not be written, as on a full disk"),
    ("130, 143", "interrupted, by ctrl+c or SIGTERM; the job goes on"),
)


def man_page(parser: argparse.ArgumentParser) -> str:
    """The page in the man macros; the same grammar gives the same bytes."""
    lines = [
        f'.TH "{PROGRAM.upper()}" "1" "" "{PROGRAM} {__version__}" "User Commands"',
        ".SH NAME",
        f"{_text(PROGRAM)} \\- SimpleTuner training jobs on Replicate, from a terminal",
        ".SH SYNOPSIS",
        f".B {_text(PROGRAM)}",
        "[\\fICOMMAND\\fR [\\fIARGUMENT\\fR...]]",
        ".SH DESCRIPTION",
        _text(parser.description or ""),
        ".SH COMMANDS",
    ]
    for verb in verbs_of(parser):
        places = " ".join(kind.strip("@") or "..." for kind in verb.places)
        lines += [f'.SS "{_text(f"{verb.name} {places}".rstrip().replace(",", "|"))}"']
        lines += [_text(verb.summary)]
        for spelling, text in verb.options.items():
            if spelling in ("-h", "--help"):
                continue
            lines += [".TP", f"\\fB{_text(spelling)}\\fR", _text(text or "see above")]
        if examples := examples_of(verb.name):
            lines += [".PP", "Examples:", ".PP", ".nf", ".RS", *map(_text, examples), ".RE", ".fi"]
    lines += [".SH EXIT STATUS"]
    for status, meaning in _STATUSES:
        lines += [".TP", f"\\fB{status}\\fR", _text(meaning)]
    lines += [
        ".SH ENVIRONMENT",
        ".TP", "\\fBREPLICATE_API_TOKEN\\fR", "The token of Replicate, before the keyring's.",
        ".TP", "\\fBSIMPLETUNER_TUI_HOME\\fR", "The state folder.",
        ".TP", "\\fBNO_COLOR\\fR", "Without colours.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    """Text as roff takes it: hyphens that can be pasted, no line that is a request."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{text}" if text.startswith((".", "'")) else text
