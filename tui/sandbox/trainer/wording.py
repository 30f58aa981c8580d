"""The log formats of SimpleTuner's Cog image: tagged lines, tqdm bars, step summaries."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

_ICONS = {"running": "⏳", "completed": "✓", "failed": "✗"}
_BLOCKS = " ▏▎▍▌▋▊▉█"
_BAR_WIDTH = 10

StageState = Literal["running", "completed", "failed", "skipped"]


def stage(
    label: str,
    message: str = "",
    *,
    state: StageState = "running",
    percent: float | None = None,
    count: tuple[int, int] | None = None,
) -> str:
    """A `[STAGE]` line; a percentage wins over a count."""
    if state == "completed" and percent is None and count is None:
        percent = 100.0
    text = f"[STAGE] {_ICONS.get(state, '•')} {label}"
    if percent is not None:
        text += f" ({percent:.1f}%)"
    elif count is not None:
        text += f" ({count[0]}/{count[1]})"
    return f"{text}: {message}" if message else text


def notice(message: str, *, title: str = "", level: str = "INFO") -> str:
    """A notification line; without a title the text stands there twice."""
    return f"[{level}] {title or message}: {message}"


def logger_line(message: str, *, level: str = "INFO", logger: str = "") -> str:
    """A line of SimpleTuner's logger: with a logger's name as in debug.log, else as on console."""
    now = datetime.now(UTC)
    moment = f"{now:%Y-%m-%d %H:%M:%S},{now.microsecond // 1000:03d}"
    name = f" ({logger})" if logger else ""
    return f"[RANK 0] {moment} [{level}]{name} {message}"


def number(value: float) -> str:
    """A number as tqdm and Python's own formats write it: short, exponent without padding."""
    short = f"{value:.3g}".replace("e+0", "e+").replace("e-0", "e-")
    return short if len(short) < len(str(value)) else str(value)


def interval(seconds: float) -> str:
    """`mm:ss`, or `h:mm:ss` from an hour on."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"


def bar(label: str, done: int, total: int, elapsed: float, postfix: str = "") -> str:
    """One state of a tqdm bar.

    Args:
        label: what stands before the colon; empty for a bar without one.
        done: how many of `total` are finished.
        total: all of them, at least 1.
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


def summary(
    step: int, total: int, *, loss: float, rate: float, epochs: tuple[int, int], mean: float
) -> str:
    """The step summary of debug.log and of checkpoint notices.

    `rate` is the learning rate, `epochs` the running and the last epoch, `mean` the mean loss.
    """
    return (
        f"Step {step} of {total}: loss {number(loss)}, lr {number(rate)}, "
        f"epoch {epochs[0]}/{epochs[1]}, ema_decay_value None (EMA not in use), "
        f"train_loss {number(mean)}"
    )
