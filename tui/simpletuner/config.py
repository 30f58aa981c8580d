"""Finding and reading a SimpleTuner training config where it lies.

Layouts read: `config/<name>/config.json`, `config/<name>.json`, and a folder with only a
`config.env` of shell assignments. The dataloader file is the one that `data_backend_config` names,
else the `multidatabackend.json` beside the config.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tui.simpletuner.config_files import (
    read_env_file,
    read_json_file,
    split_secrets,
    values_from_env,
)
from tui.simpletuner.dataloader import DatasetSpec, edge_pixels, find_path, read_entries
from tui.simpletuner.errors import ConfigError
from tui.simpletuner.notes import Note
from tui.simpletuner.values import as_bool, as_float, as_int, as_text, first_present, plain_keys

CONFIG_FILE = "config.json"
ENV_FILE = "config.env"
DATALOADER_FILE = "multidatabackend.json"
LYCORIS_FILE = "lycoris_config.json"

NOT_CONFIGS = frozenset({DATALOADER_FILE, LYCORIS_FILE, "webhooks.json", "webhook.json"})
NOT_CONFIG_FOLDERS = frozenset({"dataloaders", "templates", "webhooks", "__pycache__"})


@dataclass(frozen=True, slots=True)
class ConfigRef:
    """A config that was found: its name for people, and the file."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """A training config with its dataloader, as read; nothing is filled in or corrected.

    Attributes:
        name: the folder's or file's name.
        path: the file that was read.
        values: options by plain name (no dashes), values untouched.
        datasets: entries of the dataloader file.
        dataloader: the same entries, as read.
        dataloader_path: the dataloader file, None where there is none.
        lycoris: the LyCORIS settings, if any were found.
        env: variables of `config.env`, beside or instead of the config, without secrets.
        notes: what was odd or wrong while reading, for the checks.
    """

    name: str
    path: Path
    values: Mapping[str, Any]
    datasets: tuple[DatasetSpec, ...] = ()
    dataloader: tuple[Mapping[str, Any], ...] = ()
    dataloader_path: Path | None = None
    lycoris: Mapping[str, Any] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    @property
    def family(self) -> str | None:
        """`model_family`, lower case."""
        text = as_text(self.values.get("model_family"))
        return text.lower() if text else None

    @property
    def flavour(self) -> str | None:
        """`model_flavour` (either spelling of the option)."""
        return as_text(first_present(self.values, ("model_flavour", "model_flavor")))

    @property
    def model_type(self) -> str:
        """`lora` or `full`; the trainer's own default is full."""
        return (as_text(self.values.get("model_type")) or "full").lower()

    @property
    def lora_type(self) -> str | None:
        """`standard` or `lycoris`; None unless a LoRA is trained."""
        if self.model_type != "lora":
            return None
        return (as_text(self.values.get("lora_type")) or "standard").lower()

    @property
    def lora_rank(self) -> int | None:
        """Rank of a standard LoRA (the trainer's default is 16), or LyCORIS' `linear_dim`."""
        if self.lora_type == "standard":
            return as_int(self.values.get("lora_rank")) or 16
        if self.lora_type == "lycoris" and self.lycoris:
            return as_int(self.lycoris.get("linear_dim"))
        return None

    @property
    def max_train_steps(self) -> int:
        """Optimisation steps asked for; 0 means that the epochs decide."""
        return max(0, as_int(first_present(self.values, ("max_train_steps", "max_steps"))) or 0)

    @property
    def num_train_epochs(self) -> int:
        """Epochs asked for; 0 means that the steps decide. With neither set, one epoch."""
        epochs = as_int(self.values.get("num_train_epochs"))
        return max(0, epochs if epochs is not None else 0 if self.max_train_steps else 1)

    @property
    def train_batch_size(self) -> int:
        """Samples per card and step."""
        return max(1, as_int(self.values.get("train_batch_size")) or 1)

    @property
    def gradient_accumulation_steps(self) -> int:
        """Batches that make one optimisation step."""
        return max(1, as_int(self.values.get("gradient_accumulation_steps")) or 1)

    @property
    def num_processes(self) -> int:
        """Cards used (from the config, else from `config.env`)."""
        text = self.values.get("num_processes", self.env.get("TRAINING_NUM_PROCESSES"))
        return max(1, as_int(text) or 1)

    @property
    def learning_rate(self) -> float | None:
        """`learning_rate` as a number."""
        return as_float(self.values.get("learning_rate"))

    @property
    def resolution_pixels(self) -> int:
        """Edge in pixels of the square the training size stands for (largest of the datasets)."""
        edges = [spec.resolution_pixels for spec in self.training_datasets]
        stated = [edge for edge in edges if edge]
        if stated:
            return max(stated)
        values = self.values
        return edge_pixels(values.get("resolution"), values.get("resolution_type")) or 1024

    @property
    def validation_interval(self) -> int:
        """Steps between validations; 0 when none is set."""
        names = ("validation_step_interval", "validation_steps")
        return max(0, as_int(first_present(self.values, names)) or 0)

    @property
    def checkpoint_interval(self) -> int:
        """Steps between checkpoints; 0 when none is set."""
        names = ("checkpoint_step_interval", "checkpointing_steps")
        return max(0, as_int(first_present(self.values, names)) or 0)

    @property
    def push_to_hub(self) -> bool:
        """Whether the config itself asks for an upload to the Hugging Face Hub."""
        return as_bool(self.values.get("push_to_hub"))

    @property
    def hub_model_id(self) -> str | None:
        """`hub_model_id` as written."""
        return as_text(self.values.get("hub_model_id"))

    @property
    def run_name(self) -> str | None:
        """`tracker_run_name` as written."""
        return as_text(self.values.get("tracker_run_name"))

    @property
    def training_datasets(self) -> tuple[DatasetSpec, ...]:
        """Datasets that hold training data and are not disabled."""
        return tuple(spec for spec in self.datasets if spec.kind != "cache" and not spec.disabled)

    @property
    def local_datasets(self) -> tuple[DatasetSpec, ...]:
        """Those whose data lies on this machine."""
        return tuple(spec for spec in self.training_datasets if spec.kind == "local")


def discover_configs(roots: Sequence[Path]) -> list[ConfigRef]:
    """All configs below `roots` (each a `config` folder or a project that has one), by name.

    A root that is missing or unreadable gives nothing; that is not an error.
    """
    found: dict[Path, ConfigRef] = {}
    for given in roots:
        root = given.expanduser()
        inner = root / "config"
        for place in (inner, root) if _is_dir(inner) else (root,):
            for ref in _configs_in(place, with_files=place.name == "config" or place != root):
                found.setdefault(_real(ref.path), ref)
    return sorted(found.values(), key=lambda ref: (ref.name.lower(), str(ref.path)))


def load_config(path: str | Path, *, roots: Sequence[Path] = ()) -> TrainingConfig:
    """Read the config that `path` means: a folder, a file, or a bare name below `roots`.

    Args:
        path: `config/cat-lora`, `config/cat-lora/config.json`, `config/cat-lora.json`, `cat-lora`.
        roots: folders that a bare name or a relative path may be meant from; the current folder
            when none are given, and after the given path itself in any case.

    Raises:
        ConfigError: nothing is there, or it cannot be read as a config.
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
    values, doubled = plain_keys(raw)
    notes.extend(
        Note(
            "warn",
            f"{name} is set twice, with and without dashes; the later one counts",
            f"Remove one of the two from {file.name}.",
        )
        for name in doubled
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
    """Folders that a relative path inside the config `file` may be meant from, likeliest first.

    The trainer runs in the project folder, the one that holds `config/`.
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
    return _without_doubles(refs)


def _without_doubles(refs: list[ConfigRef]) -> list[ConfigRef]:
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
        said = f"the dataloader file {named} does not exist" if named else "no dataloader file"
        notes.append(
            Note(
                "error",
                f"{said} (looked at {path})",
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


def _real(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path
