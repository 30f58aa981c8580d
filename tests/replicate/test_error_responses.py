"""Unwelcome answers of every shape become errors with words."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.replicate.strategies import JSON
from tui.replicate.error_responses import read_refusal, to_error
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
from tui.replicate.secret import Secret

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)


def error_for(status, body, **headers):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    refusal = read_refusal(status, named, data, now=NOW)
    return to_error(refusal, what="the new job", service="Replicate")


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (
            401,
            {"title": "Unauthenticated", "detail": "Invalid or expired API token.", "status": 401},
            AuthenticationError,
            "Invalid or expired API token.",
        ),
        (
            402,
            {"title": "Insufficient credit", "detail": "You have insufficient credit."},
            InsufficientCreditError,
            "no credit left",
        ),
        (403, {"detail": "No."}, ForbiddenError, "does not allow the new job"),
        (403, b"", ForbiddenError, "does not allow the new job."),
        (
            403,
            b"<!DOCTYPE html><title>Attention Required! | Cloudflare</title>",
            PageError,
            "with a web page (HTTP 403): Attention Required!",
        ),
        (403, b"error code: 1020", PageError, "with a web page (HTTP 403)"),
        (401, b"\n<html><body>Please log in</body></html>", PageError, "Please log in"),
        (404, {"detail": "Not found.", "status": 404}, NotFoundError, "does not know the new job"),
        (404, b"<html><body><h1>Not here</h1></body></html>", NotFoundError, "Not here"),
        (410, b"", NotFoundError, "does not know"),
        (413, {"detail": "Files must be less than 100MB in size"}, TooLargeError, "less than"),
        (
            413,
            b"<html>\r\n<head><title>413 Request Entity Too Large</title></head></html>",
            TooLargeError,
            "413 Request Entity Too Large",
        ),
        (
            422,
            {"title": "Invalid version or not permitted", "detail": "The version does not exist"},
            InvalidVersionError,
            "because of the model version",
        ),
        (429, {"detail": "Request was throttled.", "status": 429}, RateLimitedError, "slow down"),
        (429, {"detail": "Insufficient credit to go on"}, InsufficientCreditError, "no credit"),
        (500, {"detail": "Internal server error"}, ServiceError, "Internal server error"),
        (502, b"<html><title>502 Bad Gateway</title></html>", ServiceError, "502 Bad Gateway"),
        (522, b"error code: 522", ServiceError, "error code: 522"),
        (408, b"", ServiceError, "HTTP 408"),
        (400, {"detail": "Something odd"}, InvalidRequestError, "Something odd"),
        (409, b"\x00\xff\xfe garbage \x1b[31m", InvalidRequestError, "garbage"),
        (302, b"", InvalidRequestError, "HTTP 302"),
    ],
)
def test_status_and_message(status, body, kind, words):
    error = error_for(status, body)
    assert type(error) is kind
    assert words in error.message
    assert error.status == status
    assert "\x1b" not in error.message
    assert error.message.startswith(("Replicate", "Something in front of Replicate"))


def test_common_errors_have_advice():
    for status in (401, 402, 403, 404, 413, 429, 500, 503):
        assert error_for(status, {}).advice


def test_low_credit_throttling_says_so():
    text = "Request was throttled. Your limit is 6 requests per minute with less than $5 in credit."
    error = error_for(429, {"detail": text})
    assert isinstance(error, RateLimitedError)
    assert "little credit" in error.advice


def test_invalid_fields():
    error = error_for(
        422,
        {
            "title": "Input validation failed",
            "detail": "- input.steps: Must be less than 10\n- input: no extra\n",
            "status": 422,
            "invalid_fields": [
                {"type": "maximum", "field": "input.steps", "description": "Must be under 10"},
                {
                    "type": "additional_property_not_allowed",
                    "field": "input",
                    "description": "Additional property lycoris_json is not allowed",
                },
            ],
        },
    )
    assert isinstance(error, InvalidInputError)
    assert error.fields == (
        FieldProblem("steps", "maximum", "Must be under 10"),
        FieldProblem(
            "",
            "additional_property_not_allowed",
            "Additional property lycoris_json is not allowed",
        ),
    )
    assert "steps: Must be under 10" in error.message
    assert "lycoris_json" in error.message


def test_fields_from_the_detail_lines():
    detail = "- input.config_json: must be a string\n- input.max_train_steps: too small"
    error = error_for(422, {"title": "Input validation failed", "detail": detail})
    assert isinstance(error, InvalidInputError)
    assert [f.field for f in error.fields] == ["config_json", "max_train_steps"]


def test_fields_in_django_and_validator_shapes():
    django = error_for(
        400,
        {
            "status": 400,
            "title": "Validation failed",
            "detail": "The following errors occurred:\n- No",
            "errors": [{"detail": "Not one of them", "pointer": "/input/hardware"}],
        },
    )
    assert isinstance(django, InvalidInputError)
    assert django.fields == (FieldProblem("hardware", "", "Not one of them"),)
    cog = error_for(
        422,
        {"detail": [{"loc": ["body", "input", "steps"], "msg": "bad", "type": "value_error"}]},
    )
    assert isinstance(cog, InvalidInputError)
    assert cog.fields == (FieldProblem("steps", "value_error", "bad"),)


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"retry_after": "7"}, {"retry_after": 3, "detail": "resets in ~10s."}, 7),
        ({"retry_after": "1.5"}, {}, 1.5),
        ({"retry_after": "Fri, 20 Nov 2026 10:00:30 GMT"}, {}, 30),
        ({"retry_after": "Fri, 20 Nov 2026 09:00:00 GMT"}, {}, 0),
        ({"retry_after": "soon"}, {"retry_after": 3}, 3),
        ({}, {"retry_after": 10, "detail": "resets in ~99s."}, 10),
        ({}, {"retry_after": "4"}, 4),
        ({}, {"retry_after": -1, "detail": "x"}, None),
        ({}, {"retry_after": True}, None),
        ({}, {"detail": "Request was throttled. Your rate limit resets in ~10s."}, 10),
        ({}, {"detail": "Request was throttled. Expected available in 1 second."}, 1),
        ({}, {"detail": "Try again in 2 minutes"}, 120),
        ({}, {"detail": "Wait 500ms please"}, 0.5),
        ({}, {"detail": "You have 6 requests left"}, None),
        ({}, {"retry_after": 10**9}, 3600),
        ({}, {"retry_after": 10**400}, None),
    ],
)
def test_how_long_to_wait(headers, body, seconds):
    assert error_for(429, body, **headers).retry_after == seconds


def test_request_id():
    for headers in ({"x_request_id": "req-1"}, {"cf_ray": "req-1"}):
        error = error_for(500, {}, **headers)
        assert error.request_id == "req-1"
        assert "req-1" in error.message
    assert error_for(500, {"request_id": "body-id"}, cf_ray="x").request_id == "body-id"


def test_secrets_in_an_error_body_are_masked():
    canary = Secret("canary-value-1234")
    body = {
        "title": "Input validation failed",
        "detail": "- input.hf_token: canary-value-1234 is not hf_abcdefghijkl of r8_abcdef",
        "invalid_fields": [
            {"field": "input.u", "description": "https://a:b@h/p?X-Amz-Signature=sig#f bad"}
        ],
    }
    refusal = read_refusal(422, {}, json.dumps(body).encode(), secrets=[canary])
    error = to_error(refusal, what="it", service="Replicate")
    shown = f"{error!r} {error} {refusal!r} {error.__dict__}"
    for leak in ("canary-value", "hf_abc", "r8_abc", "a:b", "sig#", "=sig"):
        assert leak not in shown


@given(st.integers(300, 599), JSON | st.binary(max_size=300))
@example(422, {"detail": [None, 3, {"loc": [[]]}], "invalid_fields": [{"field": {}}]})
def test_any_answer_is_an_error_that_can_be_shown(status, body):
    error = error_for(status, body)
    assert isinstance(error, ReplicateError)
    assert error.message.startswith("Replicate ")
    assert error.message.isprintable()
    assert len(error.message) < 5000


@given(st.text(max_size=300))
def test_any_page_is_an_error_that_can_be_shown(text):
    error = error_for(502, text.encode("utf-8", "surrogatepass"))
    assert error.message.isprintable()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ('"api";r=0;t=42', 42),
        ('"a"; r=5; t=90, "b"; r=0; t=7, "c";r=0;t=9', 9),
        ('"api";r=1;t=42', None),
        ('"api";r=0;t=soon', None),
        ("", None),
    ],
)
def test_a_used_up_window_is_a_pause(header: str, seconds: float | None) -> None:
    headers = {"ratelimit": header}
    assert read_refusal(429, headers, b"").retry_after == seconds
    assert read_refusal(429, headers | {"retry-after": "3"}, b"").retry_after == 3
