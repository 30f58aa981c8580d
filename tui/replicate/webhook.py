"""Signs webhooks and verifies their signatures.

Replicate uses the Standard Webhooks scheme (https://www.standardwebhooks.com): HMAC-SHA256 over
`id.timestamp.body` with the account's secret, in the headers `webhook-id`, `webhook-timestamp` and
`webhook-signature`.

Own code (one HMAC) and not the `standardwebhooks` package, which takes the secret as plain text,
reads the time itself, and parses the body, which holds whole logs, once more.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import NewType

from tui.replicate.errors import SignatureError
from tui.replicate.secret import Secret

WebhookId = NewType("WebhookId", str)

TOLERANCE_SECONDS = 300
"""Allowed difference between the sender's clock and ours, either way (the scheme's convention)."""


def verify_webhook(
    secret: Secret, headers: Mapping[str, str], body: bytes, now: datetime
) -> WebhookId:
    """Verify the signature over the raw body; returns the message id, which identifies duplicates.

    Raises:
        SignatureError: a header is missing or malformed, the time is too far from ours, or no `v1`
            signature in the list matches.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, timestamp = given["webhook-id"], given["webhook-timestamp"]
        signatures = given["webhook-signature"].split()
    except KeyError as missing:
        raise SignatureError(f"The header {missing.args[0]} is missing.") from None
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise SignatureError("The webhook's time is not a number.")
    age = now.timestamp() - int(timestamp)
    if abs(age) > TOLERANCE_SECONDS:
        raise SignatureError(
            f"The webhook's time is {abs(age):.0f} s {'old' if age > 0 else 'in the future'}.",
            advice="If this happens to every webhook, the clock of this machine is wrong.",
        )
    # The body is hashed separately: it contains a whole log, and joining would copy it.
    digest = hmac.new(_key(secret), f"{message_id}.{timestamp}.".encode(), hashlib.sha256)
    digest.update(body)
    ours = base64.b64encode(digest.digest())
    for entry in signatures:
        scheme, _, signature = entry.partition(",")
        if scheme == "v1" and hmac.compare_digest(signature.encode(), ours):
            return WebhookId(message_id)
    raise SignatureError(
        "The webhook's signature does not match.",
        advice="If the signing secret was changed on Replicate, fetch it again.",
    )


def sign_webhook(secret: Secret, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the `webhook-signature` header of a message; the counterpart of `verify_webhook`."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    digest = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _key(secret: Secret) -> bytes:
    try:
        key = base64.b64decode(secret.reveal().strip().removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise SignatureError(
            "The webhook signing secret is not usable.",
            advice="Fetch it again from Replicate; it starts with whsec_.",
        ) from None
    return key
