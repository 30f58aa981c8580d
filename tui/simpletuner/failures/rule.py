"""What a rule of failure consists of."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Literal

from tui.simpletuner.config.values import OptionValue
from tui.simpletuner.log.grammar import TrainingBar

Again = Literal["no", "maybe", "yes"]


class DiagnosisKind(StrEnum):
    """The kinds of causes; several rules share a kind."""

    OUT_OF_MEMORY = "out_of_memory"
    GATED_MODEL = "gated_model"
    BAD_TOKEN = "bad_token"  # noqa: S105  # the name of a cause, no secret
    HUB_ACCESS = "hub_access"
    NETWORK = "network"
    NO_IMAGES = "no_images"
    BAD_DATA = "bad_data"
    NSFW = "nsfw"
    TIME_LIMIT = "time_limit"
    DISK_FULL = "disk_full"
    WORKER_LOST = "worker_lost"
    ARCHIVE_REJECTED = "archive_rejected"
    UNSUPPORTED_ARCHIVE = "unsupported_archive"
    DATASET_MISSING = "dataset_missing"
    BAD_JSON = "bad_json"
    INPUT_FILE_MISSING = "input_file_missing"
    NO_DATALOADER = "no_dataloader"
    UPLOAD_FAILED = "upload_failed"
    BAD_SETTING = "bad_setting"
    BASE_MODEL = "base_model"
    DIVERGED = "diverged"
    RESUME = "resume"
    VALIDATION = "validation"
    TRAINER_FAULT = "trainer_fault"
    UNKNOWN = "unknown"


class Tier(StrEnum):
    """How much a match means.

    Attributes:
        CAUSE: it ends a run.
        GENERIC: it may end a run, but often stands beside a more specific cause, or passes.
        CONSEQUENCE: it follows from another error, and counts only where none is found.
        NOTICE: the run goes on; it decides what of the results arrives.
        WRAPPER: it only says that something else went wrong.
    """

    CAUSE = "cause"
    GENERIC = "generic"
    CONSEQUENCE = "consequence"
    NOTICE = "notice"
    WRAPPER = "wrapper"


@dataclass(frozen=True, slots=True)
class Failure:
    """What is known of a failed run when its advice is made.

    Attributes:
        config: the options that were sent, by plain name.
        match: the rule's match.
        text: the matched line and the lines that continue it.
        bar: the last training bar; None before training.
        gpus: GPUs of the hardware; None when unknown.
    """

    config: Mapping[str, Any]
    match: re.Match[str] | None
    text: str = ""
    bar: TrainingBar | None = None
    gpus: int | None = None


Changes = Mapping[str, OptionValue]


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to do.

    Attributes:
        text: a sentence for the screen.
        change: options to set in the next run, by plain name, or what computes them; an empty
            result means that this advice does not apply. `data` is the draft's way of the data.
    """

    text: str
    change: Changes | Callable[[Failure], Changes] | None = None

    def changes(self, failure: Failure) -> dict[str, OptionValue]:
        """The options of this advice that are not set already."""
        wanted = self.change(failure) if callable(self.change) else (self.change or {})
        return {
            name: value
            for name, value in wanted.items()
            if not same(failure.config.get(name, DEFAULTS.get(name)), value)
        }


@dataclass(frozen=True, slots=True)
class Rule:
    """A way to fail.

    Attributes:
        id: its short name, unique.
        kind: the kind of the cause.
        title: a few words, for a table.
        what: one or two sentences; `{1}` stands for the first group of the match.
        patterns: regular expressions for a line of the log or the error text; one must match.
        advice: what the user can do, most useful first.
        again: whether the same request, unchanged, can succeed.
        tier: how much a match means.
        lasting: whether it is still the cause when training steps follow it.
        error_patterns: further expressions, for the prediction's error text only.
        platform: whether it is Replicate's own word, which wins over the log when it is in the
            error text.
    """

    id: str
    kind: DiagnosisKind
    title: str
    what: str
    patterns: tuple[str, ...]
    advice: tuple[Advice | str, ...]
    again: Again = "no"
    tier: Tier = Tier.CAUSE
    lasting: bool = False
    error_patterns: tuple[str, ...] = ()
    platform: bool = False
    pattern: re.Pattern[str] | None = field(init=False, repr=False, compare=False)
    error_pattern: re.Pattern[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compile the patterns."""
        object.__setattr__(self, "pattern", _any(self.patterns))
        object.__setattr__(self, "error_pattern", _any(self.error_patterns))


def _any(patterns: tuple[str, ...]) -> re.Pattern[str] | None:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns)) if patterns else None


DEFAULTS: Final[Mapping[str, Any]] = {
    "model_type": "full",
    "train_batch_size": 4,
    "gradient_accumulation_steps": 1,
    "gradient_checkpointing": True,
    "base_model_precision": "no_change",
    "mixed_precision": "bf16",
    "vae_batch_size": 4,
    "vae_enable_tiling": False,
    "dynamo_backend": "no",
    "report_to": "none",
    "optimizer": "adamw_bf16",
    "num_processes": 1,
    "push_to_hub_background": False,
    "checkpoints_total_limit": 5,
    "num_train_epochs": 1,
    "validation_resolution": "256",
    "resolution": 1024,
}
"""What the trainer takes where the config is silent (SimpleTuner 4.10.1's command line)."""


def same(current: Any, wanted: Any) -> bool:
    """Whether an option has a value already, however it is spelt."""
    if current is None:
        return False
    if isinstance(wanted, bool):
        return str(current).strip().lower() in (
            {"true", "1", "yes", "on"} if wanted else {"false", "0", "no", "off"}
        )
    try:
        return float(current) == float(wanted)
    except (TypeError, ValueError):
        return str(current).strip().lower() == str(wanted).strip().lower()


def whole(value: Any) -> int | None:
    """A positive whole number, also as text; None for anything else."""
    try:
        number = int(str(value)[:20])
    except ValueError:
        return None
    return number if number > 0 else None


def effective(config: Mapping[str, Any], name: str) -> Any:
    """An option's value, the trainer's default where the config is silent."""
    value = config.get(name)
    return DEFAULTS.get(name) if value is None else value
