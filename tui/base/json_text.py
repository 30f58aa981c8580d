"""Small answers as JSON, without `json`: it takes longer to load than they take to compute."""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` takes longer to load than a short command to run
if TYPE_CHECKING:
    from typing import Any


def json_text(value: Any) -> str:
    """Return what `json.dumps(value, ensure_ascii=False)` returns.

    Args:
        value: of dictionaries with texts as keys, lists, texts, numbers and None.
    """
    kind = type(value)
    if kind is str:
        return _text(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is dict:
        members = [f"{_text(name)}: {json_text(one)}" for name, one in value.items()]
        return f"{{{', '.join(members)}}}"
    if kind is list:
        return f"[{', '.join(map(json_text, value))}]"
    if kind is int or (kind is float and value - value == 0):  # no infinity, and a number
        return repr(value)
    return _by_json(value)


def _text(text: str) -> str:
    if text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return _by_json(text)


def _by_json(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)
