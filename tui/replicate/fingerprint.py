"""Telling whether two inputs are the same input."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping
from typing import Any

from tui.replicate.secret import Secret


def input_fingerprint(values: Mapping[str, Any], secret_names: Collection[str] = ()) -> str:
    """SHA-256 (hex) over the inputs in one canonical form, without the secret ones.

    The service hands inputs back through its own JSON code, so differences that JSON does not
    promise to keep are levelled: order of keys, `1.0` and `1`, a null and a missing input.
    Secret inputs may come back masked, so those in `secret_names`, and every value that is a
    `Secret`, are left out; give the same names for both sides of a comparison.
    """
    plain = {
        str(name): _canonical(value)
        for name, value in values.items()
        if value is not None and name not in secret_names and not isinstance(value, Secret)
    }
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def secret_input_names(values: Mapping[str, Any]) -> frozenset[str]:
    """Names of the inputs that are wrapped as `Secret`."""
    return frozenset(name for name, value in values.items() if isinstance(value, Secret))


def _canonical(value: Any) -> Any:
    if isinstance(value, Secret):  # deep inside an object: its place counts, its value does not
        return None
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {str(name): _canonical(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(item) for item in value]
    return value
