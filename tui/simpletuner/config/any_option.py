"""Options of the trainer that have no limits of their own here: changed by their type alone.

Apart from `overrides`, because it reads the facts about the options, which cost a command its time.
"""

from __future__ import annotations

import json
import math
from typing import Any

from tui.simpletuner.config.secrets_found import without_secrets
from tui.simpletuner.config.values import SWITCH_WORDS, number_text
from tui.simpletuner.facts.options import SET_BY_JOB, Option, option_facts


def changeable_option(name: str) -> Option:
    """The trainer's option of this name that a job can change.

    Raises:
        ValueError: there is none; the error's text is for the screen.
    """
    if name in SET_BY_JOB:
        raise ValueError("is set by the job itself")
    facts = option_facts()
    if option := facts.options.get(name):
        return option
    found = facts.find(name)
    meant = f"; did you mean {found[0]}?" if len(found) == 1 else ""
    raise ValueError(f"is no option of SimpleTuner {facts.release}{meant}")


def parse_option(name: str, text: str) -> Any:
    """Parse the text that a user typed for an option.

    Raises:
        ValueError: as `read_option`, or the text is no value of its type.
    """
    return read_option(name, _typed(changeable_option(name), text))


def _typed(option: Option, text: str) -> Any:
    """The value that a text stands for, by the option's type in the trainer's parser."""
    if not text:
        raise ValueError("must not be empty")
    kind = option.type
    if kind in ("bool", "bool or path"):
        if text.lower() not in SWITCH_WORDS:
            if kind == "bool":
                raise ValueError("must be true or false")
            return text
        return SWITCH_WORDS[text.lower()]
    if kind in ("int", "float"):
        number = number_text(option.name, text)
        try:
            return int(number) if kind == "int" else float(number)
        except ValueError:
            whole = "a whole number" if kind == "int" else "a number"
            raise ValueError(f"must be {whole}") from None
    if option.takes_json and text[0] in "{[":
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise ValueError("is not JSON") from None
    return text


def read_option(name: str, value: Any) -> Any:
    """Check a value of an option without limits of its own, and return it. None is no value.

    Whether the trainer takes a value of the right type is what the checks of a config tell.

    Raises:
        ValueError: there is no such option, it has another type, or it is a secret; the error's
            text is for the screen.
    """
    option = changeable_option(name)
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits, wanted = {
        "bool": (isinstance(value, bool), "true or false"),
        "bool or path": (isinstance(value, bool | str), "true, false or a path"),
        "int": (number and isinstance(value, int) and abs(value) < 2**63, "a whole number"),
        "float": (number and math.isfinite(value), "a number"),
    }.get(option.type, (number or isinstance(value, str), "text"))
    if not fits and not (option.takes_json and isinstance(value, dict | list)):
        raise ValueError(f"must be {wanted}")
    if without_secrets({name: value})[1]:
        raise ValueError("looks like a secret, which would be sent in clear text")
    return value
