"""The trainer's rules for options that depend on each other, on the family or on the delivery.

Source: SimpleTuner's checks at start (helpers/configuration/cmd_args.py,
helpers/training/default_settings/safety_check.py, helpers/models/*), release 4.10.1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from tui.simpletuner.checks.data import CheckRow
from tui.simpletuner.checks.options import later, nearest
from tui.simpletuner.config.load import PACKAGE_PREFIX
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.config.values import as_bool, as_float, as_int, as_text
from tui.simpletuner.facts.models import ModelFacts, model, model_facts
from tui.simpletuner.request.delivery import Delivery, is_s3, publishing_targets

_SKIP_LAYER_FAMILIES: Final = frozenset({"sd3", "wan", "wan_s2v", "zlab_i1", "moss_image"})
_RESOLUTION: Final = re.compile(r"\s*\d+(?:\s*x\s*\d+)?\s*", re.IGNORECASE)
_TRACKERS: Final = frozenset({"wandb", "comet_ml", "swanlab"})
_PROVIDERS: Final = frozenset(
    {"s3", "s3-compatible", "backblaze_b2", "b2", "azure_blob", "azure", "dropbox"}
)


def rule_checks(
    config: TrainingConfig, delivery: Delivery, release: str | None, *, gpus: int = 1
) -> Iterator[CheckRow]:
    """Check the rules that no single option decides.

    Args:
        config: the config with the job's overrides applied.
        delivery: where the trainer uploads its results.
        release: the release of the trainer; None when unknown.
        gpus: number of GPUs of the hardware.
    """
    known = model(config.family)
    for rule in _RULES:
        yield from rule(config)
    if known is not None:
        yield from _flavour(config, known, release)
        yield from _family_rules(config, known)
    if config.num_processes > 1 and gpus > 1:
        yield from _several_gpus(config)
    yield from _publishing(config, delivery)


def _steps(config: TrainingConfig) -> Iterator[CheckRow]:
    steps, epochs = (as_int(config.values.get(n)) for n in ("max_train_steps", "num_train_epochs"))
    if steps is not None and steps < 0:
        message = f"max_train_steps {steps}: the trainer ends before the first step"
        advice = "Set it to 0, so that the epochs decide, or to a number of steps."
        yield "steps", "error", message, advice, {"max_train_steps": 0}
    elif not steps and epochs is not None and epochs <= 0:
        message = "neither max_train_steps nor num_train_epochs is above 0"
        yield "steps", "error", message, "Set one of them."


def _numbers(config: TrainingConfig) -> Iterator[CheckRow]:
    rate = config.values.get("learning_rate")
    number = as_float(rate)
    if rate is not None and number is not None and number <= 0:
        message = f"learning_rate {rate!r} is not a positive number"
        yield "learning-rate", "error", message, "Write it as 1e-4."
    for name, least in (
        ("train_batch_size", 1),
        ("gradient_accumulation_steps", 1),
        ("metadata_update_interval", 60),
    ):
        value = as_int(config.values.get(name))
        if value is not None and value < least:
            message = f"{name} = {value}: the trainer needs at least {least}"
            yield "option", "error", message, f"Set it to {least} or more.", {name: least}
    given = [n for n in ("optimizer_beta1", "optimizer_beta2") if _given(config, n)]
    if len(given) == 1:
        message = f"{given[0]} alone: the trainer wants both optimizer_beta1 and optimizer_beta2"
        yield "option", "error", message, "Set both or none.", {given[0]: None}


def _sizes(config: TrainingConfig) -> Iterator[CheckRow]:
    values = config.values
    kind = as_text(values.get("resolution_type")) or "pixel_area"
    if _given(config, "maximum_image_size") and not _given(config, "target_downsample_size"):
        message = "maximum_image_size without target_downsample_size: the trainer stops at start"
        size = values["maximum_image_size"]
        yield "option", "error", message, "Set both.", {"target_downsample_size": size}
    for name in ("maximum_image_size", "target_downsample_size"):
        size_px = as_float(values.get(name))
        if size_px is None:
            continue
        if kind == "area" and size_px > 5:
            message = f"{name} = {values[name]} with resolution_type area: at most 5 megapixels"
            yield "option", "error", message, "With area, sizes are in megapixels."
        elif kind == "pixel" and size_px < 512:
            message = f"{name} = {values[name]} with resolution_type pixel: at least 512 pixels"
            yield "option", "error", message, "With pixel, sizes are in pixels."


def _lycoris(config: TrainingConfig) -> Iterator[CheckRow]:
    if config.lora_type != "lycoris":
        return
    if as_bool(config.values.get("train_text_encoder")):
        message = "train_text_encoder with LyCORIS: the trainer stops at start"
        advice = "Train one of both."
        yield "lycoris", "error", message, advice, {"train_text_encoder": False}
    if config.lycoris is None:
        packaged = str(config.values.get("lycoris_config")).startswith(PACKAGE_PREFIX)
        # What is wrong with a file is said where it is read; a change for one job reads none.
        if not packaged and not any("lycoris" in note.message.lower() for note in config.notes):
            message = "lora_type lycoris, and no LyCORIS settings: the trainer stops at start"
            advice = "Put a lycoris_config.json beside a config whose lora_type is lycoris."
            yield "lycoris", "error", message, advice, {"lora_type": "standard"}
        return
    needed = ["algo", "multiplier", "linear_alpha"]
    if config.lycoris.get("full_matrix") is not True:
        needed.insert(1, "linear_dim")
    if missing := [key for key in needed if key not in config.lycoris]:
        message = f"lycoris_config lacks {', '.join(missing)}; the trainer stops at start"
        yield "lycoris", "error", message, 'Such as "multiplier": 1.0, "linear_alpha": 1.'


def _precision(config: TrainingConfig) -> Iterator[CheckRow]:
    values = config.values
    base = (as_text(values.get("base_model_precision")) or "no_change").lower()
    mixed = (as_text(values.get("mixed_precision")) or "bf16").lower()
    quantised = base != "no_change"
    if quantised and mixed == "fp8" and base != "fp8-torchao":
        message = f"mixed_precision fp8 with base_model_precision {base}: refused at start"
        yield "precision", "error", message, "Use bf16.", {"mixed_precision": "bf16"}
    careful = not as_bool(values.get("i_know_what_i_am_doing"))
    unlocked = as_bool(values.get("controlnet")) or not careful
    if as_text(values.get("model_type")) == "full" and not unlocked:
        for name, unset in (("base_model_precision", "no_change"), ("quantization_config", None)):
            value = as_text(values.get(name))
            if value and value != "no_change":
                message = f"full fine-tuning with {name} {value}: the trainer stops at start"
                advice = "Train a LoRA, or leave the base model as it is."
                yield "precision", "error", message, advice, {name: unset}
    engines = {
        engine: name
        for name, value in values.items()
        if name == "base_model_precision" or re.fullmatch(r"text_encoder_\d_precision", name)
        for engine in ("quanto", "torchao")
        if engine in (as_text(value) or "")
    }
    if len(engines) == 2:
        message = f"Quanto ({engines['quanto']}) and TorchAO ({engines['torchao']}) together"
        yield "precision", "error", f"{message}: refused at start", "Use one of the two for all."


def _sharding(config: TrainingConfig) -> Iterator[CheckRow]:
    values = config.values
    deepspeed, fsdp = _given(config, "deepspeed_config"), as_bool(values.get("fsdp_enable"))
    base = as_text(values.get("base_model_precision")) or ""
    if deepspeed and fsdp:
        message = "fsdp_enable and deepspeed_config together: the trainer stops at start"
        yield "option", "error", message, "Use one of both.", {"deepspeed_config": None}
    elif deepspeed and config.model_type == "lora":
        message = "a LoRA cannot be trained with DeepSpeed"
        yield "option", "error", message, "Remove it.", {"deepspeed_config": None}
    if fsdp and "quanto" in base and (as_int(values.get("fsdp_version")) or 2) == 2:
        message = f"FSDP2 with base_model_precision {base}: refused at start"
        yield "precision", "error", message, "Do not use Quanto with FSDP2."
    if as_bool(values.get("ramtorch")) and (as_int(values.get("musubi_blocks_to_swap")) or 0) > 0:
        message = "ramtorch and musubi_blocks_to_swap together: the trainer stops at start"
        yield "option", "error", message, "Use one of both.", {"musubi_blocks_to_swap": 0}


def _validation(config: TrainingConfig) -> Iterator[CheckRow]:
    values = config.values
    resolution = values.get("validation_resolution")
    if _given(config, "validation_resolution") and "{" not in str(resolution):
        parts = str(resolution).split(",")
        if not all(_RESOLUTION.fullmatch(part) for part in parts):
            message = f"validation_resolution = {resolution!r}: refused"
            yield (
                "option",
                "error",
                message,
                "Write 1024 or 1024x768.",
                {"validation_resolution": "1024"},
            )
    script = _given(config, "validation_external_script")
    if as_text(values.get("validation_method")) == "external-script" and not script:
        message = "validation_method external-script without validation_external_script: refused"
        yield "option", "error", message, "Name the script, or validate in the trainer."
    library = as_text(values.get("user_prompt_library"))
    if library and not library.startswith(PACKAGE_PREFIX):
        message = f"user_prompt_library {library}: that file is not in the trainer's container"
        advice = "Use validation_prompt, or validation_prompt_library: true."
        yield "option", "error", message, advice, {"user_prompt_library": None}
    skips = _given(config, "validation_guidance_skip_layers")
    if skips and config.family in model_facts().keys() - _SKIP_LAYER_FAMILIES:
        message = f"validation_guidance_skip_layers: {config.family} does not support it"
        change = {"validation_guidance_skip_layers": None}
        yield "option", "error", message, "Remove it.", change


def _trackers(config: TrainingConfig) -> Iterator[CheckRow]:
    value = config.values.get("report_to")
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else as_text(value) or ""
    if wanted := _TRACKERS & {part.strip() for part in text.lower().split(",")}:
        yield (
            "report-to",
            "warn",
            f"report_to {', '.join(sorted(wanted))}: the trainer has no way to get your key",
            "Set report_to to none; metrics are kept here anyway.",
            {"report_to": "none"},
        )


def _flavour(config: TrainingConfig, known: ModelFacts, release: str | None) -> Iterator[CheckRow]:
    named = config.flavour
    if named is None:
        if known.default_flavour is None:
            message = f"{known.label} needs a model_flavour; the trainer has no default for it"
            yield "model-flavour", "error", message, f"There are: {', '.join(known.flavours)}."
        elif known.earlier_default and release is None:
            message = (
                f"no model_flavour: newer trainers take {known.default_flavour}, earlier ones "
                f"{known.earlier_default}"
            )
            change = {"model_flavour": known.default_flavour}
            yield "model-flavour", "warn", message, "Name the one that you mean.", change
    elif named in known.flavours:
        if named in known.newer_flavours and (release is None or later("4.10.1", release)):
            message = f"{known.label} {named} is not a flavour of every release"
            advice = "This trainer may not have it yet."
            yield "model-flavour", "warn", message, advice
    elif not _given(config, "pretrained_model_name_or_path") and "{" not in named:
        message = f"{known.label} has no flavour {named}; the trainer stops after its start"
        guess = nearest(named, known.flavours)
        there = f"There are: {', '.join(known.flavours)}."
        advice = f"Did you mean {guess}? {there}" if guess else there
        change = {"model_flavour": guess} if guess else {}
        yield "model-flavour", "error", message, advice, change


def _family_rules(config: TrainingConfig, known: ModelFacts) -> Iterator[CheckRow]:
    values = config.values
    careful = not as_bool(values.get("i_know_what_i_am_doing"))
    precision = as_text(values.get("base_model_precision")) or ""
    if precision in known.precision_refused:
        message = f"{known.label} does not support base_model_precision {precision}"
        change = {"base_model_precision": "int8-quanto"}
        yield "precision", "error", message, "Use int8-quanto or fp8-torchao.", change
    if as_bool(values.get("controlnet")) and not known.controlnet:
        message = f"ControlNet is not possible with {known.name}; the trainer stops at start"
        able = ", ".join(name for name, one in model_facts().items() if one.controlnet)
        yield "option", "error", message, f"It is with {able}.", {"controlnet": False}
    schnell = known.name == "flux" and config.flavour == "schnell"
    if schnell and careful and not as_bool(values.get("flux_fast_schedule")):
        message = "flux schnell needs flux_fast_schedule; the trainer stops at start"
        yield "option", "error", message, "Set it to true.", {"flux_fast_schedule": True}
    mixed = as_text(values.get("mixed_precision")) or "bf16"
    if known.name == "stable_cascade" and mixed != "no" and careful:
        message = f"Stable Cascade needs mixed_precision no, not {mixed}"
        yield "precision", "error", message, "Set it to no.", {"mixed_precision": "no"}


def _several_gpus(config: TrainingConfig) -> Iterator[CheckRow]:
    precision = as_text(config.values.get("base_model_precision"))
    if config.lora_type == "standard" and precision == "fp8-quanto":
        message = "fp8-quanto with several GPUs: the trainer uses int8-quanto instead"
        change = {"base_model_precision": "int8-quanto"}
        yield "precision", "warn", message, "Write int8-quanto, or train a LyCORIS.", change


def _publishing(config: TrainingConfig, delivery: Delivery) -> Iterator[CheckRow]:
    if delivery.uses_s3:
        return  # the job's own bucket replaces it
    for number, target in enumerate(
        publishing_targets(config.values.get("publishing_config")), start=1
    ):
        provider = as_text(target.get("provider")) or as_text(target.get("type"))
        problem = None
        if provider is None:
            problem = "names no provider"
        elif provider.lower() not in _PROVIDERS:
            problem = f"names provider {provider}"
        elif is_s3(target) and not as_text(target.get("bucket")):
            problem = "names no bucket"
        if problem:
            message = f"publishing_config, entry {number}, {problem}: the run publishes nothing"
            advice = "Correct it: provider s3, backblaze_b2, azure_blob or dropbox, and its bucket."
            yield "publishing", "error", message, advice


def _given(config: TrainingConfig, name: str) -> bool:
    """Whether an option has a value that reaches the trainer."""
    value: Any = config.values.get(name)
    return value is not None and value not in ("", [], {}) and str(value).strip() != "None"


_RULES: Final[tuple[Callable[[TrainingConfig], Iterator[CheckRow]], ...]] = (
    *(_steps, _numbers, _sizes, _lycoris, _precision, _sharding, _validation, _trackers),
)
