"""Removes secrets from what is stored of a job: its inputs, config and dataloader.

A signed address grants access like a key while it is valid. Only its redacted form is stored; the
address itself stays in memory until the job is posted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from tui.base.json_types import JsonObject
from tui.replicate.known_secrets import KNOWN, SHORTEST
from tui.replicate.redact import redact_text, redact_url
from tui.replicate.secret import MASK
from tui.simpletuner.config.secrets_found import without_secrets

SECRET_INPUTS: Final = frozenset({"hf_token", "s3_access_key", "s3_secret_key"})
"""The trainer's inputs that hold credentials."""
_STORAGE_KEY: Final = re.compile(
    r"""(aws_(?:access_key_id|secret_access_key|session_token)\\*["']?\s*[:=]\s*\\*["']?)"""
    r"""[^\s"',}\\]+"""
)
"""A storage key as a trainer prints it: SimpleTuner writes whole dataset entries into its log
(`Configuring data backend: …`, helpers/data_backend/factory.py)."""
_DATALOADER: Final = "dataloader_json"
_JSON_INPUTS: Final = ("config_json", _DATALOADER, "lycoris_config")


def is_signed(address: str) -> bool:
    """Whether an address may carry credentials: a query, a user name or a password."""
    parts = urlsplit(address)
    return bool(parts.query or "@" in parts.netloc)


def redact_settings(values: Any) -> Any:
    """A copy of a config or dataloader without credentials."""
    return without_secrets(values)[0]


def redact_inputs(values: Mapping[str, Any]) -> JsonObject:
    """A copy of a prediction's inputs with secrets and signed addresses masked."""
    redacted: JsonObject = {}
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


def redact_field(name: str, value: Any) -> Any:
    """A copy of what a field of a job's record holds, without credentials."""
    return redact_inputs(value) if name == "inputs" else redact_settings(value)


def redact_log(text: str, *, final: bool = True) -> str:
    """Mask the storage keys and the known secrets in a log.

    A log that has grown is masked to a text that has grown, wherever it was cut: what may be the
    start of a secret is held back until more of it is there.

    Args:
        text: the log so far.
        final: whether no more is to come: the start of a secret at its end is masked then.
    """
    text = KNOWN.redact_data(text)
    if not text.endswith("\n") and (begun := KNOWN.begun(text)):
        head, tail = text[:-begun], text[-begun:]
        text = head if not final else f"{head}{MASK if begun >= SHORTEST else tail}"
    return _STORAGE_KEY.sub(rf"\1{MASK}", text) if "aws_" in text else text


def comparable_inputs(values: Mapping[str, Any]) -> JsonObject:
    """Inputs for a comparison of what was stored with what was sent.

    The keys of staged datasets are in the dataloader that is sent, and placeholders for them in the
    one that is stored.
    """
    text = values.get(_DATALOADER)
    if not isinstance(text, str):
        return dict(values)
    return {**values, _DATALOADER: _redact_json(text)}


def _redact_json(text: str) -> str:
    try:
        value = json.loads(text)
    except ValueError:  # a path in the container, or something odd
        return redact_text(text)
    return json.dumps(redact_settings(value), ensure_ascii=False, separators=(",", ":"))
