"""The options of a config that decide what leaves the trainer, with the trainer's defaults.

Source: SimpleTuner 4.10.1, `helpers/training/trainer.py`, `helpers/training/validation.py` and its
argument parser; the same in 4.8.0.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from tui.simpletuner.config.values import as_bool, as_int, as_text

_DEFAULT_CHECKPOINT_INTERVAL: Final = 500
_DEFAULT_VALIDATION_INTERVAL: Final = 100
_DEFAULT_CHECKPOINTS_KEPT: Final = 5
_PROMPTS: Final = (
    "validation_prompt",
    "validation_prompt_library",
    "user_prompt_library",
    "validation_input",
)
BUILT_IN_VALIDATION: Final = "simpletuner-local"
"""The `validation_method` whose rounds are followed by an upload."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The options that decide what leaves the trainer.

    Attributes:
        steps: `max_train_steps`; 0 when the epochs decide.
        epochs: `num_train_epochs`; 0 when the steps decide.
        strict: whether the run ends with the last epoch even when steps are left.
        accumulation: micro-batches per optimizer step.
        checkpoint_steps: steps between checkpoints; 0 for none.
        checkpoint_epochs: epochs between checkpoints; 0 for none.
        kept: how many checkpoints are kept; 0 for all.
        validation_steps: steps between validations; 0 for none.
        validation_epochs: epochs between validations; 0 for none.
        after_step: scheduled validations do not start before this step.
        after_epoch: scheduled validations do not start before this epoch.
        benchmark: whether the base model is validated at step 0.
        off: why no scheduled validation uploads; "" when they do.
        doubt: why it cannot be told whether they do; "" otherwise.
        pushes: whether checkpoints are sent to the Hub.
    """

    steps: int
    epochs: int
    strict: bool
    accumulation: int
    checkpoint_steps: int
    checkpoint_epochs: int
    kept: int
    validation_steps: int
    validation_epochs: int
    after_step: int
    after_epoch: int
    benchmark: bool
    off: str
    doubt: str
    pushes: bool


def read_plan(values: Mapping[str, Any], *, pushes: bool | None = None) -> Plan:
    """Read the options of a config.

    Args:
        values: options by plain name, as they will be sent.
        pushes: whether checkpoints go to the Hub, where the request decides it and not the config.
    """
    steps = max(0, as_int(_first(values, ("max_train_steps", "max_steps"))) or 0)
    epochs = as_int(values.get("num_train_epochs"))
    if epochs is None:
        epochs = 0 if steps else 1
    validation_steps = _interval(
        values, ("validation_step_interval", "validation_steps"), _DEFAULT_VALIDATION_INTERVAL
    )
    validation_epochs = _interval(values, ("validation_epoch_interval",), 0)
    off = _never_runs(values)
    benchmark = not off and not as_bool(values.get("disable_benchmark"))
    method = as_text(values.get("validation_method")) or BUILT_IN_VALIDATION
    if not off and method != BUILT_IN_VALIDATION:
        off = f"validation_method {method} never uploads"
    if not off and not validation_steps and not validation_epochs:
        off = "validation_step_interval is 0, so no validation is scheduled"
    return Plan(
        steps=steps,
        epochs=0 if steps else max(0, epochs),
        strict=as_bool(values.get("strict_epoch_limit")),
        accumulation=max(1, as_int(values.get("gradient_accumulation_steps")) or 1),
        checkpoint_steps=_interval(
            values,
            ("checkpoint_step_interval", "checkpointing_steps"),
            _DEFAULT_CHECKPOINT_INTERVAL,
        ),
        checkpoint_epochs=_interval(values, ("checkpoint_epoch_interval",), 0),
        kept=_interval(
            values, ("checkpoints_total_limit", "save_total_limit"), _DEFAULT_CHECKPOINTS_KEPT
        ),
        validation_steps=validation_steps,
        validation_epochs=validation_epochs,
        after_step=_interval(values, ("validate_after_step",), 0),
        after_epoch=_interval(values, ("validate_after_epoch",), 0),
        benchmark=benchmark,
        off=off,
        doubt=_doubt(values),
        pushes=as_bool(values.get("push_checkpoints_to_hub")) if pushes is None else pushes,
    )


def planned_steps(plan: Plan, batches: int) -> int:
    """Optimizer steps that the trainer plans for `batches` micro-batches per epoch."""
    if plan.steps:
        return plan.steps
    return plan.epochs * math.ceil(batches / plan.accumulation)


def _never_runs(values: Mapping[str, Any]) -> str:
    """Why the run has no validation at all; "" when it has."""
    if as_bool(values.get("validation_disable")):
        return "validation_disable is on"
    if as_bool(values.get("validation_disable_unconditional")) and not has_prompt(values):
        return "validation_disable_unconditional is on and no validation prompt is given"
    family = (as_text(values.get("model_family")) or "").lower()
    if family == "ideogram" and not as_bool(values.get("ideogram_validation")):
        return "the family ideogram is not validated without ideogram_validation"
    if _is_zero_stage_three(values.get("deepspeed_config")):
        return "DeepSpeed ZeRO stage 3 switches validation off"
    return ""


def _doubt(values: Mapping[str, Any]) -> str:
    family = (as_text(values.get("model_family")) or "").lower()
    if family == "minimaxmusic":
        return "training the language model of minimaxmusic switches validation off"
    return ""


def has_prompt(values: Mapping[str, Any]) -> bool:
    """Whether a validation has a prompt besides the empty one."""
    return any(values.get(name) not in (None, "", "None", False) for name in _PROMPTS)


def _is_zero_stage_three(config: Any) -> bool:
    if isinstance(config, str) and config.lstrip().startswith("{"):
        try:
            config = json.loads(config)
        except (ValueError, RecursionError):
            return False
    zero = config.get("zero_optimization") if isinstance(config, Mapping) else None
    return isinstance(zero, Mapping) and as_int(zero.get("stage")) == 3


def _first(values: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """The first of some options that says something: null and "" are skipped by the trainer."""
    for name in names:
        if as_text(values.get(name)) not in (None, "None"):
            return values[name]
    return None


def _interval(values: Mapping[str, Any], names: tuple[str, ...], default: int) -> int:
    given = _first(values, names)
    return default if given is None else max(0, as_int(given) or 0)
