"""Reads `config.env`, SimpleTuner's oldest form of a config: shell assignments.

Only the variables that SimpleTuner maps become options; the rest configures the launcher of a
local run, or nothing. Source: SimpleTuner's helpers/configuration/env_file.py.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Final

from tui.simpletuner.config.values import plain_key
from tui.simpletuner.errors import Note

EXTRA_ARGUMENTS: Final = "TRAINER_EXTRA_ARGS"
"""The variable that holds further options as they are written on a command line."""

_RENAMED: Final = {
    "ACCELERATE_CONFIG_PATH": "accelerate_config",
    "CHECKPOINTING_LIMIT": "checkpoints_total_limit",
    "CHECKPOINTING_STEPS": "checkpoint_step_interval",
    "DATALOADER_CONFIG": "data_backend_config",
    "HUB_MODEL_NAME": "hub_model_id",
    "LR_SCHEDULE": "lr_scheduler",
    "MAX_NUM_STEPS": "max_train_steps",
    "MINIMUM_RESOLUTION": "minimum_image_size",
    "MODEL_NAME": "pretrained_model_name_or_path",
    "NUM_EPOCHS": "num_train_epochs",
    "PUSH_CHECKPOINTS": "push_checkpoints_to_hub",
    "RESUME_CHECKPOINT": "resume_from_checkpoint",
    "TRAINING_NUM_MACHINES": "num_machines",
    "TRAINING_NUM_PROCESSES": "num_processes",
    "TRAINING_SEED": "seed",
    "USE_GRADIENT_CHECKPOINTING": "gradient_checkpointing",
    "USE_XFORMERS": "enable_xformers_memory_efficient_attention",
    "VALIDATION_STEPS": "validation_step_interval",
}
"""Variables whose option has a different name."""

_SAME_NAMES: Final = """
ACCELERATE_EXTRA_ARGS ALLOW_TF32 ASPECT_BUCKET_ROUNDING AWS_MAX_POOL_CONNECTIONS
BASE_MODEL_PRECISION CAPTION_DROPOUT_PROBABILITY CHECKPOINT_EPOCH_INTERVAL
CHECKPOINT_STEP_INTERVAL DEEPFLOYD_VALIDATION_PIPELINE_MODE
DEEPFLOYD_VALIDATION_STAGE1_GUIDANCE DEEPFLOYD_VALIDATION_STAGE1_MODEL
DEEPFLOYD_VALIDATION_STAGE1_NUM_INFERENCE_STEPS DEEPFLOYD_VALIDATION_STAGE2_GUIDANCE
DEEPFLOYD_VALIDATION_STAGE2_MODEL DEEPFLOYD_VALIDATION_STAGE2_NUM_INFERENCE_STEPS
DEEPFLOYD_VALIDATION_STAGE3_GUIDANCE DEEPFLOYD_VALIDATION_STAGE3_MODE
DEEPFLOYD_VALIDATION_STAGE3_MODEL DEEPFLOYD_VALIDATION_STAGE3_NOISE_LEVEL DISABLE_BENCHMARK
ENABLE_CHUNKED_FEED_FORWARD FEED_FORWARD_CHUNK_SIZE FLUX_GUIDANCE_VALUE FLUX_LORA_TARGET
GRADIENT_ACCUMULATION_STEPS GRADIENT_CHECKPOINTING_OFFLOAD_ATTENTION
GRADIENT_CHECKPOINTING_OFFLOAD_PIN_MEMORY_MAX_BUCKETS
GRADIENT_CHECKPOINTING_OFFLOAD_PREFETCH GRADIENT_CHECKPOINTING_SEGMENT_STRIDE
IMAGE_PROCESSING_BATCH_SIZE INFERENCE_SCHEDULER_TIMESTEP_SPACING LEARNING_RATE LORA_TYPE
LR_END LR_WARMUP_STEPS LTX2_VALIDATION_AUDIO_GUIDANCE LTX2_VALIDATION_PIPELINE_MODE
LTX2_VALIDATION_SPATIAL_UPSAMPLER_FILENAME LTX2_VALIDATION_SPATIAL_UPSAMPLER_MODEL
LYCORIS_CONFIG METADATA_UPDATE_INTERVAL MIXED_PRECISION MODEL_CARD_SAFE_FOR_WORK
MODEL_FAMILY MODEL_TYPE OPTIMIZER OUTPUT_DIR PIXART_VALIDATION_PIPELINE_MODE
PIXART_VALIDATION_STAGE1_MODEL PIXART_VALIDATION_STAGE2_MODEL POST_CHECKPOINT_SCRIPT
POST_UPLOAD_SCRIPT PUBLISHING_CONFIG PUSH_TO_HUB PUSH_TO_HUB_BACKGROUND QUANTIZATION_CONFIG
QUANTIZE_VIA QWEN_TEXT_ENCODER_MODEL_NAME_OR_PATH READ_BATCH_SIZE RESOLUTION RESOLUTION_TYPE
SDNQ_COMPILE_MODE SDNQ_DEQUANTIZE_FP32 SDNQ_GROUP_SIZE SDNQ_HADAMARD_GROUP_SIZE
SDNQ_MODULES_DTYPE_DICT SDNQ_MODULES_QUANT_CONFIG SDNQ_MODULES_TO_NOT_CONVERT
SDNQ_MODULES_TO_NOT_USE_MATMUL SDNQ_QUANTIZED_MATMUL_DTYPE SDNQ_SVD_RANK SDNQ_SVD_STEPS
SDNQ_USE_HADAMARD SDNQ_USE_QUANTIZED_MATMUL SDNQ_USE_STATIC_QUANTIZATION
SDNQ_USE_STOCHASTIC_ROUNDING SDNQ_USE_SVD SDNQ_WEIGHTS_DTYPE SDXL_VALIDATION_PIPELINE_MODE
SDXL_VALIDATION_STAGE1_MODEL SDXL_VALIDATION_STAGE2_MODEL TEXT_CACHE_DISABLE
TEXT_CACHE_ONDEMAND TEXT_ENCODER_BATCH_SIZE TORCH_NUM_THREADS TRACKER_PROJECT_NAME
TRACKER_RUN_NAME TRAINING_SCHEDULER_TIMESTEP_SPACING TRAIN_BATCH_SIZE USE_DORA USE_EMA
VALIDATE_AFTER_EPOCH VALIDATE_AFTER_STEP VALIDATION_EPOCH_INTERVAL
VALIDATION_EXTERNAL_BACKGROUND VALIDATION_EXTERNAL_SCRIPT VALIDATION_GUIDANCE
VALIDATION_GUIDANCE_REAL VALIDATION_GUIDANCE_RESCALE VALIDATION_INPUT VALIDATION_METHOD
VALIDATION_NEGATIVE_PROMPT VALIDATION_NO_CFG_UNTIL_TIMESTEP VALIDATION_NUM_INFERENCE_STEPS
VALIDATION_PROMPT VALIDATION_RESOLUTION VALIDATION_SEED VALIDATION_STEP_INTERVAL
WAN_VALIDATION_LOAD_OTHER_STAGE WRITE_BATCH_SIZE
"""
_SAME: Final = frozenset(_SAME_NAMES.split())
"""Variables that are their option's name in capitals."""

_BITFIT: Final = "USE_BITFIT"
_LAUNCHER: Final = frozenset(
    {"TRAINING_NUM_PROCESSES", "TRAINING_NUM_MACHINES", "ACCELERATE_CONFIG_PATH",
     "ACCELERATE_EXTRA_ARGS", "TRAINER_DYNAMO_BACKEND", "TRAINING_DYNAMO_BACKEND"}
)  # fmt: skip
"""Variables for the launcher of a local run; a file of these alone is no config."""

_OF_THE_SYSTEM: Final = re.compile(
    r"^(?:CONFIG_|SIMPLETUNER_|ACCELERATE_|TOKENIZERS_|TQDM_|CUDA_|HF_|HUGGING|WANDB_|AWS_|NCCL_|"
    r"PYTHON|TORCH|PATH$|ENV$|VENV_PATH$|DISABLE_UPDATES$)"
)
_ASSIGNMENT: Final = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)(\+?)=(.*)$")
_REFERENCE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$([A-Za-z_][A-Za-z0-9_]*)")
_SECRET: Final = re.compile(r"(?:TOKEN|SECRET|PASSWORD|PASSWD|ACCESS_KEY|API_KEY|_KEY_ID)$")


def parse_env(text: str) -> dict[str, str]:
    """The assignments of a `config.env`: quoted or not, exported or not, comments ignored.

    `+=` appends with a space between, as SimpleTuner does; `${NAME}` is replaced by a variable that
    stands above it, and stays as it is when there is none.
    """
    variables: dict[str, str] = {}
    for line in text.splitlines():
        if not (match := _ASSIGNMENT.match(line)):
            continue
        name, append, written = match.groups()
        literal = written.lstrip().startswith("'")
        try:
            parts = shlex.split(written, comments=True)
        except ValueError:  # an unclosed quote: the text is the value
            parts = [written.strip()]
        value = parts[0] if parts else ""
        if not literal:
            value = _REFERENCE.sub(lambda found: _replace(found, variables), value)
        before = variables.get(name, "") if append else ""
        variables[name] = f"{before} {value}".strip()
    return variables


def split_secrets(env: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The variables without tokens, keys and passwords, and the names of the removed ones."""
    secret = tuple(name for name, value in env.items() if _SECRET.search(name) and value)
    return {name: value for name, value in env.items() if name not in secret}, secret


def holds_options(env: Mapping[str, str]) -> bool:
    """Whether a `config.env` configures a training, not the launcher alone."""
    return any(name not in _LAUNCHER for name in env if _option(name)) or bool(
        env.get(EXTRA_ARGUMENTS)
    )


def values_from_env(env: Mapping[str, str]) -> dict[str, str]:
    """Options of the trainer from the mapped variables of a `config.env`, empty ones left out."""
    values: dict[str, str] = {}
    for name, value in env.items():
        option = _option(name)
        if option is None or not value:
            continue
        if name == _BITFIT:
            if value.lower() == "true":
                values[option] = "bitfit"
        else:
            values[option] = value
    return values


def extra_arguments(env: Mapping[str, str]) -> dict[str, str | bool]:
    """Options that `TRAINER_EXTRA_ARGS` holds as arguments: `--lora_rank=64 --seed 3`.

    SimpleTuner splits it at white space and puts it last, so these options win.
    """
    values: dict[str, str | bool] = {}
    waiting: str | None = None
    for word in env.get(EXTRA_ARGUMENTS, "").split():
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            waiting = None if equals else plain_key(name)
            values[plain_key(name)] = value if equals else True
        elif waiting is not None:
            values[waiting], waiting = word, None
    return values


def variable(option: str) -> str:
    """The variable of an option."""
    return next((name for name, other in _RENAMED.items() if other == option), option.upper())


def unread_variables(env: Mapping[str, str]) -> tuple[str, ...]:
    """Variables that look like options, are switched on, and that SimpleTuner does not read."""
    return tuple(
        name
        for name, value in env.items()
        if name.isupper()
        and _option(name) is None
        and name != EXTRA_ARGUMENTS
        and name not in _LAUNCHER
        and not _OF_THE_SYSTEM.match(name)
        and value.lower() not in ("", "false", "0", "no", "none")
    )


def env_notes(env: Mapping[str, str], file_name: str) -> list[Note]:
    """What a `config.env` says in vain."""
    unread = unread_variables(env)
    if not unread:
        return []
    message = f"{file_name}: SimpleTuner does not read {', '.join(unread)}"
    advice = f"Write an option as its variable, such as MODEL_FAMILY, or into {EXTRA_ARGUMENTS}."
    return [Note("warn", message, advice)]


def _option(name: str) -> str | None:
    if name == _BITFIT:
        return "layer_freeze_strategy"
    return _RENAMED.get(name) or (name.lower() if name in _SAME else None)


def _replace(found: re.Match[str], variables: Mapping[str, str]) -> str:
    return variables.get(found[1] or found[2], found[0])
