"""What a webhook is refused with, and the two looks that need no secret."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from aiohttp import web

from tui.listener.reasons import Reason
from tui.replicate.webhook import TOLERANCE_SECONDS

SIGNATURE_HEADERS: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")


class Refused(Exception):  # noqa: N818  not an error of ours: an answer
    """The answer to a webhook that is not taken.

    Attributes:
        status: of the HTTP answer.
        reason: a short name.
        message: the same for a person.
        job_id: the job whose key its address carried, or "".
    """

    def __init__(self, status: int, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.job_id = ""


def signature_headers(request: web.Request) -> dict[str, str]:
    """The headers that prove who speaks.

    Raises:
        Refused: one is missing, there twice, or not usable.
    """
    found: dict[str, str] = {}
    for name in SIGNATURE_HEADERS:
        values = request.headers.getall(name, [])
        if len(values) != 1 or not values[0].isascii() or not values[0] or len(values[0]) > 4096:
            raise Refused(401, "unsigned", f"The header {name} is missing or not usable.")
        found[name] = values[0]
    return found


def check_time(stamp: str, now: datetime) -> None:
    """A message is of now, or an old one that somebody has kept.

    Raises:
        Refused: it is not of now.
    """
    if not (stamp.isdigit() and len(stamp) <= 12):
        raise Refused(401, "time", "The webhook's time is not a number.")
    age = now.timestamp() - int(stamp)
    if abs(age) > TOLERANCE_SECONDS:
        raise Refused(
            401,
            "time",
            f"The webhook's time is {abs(age):.0f} s {'old' if age > 0 else 'in the future'}. "
            "If this happens to every webhook, the clock of this machine is wrong.",
        )
