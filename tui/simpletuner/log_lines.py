"""Understands one line of the log that is no training bar."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from tui.simpletuner import log_grammar as grammar
from tui.simpletuner.log_model import Checkpoint, Level, Notice, Update
from tui.simpletuner.log_series import Series
from tui.simpletuner.log_stages import StageTracker

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
_RULES: Final = b"*-=_ \t"


class LineReader:
    """Knows what earlier lines mean for the next one (a traceback, the start banner, the tail).

    Attributes:
        in_tail: whether the repeated end of the debug log has begun.
        step: steps done before this run, when the banner or a status line said so.
        total: steps in all, as the banner, a summary or a status line said.
        epoch: the current epoch.
        epochs: epochs in all.
        published: where the run says its result is.
    """

    def __init__(self, series: Series, stages: StageTracker) -> None:
        self.in_tail = False
        self.step: int | None = None
        self.total: int | None = None
        self.epoch: int | None = None
        self.epochs: int | None = None
        self.published: list[str] = []
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
        """Take one line; return whether it says something to a person."""
        self._offset, self._at, self._update = offset, at, update
        if self.in_tail:
            return self._tail_line(line)
        if not line or line.isspace():
            return False
        if line.startswith(b"["):
            found = grammar.TAG.match(line)
            if found is not None:
                return self._tagged(found[1], line[found.end() :])
        if b"%|" in line:
            bar = grammar.BAR.search(line)
            if bar is not None:
                return self._bar(line, bar.end())
        if b"[" in line:
            found = grammar.TAG.search(line)
            if found is not None:
                self._plain(line[: found.start()])
                return self._tagged(found[1], line[found.end() :])
        return self._plain(line)

    def _bar(self, line: bytes, end: int) -> bool:
        """A bar that is not alone on its line, or not one of training."""
        found = grammar.TRAINING_BAR.search(line)
        if found is not None:
            self.training_bar(found[1], found[2])
            end = max(end, found.end())
        rest = line[end:].strip()
        if rest:
            self.read(rest, self._offset, self._at, self._update)
        return True

    def training_bar(self, held: bytes, postfix: bytes | None) -> None:
        """The values of a training bar that was found behind something else."""
        if held == self._series.held:
            self._series.postfix = postfix or self._series.postfix
            return
        self._series.advance(held, postfix, self._update.metrics)
        self._stages.training_step(int(held), self._offset, self._at, self._update)

    def _tagged(self, tag: bytes, rest: bytes) -> bool:
        self._in_traceback = False
        handler = self._tags.get(tag)
        if handler is None:
            return self._rank(rest)
        return handler(rest)

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
        found = grammar.TRAINING_STEP.match(text)
        if found is not None:
            step, total = int(found[1]), int(found[2])
            self.step, self.total = step, total
            message = text[found.end() :]
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
        # The bare form only repeats the stage line before it, which named the step.
        if not self._checkpoint_named or grammar.checkpoint_of(text)[0] is not None:
            self._save(text)
        self._checkpoint_named = False
        return True

    def _save(self, text: str) -> bool:
        """Note a checkpoint; return whether it is news."""
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
        found = grammar.EVENT.match(text)
        if found is None:
            return bool(text)
        level: Level = "error" if found[1] == "gpu.fault" else "event"
        self._notice(level, found[1], found[2])
        return True

    def _cog(self, rest: bytes) -> bool:
        text = grammar.text_of(rest).strip()
        if text.startswith("Webhook error"):
            self._notice("warning", "Webhook error", text.partition(": ")[2])
        return bool(text)

    def _notification(self, level: Level) -> Callable[[bytes], bool]:
        def read(rest: bytes) -> bool:
            text = grammar.undouble(grammar.text_of(rest).strip())
            self._summary(text)
            title, colon, message = text.partition(": ")
            if colon:
                self._notice(level, title, message.removeprefix(f"{title}: "))
            else:
                self._notice(level, "", text)
            return bool(text)

        return read

    def _rank(self, rest: bytes) -> bool:
        text = grammar.text_of(rest).strip()
        found = grammar.RANK.match(text)
        if found is None:
            return bool(text)
        level, logger, message = found.groups()
        self._summary(message)
        self._notice(_LEVELS[level], logger or "", message)
        if "Traceback (most recent call last)" in message:
            self._in_traceback = True
        return True

    # -- lines without a tag -----------------------------------------------------------------

    def _plain(self, line: bytes) -> bool:
        stripped = line.strip()
        if not stripped.strip(_RULES):
            return False
        if stripped.startswith(b"Traceback (most recent call last)"):
            self._in_traceback = True
            return True
        if stripped == grammar.TAIL_MARK:
            self.in_tail = True
            self._series.flush(self._update.metrics)
            return False
        if self._in_traceback:
            if line[:1].isspace() or stripped.startswith(b"|"):
                return False
            self._in_traceback = False
            self._exception(grammar.text_of(stripped), surely=True)
            return True
        if b"Error" in stripped or b"Exception" in stripped:
            self._exception(grammar.text_of(stripped), surely=False)
        elif b"Step" in stripped or b"step" in stripped or b" = " in stripped:
            self._banner(stripped)
        else:
            self._result(stripped)
        return True

    def _exception(self, text: str, *, surely: bool) -> None:
        found = grammar.EXCEPTION.match(text)
        if found is not None:
            if not found[1].endswith("Warning"):
                self._notice("error", found[1].rpartition(".")[2], found[2] or "")
        elif surely:
            self._notice("error", "", text)

    def _banner(self, line: bytes) -> None:
        found = grammar.BANNER.match(line)
        if found is None:
            self._summary(grammar.text_of(line))
            return
        digits = found[2].replace(b",", b"")
        if not digits:
            return
        value = int(digits)
        if found[1] == b"Num Epochs":
            self.epochs = value
        elif found[1] == b"Current Epoch":
            self.epoch = value
        elif found[1] == b"Steps completed":
            self.step = value
        else:
            self.total = value

    def _result(self, line: bytes) -> None:
        for prefix in (*grammar.PUBLISHED_PREFIXES, grammar.OUTPUT_PREFIX):
            if line.startswith(prefix):
                self.published.append(grammar.text_of(line[len(prefix) :]).strip())
                self._update.published.append(self.published[-1])

    def _tail_line(self, line: bytes) -> bool:
        """The end of the debug log repeats old lines: only steps beyond the last one are news."""
        stripped = line.strip()
        if stripped.startswith((*grammar.PUBLISHED_PREFIXES, grammar.OUTPUT_PREFIX)):
            self._result(stripped)
            return True
        if b"Step " in stripped:
            self._summary(grammar.text_of(stripped))
        return False

    def _summary(self, text: str) -> None:
        """`Step n of N: loss X, lr Y, epoch e/E, …`, wherever it stands in a line."""
        if "Step " not in text:
            return
        found = grammar.SUMMARY.search(text)
        if found is None:
            return
        step, total = int(found[1]), int(found[2])
        known = self._series.step
        if self.in_tail and known is not None and step <= known:
            return
        values: dict[str, float] = {}
        for part in found[3].split(", "):
            name, _, raw = part.strip().partition(" ")
            value = grammar.number(raw)
            if value is not None and name.isidentifier():
                values[grammar.metric_name(name)] = value
            elif name == "epoch" and (known is None or step >= known):
                epoch, _, epochs = raw.partition("/")
                if epoch.isdigit() and epochs.isdigit():
                    self.epoch, self.epochs = int(epoch), int(epochs)
        self._series.add(step, values, self._update.metrics)
        self.total = total

    def _notice(self, level: Level, title: str, message: str) -> None:
        self._update.notices.append(
            Notice(
                level,
                title[:_TITLE_LIMIT],
                message[:_MESSAGE_LIMIT],
                self._offset,
                self._at,
            )
        )

    def dump(self) -> dict[str, Any]:
        """The state as plain JSON values."""
        return {
            "in_tail": self.in_tail,
            "in_traceback": self._in_traceback,
            "step": self.step,
            "total": self.total,
            "epoch": self.epoch,
            "epochs": self.epochs,
            "published": list(self.published),
            "last_checkpoint": self._last_checkpoint,
            "checkpoint_named": self._checkpoint_named,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take over the state that `dump` described."""
        self.in_tail = state["in_tail"]
        self._in_traceback = state["in_traceback"]
        self.step = state["step"]
        self.total = state["total"]
        self.epoch = state["epoch"]
        self.epochs = state["epochs"]
        self.published = list(state["published"])
        self._last_checkpoint = state["last_checkpoint"]
        self._checkpoint_named = state["checkpoint_named"]
