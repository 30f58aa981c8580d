"""The two kinds of file a config is written in: JSON, and shell assignments."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tui.simpletuner.errors import ConfigError

MAX_FILE_BYTES = 16 * 1024 * 1024
"""No honest config is longer; a larger file was chosen by mistake."""

_ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$")

# Variables of config.env whose option has another name; all others are the option in capitals.
_ENV_NAMES = {
    "RESUME_CHECKPOINT": "resume_from_checkpoint",
    "DATALOADER_CONFIG": "data_backend_config",
    "TRAINING_SEED": "seed",
    "MAX_NUM_STEPS": "max_train_steps",
    "NUM_EPOCHS": "num_train_epochs",
    "CHECKPOINTING_STEPS": "checkpoint_step_interval",
    "CHECKPOINTING_LIMIT": "checkpoints_total_limit",
    "HUB_MODEL_NAME": "hub_model_id",
    "PUSH_CHECKPOINTS": "push_checkpoints_to_hub",
    "USE_GRADIENT_CHECKPOINTING": "gradient_checkpointing",
    "LR_SCHEDULE": "lr_scheduler",
    "MODEL_NAME": "pretrained_model_name_or_path",
    "TRAINING_NUM_PROCESSES": "num_processes",
    "TRAINING_NUM_MACHINES": "num_machines",
    "TRAINING_DYNAMO_BACKEND": "dynamo_backend",
    "MINIMUM_RESOLUTION": "minimum_image_size",
}
# Variables that steer the launcher of a local run and are no options of the trainer.
_ENV_LAUNCHER = re.compile(
    r"^(?:CONFIG_|SIMPLETUNER_|ACCELERATE_|TOKENIZERS_|TQDM_|CUDA_|HF_|HUGGING|WANDB_|AWS_|"
    r"PYTHON|PATH$|ENV$|VENV_PATH$|DISABLE_UPDATES$)"
)

_ENV_SECRET = re.compile(r"(?:TOKEN|SECRET|PASSWORD|PASSWD|ACCESS_KEY|API_KEY|_KEY_ID)$")


def read_text_file(path: Path) -> str:
    """The text of a small UTF-8 file.

    Raises:
        ConfigError: missing, unreadable, too long, or not text.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ConfigError(f"{path} is too long to be a config", "Check the path.", path)
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist", "Check the path.", path) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not a text file", "Save it as UTF-8.", path) from None
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise ConfigError(f"{path} cannot be read: {reason}", "Check its rights.", path) from error


def read_json_file(path: Path) -> Any:
    """The JSON value in a file.

    Raises:
        ConfigError: as `read_text_file`, or not JSON; then with line and column.
    """
    text = read_text_file(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"{path} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}",
            "Correct that line; a missing or extra comma or quote is the usual cause.",
            path,
            error.lineno,
            error.colno,
        ) from None
    except RecursionError:
        raise ConfigError(f"{path} is nested too deeply", "Check the file.", path) from None


def read_env_file(path: Path) -> dict[str, str]:
    """The assignments of a `config.env`: `export NAME=value`, quoted or not, comments ignored.

    Raises:
        ConfigError: as `read_text_file`.
    """
    found: dict[str, str] = {}
    for line in read_text_file(path).splitlines():
        if not (match := _ASSIGNMENT.match(line)):
            continue
        try:
            words = shlex.split(match[2], comments=True)
        except ValueError:  # an unclosed quote: take the text as it stands
            words = [match[2].strip()]
        found[match[1]] = words[0] if words else ""
    return found


def split_secrets(env: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The variables without tokens, keys and passwords, and the names of those left out."""
    secret = tuple(name for name, value in env.items() if _ENV_SECRET.search(name) and value)
    return {name: value for name, value in env.items() if name not in secret}, secret


def values_from_env(env: Mapping[str, str]) -> dict[str, str]:
    """Options of the trainer from the variables of a `config.env`."""
    values: dict[str, str] = {}
    for name, value in env.items():
        if option := _ENV_NAMES.get(name):
            values[option] = value
        elif not _ENV_LAUNCHER.match(name) and name.isupper():
            values[name.lower()] = value
    return values
