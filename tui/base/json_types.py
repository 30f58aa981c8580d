"""The type of JSON objects whose fields this program does not determine."""

from __future__ import annotations

from typing import TypeAlias

JsonObject: TypeAlias = dict[str, object]
"""An object with fields of somebody else's choice: a training config, an answer of another service,
a request that is not validated yet. Its values are tested before they are used; objects with known
fields have `TypedDict`s in `tui.api`."""


def as_object(value: object) -> JsonObject:
    """The value if it is an object, else an empty one: for null, or what is not understood."""
    return value if isinstance(value, dict) else {}
