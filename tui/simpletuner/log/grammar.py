"""The line formats of a training log, as the trainer's container prints them.

The formats are those of SimpleTuner's `simpletuner/cog.py`, its progress callback and tqdm.
Functions read one line at a time. They take bytes where the parser calls them for every line,
because most lines need no decoding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tui.simpletuner.log.model import StageStatus

TAIL_MARK: Final = b"=== debug.log tail ==="
RESULT_PREFIXES: Final = (
    b"Checkpoints published to: ",
    b"Model published to: ",
    b"Training complete. Output: ",
)

# Escape sequences (CSI, OSC, two-byte ones) and bytes that never carry meaning in a log.
_NOISE: Final = re.compile(
    rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b\r\n]*(?:\x07|\x1b\\)|[ -/]*[0-~])"
    rb"|[\x00\x07\x08\x1b]"
)

# A tag is at the beginning of a line, or after a bar that ends without a newline.
TAG: Final = re.compile(
    rb"\[(STAGE|TRAINING|CHECKPOINT|INFO|WARN|ERROR|DEBUG|EVENT|COG|RANK \d+)\] ?"
)

# One training bar; group 1 from the step up to the closing bracket, 2 the step.
TRAINING_BAR: Final = re.compile(
    rb"Epoch \d+/\d+,? Steps: *\d+%\|[^|]*\| *((\d{1,15})/\d+ \[[^\]]*)\]"
)
# The part of a training bar before its drawing.
BAR_HEAD: Final = re.compile(rb"Epoch \d+/\d+,? Steps: *\d+%")
_TRAINING_DETAILS: Final = re.compile(
    rb"Epoch (\d{1,15})/(\d{1,15}),? Steps: *\d+%\|[^|]*\| *(\d{1,15})/(\d{1,15}) "
    rb"\[([\d:]{1,30})<([\d:?]{1,30}), *([^,\]]+)(?:, *([^\]]*))?\]"
)
# Any tqdm bar, from its percent sign. The label before it is read without an expression: matching a
# label of any length takes quadratic time on a long line.
BAR: Final = re.compile(rb"%\|[^|]*\| *([\d.]{1,15}[kMGTP]?)/([\d.]{1,15}[kMGTP]?) *\[[^\]]*\]")

_LOADED: Final = re.compile(rb"Loading model: `([^`\s]{1,200})`")

TRAINING_STEP: Final = re.compile(r"Step (\d{1,15})/(\d{1,15}) \(\d+(?:\.\d+)?%\) ?")
SUMMARY: Final = re.compile(r"Step (\d{1,15}) of (\d{1,15}): ([^`]*)")
RANK: Final = re.compile(
    r"(?:[\d-]+ [\d:,.]+ )?\[(DEBUG|INFO|WARNING|ERROR|CRITICAL)\] (?:\(([^)]*)\) )?(.*)$",
    re.DOTALL,
)
BANNER: Final = re.compile(
    rb"\s*-?\s*(Num Epochs|Current Epoch|Steps completed|Total optimization steps)"
    rb" *[=:] *([\d,]{1,20})"
)
EXCEPTION: Final = re.compile(
    r"((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Warning))(?:: (.*))?$",
    re.DOTALL,
)
CHECKPOINT_NAME: Final = re.compile(r"checkpoint-(\d{1,15})\b")
CHECKPOINT_STEP: Final = re.compile(r"step (\d{1,15})", re.IGNORECASE)
# `loss 0.08`, `loss=0.08`, `loss: 0.08`
VALUE: Final = re.compile(
    r"\b([A-Za-z_]\w{0,63})(?:=|: ?| )(-?(?:\d[\d.]*(?:e[-+]?\d+)?|nan|inf))(?![\w.])"
)

STAGE_STATUS: Final[dict[str, StageStatus]] = {"⏳": "running", "✓": "completed", "✗": "failed"}

STAGE_KEYS: Final = {
    "Loading base model": "init_load_base_model",
    "Configuring data backends": "init_data_backend",
    "Loading text embedding cache": "init_text_embed_cache",
    "Extracting captions": "caption_extract",
    "VAE Cache initialising": "init_vae_cache",
    "Preparing model components": "init_prepare_models",
    "Benchmarking base model": "benchmark_base_model",
    "Resume Checkpoint": "init_resume_checkpoint",
    "Resuming checkpoint": "init_resume_checkpoint",
    "Running Validation": "validation",
    "Saving Checkpoint": "checkpoint_save",
    "Running Final Validations": "final_validation",
    "Saving Final Model": "model_save",
    "Training": "training",
    "Training Complete": "training_complete",
    "Training Aborted": "training_abort",
}


@dataclass(frozen=True, slots=True)
class TrainingBar:
    """The fields of a training progress bar.

    Attributes:
        epoch: the current epoch, counted from 1.
        epochs: number of epochs.
        step: steps done.
        total: number of steps.
        elapsed: seconds since the bar began.
        remaining: seconds until its end; None while unknown.
        rate: seconds per step; None while unknown.
        values: the numbers after the rate, by the names of their series.
    """

    epoch: int
    epochs: int
    step: int
    total: int
    elapsed: int | None
    remaining: int | None
    rate: float | None
    values: dict[str, float]


def noisy(data: bytes) -> bool:
    """Whether `clean` changes `data`."""
    return 27 in data or 0 in data or 8 in data or 7 in data


def clean(line: bytes) -> bytes:
    """Remove escape sequences and control bytes."""
    return _NOISE.sub(b"", line) if noisy(line) else line


def text_of(line: bytes) -> str:
    """The text of a line; invalid UTF-8 becomes replacement characters."""
    return line.decode("utf-8", "replace")


def metric_name(raw: str) -> str:
    """The name of a series: the bar's `step_loss` is called `loss`."""
    return "loss" if raw == "step_loss" else raw


def number(raw: str | bytes) -> float | None:
    """A printed number, nan and inf included; None for anything else."""
    try:
        return float(raw)
    except ValueError:
        return None


def seconds(clock: bytes) -> int | None:
    """Seconds of `mm:ss` or `h:mm:ss`; None for `?`."""
    total = 0
    for part in clock.split(b":"):
        if not part.isdigit():
            return None
        total = total * 60 + int(part)
    return total


def rate(raw: bytes) -> float | None:
    """Seconds per unit of `2.11s/it` or `3.21it/s`; None for `?it/s` and the like."""
    raw = raw.strip()
    if raw.endswith(b"s/it"):
        return number(raw[:-4])
    if raw.endswith(b"it/s"):
        per_second = number(raw[:-4])
        return 1 / per_second if per_second else None
    return None


def postfix_values(postfix: bytes) -> dict[str, float]:
    """The numbers of `lr=0.0001, step_loss=0.412`; other values are left out."""
    values: dict[str, float] = {}
    for pair in postfix.split(b","):
        name, equals, raw = pair.partition(b"=")
        value = number(raw) if equals else None
        if value is not None:
            values[metric_name(text_of(name.strip()))] = value
    return values


def training_bar(line: bytes) -> TrainingBar | None:
    """Parse a training bar; None if `line` has none."""
    match = _TRAINING_DETAILS.search(line)
    if match is None:
        return None
    epoch, epochs, step, total, elapsed, remaining, speed, postfix = match.groups()
    return TrainingBar(
        epoch=int(epoch),
        epochs=int(epochs),
        step=int(step),
        total=int(total),
        elapsed=seconds(elapsed),
        remaining=seconds(remaining),
        rate=rate(speed),
        values=postfix_values(postfix or b""),
    )


def bar_words(line: bytes) -> str | None:
    """A bar without its drawing, such as `Fetching 28 files: 39% 11/28`; None if it is no bar."""
    match = BAR.search(line)
    if match is None:
        return None
    done, total = (text_of(part) for part in match.groups())
    head = text_of(line[: match.start()]).rstrip()
    label = head.rstrip("0123456789")
    percent = head[len(label) :][-3:]
    label = label.strip().removesuffix(":")
    text = f"{label}: {percent}% {done}/{total}" if label else f"{percent}% {done}/{total}"
    details = training_bar(line)
    if details is not None:
        text += "".join(f" {name}={value:g}" for name, value in details.values.items())
    return text


def checkpoint_of(text: str) -> tuple[int | None, str]:
    """Step and path of the checkpoint named in `text`; None and an empty string without one."""
    match = CHECKPOINT_NAME.search(text)
    if match is None:
        match = CHECKPOINT_STEP.search(text)
        return (int(match[1]), "") if match else (None, "")
    path = text[text.rfind(" ", 0, match.start()) + 1 : match.end()]
    return int(match[1]), path if "/" in path else ""


def stage_parts(text: str) -> tuple[str, float | None, int | None, int | None, str]:
    """Label, percent, current, total and message of `label (p%): message` after the icon.

    String methods do it, because an expression with an optional middle takes ten times as long.
    """
    head, _, message = text.partition(": ")
    if head.endswith(")"):
        label, opening, inside = head[:-1].rpartition(" (")
        if opening and inside.endswith("%"):
            percent = number(inside[:-1])
            if percent is not None and 0 <= percent <= 100:
                return label, percent, None, None, message
        elif opening:
            done, slash, total = inside.partition("/")
            if slash and done.isdecimal() and total.isdecimal() and len(inside) < 30:
                return label, None, int(done), int(total), message
    return head, None, None, None, message


def undouble(text: str) -> str:
    """The text of a notification without a title, which the trainer prints as `text: text`."""
    half = len(text) // 2 - 1
    if text[half : half + 2] == ": " and text[:half] == text[half + 2 :]:
        return text[:half]
    return text


def loaded_model(log: bytes) -> str | None:
    """The base model that the log names; None when it names none.

    Args:
        log: the beginning of a log, up to the first steps.
    """
    match = _LOADED.search(log)
    return match[1].decode("utf-8", "replace") if match else None
