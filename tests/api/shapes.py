"""Validates values against the shapes of `tui.api`: exact types, and no field that is not named."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

_EXACT = ConfigDict(strict=True, extra="forbid")
_TYPED = ConfigDict(strict=False, extra="forbid")


@cache
def _adapter(shape: Any, *, exact: bool) -> TypeAdapter[Any]:
    # Inside a list: a TypedDict itself takes no configuration from outside, what is in it does.
    adapter: TypeAdapter[Any] = TypeAdapter(list[shape], config=_EXACT if exact else _TYPED)
    return adapter


def misfits(value: Any, shape: Any, *, exact: bool = True) -> list[str]:
    """What of a value does not fit a shape, in words; empty when all does.

    Args:
        value: plain data, as `json.loads` makes it.
        shape: a type of `tui.api`.
        exact: a text is no number; else texts are read, as those of a query are.
    """
    try:
        _adapter(shape, exact=exact).validate_python([value])
    except ValidationError as error:
        return [
            f"{'.'.join(map(str, problem['loc'][1:]))}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_input=False)
        ]
    return []
