"""The rejection of a webhook, and the two checks that need no secret: headers and time."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from aiohttp import web

from tui.listener.reasons import Reason
from tui.replicate.webhook import TOLERANCE_SECONDS

SIGNATURE_HEADERS: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")


class Refused(Exception):  # noqa: N818  an answer, not an error of ours
    """The answer to a rejected webhook.

    Attributes:
        status: of the HTTP answer.
        reason: a short name of the reason.
        message: the reason as text for the screen.
        job_id: the job whose key its URL carried, or "".
    """

    def __init__(self, status: int, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.job_id = ""


def signature_headers(request: web.Request) -> dict[str, str]:
    """Return the three signature headers.

    Raises:
        Refused: one is missing, duplicated or malformed.
    """
    headers: dict[str, str] = {}
    for name in SIGNATURE_HEADERS:
        values = request.headers.getall(name, [])
        if len(values) != 1 or not values[0].isascii() or not values[0] or len(values[0]) > 4096:
            raise Refused(401, "unsigned", f"The header {name} is missing or not usable.")
        headers[name] = values[0]
    return headers


def check_time(timestamp: str, now: datetime) -> None:
    """Check that a message is recent: an older one may be a replay.

    Args:
        timestamp: the `webhook-timestamp` header, in Unix seconds.
        now: the present.

    Raises:
        Refused: the time is not a number, or too far from `now`.
    """
    if not (timestamp.isdigit() and len(timestamp) <= 12):
        raise Refused(401, "time", "The webhook's time is not a number.")
    age = now.timestamp() - int(timestamp)
    if abs(age) > TOLERANCE_SECONDS:
        raise Refused(
            401,
            "time",
            f"The webhook's time is {abs(age):.0f} s {'old' if age > 0 else 'in the future'}. "
            "If this happens to every webhook, the clock of this machine is wrong.",
        )
