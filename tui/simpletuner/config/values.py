"""Reads SimpleTuner's loosely typed values: dashed keys, numbers and booleans in strings."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from tui.base.json_types import JsonObject

OptionValue: TypeAlias = str | int | float | bool | None
"""What this program sets an option of the trainer to; None takes the option out."""
_THOUSANDS: Final = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?", re.ASCII)
_DECIMAL_COMMA: Final = re.compile(r"[+-]?0,\d+(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0", "none", "null", ""})
SWITCH_WORDS: Final = {"true": True, "yes": True, "on": True, "1": True,
                       "false": False, "no": False, "off": False, "0": False}  # fmt: skip
"""What a user may type for a switch."""


def plain_key(key: str) -> str:
    """The key as SimpleTuner names its options internally: no leading dashes, `_` for `-`."""
    return key.strip().lstrip("-").replace("-", "_")


def plain_keys(raw: Mapping[str, Any]) -> tuple[JsonObject, tuple[str, ...]]:
    """The mapping with plain keys.

    Returns:
        The mapping, and the keys that occur in two spellings with different values. The later value
        wins, as in the trainer's option parser.
    """
    values: JsonObject = {}
    duplicates: list[str] = []
    for key, value in raw.items():
        name = plain_key(key)
        if name in values and values[name] != value and name not in duplicates:
            duplicates.append(name)
        values[name] = value
    return values, tuple(duplicates)


def as_bool(value: Any, default: bool = False) -> bool:
    """True for true, 1, "true", "yes", "on"; `default` for a value that is no boolean."""
    if isinstance(value, bool):
        return value
    if value is None:
        return default
    if isinstance(value, int | float):
        return bool(value)
    if isinstance(value, str):
        text = value.strip().lower()
        if text in _TRUE:
            return True
        if text in _FALSE:
            return False
    return default


def number_text(name: str, text: str) -> str:
    """Return what was typed for a number, without the marks between its thousands.

    A comma elsewhere is no such mark: leaving it out would make a learning rate of `0,0001` one
    of 1, and the ranks `8,16` a rank of 816.

    Raises:
        ValueError: a comma stands elsewhere; the text is for the screen.
    """
    if "," not in text or _THOUSANDS.fullmatch(text):
        return text.replace(",", "").replace("_", "")
    if _DECIMAL_COMMA.fullmatch(text):
        raise ValueError(f"is not clear; write {text.replace(',', '.')} with a point")
    sweep = f"{name}={''.join(text.split())}"
    raise ValueError(f"must be one number; several are a sweep: --sweep {sweep}")


def as_float(value: Any) -> float | None:
    """The finite number in `value` (a number or a string such as "1e-4"), else None."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float | str):
        try:
            number = float(value)
        except (ValueError, OverflowError):
            return None
        return number if math.isfinite(number) else None
    return None


def as_int(value: Any) -> int | None:
    """The whole number in `value` ("1000", 1000.0, "1e3"), else None."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    number = as_float(value)
    if number is None or not number.is_integer():
        return None
    return int(number)


def as_text(value: Any) -> str | None:
    """The trimmed text of a string or number; None for anything else and for empty text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value).strip() or None


def first_present(values: Mapping[str, Any], names: Iterable[str]) -> Any:
    """The value of the first of `names` that is set, for options that SimpleTuner has renamed."""
    for name in names:
        if values.get(name) is not None:
            return values[name]
    return None
