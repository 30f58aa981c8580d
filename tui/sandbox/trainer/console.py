"""The two logs of a run, the prediction's log and debug.log, in SimpleTuner's line formats.

The functions at the end format tagged lines, tqdm bars and step summaries.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Literal

from tui.sandbox.worker import RunContext

TAIL_CHARACTERS = 5000
_FRAMES = (
    ("/src/predict.py", 214, "predict"),
    ("/src/simpletuner/cog.py", 388, "run"),
    ("/src/simpletuner/helpers/training/trainer.py", 1, "run"),
)
_ICONS = {"running": "⏳", "completed": "✓", "failed": "✗"}
_BLOCKS = " ▏▎▍▌▋▊▉█"
_BAR_WIDTH = 10
StageState = Literal["running", "completed", "failed", "skipped"]


class Console:
    """Writes a run's logs in SimpleTuner's formats.

    Bars begin with a carriage return and end without a line feed, so a tagged line can follow a
    bar on the same line, as in real logs.
    """

    def __init__(self, run: RunContext) -> None:
        self._run = run
        self._debug: list[str] = []
        self._open_bar = False

    def line(self, text: str) -> None:
        """Print a line."""
        self._run.line(text)
        self._open_bar = False

    def stage(
        self,
        label: str,
        message: str = "",
        *,
        state: StageState = "running",
        count: tuple[int, int] | None = None,
    ) -> None:
        """Print the line of a stage that begins, moves on or ends."""
        self.line(stage_line(label, message, state=state, count=count))

    def notice(self, message: str, *, title: str = "", level: str = "INFO") -> None:
        """Print a notification."""
        self.line(notice_line(message, title=title, level=level))

    def debug(self, message: str, *, logger: str = "SimpleTuner") -> None:
        """Add a line to debug.log only."""
        self._debug.append(logger_line(message, logger=logger))

    def error(self, message: str) -> None:
        """Print an error of the logger, and add it to debug.log."""
        self.line(logger_line(message, level="ERROR"))
        self._debug.append(logger_line(message, level="ERROR", logger="SimpleTuner"))

    def bar(self, text: str) -> None:
        """Print the next state of a progress bar."""
        self._run.write(f"\r{text}")
        self._open_bar = True

    def end_bar(self) -> None:
        """End the line of an open bar."""
        if self._open_bar:
            self._run.write("\n")
            self._open_bar = False

    def count_up(self, label: str, total: int, seconds: float) -> None:
        """Print a progress bar other than the training bar, from zero to its end."""
        begin = time.monotonic()
        steps = min(total, 8)
        for step in range(steps + 1):
            elapsed = time.monotonic() - begin
            self.bar(bar_line(label, total * step // steps, total, elapsed))
            if step < steps:
                self._run.pause(seconds / steps)
        self.end_bar()

    def traceback(self, kind: str, message: str) -> None:
        """Print a traceback as Python does for an uncaught exception."""
        self.end_bar()
        frames = [
            f'  File "{path}", line {number}, in {name}\n    ...' for path, number, name in _FRAMES
        ]
        self.line("\n".join(["Traceback (most recent call last):", *frames, f"{kind}: {message}"]))

    def debug_tail(self) -> None:
        """Print the end of debug.log."""
        text = "\n".join(self._debug)
        self.line("=== debug.log tail ===")
        self.line(text[-TAIL_CHARACTERS:])


def stage_line(
    label: str,
    message: str = "",
    *,
    state: StageState = "running",
    percent: float | None = None,
    count: tuple[int, int] | None = None,
) -> str:
    """A `[STAGE]` line; a percentage has precedence over a count."""
    if state == "completed" and percent is None and count is None:
        percent = 100.0
    text = f"[STAGE] {_ICONS.get(state, '•')} {label}"
    if percent is not None:
        text += f" ({percent:.1f}%)"
    elif count is not None:
        text += f" ({count[0]}/{count[1]})"
    return f"{text}: {message}" if message else text


def notice_line(message: str, *, title: str = "", level: str = "INFO") -> str:
    """A notification line; without a title SimpleTuner prints the text twice."""
    return f"[{level}] {title or message}: {message}"


def logger_line(message: str, *, level: str = "INFO", logger: str = "") -> str:
    """A line of SimpleTuner's logger: with its name as in debug.log, without as on the console."""
    now = datetime.now(UTC)
    moment = f"{now:%Y-%m-%d %H:%M:%S},{now.microsecond // 1000:03d}"
    name = f" ({logger})" if logger else ""
    return f"[RANK 0] {moment} [{level}]{name} {message}"


def short_number(value: float) -> str:
    """A number as tqdm prints it: three digits, exponent without padding."""
    short = f"{value:.3g}".replace("e+0", "e+").replace("e-0", "e-")
    return short if len(short) < len(str(value)) else str(value)


def interval(seconds: float) -> str:
    """`mm:ss`, or `h:mm:ss` from an hour on."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"


def bar_line(label: str, done: int, total: int, elapsed: float, postfix: str = "") -> str:
    """One state of a tqdm bar.

    Args:
        label: the text before the colon; may be empty.
        done: finished units.
        total: number of units, at least 1.
        elapsed: seconds since the bar began.
        postfix: `k=v` pairs, already joined.
    """
    share = min(1.0, done / total)
    filled, part = divmod(int(share * _BAR_WIDTH * 8), 8)
    drawing = "█" * filled
    if filled < _BAR_WIDTH:
        drawing += _BLOCKS[part] + " " * (_BAR_WIDTH - filled - 1)
    rate = done / elapsed if elapsed > 0 and done else 0.0
    if not rate:
        speed, left = "?it/s", "?"
    else:
        speed = f"{1 / rate:5.2f}s/it" if rate < 1 else f"{rate:5.2f}it/s"
        left = interval((total - done) / rate)
    tail = f", {postfix}" if postfix else ""
    head = f"{label}: " if label else ""
    numbers = f"{done}/{total} [{interval(elapsed)}<{left}, {speed}{tail}]"
    return f"{head}{share * 100:3.0f}%|{drawing}| {numbers}"


def summary_line(
    step: int, total: int, *, loss: float, rate: float, epochs: tuple[int, int], mean: float
) -> str:
    """The step summary of debug.log and of checkpoint notices.

    `rate` is the learning rate, `epochs` the running and the last epoch, `mean` the mean loss.
    """
    return (
        f"Step {step} of {total}: loss {short_number(loss)}, lr {short_number(rate)}, "
        f"epoch {epochs[0]}/{epochs[1]}, ema_decay_value None (EMA not in use), "
        f"train_loss {short_number(mean)}"
    )
