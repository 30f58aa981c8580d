"""The words of the grammar, read from the parser, for what describes it to others."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Final

from tui.cli.arguments import JOB_HELP
from tui.cli.examples import EXAMPLES
from tui.settings.values import catalog

PROGRAM: Final = "simpletuner-tui"
_FILES: Final = frozenset({"FILE", "FOLDER"})


@dataclass(frozen=True, slots=True)
class Verb:
    """What can stand on the line of one command.

    Attributes:
        name: of the command.
        summary: one line.
        options: spellings with their help; hidden ones are left out.
        valued: spellings of options that take a value, with its kind.
        places: kind of each argument that is no option; the last one repeats.

    A kind is `@job` and the like for what is asked for, `@file`, words with commas, or empty.
    """

    name: str
    summary: str
    options: dict[str, str]
    valued: dict[str, str]
    places: tuple[str, ...]


def verbs_of(parser: argparse.ArgumentParser) -> list[Verb]:
    """The commands of a parser."""
    chosen = next(one for one in parser._actions if isinstance(one, argparse._SubParsersAction))  # noqa: SLF001
    summaries = {one.dest: one.help or "" for one in chosen._choices_actions}  # noqa: SLF001
    return [_verb(name, one, summaries.get(name, "")) for name, one in chosen.choices.items()]


def _verb(name: str, parser: argparse.ArgumentParser, summary: str) -> Verb:
    options, valued, places = {}, {}, []
    for action in parser._actions:  # noqa: SLF001  argparse has no other list
        if action.help == argparse.SUPPRESS:
            continue
        for spelling in action.option_strings:
            options[spelling] = (action.help or "").replace("%%", "%")
            if action.nargs != 0:
                valued[spelling] = _kind(name, action)
        if not action.option_strings:
            places.append(_kind(name, action))
    return Verb(name, summary, options, valued, tuple(places))


def _kind(name: str, action: argparse.Action) -> str:
    if action.choices:
        return ",".join(map(str, action.choices))
    if action.help == JOB_HELP:
        return "@job"
    if action.metavar in _FILES or action.dest == "work_dir":
        return "@file"
    if (name, action.dest) == ("settings", "name"):
        return ",".join(sorted(catalog()))
    if action.dest == "hardware" or (name, action.dest) in (("move", "to"), ("rates", "profile")):
        return "@hardware"
    by_place = {
        ("jobs", "filter"): "@filter",
        ("config", "config"): "@config", ("check", "config"): "@config",
        ("submit", "config"): "@config",
        ("destinations", "name"): "@destination",
        ("publish", "to"): "@destination", ("transfers", "id"): "@transfer",
    }  # fmt: skip
    return by_place.get((name, action.dest), "")


def examples_of(name: str) -> list[str]:
    """The examples of a command as they are pasted."""
    return [f"{PROGRAM} {line}" for line in EXAMPLES.get(name, ())]
