"""Updates `options.json` from SimpleTuner's argument parser.

In an environment that has SimpleTuner:  `python update.py dump 4.10.1 2026-10-18 > dump.json`
In a checkout of this program:           `python -m tui.simpletuner.facts.update dump.json`

The dump holds names, types, defaults and choices, and no help texts. What the parser does not show
(`known`, `renamed`, `set_aside`) is kept from the present file. The present release becomes
`earlier`, so that the file always holds the differences of two releases.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
_KEPT: Final = ("known", "optional", "json", "empty_kept")
_TYPES: Final = {
    "int": "int",
    "float": "float",
    "_parse_bool_flag": "bool",
    "_parse_validation_prompt_library_flag": "bool or path",
}


def read_parser(parser: argparse.ArgumentParser) -> dict[str, dict[str, Any]]:
    """The options of an argument parser, as `options.json` holds them, by name."""
    options = {}
    for action in parser._actions:  # noqa: SLF001  argparse shows its options nowhere else
        names = [flag[2:] for flag in action.option_strings if flag.startswith("--")]
        if not names or names[0] == "help":
            continue
        entry: dict[str, Any] = {
            "type": _TYPES.get(getattr(action.type, "__name__", ""), "string"),
            "default": action.default,
        }
        if len(names) > 1:
            entry["aliases"] = names[1:]
        if action.choices:
            entry["choices"] = list(action.choices)
        if action.required:
            entry["required"] = True
        options[names[0]] = entry
    return dict(sorted(options.items()))


def merge(present: Mapping[str, Any], dump: Mapping[str, Any], today: str) -> dict[str, Any]:
    """The new content of `options.json`.

    Args:
        present: its content now.
        dump: `release`, `released` and `options`, as `dump` prints them.
        today: the date of reading, ISO 8601.
    """
    release, options = dump["release"], dump["options"]
    if release == present["release"]:  # the same release read again: its differences stay
        earlier, removed = present["earlier"], dict(present["removed"])
    else:
        earlier, removed = present["release"], {}
        removed |= {name: release for name in present["options"] if name not in options}
    merged = {}
    for name, entry in options.items():
        old = present["options"].get(name)
        kept = {key: old[key] for key in _KEPT if old and key in old}
        merged[name] = {**entry, **kept}
        if old is not None and old["type"] == "tracker list":
            merged[name] |= {"type": old["type"], "choices": old["choices"]}
        if release == present["release"]:
            merged[name] |= {
                key: old[key] for key in ("since", "new_choices") if old and key in old
            }
        elif old is None:
            merged[name]["since"] = release
        elif new := [value for value in entry.get("choices", ()) if value not in _choices(old)]:
            merged[name]["new_choices"] = dict.fromkeys(new, release)
    return {
        "release": release,
        "released": dump["released"],
        "read": today,
        "earlier": earlier,
        "removed": removed,
        "renamed": present["renamed"],
        "set_aside": present["set_aside"],
        "options": merged,
    }


def written(facts: Mapping[str, Any]) -> str:
    """The text of `options.json`: one option a line, so that a change is easy to review."""
    head = [
        f" {json.dumps(key)}: {json.dumps(value)},"
        for key, value in facts.items()
        if key != "options"
    ]
    rows = [
        f"  {json.dumps(name)}: {json.dumps(entry, ensure_ascii=False)}"
        for name, entry in facts["options"].items()
    ]
    return "\n".join(["{", *head, ' "options": {', ",\n".join(rows), " }", "}", ""])


def _choices(entry: Mapping[str, Any]) -> list[Any]:
    """The choices of an option; those of an option without a list are any value."""
    return list(entry.get("choices", ()))


def _dump(release: str, released: str) -> dict[str, Any]:
    from simpletuner.helpers.configuration.cmd_args import (  # type: ignore[import-not-found]  # its own environment
        get_argument_parser,
    )

    return {
        "release": release,
        "released": released,
        "options": read_parser(get_argument_parser()),
    }


def main(arguments: list[str]) -> None:
    """Print a dump, or write `options.json` from one."""
    if arguments[:1] == ["dump"]:
        sys.stdout.write(json.dumps(_dump(*arguments[1:3]), indent=1) + "\n")
        return
    place = HERE / "options.json"
    present = json.loads(place.read_text("utf-8"))
    dump = json.loads(Path(arguments[0]).read_text("utf-8"))
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    place.write_text(written(merge(present, dump, today)), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
