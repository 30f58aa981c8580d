"""The kind of a log line, for colours and filters. Each line is classified on its own."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final


class LineKind(StrEnum):
    """The kinds of lines in a training log."""

    STAGE = "stage"
    TRAINING = "training"
    CHECKPOINT = "checkpoint"
    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"
    EVENT = "event"
    COG = "cog"
    BAR = "bar"
    STEP_SUMMARY = "step_summary"
    TRACEBACK = "traceback"
    PUBLISHED = "published"
    TEXT = "text"


_TAG: Final = re.compile(
    r"\[(?:(STAGE|TRAINING|CHECKPOINT|INFO|WARN|ERROR|DEBUG|EVENT|COG)\]"
    r"|RANK \d+\] [^\[]{0,40}\[(DEBUG|INFO|WARNING|ERROR|CRITICAL)\])"
)
_KINDS: Final = {
    **{kind.name: kind for kind in LineKind},
    "WARNING": LineKind.WARN,
    "CRITICAL": LineKind.ERROR,
}
_BLANKS: Final = frozenset(" \t")
_SUMMARY: Final = re.compile(r"Step \d+ of \d+: ")
_PUBLISHED: Final = (
    "Checkpoints published to: ",
    "Model published to: ",
    "Training complete. Output: ",
)
_TRACEBACK: Final = ("Traceback (most recent", "During handling of", "The above exception was")
_FRAME: Final = re.compile(r'\s+(?:\+ )?(?:File "|[~^]+\s*$|\|)')
_ERROR: Final = re.compile(r"[\w.]*(?:Error|Exception|Interrupt)(?::|$)")
_WARNING: Final = re.compile(r"\S*Warning: |.{0,200}?:\d+: \w*Warning: ")


def classify_line(line: str) -> LineKind:
    """The kind of one line as displayed (after its last carriage return).

    A progress bar with a tagged line on the same line has the tag's kind: SimpleTuner prints the
    tag without a line feed after the bar, and the bar itself is old.
    """
    first = line[:1]
    if first == "[":
        tag = _TAG.match(line)
        if tag is not None:
            return _tagged(tag, line)
    if "%|" in line:
        tag = _TAG.search(line)
        if tag is not None:
            return _tagged(tag, line)
        end = line.rfind("]")
        if end >= 0 and not line[end + 1 :].strip():
            return LineKind.BAR
        line = line[end + 1 :].lstrip()
        first = line[:1]
    if first in _BLANKS:
        if _FRAME.match(line):
            return LineKind.TRACEBACK
        return LineKind.TRAINING if line.lstrip()[:2] == "- " else LineKind.TEXT
    if first in "*-" and line.startswith(("***** ", "- ")):
        return LineKind.TRAINING
    if line.startswith(_TRACEBACK):
        return LineKind.TRACEBACK
    if line.startswith(_PUBLISHED):
        return LineKind.PUBLISHED
    if _ERROR.match(line):
        return LineKind.ERROR
    if "Step " in line and _SUMMARY.search(line):
        return LineKind.STEP_SUMMARY
    if "Warning: " in line and _WARNING.match(line):
        return LineKind.WARN
    return LineKind.TEXT


def _tagged(tag: re.Match[str], line: str) -> LineKind:
    kind = _KINDS[tag[1] or tag[2]]
    if kind is LineKind.INFO and "Step " in line and _SUMMARY.search(line):
        return LineKind.STEP_SUMMARY
    return kind
