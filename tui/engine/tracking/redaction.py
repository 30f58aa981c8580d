"""Removes secrets from what is stored of a job: its inputs, config and dataloader.

A signed address grants access like a key while it is valid. Only its redacted form is stored; the
address itself stays in memory until the job is posted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from tui.replicate.redact import redact_text, redact_url
from tui.simpletuner.config.secrets_found import without_secrets

SECRET_INPUTS: Final = frozenset({"hf_token", "s3_access_key", "s3_secret_key"})
"""The trainer's inputs that hold credentials."""
_JSON_INPUTS: Final = ("config_json", "dataloader_json", "lycoris_config")


def is_signed(address: str) -> bool:
    """Whether an address may carry credentials: a query, a user name or a password."""
    parts = urlsplit(address)
    return bool(parts.query or "@" in parts.netloc)


def redact_settings(values: Any) -> Any:
    """A copy of a config or dataloader without credentials."""
    return without_secrets(values)[0]


def redact_inputs(values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a prediction's inputs with secrets and signed addresses masked."""
    redacted: dict[str, Any] = {}
    for name, value in values.items():
        if name in SECRET_INPUTS:
            redacted[name] = "***"
        elif name in _JSON_INPUTS and isinstance(value, str):
            redacted[name] = _redact_json(value)
        elif isinstance(value, str) and "://" in value and not value.startswith("data:"):
            redacted[name] = redact_url(value) if is_signed(value) else value
        else:
            redacted[name] = value
    return redacted


def _redact_json(text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:  # a path in the container, or something odd
        return redact_text(text)
    return json.dumps(redact_settings(value), ensure_ascii=False, separators=(",", ":"))
