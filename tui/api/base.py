"""What all shapes are made of: `TypedDict`, marks for formats and bounds, small common types."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, TypeVar, cast

from tui.api.scopes import Scope
from tui.base.json_types import JsonObject

if sys.version_info >= (3, 12):
    from typing import TypedDict
else:  # pydantic reads no `typing.TypedDict` before 3.12: it does not tell what is required
    from typing_extensions import TypedDict

__all__ = [
    "Bounds",
    "CheckLevel",
    "Delivery",
    "Empty",
    "Format",
    "Hidden",
    "JsonObject",
    "JsonValue",
    "Micros",
    "SpendingAction",
    "SpendingPeriod",
    "Step",
    "Timestamp",
    "TypedDict",
    "with_more",
]


class Format(NamedTuple):
    """Names the `format` of a text in its JSON Schema; nothing is validated by it.

    Attributes:
        name: as JSON Schema spells it, such as `date-time`.
    """

    name: str

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """Called by pydantic, which is not imported for it."""
        return {**handler(schema), "format": self.name}


class Hidden(NamedTuple):
    """Marks a field that API keys of a lower scope get empty: null, or nothing of its kind.

    Attributes:
        below: the scope from which on it is shown.
        path: a path of this machine, of which such keys get what is below the outputs folder.
    """

    below: Scope
    path: bool = False

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        """Called by pydantic, which is not imported for it."""
        return {**handler(schema), "x-shown-from-scope": self.below}


class Bounds(NamedTuple):
    """Limits of a number or a length, for validation and for the JSON Schema.

    Attributes:
        ge: least value.
        gt: the value must be greater than this.
        le: greatest value.
        max_length: longest text or list.
    """

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    max_length: int | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> dict[str, Any]:
        """Called by pydantic, which is not imported for it."""
        given = {name: value for name, value in self._asdict().items() if value is not None}
        return {**handler(source), **given}


ShapeT = TypeVar("ShapeT", bound=type)


def with_more(shape: ShapeT) -> ShapeT:
    """Marks a TypedDict that takes other names than its own as well; the reader of it judges them.

    Pydantic looks for the mark, which no statement in the body of a TypedDict may set.
    """
    cast("Any", shape).__pydantic_config__ = {"extra": "allow"}
    return shape


Timestamp: TypeAlias = Annotated[str, Format("date-time")]
"""ISO 8601 with an offset from UTC."""
Micros: TypeAlias = int
"""Millionths of a US dollar."""
JsonValue: TypeAlias = object
"""Any JSON value. Used only for content that is not ours: a training config, Replicate's inputs."""
Delivery: TypeAlias = Literal["local", "hub", "s3", "none"]
"""Where a job's results go: this machine, a Hugging Face repository, an S3 bucket, nowhere."""
CheckLevel: TypeAlias = Literal["ok", "warn", "error"]
"""A finding: fine, may waste the run, or cannot work."""
SpendingPeriod: TypeAlias = Literal["daily", "weekly", "monthly"]
"""Rolling windows of 1, 7 and 30 days that end now."""
SpendingAction: TypeAlias = Literal["warn", "block"]
"""What the cost limit does to a new job that exceeds it."""


class Empty(TypedDict):
    """An object without fields."""


class Step(TypedDict):
    """One finding of a test of a destination.

    Attributes:
        name: short name of the step, or of the kind of trouble.
        level: how it ended.
        message: what was found.
        advice: what to do; empty where nothing is wrong.
    """

    name: str
    level: CheckLevel
    message: str
    advice: str
