"""The trainer's command line: which options of a config it takes, and which settings it refuses.

Source: SimpleTuner 4.10.1, `helpers/configuration/cmd_args.py`, `json_file.py`, `cli_utils.py`,
`training/default_settings/safety_check.py` and the start-up checks of the model families.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tui.base.json_types import JsonObject
from tui.sandbox.worker import ProgramError
from tui.simpletuner.config.values import as_bool, as_float, as_int, as_text
from tui.simpletuner.facts.models import ModelFacts, model
from tui.simpletuner.facts.options import Option, default_of, option_facts

_TRUE: Final = frozenset({"true", "1", "yes", "y", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "n", "off"})
_INTERNAL: Final = frozenset({"__job_id__", "__disabled_fields__", "__active_tab__"})
_LISTS: Final = frozenset(
    {
        "webhook_config",
        "deepspeed_config",
        "distillation_config",
        "publishing_config",
        "peft_lora_target_modules",
    }
)
"""Options whose objects and lists are handed on as JSON text."""
_BY_CONTAINER: Final = frozenset({"data_backend_config", "output_dir"})
_SKIP_LAYER_FAMILIES: Final = frozenset({"sd3", "wan", "wan_s2v", "zlab_i1", "moss_image"})
_CONTROLNET_FAMILIES: Final = frozenset(
    {"sd1x", "sd2x", "sdxl", "flux", "pixart_sigma", "auraflow", "sd3", "hidream"}
)
_RESOLUTION: Final = re.compile(r"\d+(x\d+)?")


class ArgumentsRefusedError(ProgramError):
    """The option parser refuses the config.

    Attributes:
        usage: what the parser prints before the run fails: its usage text and its error line.
    """

    def __init__(self, cause: str) -> None:
        super().__init__("Training configuration could not be parsed; see the messages above.")
        names = " ".join(f"[--{name}]" for name in option_facts().options)
        self.usage = f"usage: train.py [-h] {names}\ntrain.py: error: {cause}"


def parse(config: Mapping[str, Any]) -> JsonObject:
    """The options of a config with the trainer's defaults, as its option parser takes them.

    Keys may have leading dashes. Null and empty values are skipped; objects that an option does not
    take are set aside.

    Raises:
        ArgumentsRefusedError: an unknown option, a wrong type, or a value outside the choices.
    """
    facts = option_facts()
    values: JsonObject = {name: item.default for name, item in facts.options.items()}
    given: set[str] = set()
    unknown: list[str] = []
    for key, value in config.items():
        name = key.lstrip("-")
        name = facts.renamed.get(name, name)
        if name in _INTERNAL | facts.set_aside or value in (None, ""):
            continue
        found = facts.find(name)
        if len(found) > 1:
            named = ", ".join(f"--{item}" for item in found)
            raise ArgumentsRefusedError(f"ambiguous option: --{name} could match {named}")
        if not found:
            unknown.append(f"--{name}" if isinstance(value, bool) else f"--{name}={value}")
            continue
        option = facts.options[found[0]]
        if isinstance(value, Mapping) and option.name not in _LISTS and not option.json:
            continue
        given.add(option.name)
        values[option.name] = _value(option, value)
    missing = [
        f"--{name}"
        for name, option in facts.options.items()
        if option.required and name not in given | _BY_CONTAINER
    ]
    if missing:
        raise ArgumentsRefusedError(
            f"the following arguments are required: {', '.join(sorted(missing))}"
        )
    if unknown:
        raise ArgumentsRefusedError(f"unrecognized arguments: {' '.join(unknown)}")
    return values


def _value(option: Option, value: Any) -> Any:
    flag = f"--{option.name}"
    if option.name in _LISTS or option.json:
        return _document(option.name, value)
    if option.type == "tracker list":
        return _trackers(option, value)
    if isinstance(value, list):
        value = value[-1] if value else None  # each item is an argument of its own; the last wins
    text = str(value).strip()
    if option.type == "bool":
        if text.lower() not in _TRUE | _FALSE:
            raise ArgumentsRefusedError(f"argument {flag}: Expected a boolean value, got {text!r}")
        return text.lower() in _TRUE
    typed: Any = value
    if option.type in {"int", "float"}:
        try:
            typed = int(text) if option.type == "int" else float(text)
        except ValueError:
            raise ArgumentsRefusedError(
                f"argument {flag}: invalid {option.type} value: {text!r}"
            ) from None
    if option.choices and typed not in option.choices and text not in option.choices:
        choices = ", ".join(map(str, option.choices))
        raise ArgumentsRefusedError(
            f"argument {flag}: invalid choice: {text!r} (choose from {choices})"
        )
    return typed


def _document(name: str, value: Any) -> Any:
    """An object or a list, which may come as JSON text; other texts are paths in the container."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        if name in {"webhook_config", "publishing_config"}:
            raise ArgumentsRefusedError(f"Could not load {name} from {value!r}") from None
        return value


def _trackers(option: Option, value: Any) -> str:
    names = value if isinstance(value, list) else str(value).split(",")
    wanted = [str(name).strip() for name in names if str(name).strip()]
    for name in wanted:
        if name not in option.choices:
            raise ArgumentsRefusedError(
                f"argument --{option.name}: Unsupported --report_to value {name!r}"
            )
    return ",".join(wanted)


def check_settings(
    options: Mapping[str, Any], lycoris: Mapping[str, Any] | None, *, has_token: bool
) -> None:
    """Refuse what the trainer refuses before it loads anything.

    Args:
        options: the result of `parse`.
        lycoris: the LyCORIS settings that arrived; None without them.
        has_token: whether a token for the Hub was sent.

    Raises:
        ProgramError: with the trainer's message.
    """
    for problem in _settings(options):
        raise ProgramError(problem)
    for problem in _lycoris(options, lycoris):
        raise ProgramError(problem)
    family = model(as_text(options.get("model_family")))
    if family is not None:
        for problem in _family(options, family):
            raise ProgramError(problem)
    if options.get("push_to_hub") and not has_token:
        raise ProgramError("No Hugging Face Hub token found; it is needed to push to the Hub")


def _settings(options: Mapping[str, Any]) -> Iterator[str]:
    steps, epochs = options.get("max_train_steps") or 0, options.get("num_train_epochs") or 0
    if steps > 0 and epochs > 0:
        yield (
            f"When using --max_train_steps ({steps}), you must set --num_train_epochs "
            f"({epochs}) to 0"
        )
    known = option_facts().options["optimizer"].known
    optimizer = as_text(options.get("optimizer")) or ""
    if known and optimizer not in known:
        yield f"Optimizer {optimizer} not found"
    interval = as_int(options.get("metadata_update_interval"))
    if interval is not None and interval < 60:
        yield "Metadata update interval must be at least 60 seconds"
    if (options.get("gradient_accumulation_steps") or 0) < 1:
        yield "Invalid gradient_accumulation_steps: it must be at least 1"
    if (options.get("optimizer_beta1") is None) != (options.get("optimizer_beta2") is None):
        yield "Both --optimizer_beta1 and --optimizer_beta2 must be given"
    yield from _precision(options, optimizer)
    yield from _sizes(options)
    yield from _validation(options)
    trains_lora = options.get("model_type") == "lora"
    if options.get("train_text_encoder") and options.get("lora_type") == "lycoris":
        yield "LyCORIS training is not meant to be combined with --train_text_encoder"
    if options.get("deepspeed_config") and trains_lora:
        yield "LoRA can not be trained with DeepSpeed"
    if options.get("deepspeed_config") and options.get("fsdp_enable"):
        yield "FSDP and DeepSpeed cannot both be used: Cannot enable both"
    if options.get("ramtorch") and (options.get("musubi_blocks_to_swap") or 0) > 0:
        yield "RamTorch is incompatible with Musubi block swap"
    family = options.get("model_family")
    if options.get("controlnet") and family not in _CONTROLNET_FAMILIES:
        yield f"ControlNet is not yet supported with {family}"


def _precision(options: Mapping[str, Any], optimizer: str) -> Iterator[str]:
    mixed, base = options.get("mixed_precision"), options.get("base_model_precision")
    quantised = base not in {None, "no_change"}
    if mixed == "fp8" and quantised and base != "fp8-torchao":
        yield "You cannot use --mixed_precision=fp8 with a quantized base model"
    if optimizer == "adamw_bf16" and mixed in {"no", "fp16", "fp32"}:
        yield f"Model is not using bf16 precision, but the optimizer {optimizer} requires it"
    if options.get("model_type") == "full" and quantised:
        yield "Full tuning is not compatible with quantisation of the base model"


def _sizes(options: Mapping[str, Any]) -> Iterator[str]:
    """Rules of the global sizes; an entry of the dataloader has its own."""
    kind = options.get("resolution_type")
    maximum, target = options.get("maximum_image_size"), options.get("target_downsample_size")
    if maximum and not target:
        yield "--maximum_image_size must also provide a value for --target_downsample_size"
    for name, value in (("maximum_image_size", maximum), ("target_downsample_size", target)):
        size = as_float(value)
        if size is None:
            continue
        if kind == "area" and size > 5:
            yield f"--{name} must be less than 5 megapixels with resolution_type=area"
        if kind == "pixel" and size < 512:
            yield f"--{name} must be at least 512 pixels with resolution_type=pixel"


def _validation(options: Mapping[str, Any]) -> Iterator[str]:
    for part in str(options.get("validation_resolution") or "").split(","):
        size = part.strip().lower()
        if size and not (_RESOLUTION.fullmatch(size) or as_float(size) is not None):
            yield f"Invalid validation resolution {part.strip()!r}"
    if options.get("validation_method") == "external-script" and not options.get(
        "validation_external_script"
    ):
        yield "--validation_external_script is required for --validation_method=external-script"
    family = options.get("model_family")
    if options.get("validation_guidance_skip_layers") and family not in _SKIP_LAYER_FAMILIES:
        yield f"skip-layer guidance is not supported for {family}"
    if path := as_text(options.get("user_prompt_library")):
        yield f"User prompt library not found at {path}"  # no file of the user is in the container
    library = options.get("validation_prompt_library")
    if isinstance(library, str) and library.lower() not in _TRUE | _FALSE:
        yield f"Unknown validation prompt library: {library}"


def _lycoris(options: Mapping[str, Any], lycoris: Mapping[str, Any] | None) -> Iterator[str]:
    if options.get("lora_type") != "lycoris" or options.get("model_type") != "lora":
        return
    if lycoris is None:
        yield "expected str, bytes or os.PathLike object, not NoneType"
        return
    needed = ["algo", "multiplier", "linear_alpha"]
    if not as_bool(lycoris.get("full_matrix")):
        needed.insert(2, "linear_dim")
    for key in needed:
        if key not in lycoris:
            yield f"lycoris_config JSON must contain {key} key"


def _family(options: Mapping[str, Any], family: ModelFacts) -> Iterator[str]:
    flavour = as_text(options.get("model_flavour"))
    own_model = options.get("pretrained_model_name_or_path") not in {
        None, "", default_of("pretrained_model_name_or_path"),
    }  # fmt: skip
    if flavour is None and family.default_flavour is None and family.flavours and not own_model:
        yield f"{family.label} requires a model_flavour"
    if flavour is not None and flavour not in family.flavours and not own_model:
        yield f"Model flavour {flavour} not found in {', '.join(family.flavours)}"
    if flavour == "schnell" and not options.get("flux_fast_schedule"):
        yield "Schnell requires --flux_fast_schedule"
    if (precision := options.get("base_model_precision")) in family.precision_refused:
        yield f"{family.label} does not support {precision}"
