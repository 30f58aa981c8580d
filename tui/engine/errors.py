"""What the control API answers when something cannot be done."""

from __future__ import annotations

from typing import Any


class RefusedError(Exception):
    """A request that the engine understands and does not carry out.

    Attributes:
        message: what is the matter, in the user's words.
        advice: what to do next.
        status: HTTP status of the answer.
        code: a short name for scripts.
        details: machine-readable extras.
    """

    def __init__(
        self,
        message: str,
        advice: str = "",
        *,
        status: int = 400,
        code: str = "validation",
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.status = status
        self.code = code
        self.details = details or {}
