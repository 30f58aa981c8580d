"""Translates error responses into exceptions; parses several JSON formats and HTML."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from tui.base.json_types import JsonObject
from tui.base.pages import BILLING_PAGE
from tui.replicate.errors import (
    AuthenticationError,
    FieldProblem,
    ForbiddenError,
    InsufficientCreditError,
    InvalidInputError,
    InvalidRequestError,
    InvalidVersionError,
    NotFoundError,
    PageError,
    RateLimitedError,
    ReplicateError,
    ServiceError,
    TooLargeError,
)
from tui.replicate.rate_windows import window_pause
from tui.replicate.redact import redact_text
from tui.replicate.secret import Secret
from tui.replicate.values import load_json, parse_http_date

_LONGEST_WORDS = 600
_LONGEST_PAUSE = 3600.0
_REQUEST_ID_HEADERS = ("x-request-id", "replicate-request-id", "x-amzn-requestid", "cf-ray")
_PAUSE_IN_TEXT = re.compile(
    r"(?:in|after|wait|resets?)\D{0,12}?(\d+(?:\.\d+)?)\s*(ms|s|sec\w*|m|min\w*)?\b", re.IGNORECASE
)
_INPUT_LINE = re.compile(r"^\s*-\s*(?:input\.)?([\w.\[\]-]+?):\s*(.+)$", re.MULTILINE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_PAGE = re.compile(r"\s*(?:<!doctype html|<html|<head|<body|error code: \d+\s*$)", re.IGNORECASE)
"""Web pages, and the short text that Cloudflare gives to programs."""
_NOT_SHOWN = re.compile(r"<(script|style|head)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The parsed content of an error response.

    Attributes:
        status: HTTP status.
        words: the service's explanation in one line, without secrets; may be "".
        title: the title of a problem document; may be "".
        fields: the refused inputs that it names.
        retry_after: seconds to wait, if given.
        request_id: the service's id of the call, if given.
        is_page: whether it is a web page and not an answer of the API.
    """

    status: int
    words: str
    title: str
    fields: tuple[FieldProblem, ...]
    retry_after: float | None
    request_id: str | None
    is_page: bool = False


def read_refusal(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    secrets: Iterable[Secret] = (),
    now: datetime | None = None,
) -> Refusal:
    """Parse a response of any format. Names of `headers` are in lower case."""
    text = body.decode("utf-8-sig", "replace")
    try:
        data = load_json(body)
    except ValueError:
        data = None
    problem = data if isinstance(data, dict) else {}
    known = tuple(secrets)
    title = _words(problem.get("title"))
    explanation = (
        _words(problem.get("detail"))
        or _words(problem.get("error"))
        or _words(problem.get("message"))
        or title
        or _words(data)
        or (_plain(text) if data is None else "")
    )
    pause = _header_pause(headers.get("retry-after"), now or datetime.now(UTC))
    for candidate in (
        window_pause(headers.get("ratelimit", "")),
        _number(problem.get("retry_after")),
        _text_pause(explanation),
    ):
        pause = candidate if pause is None else pause
    fields = tuple(
        FieldProblem(f.field, f.kind, _tidy(f.message, known))
        for f in _fields(problem, explanation)
    )
    given_id = _words(problem.get("request_id")) or next(
        (headers[name] for name in _REQUEST_ID_HEADERS if headers.get(name)), ""
    )
    return Refusal(
        status=status,
        words=_tidy(explanation, known),
        title=_tidy(title, known),
        fields=fields,
        retry_after=None if pause is None else min(pause, _LONGEST_PAUSE),
        request_id=_tidy(given_id, known) or None,
        is_page=data is None and bool(_PAGE.match(text)),
    )


def _words(value: object) -> str:
    return value if isinstance(value, str) and value.strip() else ""


def _tidy(words: str, secrets: tuple[Secret, ...]) -> str:
    """Return one line without control characters and secrets, of limited length."""
    line = " ".join(redact_text(words, secrets).split())
    line = "".join(c for c in line if c.isprintable())
    return line if len(line) <= _LONGEST_WORDS else f"{line[: _LONGEST_WORDS - 1]}…"


def _plain(text: str) -> str:
    """Return the title of an HTML page, else its first line of text."""
    title = _TITLE.search(text)
    if title and title.group(1).strip():
        return html.unescape(title.group(1))
    lines = html.unescape(_NOT_SHOWN.sub("\n", text)).splitlines()
    return next((line.strip() for line in lines if line.strip()), "")


def _number(value: object) -> float | None:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _header_pause(value: str | None, now: datetime) -> float | None:
    seconds = _number(value)
    if seconds is None and (moment := parse_http_date(value)) is not None:
        return max(0.0, (moment - now).total_seconds())
    return seconds


def _text_pause(words: str) -> float | None:
    match = _PAUSE_IN_TEXT.search(words)
    if not match:
        return None
    amount, unit = float(match.group(1)), (match.group(2) or "s").lower()
    if unit == "ms":
        return amount / 1000
    return amount * 60 if unit.startswith("m") else amount


def _fields(problem: JsonObject, words: str) -> list[FieldProblem]:
    """Return the refused inputs, from any of the four formats."""
    problems: list[FieldProblem] = []
    listed = problem.get("invalid_fields") or problem.get("errors") or problem.get("detail")
    for entry in listed if isinstance(listed, list) else ():
        if not isinstance(entry, dict):
            continue
        location = entry.get("field") or entry.get("pointer") or entry.get("loc") or ""
        if isinstance(location, list):  # a validator's path: ["body", "input", "steps"]
            location = ".".join(str(part) for part in location)
        message = entry.get("description") or entry.get("detail") or entry.get("msg") or ""
        problems.append(
            FieldProblem(_field_name(str(location)), str(entry.get("type", "")), str(message))
        )
    if not problems and problem.get("title") == "Input validation failed":
        problems = [
            FieldProblem(_field_name(n), "", message) for n, message in _INPUT_LINE.findall(words)
        ]
    return problems


def _field_name(location: str) -> str:
    name = location.strip().lstrip("/").replace("/", ".").removeprefix("body.")
    return "" if name == "input" else name.removeprefix("input.")


def to_error(refusal: Refusal, *, what: str, service: str) -> ReplicateError:
    """Return the exception for an error response.

    Args:
        refusal: the parsed response.
        what: the purpose of the call, as the object of a sentence ("the upload of cats.zip").
        service: the name of the service ("Replicate").
    """
    kind, headline, advice = _meaning(refusal, what=what, service=service)
    explanation = refusal.words
    if refusal.fields and all(f.message for f in refusal.fields):
        explanation = "; ".join(
            f"{f.field}: {f.message}" if f.field and f.field not in f.message else f.message
            for f in refusal.fields
        )
    message = f"{headline}: {explanation}" if explanation else f"{headline}."
    if refusal.request_id:
        message = f"{message} (request {refusal.request_id})"
    extra: JsonObject = {"fields": refusal.fields} if issubclass(kind, InvalidRequestError) else {}
    return kind(
        message,
        advice=advice,
        status=refusal.status,
        request_id=refusal.request_id,
        retry_after=refusal.retry_after,
        **extra,
    )


def _meaning(refusal: Refusal, *, what: str, service: str) -> tuple[type[ReplicateError], str, str]:
    status, words = refusal.status, f"{refusal.title} {refusal.words}".lower()
    refused = f"{service} refused {what}"
    if status in {401, 403} and refusal.is_page:
        return (
            PageError,
            f"Something in front of {service} refused {what} with a web page (HTTP {status})",
            "The token may be fine. Check the proxy and the network, or try again later.",
        )
    if status == 401:
        return (
            AuthenticationError,
            f"{service} does not accept the token",
            "Check the token on https://replicate.com/account/api-tokens and set it again.",
        )
    if status == 402 or (status in {403, 429} and "insufficient credit" in words):
        return (
            InsufficientCreditError,
            f"{refused}, because the account has no credit left",
            f"Buy credit on {BILLING_PAGE}, wait a few minutes, try again.",
        )
    if status == 403:
        return (
            ForbiddenError,
            f"{service} does not allow {what}",
            "Use a token of an account or organisation that may do this.",
        )
    if status in {404, 410}:
        return (
            NotFoundError,
            f"{service} does not know {what}",
            "It may be gone, misspelt, or belong to another account than the token's.",
        )
    if status == 413:
        return (
            TooLargeError,
            f"{refused}, because it is too large",
            "Stay under 100 MiB, or have the data fetched from a web address, S3 or the Hub.",
        )
    if status == 429:
        low_credit = "credit" in words
        return (
            RateLimitedError,
            f"{service} asks to slow down with {what}",
            "Accounts with little credit may start only a few jobs a minute; buy credit or wait."
            if low_credit
            else "Wait a moment; it goes on by itself where that is safe.",
        )
    if status == 408 or status >= 500:
        return (
            ServiceError,
            f"{service} has trouble with {what} (HTTP {status})",
            "This is on their side. Try again later; https://www.replicatestatus.com tells more.",
        )
    if status == 422 and "invalid version" in words:
        return (
            InvalidVersionError,
            f"{refused}, because of the model version",
            "Choose a version that the model's page lists and that this account may run.",
        )
    if refusal.fields or "validation" in words:
        return (
            InvalidInputError,
            f"{refused}, because the input does not fit",
            "Change the named inputs, or choose a version whose inputs they are.",
        )
    return (
        InvalidRequestError,
        f"{refused} (HTTP {status})",
        "Check the API address; it should be the final one." if status < 400 else "",
    )
