"""The settings of a run, read from the predictor's inputs as SimpleTuner's predictor does."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tui.sandbox.worker import ProgramError
from tui.simpletuner.config.values import (
    as_bool,
    as_float,
    as_int,
    as_text,
    first_present,
    plain_keys,
)

DEFAULT_STEPS = 1000


@dataclass(frozen=True, slots=True)
class Plan:
    """The settings of one run.

    Attributes:
        options: the training config, keys without dashes.
        dataloader: the datasets; None when only an archive is given.
        lycoris: the LyCORIS settings; None without them.
        job: the trainer's own name of the run.
        output_dir: the output folder, relative to the trainer's working folder.
        family: `model_family`.
        steps: optimisation steps; 0 means that the epochs decide.
    """

    options: Mapping[str, Any]
    dataloader: tuple[Mapping[str, Any], ...] | None
    lycoris: Mapping[str, Any] | None
    job: str
    output_dir: str
    family: str
    steps: int

    def text(self, name: str, default: str = "") -> str:
        """An option as text."""
        return as_text(self.options.get(name)) or default

    def whole(self, *names: str, default: int) -> int:
        """The first of some options that is set, as a whole number of at least 1."""
        value = as_int(first_present(self.options, names))
        return default if value is None or value < 1 else value

    @property
    def rank(self) -> int:
        """Rank of the LoRA."""
        return self.whole("lora_rank", default=16)

    @property
    def is_full(self) -> bool:
        """Whether the whole model is trained."""
        return self.text("model_type") == "full"

    @property
    def batch(self) -> int:
        """Samples per optimizer step on one GPU."""
        accumulation = self.whole("gradient_accumulation_steps", default=1)
        return self.whole("train_batch_size", default=1) * accumulation

    @property
    def learning_rate(self) -> float:
        """The peak learning rate."""
        return as_float(self.options.get("learning_rate")) or 1e-4

    @property
    def checkpoint_every(self) -> int:
        """Steps between checkpoints."""
        names = ("checkpoint_step_interval", "checkpointing_steps")
        return self.whole(*names, default=500)

    @property
    def validation_every(self) -> int:
        """Steps between validations; 0 when there are none."""
        if as_bool(self.options.get("validation_disable")) or not self.validation_prompts:
            return 0
        return self.whole("validation_step_interval", "validation_steps", default=100)

    @property
    def validation_prompts(self) -> tuple[str, ...]:
        """The prompts of a validation."""
        prompts = [self.text("validation_prompt")]
        if as_bool(self.options.get("validation_prompt_library")):
            prompts.append("library prompt")
        return tuple(prompt for prompt in prompts if prompt)

    def comment(self, step: int) -> str:
        """The comment in the weights of a step; `{env:…}` is not replaced here."""
        comment = self.options.get("modelspec_comment")
        text = "\n".join(map(str, comment)) if isinstance(comment, list) else as_text(comment) or ""
        return text.replace("{current_step}", str(step))

    def resolved_steps(self, images: int) -> tuple[int, int]:
        """Steps and epochs of the run for a dataset of `images` samples, repeats included."""
        per_epoch = max(1, math.ceil(images / self.batch))
        steps = self.steps
        if not steps:
            epochs = as_int(self.options.get("num_train_epochs")) or 0
            steps = epochs * per_epoch if epochs > 0 else DEFAULT_STEPS
        return steps, max(1, math.ceil(steps / per_epoch))

    def rate_at(self, step: int, steps: int) -> float:
        """The learning rate of a step by the configured schedule."""
        warmup = as_int(self.options.get("lr_warmup_steps")) or 0
        peak = self.learning_rate
        if step < warmup:
            return peak * step / warmup
        share = (step - warmup) / max(1, steps - warmup)
        schedule = self.text("lr_scheduler", "constant")
        if schedule == "cosine":
            return peak * 0.5 * (1 + math.cos(math.pi * share))
        if schedule in {"linear", "polynomial"}:
            return peak * (1 - share)
        return peak


def read_plan(inputs: Mapping[str, Any], job: str) -> Plan:
    """Read the predictor's inputs.

    Raises:
        ProgramError: an input error that also stops SimpleTuner's predictor.
    """
    if inputs.get("hub_model_id") and not inputs.get("hf_token"):
        raise ProgramError("hf_token is required when hub_model_id is set")
    config = document("config_json", inputs.get("config_json")) or {}
    if not isinstance(config, dict):
        raise ProgramError("config_json must hold a JSON object")
    options, _ = plain_keys(config)
    dataloader = _dataloader(document("dataloader_json", inputs.get("dataloader_json")))
    if dataloader is None and not inputs.get("images"):
        raise ProgramError("No dataset given: provide images (an archive) or dataloader_json")
    family = as_text(options.get("model_family"))
    if not family:
        raise ProgramError("the following arguments are required: --model_family")
    steps = as_int(inputs.get("max_train_steps"))
    if steps is None:
        steps = as_int(options.get("max_train_steps")) or 0
    lycoris = document("lycoris_config", inputs.get("lycoris_config"))
    output_dir = as_text(config.get("--output_dir")) or f"output/cog/{job}"
    return Plan(
        options,
        dataloader,
        lycoris if isinstance(lycoris, dict) else None,
        job,
        output_dir,
        family,
        max(0, steps),
    )


def document(name: str, given: Any) -> Any:
    """Parse a JSON text. Other texts are paths in the image, which has no such files."""
    text = as_text(given)
    if not text:
        return None
    if text.lstrip()[:1] not in {"{", "["}:
        raise ProgramError(f"{name} file not found: {text}")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProgramError(f"{name} looks like JSON but failed to parse: {error}") from error


def _dataloader(given: Any) -> tuple[Mapping[str, Any], ...] | None:
    if given is None:
        return None
    if not isinstance(given, list) or not all(isinstance(entry, dict) for entry in given):
        raise ProgramError("dataloader_json must be a list of dataset objects")
    entries = tuple(entry for entry in given if not as_bool(entry.get("disabled")))
    names = [as_text(entry.get("id")) or "" for entry in entries]
    for name in names:
        if not name:
            raise ProgramError("every dataset needs an id")
        if names.count(name) > 1:
            raise ProgramError(f"duplicate dataset id: {name}")
    texts = [entry for entry in entries if entry.get("dataset_type") == "text_embeds"]
    if sum(as_bool(entry.get("default")) for entry in texts) > 1:
        raise ProgramError("only one text_embeds dataset can be the default")
    return entries
