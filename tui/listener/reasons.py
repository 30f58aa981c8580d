"""The reasons for rejecting a webhook, with their texts for the screen.

Standard library only: the app imports it.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

Reason = Literal[
    "address",
    "rate",
    "encoding",
    "too_large",
    "busy",
    "slow",
    "cut",
    "unsigned",
    "time",
    "no_secret",
    "signature",
    "job_key",
    "other_job",
    "body",
]
"""The key in `ListenerStats.rejected`, and `reason` of the answer."""

WORDS: Final[dict[str, str]] = {
    "address": "address not allowed",
    "rate": "too often",
    "encoding": "compressed",
    "too_large": "too large",
    "busy": "too many at once",
    "slow": "too slow",
    "cut": "broken off",
    "unsigned": "no signature",
    "time": "too old or too new",
    "no_secret": "signing secret not known",
    "signature": "wrong signature",
    "job_key": "key of no job",
    "other_job": "another job's key",
    "body": "no event inside",
}
"""The text of each reason on the screen."""

ALL: Final[tuple[str, ...]] = get_args(Reason)
