"""Finds and reads SimpleTuner training configs and the files that belong to them.

Layouts: `config/<name>/config.json`, `config/<name>.json`, and a folder with only a `config.env` of
shell assignments. The dataloader file is the one that `data_backend_config` names, else the
`multidatabackend.json` beside the config. The readers of single files (text, JSON, `config.env`)
stand at the end.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tui.simpletuner.config.training_config import TrainingConfig, find_path, read_entries
from tui.simpletuner.config.values import as_text, plain_keys
from tui.simpletuner.errors import ConfigError, Note

__all__ = ["ConfigRef", "TrainingConfig", "discover_configs", "load_config"]

CONFIG_FILE = "config.json"
ENV_FILE = "config.env"
DATALOADER_FILE = "multidatabackend.json"
LYCORIS_FILE = "lycoris_config.json"

NOT_CONFIGS = frozenset({DATALOADER_FILE, LYCORIS_FILE, "webhooks.json", "webhook.json"})
NOT_CONFIG_FOLDERS = frozenset({"dataloaders", "templates", "webhooks", "__pycache__"})
MAX_FILE_BYTES = 16 * 1024 * 1024
"""Limit of a file that is read as a config; a larger file was chosen by mistake."""
_ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$")
# Variables of config.env whose option has a different name; all others are the option's name in
# capitals. Source: SimpleTuner's simpletuner/helpers/configuration/env_file.py.
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
# Variables for the launcher of a local run, which are no options of the trainer.
_ENV_LAUNCHER = re.compile(
    r"^(?:CONFIG_|SIMPLETUNER_|ACCELERATE_|TOKENIZERS_|TQDM_|CUDA_|HF_|HUGGING|WANDB_|AWS_|"
    r"PYTHON|PATH$|ENV$|VENV_PATH$|DISABLE_UPDATES$)"
)
_ENV_SECRET = re.compile(r"(?:TOKEN|SECRET|PASSWORD|PASSWD|ACCESS_KEY|API_KEY|_KEY_ID)$")


@dataclass(frozen=True, slots=True)
class ConfigRef:
    """The name and the file of a config."""

    name: str
    path: Path


def discover_configs(roots: Sequence[Path]) -> list[ConfigRef]:
    """All configs below `roots`, sorted by name.

    Each root is a `config` folder or a project with one. A missing or unreadable root is skipped.
    """
    refs: dict[Path, ConfigRef] = {}
    for given in roots:
        root = given.expanduser()
        inner = root / "config"
        for place in (inner, root) if _is_dir(inner) else (root,):
            for ref in _configs_in(place, with_files=place.name == "config" or place != root):
                refs.setdefault(_resolved(ref.path), ref)
    return sorted(refs.values(), key=lambda ref: (ref.name.lower(), str(ref.path)))


def load_config(path: str | Path, *, roots: Sequence[Path] = ()) -> TrainingConfig:
    """Read a config by its folder, its file, or its bare name below `roots`.

    Args:
        path: `config/cat-lora`, `config/cat-lora/config.json`, `config/cat-lora.json`, `cat-lora`.
        roots: folders that a bare name or a relative path is resolved against, after the path
            itself; by default the current folder.

    Raises:
        ConfigError: the path does not exist or is no config.
    """
    file = _locate(path, roots)
    notes: list[Note] = []
    env_file = file if file.name == ENV_FILE else file.parent / ENV_FILE
    beside = file.name in (CONFIG_FILE, ENV_FILE)
    env, secret_names = split_secrets(
        read_env_file(env_file) if beside and env_file.is_file() else {}
    )
    if secret_names:
        advice = "Give tokens through the environment or the Cloud screen, not in a file."
        listed = ", ".join(secret_names)
        notes.append(Note("warn", f"{env_file.name} holds {listed}; not read, never sent", advice))
    if file.name == ENV_FILE:
        raw: Any = values_from_env(env)
    else:
        raw = read_json_file(file)
    if not isinstance(raw, dict):
        raise ConfigError(
            f"{file} holds a JSON {_json_kind(raw)}, not an object of options",
            "Choose the training config; a list is usually the dataloader file."
            if isinstance(raw, list)
            else 'A training config looks like {"model_family": "flux", …}.',
            file,
        )
    values, duplicates = plain_keys(raw)
    notes.extend(
        Note(
            "warn",
            f"{name} is set twice, with and without dashes; the later one counts",
            f"Remove one of the two from {file.name}.",
        )
        for name in duplicates
    )
    bases = path_bases(file, roots)
    dataloader_path, entries = _read_dataloader(file, values, bases, notes)
    return TrainingConfig(
        name=file.parent.name if beside else file.stem,
        path=file,
        values=values,
        datasets=read_entries(
            entries, bases, (as_text(values.get("caption_strategy")) or "filename").lower()
        ),
        dataloader=tuple(entries),
        dataloader_path=dataloader_path,
        lycoris=_read_lycoris(file, values, bases, notes),
        env=env,
        notes=tuple(notes),
    )


def path_bases(file: Path, roots: Sequence[Path] = ()) -> list[Path]:
    """Folders that a relative path inside the config `file` is resolved against, in order.

    The trainer runs in the project folder (the parent of `config/`), so that folder comes first.
    """
    absolute = file.absolute()
    project = next((up.parent for up in absolute.parents if up.name == "config"), None)
    bases = [project] if project else []
    others = [root.expanduser() for root in roots] or [Path.cwd()]
    return [*bases, absolute.parent, absolute.parent.parent, *others]


def _configs_in(place: Path, *, with_files: bool) -> list[ConfigRef]:
    refs: list[ConfigRef] = []
    try:
        entries = sorted(place.iterdir())
    except OSError:
        return []
    for entry in entries:
        if entry.name.startswith(".") or entry.name in NOT_CONFIG_FOLDERS:
            continue
        if _is_dir(entry):
            refs.extend(
                ConfigRef(entry.name, entry / name)
                for name in (CONFIG_FILE, ENV_FILE)
                if (entry / name).is_file()
            )
        elif (
            entry.suffix == ".json"
            and entry.name not in NOT_CONFIGS
            and (with_files or entry.name == CONFIG_FILE)
        ):
            refs.append(ConfigRef(place.name if entry.name == CONFIG_FILE else entry.stem, entry))
    return _without_duplicates(refs)


def _without_duplicates(refs: list[ConfigRef]) -> list[ConfigRef]:
    folders_with_json = {ref.path.parent for ref in refs if ref.path.name == CONFIG_FILE}
    return [
        ref for ref in refs if ref.path.name != ENV_FILE or ref.path.parent not in folders_with_json
    ]


def _locate(given: str | Path, roots: Sequence[Path]) -> Path:
    path = Path(given).expanduser()
    candidates = [path]
    if not path.is_absolute():
        for root in roots or [Path.cwd()]:
            for base in (root.expanduser(), root.expanduser() / "config"):
                candidates += [base / path, base / f"{given}.json"]
    for candidate in candidates:
        if _is_dir(candidate):
            for name in (CONFIG_FILE, ENV_FILE):
                if (candidate / name).is_file():
                    return candidate / name
        elif candidate.exists():
            return candidate
    if _is_dir(path):
        raise ConfigError(
            f"{path} has no {CONFIG_FILE}",
            "Give the folder that holds config.json, or the file itself.",
            path,
        )
    raise ConfigError(
        f"there is no config at {path}",
        "Give the path of a config.json, of its folder, or the name of a folder below config/.",
        path,
    )


def _read_dataloader(
    file: Path, values: Mapping[str, Any], bases: Sequence[Path], notes: list[Note]
) -> tuple[Path | None, list[dict[str, Any]]]:
    named = as_text(values.get("data_backend_config"))
    path = find_path(named, bases) if named else file.parent / DATALOADER_FILE
    if not path.is_file():
        problem = f"the dataloader file {named} does not exist" if named else "no dataloader file"
        notes.append(
            Note(
                "error",
                f"{problem} (looked at {path})",
                "Correct data_backend_config, or put a multidatabackend.json beside the config.",
            )
        )
        return None, []
    try:
        raw = read_json_file(path)
    except ConfigError as error:
        notes.append(Note("error", error.message, error.advice))
        return path, []
    entries = raw if isinstance(raw, list) else [raw] if isinstance(raw, dict) else []
    kept = [entry for entry in entries if isinstance(entry, dict)]
    if not isinstance(raw, list) or len(kept) != len(entries):
        notes.append(
            Note(
                "error",
                f"{path} must be a JSON list of datasets, each an object",
                'Write it as [{"id": "cats", "type": "local", "instance_data_dir": "…"}, …].',
            )
        )
    return path, kept


def _read_lycoris(
    file: Path, values: Mapping[str, Any], bases: Sequence[Path], notes: list[Note]
) -> Mapping[str, Any] | None:
    if (as_text(values.get("lora_type")) or "").lower() != "lycoris":
        return None
    given = values.get("lycoris_config")
    if isinstance(given, dict):
        return given
    named = as_text(given)
    path = find_path(named, bases) if named else file.parent / LYCORIS_FILE
    try:
        raw = read_json_file(path)
    except ConfigError as error:
        notes.append(Note("error", f"LyCORIS settings: {error.message}", error.advice))
        return None
    if not isinstance(raw, dict):
        advice = 'It looks like {"algo": "lokr", "linear_dim": 10000, …}.'
        notes.append(Note("error", f"{path} must hold a JSON object", advice))
        return None
    return raw


def _json_kind(value: Any) -> str:
    if isinstance(value, list):
        return "list"
    return "text" if isinstance(value, str) else "value"


def _is_dir(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path


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
    variables: dict[str, str] = {}
    for line in read_text_file(path).splitlines():
        if not (match := _ASSIGNMENT.match(line)):
            continue
        try:
            parts = shlex.split(match[2], comments=True)
        except ValueError:  # an unclosed quote: the text is the value
            parts = [match[2].strip()]
        variables[match[1]] = parts[0] if parts else ""
    return variables


def split_secrets(env: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The variables without tokens, keys and passwords, and the names of the removed ones."""
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
