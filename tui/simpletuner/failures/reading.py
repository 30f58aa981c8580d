"""Reads the end of a log for its failure: tracebacks, error lines, and how far the run came.

The container prints bars that are redrawn with carriage returns, lines of several processes mixed
with each other (`[rank3]: …`), chained tracebacks, lines that only wrap the cause, and at the end
of some runs the tail of debug.log, which repeats older lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from tui.simpletuner.log.grammar import (
    STAGE_KEYS,
    TAIL_MARK,
    TrainingBar,
    stage_parts,
    training_bar,
)
from tui.simpletuner.log.text import safe_text

LINE_LIMIT: Final = 1000
"""Characters of a line that are matched."""
_CONTINUED: Final = 40
"""Lines that belong to the message of an exception, at most."""
_BREAK: Final = re.compile(rb"[\r\n]")
_RANK: Final = re.compile(r"\[(?:rank|default)(\d+)\]: ?")
_GROUP: Final = re.compile(r" *\| ")
_BAR: Final = re.compile(r"%\|[^|]*\| *[\d.]{1,15}[kMGTP]?/[\d.]{1,15}[kMGTP]? *\[[^\]]*\]")
_TAG: Final = re.compile(
    r"\[(?:(STAGE|TRAINING|CHECKPOINT|INFO|WARN|ERROR|DEBUG|EVENT|COG)\]"
    r"|RANK \d+\] [^\[]{0,40}\[(DEBUG|INFO|WARNING|ERROR|CRITICAL)\]) ?"
)
_NATIVE: Final = re.compile(r"\[?([WIE])\d{4} \d\d:\d\d:")
_TRACEBACK: Final = "Traceback (most recent call last)"
_CHAINED: Final = ("During handling of the above", "The above exception was")
_EXCEPTION: Final = re.compile(r"[\w.]*(?:Error|Exception|Interrupt|Exit)(?::|$)")
_WRAPPER: Final = re.compile(
    r"ChildFailedError|torch\.distributed\.elastic|exited with status|The above exception"
    r"|^During handling|failed \(exitcode|Root Cause|traceback *: *To enable|^[-=*_ ]+$"
    r"|Sending process \d+ closing signal|^Failures:|^ *(?:time|host|rank|exitcode|error_file) *:"
    r"|warnings\.warn|process group has NOT been destroyed"
)
_FATAL: Final = re.compile(r"\berror: |\bfailed\b", re.IGNORECASE)


class Level(Enum):
    """How loud a line is."""

    ERROR = "error"
    TEXT = "text"
    WARNING = "warning"
    INFO = "info"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the log.

    Attributes:
        offset: bytes from the start of the log.
        text: the line as shown, safe for the terminal.
        bare: the line without a bar in front and without the mark of its process.
        rank: the process that the line names; empty for none.
        level: how loud it is.
        number: its place among the lines that were read.
    """

    offset: int
    text: str
    bare: str
    rank: str
    level: Level
    number: int

    @property
    def wraps(self) -> bool:
        """Whether the line only says that something else went wrong."""
        return _WRAPPER.search(self.bare) is not None


Block = list[LogLine]
"""The last line of a traceback, which names the exception, and the lines that continue it."""
Chain = list[Block]
"""Tracebacks that led to each other, the innermost first."""


@dataclass(slots=True)
class Reading:
    """What the end of a log holds.

    Attributes:
        lines: all lines but bars.
        chains: the tracebacks, in the order of their beginning.
        bar: the last training bar.
        moved: offset after which the run made no further progress.
        stage: key of the last stage that began.
        tail: the repeated end of debug.log.
    """

    lines: list[LogLine] = field(default_factory=list)
    chains: list[Chain] = field(default_factory=list)
    bar: TrainingBar | None = None
    moved: int = 0
    stage: str = ""
    tail: Reading | None = None

    def of_level(self, level: Level) -> Iterator[LogLine]:
        """The lines of a level, the newest first."""
        return (line for line in reversed(self.lines) if line.level is level)

    def following(self, line: LogLine) -> str:
        """A line and what may continue it."""
        last = line.number + _CONTINUED
        return "\n".join(part.bare for part in self.lines[line.number : last])


def read_log(data: bytes, offset: int) -> Reading:
    """Read the end of a log.

    Args:
        data: the end of the log.
        offset: where it begins in the log, in bytes.
    """
    reading = Reading()
    current = reading
    step_at: tuple[int, int] | None = None
    usage = False
    for at, raw in _split(data):
        if raw == TAIL_MARK:
            current = reading.tail = Reading()
            continue
        text = safe_text(raw[:LINE_LIMIT].decode("utf-8", "replace"))
        if not text.strip():
            continue
        rank, bare = _unmarked(text)
        bar_end = _bar_end(bare)
        if bar_end:
            if current is reading and "Epoch " in bare:
                bar = training_bar(bare.encode())
                if bar is not None:
                    if step_at is None or bar.step > step_at[0]:
                        reading.moved = step_at[1] if step_at else 0
                        step_at = (bar.step, offset + at)
                    reading.bar = bar
            text = bare = bare[bar_end:].strip()
            if not bare:
                continue
        if bare.startswith("usage:"):
            usage = True
        elif usage and bare[:1] not in " \t[":
            usage = False
        level = Level.SILENT if usage else _level(bare)
        if "[STAGE] " in bare:
            label = stage_parts(bare.partition("[STAGE] ")[2].partition(" ")[2])[0]
            current.stage = STAGE_KEYS.get(label, current.stage)
        current.lines.append(LogLine(offset + at, text, bare, rank, level, len(current.lines)))
    for part in (reading, reading.tail):
        if part is not None:
            part.chains = _chains(part.lines)
    return reading


def _split(data: bytes) -> Iterator[tuple[int, bytes]]:
    start = 0
    for line_break in _BREAK.finditer(data):
        if line_break.start() > start:
            yield start, data[start : line_break.start()]
        start = line_break.end()
    if start < len(data):
        yield start, data[start:]


def _unmarked(text: str) -> tuple[str, str]:
    """The process that a line names, and the line without its marks."""
    rank = _RANK.match(text)
    if rank is not None:
        text = text[rank.end() :]
    group = _GROUP.match(text)
    return (rank[1] if rank else ""), text[group.end() :] if group else text


def _bar_end(text: str) -> int:
    """Where the last bar of a line ends; 0 without a bar."""
    end = 0
    if "%|" in text:
        for bar in _BAR.finditer(text):
            end = bar.end()
    return end


def _level(text: str) -> Level:
    tag = _TAG.match(text)
    if tag is None:
        native = _NATIVE.match(text)
        if native is not None:
            return Level.TEXT if native[1] == "E" else Level.SILENT
        if _EXCEPTION.match(text) or "error: " in text[:LINE_LIMIT]:
            return Level.ERROR
        if "Warning: " in text:
            return Level.WARNING
        return Level.SILENT if text.startswith('  File "') else Level.TEXT
    name = tag[1] or tag[2]
    if name in ("ERROR", "CRITICAL"):
        return Level.ERROR
    if name in ("WARN", "WARNING"):
        return Level.WARNING
    if name == "STAGE":
        return Level.ERROR if "✗" in text else Level.SILENT
    if name == "TRAINING":
        return Level.ERROR if _FATAL.search(text) else Level.TEXT
    if name in ("EVENT", "CHECKPOINT"):
        return Level.TEXT
    return Level.INFO if name == "INFO" else Level.SILENT


@dataclass(slots=True)
class _Process:
    """Where the reading of one process' tracebacks stands."""

    frames: bool = False
    chained: bool = False
    chain: Chain | None = None
    block: Block | None = None


def _chains(lines: list[LogLine]) -> list[Chain]:
    """The tracebacks of all processes; exceptions that are printed alone count as well."""
    chains: list[Chain] = []
    processes: dict[str, _Process] = {}
    for line in lines:
        state = processes.setdefault(line.rank, _Process())
        text = line.bare
        if _TRACEBACK in text:
            state.frames, state.block = True, None
            if not state.chained:
                state.chain = None
            state.chained = False
        elif text.startswith(_CHAINED):
            state.frames, state.block, state.chained = False, None, state.chain is not None
        elif state.frames:
            if text[:1] not in " \t":
                state.frames = False
                _add(chains, state, line)
        elif _TAG.match(text) or _NATIVE.match(text):
            state.block = None
        elif _EXCEPTION.match(text) and line.level is Level.ERROR:
            state.chain = None
            _add(chains, state, line)
        elif state.block is not None and len(state.block) < _CONTINUED:
            state.block.append(line)
    return chains


def _add(chains: list[Chain], state: _Process, line: LogLine) -> None:
    state.block = [line]
    if state.chain is None:
        state.chain = []
        chains.append(state.chain)
    state.chain.append(state.block)
