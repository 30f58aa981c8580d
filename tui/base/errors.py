"""What the control API answers when something cannot be done."""

from __future__ import annotations

from typing import Any, ClassVar


class ApiError(Exception):
    """An error of the control API, in the user's words, on either side of the socket.

    Attributes:
        message: what is the matter.
        advice: what to do next.
        status: HTTP status of the answer.
        code: a short name for scripts, such as `invalid_config` or `cost_limit_exceeded`.
        details: machine-readable extras.
    """

    STATUS: ClassVar = 500
    CODE: ClassVar = "error"

    def __init__(
        self,
        message: str,
        advice: str = "",
        *,
        status: int | None = None,
        code: str = "",
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice
        self.status = self.STATUS if status is None else status
        self.code = code or self.CODE
        self.details = details or {}


class RefusedError(ApiError):
    """A request that the engine understands and does not carry out."""

    STATUS: ClassVar = 400
    CODE: ClassVar = "validation"
