"""The trainer's command-line options, read from `options.json`.

The file is a trimmed dump of SimpleTuner's argument parser, written by `facts/update.py`. It names
the release it was made from; `earlier` is the oldest release of which the differences are known.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final

SET_BY_JOB: Final = frozenset(
    {"output_dir", "data_backend_config", "webhook_config", "lycoris_config", "publishing_config"}
)
"""Options that a job sets anew, whatever the config says."""
_SENT_AS_JSON: Final = frozenset(
    {
        "webhook_config",
        "deepspeed_config",
        "distillation_config",
        "publishing_config",
        "peft_lora_target_modules",
    }
)
"""Options whose objects and lists the trainer turns into JSON text before it parses them."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of the trainer.

    Attributes:
        name: without dashes.
        type: `string`, `int`, `float`, `bool`, `bool or path` or `tracker list`.
        default: the trainer's value when the option is absent; None when it has none.
        choices: the values that the parser accepts; empty when it accepts any.
        known: values that work although the parser has no list; empty when unknown.
        optional: values that need a package which the container may lack.
        aliases: other spellings.
        required: whether the parser refuses a run without it.
        json: whether an object or a list is sent as JSON text.
        since: the release that introduced it; None when `earlier` has it already.
        new_choices: the choices that `earlier` does not have, with their release.
    """

    name: str
    type: str
    default: Any
    choices: tuple[Any, ...] = ()
    known: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    required: bool = False
    json: bool = False
    since: str | None = None
    new_choices: Mapping[str, str] = field(default_factory=dict)

    @property
    def takes_json(self) -> bool:
        """Whether a value can be an object or a list."""
        return self.json or self.name in _SENT_AS_JSON


@dataclass(frozen=True, slots=True)
class OptionFacts:
    """The options of one release.

    Attributes:
        release: the release that the options were read from.
        released: its date, ISO 8601.
        read: the date on which they were read.
        earlier: the oldest release whose differences are known.
        options: by name.
        removed: options that `earlier` has and this release has not, with the release they left in.
        renamed: keys of a config that the trainer renames before it parses them.
        set_aside: keys of a config that never reach the parser.
    """

    release: str
    released: str
    read: str
    earlier: str
    options: Mapping[str, Option]
    removed: Mapping[str, str]
    renamed: Mapping[str, str]
    set_aside: frozenset[str]

    def find(self, name: str) -> tuple[str, ...]:
        """The options that the trainer's parser may mean by `name` (without dashes).

        An exact name or alias is one option, a beginning is every option that starts so; the parser
        accepts a beginning of exactly one option (argparse's `allow_abbrev`).

        Returns:
            Names, sorted; empty when there is no such option.
        """
        spellings = _spellings()
        if name in spellings:
            return (spellings[name],)
        return tuple(sorted({spellings[full] for full in spellings if full.startswith(name)}))


@cache
def option_facts() -> OptionFacts:
    """The options of the release that `options.json` was made from."""
    raw = json.loads(files("tui.simpletuner.facts").joinpath("options.json").read_text("utf-8"))
    return OptionFacts(
        release=raw["release"],
        released=raw["released"],
        read=raw["read"],
        earlier=raw["earlier"],
        options={name: _read(name, entry) for name, entry in raw["options"].items()},
        removed=raw["removed"],
        renamed=raw["renamed"],
        set_aside=frozenset(raw["set_aside"]),
    )


def default_of(name: str) -> Any:
    """The trainer's default of an option.

    Raises:
        KeyError: there is no such option.
    """
    return option_facts().options[name].default


@cache
def _spellings() -> dict[str, str]:
    """Every spelling of every option, with the option's name."""
    options = option_facts().options.values()
    return {name: option.name for option in options for name in (option.name, *option.aliases)}


def _read(name: str, raw: Mapping[str, Any]) -> Option:
    return Option(
        name=name,
        type=raw["type"],
        default=raw["default"],
        choices=tuple(raw.get("choices", ())),
        known=tuple(raw.get("known", ())),
        optional=tuple(raw.get("optional", ())),
        aliases=tuple(raw.get("aliases", ())),
        required=raw.get("required", False),
        json=raw.get("json", False),
        since=raw.get("since"),
        new_choices=raw.get("new_choices", {}),
    )
