"""Generates the service's identifiers: prediction, file and version ids, cursors, secrets."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import string
import uuid

_ALPHABET = string.ascii_lowercase + string.digits


def prediction_id() -> str:
    """A prediction id: 26 lower-case letters and digits, as on the live service."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(26))


def file_id() -> str:
    """A file id: base64 of a UUID's text, as in recorded answers."""
    return base64.urlsafe_b64encode(str(uuid.uuid4()).encode()).decode()


def version_id(model: str, release: str) -> str:
    """A version id: 64 hex digits, the same in every sandbox."""
    return hashlib.sha256(f"{model}@{release}".encode()).hexdigest()


def webhook_secret() -> str:
    """A webhook signing secret: `whsec_` and 24 random bytes in base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


def encode_cursor(direction: str, position: str) -> str:
    """The opaque cursor of a page."""
    return base64.urlsafe_b64encode(f"{direction}:{position}".encode()).decode()


def decode_cursor(cursor: str) -> tuple[str, str]:
    """Direction and position of a cursor.

    Raises:
        ValueError: `encode_cursor` did not make the cursor.
    """
    try:
        text = base64.urlsafe_b64decode(cursor.encode()).decode()
    except (binascii.Error, ValueError) as error:
        raise ValueError("not a cursor") from error
    direction, separator, position = text.partition(":")
    if not separator or direction not in {"n", "p"}:
        raise ValueError("not a cursor")
    return direction, position
