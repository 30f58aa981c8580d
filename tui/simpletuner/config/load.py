"""Finds and reads SimpleTuner training configs and the files that belong to them.

Layouts: `config/<name>/config.json`, `config/<name>.json`, and a folder with a `config.toml` or a
`config.env` of shell assignments instead. The dataloader file is the one that `data_backend_config`
names, else the `multidatabackend.json` beside the config.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tui.base.json_types import JsonObject
from tui.base.natural_order import natural_order
from tui.base.real_paths import real_path
from tui.simpletuner.config.env_file import (
    env_notes,
    extra_arguments,
    holds_options,
    parse_env,
    split_secrets,
    values_from_env,
    variable,
)
from tui.simpletuner.config.text_files import read_json_file, read_text_file, read_toml_file
from tui.simpletuner.config.training_config import TrainingConfig, find_path, read_entries
from tui.simpletuner.config.values import as_text, plain_keys
from tui.simpletuner.errors import ConfigError, MissingConfigError, Note
from tui.simpletuner.facts.options import option_facts

__all__ = ["ConfigRef", "TrainingConfig", "configs_from", "discover_configs", "load_config"]

CONFIG_FILE = "config.json"
TOML_FILE = "config.toml"
ENV_FILE = "config.env"
CONFIG_FILES = (CONFIG_FILE, TOML_FILE, ENV_FILE)
"""Names of a config in a folder of its own, in the order in which the trainer looks for them."""
PACKAGE_PREFIX = "config/examples/"
"""A path that begins so is looked for in SimpleTuner's own package as well."""
DATALOADER_FILE = "multidatabackend.json"
LYCORIS_FILE = "lycoris_config.json"

NOT_CONFIGS = frozenset({DATALOADER_FILE, LYCORIS_FILE, "webhooks.json", "webhook.json"})
_OUR_SPELLINGS = frozenset({"model_flavor"})
NOT_CONFIG_FOLDERS = frozenset({"dataloaders", "templates", "webhooks", "__pycache__"})


@dataclass(frozen=True, slots=True)
class ConfigRef:
    """The name and the file of a config."""

    name: str
    path: Path


def discover_configs(roots: Sequence[Path]) -> list[ConfigRef]:
    """All configs below `roots`, sorted by name, figures as numbers.

    Each root is a `config` folder or a project with one. A missing or unreadable root is skipped.
    """
    refs: dict[Path, ConfigRef] = {}
    for given in roots:
        root = given.expanduser()
        inner = root / "config"
        for place in (inner, root) if _is_dir(inner) else (root,):
            for ref in _configs_in(place, with_files=place.name == "config" or place != root):
                refs.setdefault(_resolved(ref.path), ref)
    return sorted(refs.values(), key=lambda ref: (natural_order(ref.name.lower()), str(ref.path)))


def configs_from(here: Path | None, roots: Sequence[Path]) -> list[ConfigRef]:
    """The configs of the folder that somebody is in, then those below `roots`; each by name."""
    first = discover_configs([here]) if here is not None else []
    known = {_resolved(ref.path) for ref in first}
    return [*first, *(r for r in discover_configs(roots) if _resolved(r.path) not in known)]


def load_config(
    path: str | Path,
    *,
    roots: Sequence[Path] = (),
    may_read: Callable[[Path], bool] = lambda _: True,
) -> TrainingConfig:
    """Read a config by its folder, its file, or its bare name below `roots`.

    Args:
        path: `config/cat-lora`, `config/cat-lora/config.json`, `config/cat-lora.json`, `cat-lora`.
        roots: folders that a bare name or a relative path is resolved against, after the path
            itself; by default the current folder.
        may_read: whether a file may be opened; the others are passed over, and not even looked for.

    Raises:
        ConfigError: the path does not exist or is no config, or what it needs may not be read.
    """
    file = locate_config(path, roots, may_read)
    notes: list[Note] = []
    env_file = file if file.name == ENV_FILE else file.parent / ENV_FILE
    beside = file.name in CONFIG_FILES and may_read(env_file)
    env, secret_names = split_secrets(
        parse_env(read_text_file(env_file)) if beside and env_file.is_file() else {}
    )
    if secret_names:
        advice = "Give tokens through the environment or the Cloud screen, not in a file."
        listed = ", ".join(secret_names)
        notes.append(Note("warn", f"{env_file.name} holds {listed}; not read, never sent", advice))
    file = _config_beside(file, env)
    _admit(file.name, file, may_read)
    raw: Any
    if file.name == ENV_FILE:
        raw = _known_variables(env, notes)
        notes.extend(env_notes(env, file.name))
    else:
        raw = read_toml_file(file) if file.suffix == ".toml" else read_json_file(file)
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
    values = _full_names(values, notes, file)
    bases = path_bases(file, roots)
    dataloader_path, entries = _read_dataloader(file, values, bases, notes, may_read)
    return TrainingConfig(
        name=file.parent.name if file.name in CONFIG_FILES else file.stem,
        path=file,
        values=values,
        datasets=read_entries(
            entries, bases, (as_text(values.get("caption_strategy")) or "filename").lower()
        ),
        dataloader=tuple(entries),
        dataloader_path=dataloader_path,
        lycoris=_read_lycoris(file, values, bases, notes, may_read),
        env=env,
        notes=tuple(notes),
    )


def _config_beside(file: Path, env: Mapping[str, str]) -> Path:
    """The config that a `config.env` stands beside, when it configures the launcher alone."""
    if file.name != ENV_FILE or holds_options(env):
        return file
    others = (file.parent / name for name in CONFIG_FILES if name != ENV_FILE)
    return next((other for other in others if other.is_file()), file)


def _known_variables(env: Mapping[str, str], notes: list[Note]) -> JsonObject:
    """The options of a `config.env`, without those that the trainer no longer has."""
    values: JsonObject = {}
    for name, value in values_from_env(env).items():
        if option_facts().find(name):
            values[name] = value
        elif value.lower() != "false":
            message = f"{variable(name)} is left out: the trainer has no option {name} any more"
            notes.append(Note("warn", message, f"Remove it from {ENV_FILE}."))
    return values | extra_arguments(env)


def _full_names(values: Mapping[str, Any], notes: list[Note], file: Path) -> JsonObject:
    """The options under their full names.

    The trainer's parser takes an alias, or a beginning that only one option has, for that option;
    of two that mean the same one the later wins.
    """
    facts = option_facts()
    full: JsonObject = {}
    for name, value in values.items():
        found = facts.find(facts.renamed.get(name, name))
        option = facts.options[found[0]] if len(found) == 1 else None
        if option is None or name in facts.set_aside or name in _OUR_SPELLINGS:
            full[name] = value
            continue
        known = option.name == name or name in option.aliases or name in facts.renamed
        if value is not None and not known:
            message = f"{name} is taken for {option.name}, the only option that begins so"
            if full.get(option.name) is not None or option.name in values:
                message += ", and the later of the two counts"
            advice = f"Did you mean {option.name}? Write the whole name in {file.name}."
            notes.append(Note("warn", message, advice))
        if value is not None or option.name not in full:
            full[option.name] = value
    return full


def project_of(file: Path) -> Path | None:
    """The folder that holds the `config/` which a config lies in; None where there is none."""
    return next((up.parent for up in file.absolute().parents if up.name == "config"), None)


def path_bases(file: Path, roots: Sequence[Path] = ()) -> list[Path]:
    """Folders that a relative path inside the config `file` is resolved against, in order.

    The trainer runs in the project folder (the parent of `config/`), so that folder comes first.
    """
    absolute = file.absolute()
    project = project_of(file)
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
                for name in CONFIG_FILES
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
    """Each folder's first config, in the order of `CONFIG_FILES`."""
    first: dict[Path, ConfigRef] = {}
    for ref in refs:
        in_own_folder = ref.path.name in CONFIG_FILES
        first.setdefault(ref.path.parent if in_own_folder else ref.path, ref)
    return list(first.values())


def _admit(named: str, path: Path, may_read: Callable[[Path], bool]) -> None:
    """Refuse a file that may not be read.

    The message is the same whether there is such a file or not.

    Raises:
        ConfigError: it may not.
    """
    if not may_read(path):
        raise ConfigError(f"{named} is outside of the folders of configs", "Copy it there.")


def locate_config(
    given: str | Path,
    roots: Sequence[Path] = (),
    may_read: Callable[[Path], bool] = lambda _: True,
) -> Path:
    """Find the file of a config, which may be unreadable as one; see `load_config`.

    Raises:
        MissingConfigError: there is none.
    """
    path = Path(given).expanduser()
    candidates = [path]
    if not path.is_absolute():
        for root in roots or [Path.cwd()]:
            for base in (root.expanduser(), root.expanduser() / "config"):
                candidates += [base / path, base / f"{given}.json"]
    for candidate in filter(may_read, candidates):
        if _is_dir(candidate):
            for name in CONFIG_FILES:
                if may_read(candidate / name) and (candidate / name).is_file():
                    return candidate / name
        elif candidate.exists():
            return candidate
    if may_read(path) and _is_dir(path):
        raise MissingConfigError(
            f"{path} has no {CONFIG_FILE}",
            "Give the folder that holds config.json, or the file itself.",
            path,
        )
    raise MissingConfigError(
        f"there is no config at {path}",
        "Give the path of a config.json, of its folder, or the name of a folder below config/.",
        path,
    )


def _read_dataloader(
    file: Path,
    values: Mapping[str, Any],
    bases: Sequence[Path],
    notes: list[Note],
    may_read: Callable[[Path], bool],
) -> tuple[Path | None, list[JsonObject]]:
    named = as_text(values.get("data_backend_config"))
    path = find_path(named, bases) if named else file.parent / DATALOADER_FILE
    _admit(named or DATALOADER_FILE, path, may_read)
    if not path.is_file():
        problem = f"the dataloader file {named} does not exist" if named else "no dataloader file"
        advice = "Correct data_backend_config, or put a multidatabackend.json beside the config."
        if named and named.startswith(PACKAGE_PREFIX):
            advice = "Copy it here from SimpleTuner's package: the dataloader is part of a job."
        notes.append(Note("error", f"{problem} (looked at {path})", advice))
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
    file: Path,
    values: Mapping[str, Any],
    bases: Sequence[Path],
    notes: list[Note],
    may_read: Callable[[Path], bool],
) -> Mapping[str, Any] | None:
    if (as_text(values.get("lora_type")) or "").lower() != "lycoris":
        return None
    given = values.get("lycoris_config")
    if isinstance(given, dict):
        return given
    named = as_text(given)
    path = find_path(named, bases) if named else file.parent / LYCORIS_FILE
    _admit(named or LYCORIS_FILE, path, may_read)
    if named and named.startswith(PACKAGE_PREFIX) and not path.is_file():
        notes.append(Note("ok", f"lycoris_config {named} is read from SimpleTuner's own package"))
        return None
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
        return real_path(path)
    except OSError:
        return path
