"""The incremental parser of a training log.

It takes the bytes of the log as they arrive, cut anywhere, and returns only what is new. Each byte
is read once.

No library reads SimpleTuner's log, and general ones (grok patterns, parser generators) try an
expression per line format: too slow for logs of millions of lines in a process that also serves the
screen. Here training bars, by far the most frequent lines, are compared with the previous bar and
cut with string methods; their `k=v` list is parsed once per step, and rate, times and epoch only
when `progress` is read. The benchmark `tests/benchmarks/bench_log_parser.py` requires 400 000 lines
per second on one core, and a typical run's log reaches about twice that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, TypedDict

from tui.simpletuner.log import grammar
from tui.simpletuner.log.lines import LineReader, ReaderState
from tui.simpletuner.log.model import Outcome, Progress, Update
from tui.simpletuner.log.series import Series, SeriesState
from tui.simpletuner.log.stages import StageTracker, TrackerState
from tui.simpletuner.log.text import safe_text

# Bytes of a line that are parsed; the rest of a longer line only counts for offsets.
LINE_LIMIT: Final = 1 << 15
STATE_VERSION: Final = 1
_CAPITAL_E: Final = ord("E")
_WINDOW: Final = 1 << 16
_LAST_LINE_LIMIT: Final = 240


class ParserState(TypedDict):
    """A `LogParser` as JSON values; bytes as Latin-1.

    Attributes:
        version: of this shape.
        offset: bytes read so far.
        outcome: how the training ended; None while the log does not say.
        line_start: offset of the line that is not complete.
        pending: what is there of it.
        bar: the newest training bar.
        last: the newest line that is worth showing.
        series: the metric series.
        stages: the open stages.
        reader: what the lines read so far mean for the next ones.
    """

    version: int
    offset: int
    outcome: Outcome | None
    line_start: int
    pending: str
    bar: str
    last: str
    series: SeriesState
    stages: TrackerState
    reader: ReaderState


class LogParser:
    """Parses the bytes of one log. It is not thread-safe.

    Attributes:
        offset: bytes read so far; after `restore`, feed the log from here.
        outcome: how the training ended; None while the log does not say.
    """

    def __init__(self) -> None:
        self.offset = 0
        self.outcome: Outcome | None = None
        self._pending = b""
        self._line_start = 0
        self._bar = b""
        self._last = b""
        self._head = b""
        self._series = Series()
        self._stages = StageTracker()
        self._reader = LineReader(self._series, self._stages)
        self._progress: Progress | None = None

    @property
    def published(self) -> tuple[str, ...]:
        """Addresses or folders of the result as the log names them, in order."""
        return tuple(self._reader.published)

    def feed(self, data: bytes, at: datetime | None = None) -> Update:
        """Parse more bytes; return what they add.

        The values of the newest step are returned with the next step, because a bar is redrawn with
        newer values; `progress` already has them.

        Args:
            data: the next bytes of the log, cut anywhere.
            at: when they were read; becomes the time of stages and notices.
        """
        update = Update()
        self._progress = None
        for start in range(0, len(data), _WINDOW):
            self._window(data[start : start + _WINDOW], at, update)
        self.outcome = update.outcome or self.outcome
        return update

    def finish(self, at: datetime | None = None) -> Update:
        """Parse the last line of a complete log, also without a newline, and the last step."""
        update = Update()
        self._progress = None
        line, self._pending = self._pending, b""
        self._noisy_lines((line,), self._line_start, at, update)
        self._line_start = self.offset
        self._series.flush(update.metrics)
        self.outcome = update.outcome or self.outcome
        return update

    @property
    def progress(self) -> Progress:
        """The current state of the run, including a bar whose line has not ended yet."""
        if self._progress is None:
            self._progress = self._read_progress()
        return self._progress

    def _window(self, chunk: bytes, at: datetime | None, update: Update) -> None:
        """Cut a piece of at most 64 KiB into lines; a carriage return also ends a line."""
        start = self.offset
        self.offset = start + len(chunk)
        if 13 in chunk:
            chunk = chunk.replace(b"\r", b"\n")
        lines = chunk.split(b"\n")
        rest = lines.pop()
        if lines:
            if self._line_start < start:
                end = start + len(lines[0]) + 1
                lines[0] = self._pending + lines[0]
                self._noisy_lines(lines[:1], self._line_start, at, update)
                del lines[0]
                start = end
            if grammar.noisy(chunk):
                self._noisy_lines(lines, start, at, update)
            else:
                self._lines(lines, start, at, update)
            self._pending = rest[:LINE_LIMIT]
            self._line_start = self.offset - len(rest)
        elif len(self._pending) < LINE_LIMIT:
            self._pending = (self._pending + rest)[:LINE_LIMIT]

    def _noisy_lines(
        self, lines: Iterable[bytes], position: int, at: datetime | None, update: Update
    ) -> None:
        """Read lines that may hold escape sequences; `position` is where the first one begins."""
        for line in lines:
            self._lines((grammar.clean(line[:LINE_LIMIT]),), position, at, update)
            position += len(line) + 1

    def _lines(
        self, lines: Iterable[bytes], position: int, at: datetime | None, update: Update
    ) -> None:
        """Read whole lines; `position` is where the first one begins."""
        series, stages, reader, read = self._series, self._stages, self._reader, self._reader.read
        head = self._head
        bar, last = self._bar, self._last
        for whole in lines:
            length = len(whole)
            line = whole if length <= LINE_LIMIT else whole[:LINE_LIMIT]
            if not line:
                position += 1
                continue
            if line[0] == _CAPITAL_E and line[:6] == b"Epoch ":
                # Most lines of a long log take this branch, so it uses no expression: the part
                # before the counts is compared with that of the previous bar, which matched.
                parts = line.split(b"|", 2)
                if parts[0] != head and grammar.BAR_HEAD.fullmatch(parts[0]):
                    head = parts[0]
                body, _, rest = parts[-1].partition(b"]")
                held = body.partition(b"/")[0].strip()
                if (
                    parts[0] == head
                    and len(parts) == 3
                    and held.isdigit()
                    and len(held) < 16
                    and (not rest or rest.isspace())
                    and not reader.in_tail
                ):
                    bar = last = line
                    if held != series.held:
                        series.advance(held, body, update.metrics)
                        if not stages.settled:
                            stages.training_step(int(held), position, at, update)
                    elif 61 in body:
                        series.body = body
                    position += length + 1
                    continue
            if read(line, position, at, update):
                last = line
                if reader.bar:
                    bar, reader.bar = reader.bar, b""
            position += length + 1
        self._bar, self._last, self._head = bar, last, head

    def _read_progress(self) -> Progress:
        series, reader, stages = self._series, self._reader, self._stages
        bar = grammar.training_bar(self._bar)
        last, step = self._last, series.step
        loss, lr = series.latest("loss"), series.latest("lr")
        pending = b"" if reader.in_tail else grammar.clean(self._pending)
        newest = grammar.training_bar(pending) if pending else None
        if newest is not None:
            bar, step, last = newest, newest.step, pending
            loss, lr = newest.values.get("loss", loss), newest.values.get("lr", lr)
        if step is None:
            step = reader.step
        total = reader.total
        pace = eta = elapsed = None
        epoch, epochs = reader.epoch, reader.epochs
        if bar is not None:
            total, epoch, epochs = bar.total, bar.epoch, bar.epochs
            pace, eta, elapsed = bar.rate, bar.remaining, bar.elapsed
        if eta is None and pace is not None and step is not None and total is not None:
            eta = round(max(0, total - step) * pace)
        percent = 100.0 * min(step, total) / total if step is not None and total else None
        return Progress(
            step=step,
            total_steps=total,
            epoch=epoch,
            epochs=epochs,
            percent=percent,
            seconds_per_step=pace,
            elapsed_seconds=elapsed,
            eta_seconds=eta,
            loss=loss,
            lr=lr,
            stage=stages.label,
            stage_key=stages.key,
            stage_percent=stages.percent,
            last_line=_words(last),
        )

    def dump(self) -> ParserState:
        """The whole state. It does not depend on how the bytes were cut."""
        return {
            "version": STATE_VERSION,
            "offset": self.offset,
            "outcome": self.outcome,
            "line_start": self._line_start,
            "pending": self._pending.decode("latin-1"),
            "bar": self._bar.decode("latin-1"),
            "last": self._last.decode("latin-1"),
            "series": self._series.dump(),
            "stages": self._stages.dump(),
            "reader": self._reader.dump(),
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> LogParser:
        """The parser that `dump` described, if this is a `ParserState`.

        Raises:
            ValueError: if the state is not of this version; then parse the log from its beginning.
        """
        if state.get("version") != STATE_VERSION:
            raise ValueError("this parser state is of another version")
        parser = cls()
        try:
            parser.offset = state["offset"]
            parser.outcome = state["outcome"]
            parser._line_start = state["line_start"]
            parser._pending = state["pending"].encode("latin-1")
            parser._bar = state["bar"].encode("latin-1")
            parser._last = state["last"].encode("latin-1")
            parser._series = Series.restore(state["series"])
            parser._stages = StageTracker.restore(state["stages"])
            parser._reader = LineReader(parser._series, parser._stages)
            parser._reader.load(state["reader"])
        except (KeyError, TypeError, AttributeError) as broken:
            raise ValueError("this parser state is damaged") from broken
        return parser


def _words(line: bytes) -> str:
    """A line for the screen: a bar without its drawing, no control characters."""
    bar = grammar.BAR.search(line)
    if bar is not None:
        tag = grammar.TAG.search(line, bar.end())
        text = grammar.text_of(line[tag.start() :]) if tag else grammar.bar_words(line) or ""
    else:
        text = grammar.text_of(line)
    return safe_text(text[: 4 * _LAST_LINE_LIMIT]).strip()[:_LAST_LINE_LIMIT]
