"""The errors of the control API, raised on either side of the socket."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

NOTHING_SENT: Final = "Nothing was sent."


def says_nothing_sent(message: str, advice: str) -> str:
    """Return advice that says that nothing was sent, unless message or advice says so already."""
    if NOTHING_SENT in message or NOTHING_SENT in advice:
        return advice
    return f"{NOTHING_SENT} {advice}".strip()


class ApiError(Exception):
    """An error of the control API, worded for the user.

    Attributes:
        message: what went wrong.
        advice: what the user can do.
        status: HTTP status of the answer.
        code: a short name for scripts, such as `invalid_config` or `cost_limit_exceeded`.
        details: machine-readable additions, such as `fields`.
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
    """A request that the engine understands and refuses."""

    STATUS: ClassVar = 400
    CODE: ClassVar = "validation"


def refused_fields(wrong: Mapping[str, str]) -> RefusedError:
    """The refusal of values that were sent.

    Args:
        wrong: why by the name of the field, as the rest of a sentence: `must be true or false`.

    Returns:
        An error whose message names them all, and whose `details.fields` are for forms.
    """
    message = "; ".join(f"{name} {why}" for name, why in wrong.items())
    return RefusedError(f"{message}.", details={"fields": dict(wrong)})
