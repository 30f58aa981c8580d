"""The one judge of a failed question about a token: what the failure says about the token.

A service in trouble, a web page of something in front of it, or no answer at all say nothing about
the token: nobody shall replace a good one because of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tui.engine.credentials.replicate_clients import MissingTokenError, OpenAddressError
from tui.replicate.errors import (
    AuthenticationError,
    ForbiddenError,
    InsufficientCreditError,
    RateLimitedError,
    ReplicateError,
)

if TYPE_CHECKING:
    from tui.api.providers import TokenReason

_REASONS: Final[tuple[tuple[type[ReplicateError], TokenReason], ...]] = (
    (MissingTokenError, "none"),
    (OpenAddressError, "unencrypted"),
    (AuthenticationError, "rejected"),
    (InsufficientCreditError, "forbidden"),
    (ForbiddenError, "forbidden"),
    (RateLimitedError, "rate_limited"),
)
BAD: Final[frozenset[TokenReason]] = frozenset({"none", "unencrypted", "rejected", "forbidden"})
"""Reasons that are about the token and its account; the others say nothing about it."""


def judge(error: ReplicateError) -> TokenReason:
    """Return what a failed call says about the token of Replicate that it was made with."""
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), "unreachable")


def is_refused(error: ReplicateError) -> bool:
    """Whether Replicate refused the token itself, so that jobs cannot be followed with it."""
    return judge(error) in BAD and not isinstance(error, InsufficientCreditError)
