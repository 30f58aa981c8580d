"""The service's error answers: problem+json with recorded titles and details.

Source of titles, details and field names: answers recorded in the official clients' tests, and
bodies quoted in public issues.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from tui.base.json_types import JsonObject


class ProblemError(Exception):
    """An error answer.

    Attributes:
        status: HTTP status code.
        body: the JSON object of the answer.
        headers: extra headers.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        title: str | None = None,
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.body: JsonObject = {}
        if title is not None:
            self.body["title"] = title
        self.body.update(detail=detail, status=status, **(extra or {}))
        self.headers = dict(headers or {})

    def response(self) -> web.Response:
        """The HTTP response."""
        return web.Response(
            status=self.status,
            body=json.dumps(self.body).encode(),
            content_type="application/problem+json",
            headers=self.headers,
        )


def unauthenticated(detail: str) -> ProblemError:
    """401; `detail` differs for a missing, a malformed and a wrong token."""
    return ProblemError(
        401, detail, title="Unauthenticated", headers={"WWW-Authenticate": 'Bearer realm="api"'}
    )


def insufficient_credit() -> ProblemError:
    """402: prepaid credit is used up."""
    return ProblemError(
        402,
        "You have insufficient credit to run this model. Go to "
        "https://replicate.com/account/billing#billing to purchase credit. Once you purchase "
        "credit, please wait a few minutes before trying again.",
        title="Insufficient credit",
    )


def not_found(what: str = "") -> ProblemError:
    """404; the detail names `what`, or is the service's general one."""
    detail = f"{what} not found" if what else "The requested resource could not be found."
    return ProblemError(404, detail)


def throttled(seconds: int, *, text: str = "") -> ProblemError:
    """429 with the wait in the body and in a header."""
    detail = text or f"Request was throttled. Your rate limit resets in ~{seconds}s."
    return ProblemError(
        429, detail, extra={"retry_after": seconds}, headers={"Retry-After": str(seconds)}
    )


def throttled_in_words(seconds: int) -> ProblemError:
    """429 in the second form that the service uses, with the wait in the text only."""
    unit = "second" if seconds == 1 else "seconds"
    return ProblemError(429, f"Request was throttled. Expected available in {seconds} {unit}.")


def invalid_version() -> ProblemError:
    """422: the version does not exist or the account may not use it."""
    return ProblemError(
        422,
        "The specified version does not exist (or perhaps you don't have permission to use it?)",
        title="Invalid version or not permitted",
    )


def invalid_input(fields: Sequence[Mapping[str, str]]) -> ProblemError:
    """422: the input does not fit the version's schema.

    Args:
        fields: one mapping per problem with `type`, `field` and `description`.
    """
    lines = "".join(f"- {item['field']}: {item['description']}\n" for item in fields)
    return ProblemError(
        422,
        lines,
        title="Input validation failed",
        extra={"invalid_fields": [dict(item) for item in fields]},
    )


def validation_failed(problems: Sequence[tuple[str, str]]) -> ProblemError:
    """400: the request itself is not well formed.

    Args:
        problems: pairs of JSON pointer and description.
    """
    listing = "\n".join(f"- {detail}" for _, detail in problems)
    return ProblemError(
        400,
        f"The following errors occurred:\n{listing}",
        title="Validation failed",
        extra={"errors": [{"detail": detail, "pointer": pointer} for pointer, detail in problems]},
    )
