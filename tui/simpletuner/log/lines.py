"""Parses the lines of the log that are no training bars."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final, TypedDict

from tui.simpletuner.log import grammar
from tui.simpletuner.log.model import Checkpoint, Level, Notice, Update
from tui.simpletuner.log.series import Series
from tui.simpletuner.log.stages import StageTracker

# Takes a quarter of the time of `Notice(...)`.
_new = tuple.__new__
_TITLE_LIMIT: Final = 200
_MESSAGE_LIMIT: Final = 4000
_LEVELS: Final[dict[str, Level]] = {
    "DEBUG": "debug",
    "INFO": "info",
    "WARN": "warning",
    "WARNING": "warning",
    "ERROR": "error",
    "CRITICAL": "error",
}
_BRACKET: Final = ord("[")
_PIPE: Final = ord("|")
_CAPITAL_E: Final = ord("E")
# The attributes that `LineReader.dump` keeps, beside `published`.
_DASH: Final = ord("-")
_EXCEPTIONS: Final = (b"Error", b"Exception", b"Interrupt")
_LETTERS: Final = (ord("A"), ord("z"))
_BLANKS: Final = b" \t"
# First bytes of the lines without a tag that `_marked` reads.
_MARKS: Final = b"-=*_TCM"
# First characters of a printed number, nan and inf included.
_NUMERIC: Final = frozenset("0123456789-ni")
_RULES: Final = b"*-=_ \t"


class ReaderState(TypedDict):
    """What a `LineReader` knows of the lines before, as JSON values."""

    in_tail: bool
    step: int | None
    total: int | None
    epoch: int | None
    epochs: int | None
    in_traceback: bool
    last_checkpoint: int | None
    checkpoint_named: bool
    published: list[str]


class LineReader:
    """Reads lines and keeps the state that spans them (traceback, start banner, debug tail).

    Attributes:
        in_tail: whether the repeated end of debug.log has begun.
        step: steps done before this run, from the banner or a status line.
        total: number of steps, from the banner, a summary or a status line.
        epoch: the current epoch.
        epochs: number of epochs.
        published: addresses or folders of the result, as the log names them.
        bar: a training bar that shares its line with other text, until the parser takes it.
    """

    def __init__(self, series: Series, stages: StageTracker) -> None:
        self.in_tail = False
        self.step: int | None = None
        self.total: int | None = None
        self.epoch: int | None = None
        self.epochs: int | None = None
        self.published: list[str] = []
        self.bar = b""
        self._in_traceback = False
        self._last_checkpoint: int | None = None
        self._checkpoint_named = False
        self._series = series
        self._stages = stages
        self._offset = 0
        self._at: datetime | None = None
        self._update = Update()
        self._tags: dict[bytes, Callable[[bytes], bool]] = {
            b"STAGE": self._stage,
            b"TRAINING": self._training,
            b"CHECKPOINT": self._checkpoint,
            b"EVENT": self._event,
            b"COG": self._cog,
            b"INFO": self._notification("info"),
            b"WARN": self._notification("warning"),
            b"ERROR": self._notification("error"),
            b"DEBUG": self._notification("debug"),
        }

    def read(self, line: bytes, offset: int, at: datetime | None, update: Update) -> bool:
        """Read one line; return whether it is worth showing as the newest line."""
        self._offset, self._at, self._update = offset, at, update
        if self.in_tail:
            return self._tail_line(line)
        if not line:
            return False
        if line[0] == _BRACKET:
            match = grammar.TAG.match(line)
            if match is not None:
                self._in_traceback = False
                return self._tags.get(match[1], self._rank)(line[match.end() :])
        if _PIPE in line:
            bar = grammar.BAR.search(line)
            if bar is not None:
                return self._bar(line, bar.end())
        if _BRACKET in line:
            match = grammar.TAG.search(line)
            if match is not None:
                self._plain(line[: match.start()])
                self._in_traceback = False
                return self._tags.get(match[1], self._rank)(line[match.end() :])
        return self._plain(line)

    def _bar(self, line: bytes, end: int) -> bool:
        """Read a bar that shares its line with other text or is no training bar."""
        if _CAPITAL_E in line and b"Epoch " in line:
            match = grammar.TRAINING_BAR.search(line)
            if match is not None:
                self._training_bar(line, match[2], match[1])
                end = max(end, match.end())
        if end < len(line):
            rest = line[end:].strip()
            if rest:
                self.read(rest, self._offset, self._at, self._update)
        return True

    def _training_bar(self, line: bytes, held: bytes, body: bytes) -> None:
        self.bar = line
        series = self._series
        if held != series.held:
            series.advance(held, body, self._update.metrics)
            self._stages.training_step(int(held), self._offset, self._at, self._update)
        elif b"=" in body:
            series.body = body

    # -- tags --------------------------------------------------------------------------------

    def _stage(self, rest: bytes) -> bool:
        text = grammar.text_of(rest).strip()
        stage = self._stages.line(
            text, step=self._series.step, offset=self._offset, at=self._at, update=self._update
        )
        if stage is None:
            return bool(text)
        if stage.key == "checkpoint_save" and stage.status == "completed":
            self._checkpoint_named = self._save(stage.message)
        elif stage.key in {"training_complete", "training_abort"}:
            self._series.flush(self._update.metrics)
        return True

    def _training(self, rest: bytes) -> bool:
        text = grammar.text_of(rest).strip()
        match = grammar.TRAINING_STEP.match(text)
        if match is not None:
            step, total = int(match[1]), int(match[2])
            self.step, self.total = step, total
            message = text[match.end() :]
            values = {
                grammar.metric_name(name): float(value)
                for name, value in grammar.VALUE.findall(message)
            }
            before = self._series.step
            self._series.add(step, values, self._update.metrics)
            if self._series.step != before:
                self._stages.training_step(step, self._offset, self._at, self._update)
            return True
        if text.startswith("Training failed"):
            self._notice("error", "Training failed", text.partition(": ")[2])
        elif text.startswith("Status: ") and text.endswith("failed"):
            self._notice("error", "Training", text)
        return bool(text)

    def _checkpoint(self, rest: bytes) -> bool:
        text = grammar.text_of(rest)
        # Without a step the line repeats the stage line before it, which names the step.
        if not self._checkpoint_named or grammar.checkpoint_of(text)[0] is not None:
            self._save(text)
        self._checkpoint_named = False
        return True

    def _save(self, text: str) -> bool:
        """Record a checkpoint; return False if it is recorded already."""
        step, path = grammar.checkpoint_of(text)
        if step is None:
            step = self._series.step
        if step is not None and step == self._last_checkpoint:
            return False
        self._last_checkpoint = step
        self._update.checkpoints.append(Checkpoint(step, path, self._offset, self._at))
        return True

    def _event(self, rest: bytes) -> bool:
        text = grammar.text_of(rest).strip()
        kind, colon, message = text.partition(": ")
        if colon:
            self._notice("error" if kind == "gpu.fault" else "event", kind, message)
        return bool(text)

    def _cog(self, rest: bytes) -> bool:
        text = grammar.text_of(rest).strip()
        if text.startswith("Webhook error"):
            self._notice("warning", "Webhook error", text.partition(": ")[2])
        return bool(text)

    def _notification(self, level: Level) -> Callable[[bytes], bool]:
        def read(rest: bytes) -> bool:
            text = grammar.undouble(grammar.text_of(rest).strip())
            if "Step " in text:
                self._summary(text)
            title, colon, message = text.partition(": ")
            if not colon:
                title, message = "", text
            elif message.startswith(title):
                message = message.removeprefix(f"{title}: ")
            self._notice(level, title, message)
            return bool(text)

        return read

    def _rank(self, rest: bytes) -> bool:
        text = grammar.text_of(rest).strip()
        match = grammar.RANK.match(text)
        if match is None:
            return bool(text)
        level, logger, message = match.groups()
        if "Step " in message:
            self._summary(message)
        self._notice(_LEVELS[level], logger or "", message)
        if "Traceback (most recent call last)" in message:
            self._in_traceback = True
        return True

    # -- lines without a tag -----------------------------------------------------------------

    def _plain(self, line: bytes) -> bool:
        stripped = line.strip()
        if not stripped:
            return False
        first = stripped[0]
        if self._in_traceback and not self._leaves_traceback(line, first):
            return False
        if first in _MARKS and self._marked(first, stripped):
            return not self.in_tail and bool(stripped.strip(_RULES))
        if _LETTERS[0] <= first <= _LETTERS[1] and (
            stripped.partition(b":")[0].endswith(_EXCEPTIONS)
        ):
            self._exception(stripped)
        elif b"Step " in stripped:
            self._summary(grammar.text_of(stripped))
        return True

    def _leaves_traceback(self, line: bytes, first: int) -> bool:
        """Whether `line` ends a traceback: its first unindented line names the exception."""
        if line[0] in _BLANKS or first == _PIPE:
            return False
        self._in_traceback = False
        if not line.partition(b":")[0].strip().endswith(_EXCEPTIONS) and first not in _MARKS:
            text = grammar.text_of(line.strip())
            name, _, message = text.partition(": ")
            self._notice("error", name.rpartition(".")[2] if message else "", message or text)
        return True

    def _marked(self, first: int, line: bytes) -> bool:
        """Read a line that is recognised by its beginning; False if it is none."""
        if first == _DASH:
            self._banner(line)
            return True
        if line.startswith(b"Traceback (most recent call last)"):
            self._in_traceback = True
            return True
        if line.startswith(grammar.RESULT_PREFIXES):
            self._result(line)
            return True
        if line == grammar.TAIL_MARK:
            self.in_tail = True
            self._series.flush(self._update.metrics)
            return True
        return first in _RULES

    def _exception(self, line: bytes) -> None:
        match = grammar.EXCEPTION.match(grammar.text_of(line))
        if match is not None:
            self._notice("error", match[1].rpartition(".")[2], match[2] or "")

    def _banner(self, line: bytes) -> None:
        match = grammar.BANNER.match(line)
        if match is None:
            return
        digits = match[2].replace(b",", b"")
        if not digits:
            return
        value = int(digits)
        if match[1] == b"Num Epochs":
            self.epochs = value
        elif match[1] == b"Current Epoch":
            self.epoch = value
        elif match[1] == b"Steps completed":
            self.step = value
        else:
            self.total = value

    def _result(self, line: bytes) -> None:
        if line.startswith(grammar.RESULT_PREFIXES):
            where = grammar.text_of(line.partition(b": ")[2]).strip()
            self.published.append(where)
            self._update.published.append(where)

    def _tail_line(self, line: bytes) -> bool:
        """Read a line of the debug tail, which repeats old lines: only later steps are new."""
        stripped = line.strip()
        if stripped.startswith(grammar.RESULT_PREFIXES):
            self._result(stripped)
            return True
        if b"Step " in stripped:
            self._summary(grammar.text_of(stripped))
        return False

    def _summary(self, text: str) -> None:
        """Read `Step n of N: loss X, lr Y, epoch e/E, …` anywhere in a line."""
        match = grammar.SUMMARY.search(text)
        if match is None:
            return
        step, total = int(match[1]), int(match[2])
        known = self._series.step
        if self.in_tail and known is not None and step <= known:
            return
        values: dict[str, float] = {}
        for part in match[3].split(", "):
            name, _, raw = part.partition(" ")
            if name == "epoch":
                epoch, _, epochs = raw.partition("/")
                if epoch.isdecimal() and epochs.isdecimal() and (known is None or step >= known):
                    self.epoch, self.epochs = int(epoch[:15]), int(epochs[:15])
            elif raw[:1] in _NUMERIC and name.isidentifier():
                value = grammar.number(raw)
                if value is not None:
                    values[grammar.metric_name(name)] = value
        self._series.add(step, values, self._update.metrics)
        self.total = total

    def _notice(self, level: Level, title: str, message: str) -> None:
        self._update.notices.append(
            _new(
                Notice,
                (level, title[:_TITLE_LIMIT], message[:_MESSAGE_LIMIT], self._offset, self._at),
            )
        )

    def dump(self) -> ReaderState:
        """The state as JSON values."""
        return {
            "in_tail": self.in_tail,
            "step": self.step,
            "total": self.total,
            "epoch": self.epoch,
            "epochs": self.epochs,
            "in_traceback": self._in_traceback,
            "last_checkpoint": self._last_checkpoint,
            "checkpoint_named": self._checkpoint_named,
            "published": list(self.published),
        }

    def load(self, state: ReaderState) -> None:
        """Set the state from the result of `dump`."""
        self.in_tail = state["in_tail"]
        self.step, self.total = state["step"], state["total"]
        self.epoch, self.epochs = state["epoch"], state["epochs"]
        self._in_traceback = state["in_traceback"]
        self._last_checkpoint = state["last_checkpoint"]
        self._checkpoint_named = state["checkpoint_named"]
        self.published = list(state["published"])
