"""Short words for the JSON Schemas of the description."""

from __future__ import annotations

from typing import Any, Final

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
WHOLE: Final[Schema] = {"type": "integer"}
NUMBER: Final[Schema] = {"type": "number"}
FLAG: Final[Schema] = {"type": "boolean"}
TIME: Final[Schema] = {"type": "string", "format": "date-time"}
ANY_OBJECT: Final[Schema] = {"type": "object"}
TEXTS: Final[Schema] = {"type": "array", "items": TEXT}


def maybe(schema: Schema) -> Schema:
    """The same, or null."""
    kinds = schema["type"]
    kinds = kinds if isinstance(kinds, list) else [kinds]
    return {**schema, "type": [*kinds, "null"]}


def many(schema: Schema) -> Schema:
    """A list of them."""
    return {"type": "array", "items": schema}


def choice(*values: str) -> Schema:
    """One of some words."""
    return {"type": "string", "enum": list(values)}


def shape(required: dict[str, Schema], **optional: Schema) -> Schema:
    """An object with these fields; it may have more."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **optional},
    }


FAILURE: Final = shape(
    {"error": TEXT, "message": TEXT, "advice": TEXT, "detail": TEXT, "details": ANY_OBJECT}
)
"""Of every failure. `error` is a short code; `detail` is what SimpleTuner's client prints."""
