"""Writes the header that carries a token, where the token may go."""

from __future__ import annotations

from tui.base.doors import may_carry
from tui.replicate.secret import Secret

HEADER = "Authorization"


def bearer(token: Secret | None, given_for: str, url: str) -> dict[str, str]:
    """Return the header for a request; empty without a token, and where it must not go.

    Args:
        token: the token.
        given_for: the address of its service.
        url: where the request goes.
    """
    if token is None or not may_carry(given_for, url):
        return {}
    return {HEADER: f"Bearer {token.reveal()}"}
