"""Removes tokens and keys from settings that Replicate would show in clear text.

A value counts as a credential by the name of its key (`hf_token`) or by its shape (`hf_…`, `r8_…`,
`AKIA…`, a private key, a URL with a password).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_NAME = re.compile(
    r"(?:^|_)(?:tokens?|secret|secrets|password|passwd|api_?key|access_?key(?:_id)?|secret_?key|"
    r"account_?key|connection_string|secret_access_key|credentials|authorization)$",
    re.IGNORECASE,
)
# Tokens of a text encoder's vocabulary, not credentials.
_HARMLESS = frozenset({"placeholder_token", "initializer_token", "instance_token", "max_tokens"})
_VALUE = re.compile(
    r"(?<![A-Za-z0-9])(?:hf_[A-Za-z0-9]{20,}|r8_[A-Za-z0-9]{20,}|(?:AKIA|ASIA)[0-9A-Z]{16}|"
    r"sk-[A-Za-z0-9_-]{20,}|gh[pousr]_[A-Za-z0-9]{20,}|whsec_[A-Za-z0-9+/=]{16,})"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----|://[^/\s:@]+:[^/\s@]+@"
)


def without_secrets(value: Any, place: str = "") -> tuple[Any, tuple[str, ...]]:
    """A copy of `value` without credentials, and the paths of the removed ones (`a.b[1]`)."""
    removed: list[str] = []
    return _clean(value, place, removed), tuple(removed)


def _clean(value: Any, place: str, removed: list[str]) -> Any:
    if isinstance(value, Mapping):
        kept = {}
        for key, inner in value.items():
            where = f"{place}.{key}" if place else str(key)
            if _is_secret(str(key), inner):
                removed.append(where)
            else:
                kept[key] = _clean(inner, where, removed)
        return kept
    if isinstance(value, list | tuple):
        kept_items = []
        for number, inner in enumerate(value, start=1):
            where = f"{place}[{number}]"
            if _is_secret("", inner):
                removed.append(where)
            else:
                kept_items.append(_clean(inner, where, removed))
        return kept_items
    return value


def _is_secret(key: str, value: Any) -> bool:
    if isinstance(value, str) and _VALUE.search(value):
        return True
    name = key.lstrip("-").replace("-", "_").lower()
    if name in _HARMLESS or not _NAME.search(name):
        return False
    return isinstance(value, str | Mapping | list) and bool(value)
