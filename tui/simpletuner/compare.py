"""What differs between the settings of several runs, as the trainer reads them.

Two configs can say the same in different words: with dashes or underscores, `1e-4` or `0.0001`, an
option at its default or not there at all. So every value becomes what the trainer's parser makes of
it, with the defaults of `facts/options.json`, before it is compared.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from tui.simpletuner.checks.options import FLAG, arguments
from tui.simpletuner.config.values import as_bool, as_float, plain_key
from tui.simpletuner.facts.options import Option, OptionFacts, option_facts

NOT_SET: Final = ""
"""The value of an option that a run does not set and that has no default."""
_OF_THE_JOB: Final = frozenset(
    {
        "aws_config", "cache_dir", "cache_dir_text", "cache_dir_vae", "data_backend_config",
        "hub_model_id", "logging_dir", "model_card_note", "output_dir", "publishing_config",
        "push_checkpoints_to_hub", "push_to_hub", "report_to", "tracker_project_name",
        "tracker_run_name", "user_prompt_library", "webhook_config", "webhook_reporting_interval",
    }
)  # fmt: skip
"""Options that say where a run's results go and what it is called: they train nothing."""
_ALIASES: Final = {"model_flavor": "model_flavour"}
_FIRST: Final = ("model", "data", "trainer", "hardware")


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What one run was started with.

    Attributes:
        config: its config, keys and values as written.
        inputs: further inputs of the predictor; those that are options replace the config's.
        datasets: the entries of its dataloader.
        data: a digest of the files that it trained on; empty when there is none.
        trainer: the trainer's version.
        hardware: what it ran on.
    """

    config: Mapping[str, Any]
    inputs: Mapping[str, Any]
    datasets: Sequence[Mapping[str, Any]] = ()
    data: str = ""
    trainer: str = ""
    hardware: str = ""


class Setting(NamedTuple):
    """One setting of all runs.

    Attributes:
        name: the option, `data`, `trainer`, `hardware`, or `datasets.<id>.<key>`.
        values: for each run, as the trainer reads it; `NOT_SET` for none.
        differs: whether the runs were trained with different values of it.
    """

    name: str
    values: tuple[str, ...]
    differs: bool


def compare_settings(runs: Sequence[RunSettings]) -> list[Setting]:
    """Return every setting that at least one run sets: those that differ first, then by name."""
    facts = option_facts()
    flat = [_flat(run, facts) for run in runs]
    settings = []
    for name in sorted({name for one in flat for name in one}):
        default = _default(facts.options.get(name))
        values = tuple(one.get(name, default) for one in flat)
        differs = len(set(values)) > 1 and name not in _OF_THE_JOB
        settings.append(Setting(name, values, differs))
    settings.sort(key=lambda one: (not one.differs, _order(one.name)))
    return settings


def as_read(name: str, value: Any) -> str | None:
    """Return a value as the trainer reads it.

    Args:
        name: the option, without dashes.
        value: as written in a config.

    Returns:
        One text for all ways to write the same; None when the trainer skips the value.
    """
    return _as_read(option_facts().options.get(name), value)


def _flat(run: RunSettings, facts: OptionFacts) -> dict[str, str]:
    options: dict[str, str] = {}
    known = facts.options.keys()
    inputs = {key: value for key, value in run.inputs.items() if plain_key(key) in known}
    for key, value in (*run.config.items(), *inputs.items()):
        name = _name(plain_key(key), facts)
        read = None if not name else _as_read(facts.options.get(name), value)
        if read is not None:
            options[name] = read
    for at, entry in enumerate(run.datasets):
        options |= _dataset(str(entry.get("id") or at), entry)
    about = {"data": run.data, "trainer": run.trainer, "hardware": run.hardware}
    return options | {name: value for name, value in about.items() if value}


def _name(name: str, facts: OptionFacts) -> str:
    """The option that the trainer takes a key for; empty for one that it never gets."""
    if name in facts.set_aside or name.startswith("__"):
        return ""
    name = facts.renamed.get(_ALIASES.get(name, name), _ALIASES.get(name, name))
    found = facts.find(name)
    return found[0] if len(found) == 1 else name


def _as_read(option: Option | None, value: Any) -> str | None:
    if option is None:
        return None if value is None else _loose(value)
    parts = [] if value is None else arguments(option, value)
    if not parts:  # the text `false` too: the trainer leaves it away and takes the default
        return _json(value) if isinstance(value, Mapping) else None
    return " ".join(_part(option.type, "true" if part is FLAG else str(part)) for part in parts)


def _part(kind: str, text: str) -> str:
    """One argument of the command line as the parser's type makes it."""
    if kind == "bool" or (kind == "bool or path" and text.lower() in ("true", "false")):
        return "true" if as_bool(text) else "false"
    if kind in ("int", "float"):
        number = as_float(text)
        return text if number is None else _number(number)
    if text.startswith(("[", "{")):
        with contextlib.suppress(ValueError, RecursionError):
            return _json(json.loads(text))
    return text


def _default(option: Option | None) -> str:
    if option is None or option.default is None:
        return NOT_SET
    if isinstance(option.default, bool):
        return "true" if option.default else "false"
    return _part(option.type, str(option.default))


def _dataset(name: str, entry: Mapping[str, Any]) -> dict[str, str]:
    return {
        f"datasets.{name}.{plain_key(key)}": _loose(value)
        for key, value in entry.items()
        if plain_key(key) not in ("id", "cache_dir", "cache_dir_vae", "cache_dir_text")
        and value is not None
    }


def _loose(value: Any) -> str:
    """A value of a dataset: the trainer has no types for them, so a number is one by its looks."""
    if isinstance(value, bool):
        return "true" if value else "false"
    number = as_float(value)
    if number is not None:
        return _number(number)
    return value if isinstance(value, str) else _json(value)


def _number(number: float) -> str:
    return str(int(number)) if number.is_integer() and abs(number) < 1e16 else f"{number!r}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _order(name: str) -> tuple[int, str]:
    first = next((at for at, begin in enumerate(_FIRST) if name.startswith(begin)), len(_FIRST))
    return first, name
