"""Names that the service makes up: prediction, file and version ids, cursors, webhook secrets."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import string
import uuid

_ALPHABET = string.ascii_lowercase + string.digits


def prediction_id() -> str:
    """26 lower-case letters and digits; opaque, as the real ones are."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(26))


def file_id() -> str:
    """Base64 of the text of a uuid, the form that recorded answers show."""
    return base64.urlsafe_b64encode(str(uuid.uuid4()).encode()).decode()


def version_id(model: str, release: str) -> str:
    """64 hex digits that stay the same from one sandbox to the next."""
    return hashlib.sha256(f"{model}@{release}".encode()).hexdigest()


def webhook_secret() -> str:
    """`whsec_` and 24 random bytes in base64."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()


def encode_cursor(direction: str, position: str) -> str:
    """An opaque page mark; clients must not look inside."""
    return base64.urlsafe_b64encode(f"{direction}:{position}".encode()).decode()


def decode_cursor(cursor: str) -> tuple[str, str]:
    """The reverse of `encode_cursor`; ValueError for anything that we did not write."""
    try:
        text = base64.urlsafe_b64decode(cursor.encode()).decode()
    except (binascii.Error, ValueError) as error:
        raise ValueError("not a cursor") from error
    direction, separator, position = text.partition(":")
    if not separator or direction not in {"n", "p"}:
        raise ValueError("not a cursor")
    return direction, position
