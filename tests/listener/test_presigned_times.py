"""A presigned URL is accepted within its lifetime only."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tui.listener.storage.claims import Claim, SignedRequest
from tui.listener.storage.errors import S3Error
from tui.listener.storage.sigv4 import Verified, _canonical_requests, sign, signing_key, verify

SIGNED_AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
REQUEST = SignedRequest("GET", "/outputs/a", "", (("host", "here"),))
CLAIM = Claim(
    "key", "20260301", "us-east-1", "s3", ("host",), "", "20260301T120000Z", "UNSIGNED-PAYLOAD", 60
)


def signed(claim: Claim) -> Claim:
    digest = hashlib.sha256(next(_canonical_requests(REQUEST, claim)).encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{claim.stamp}\n{claim.scope}\n{digest}"
    key = signing_key("secret", claim.date, claim.region, claim.service)
    return replace(claim, signature=sign(key, text))


def outcome(claim: Claim, seconds: float, request: SignedRequest = REQUEST) -> str:
    now = SIGNED_AT + timedelta(seconds=seconds)
    try:
        verify(request, signed(claim), "secret", region="us-east-1", now=now, skew=900)
    except S3Error as error:
        return f"{error.code}: {error}"
    return "verified"


@pytest.mark.parametrize(
    ("seconds", "answer"),
    [
        (0, "verified"),
        (60, "verified"),
        (61, "expired"),
        (10_000, "expired"),
        (-900, "verified"),
        (-901, "not yet valid"),
    ],
)
def test_a_presigned_url_lives_from_its_date_to_its_end(seconds: int, answer: str) -> None:
    assert answer in outcome(CLAIM, seconds)


@pytest.mark.parametrize(
    ("seconds", "answer"),
    [(900, "verified"), (901, "RequestTimeTooSkewed"), (-900, "verified"), (-901, "TooSkewed")],
)
def test_a_signed_header_is_accepted_within_the_skew(seconds: int, answer: str) -> None:
    assert answer in outcome(replace(CLAIM, expires=None), seconds)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"service": "ec2"}, "AuthorizationQueryParametersError"),
        ({"region": "eu-west-1"}, "AuthorizationQueryParametersError"),
        ({"date": "20260302"}, "AuthorizationQueryParametersError"),
        ({"date": "20260302", "expires": None}, "AuthorizationHeaderMalformed"),
        ({"signed_headers": ()}, "AccessDenied"),
    ],
)
def test_a_signature_of_another_scope_is_refused(change: dict[str, str], code: str) -> None:
    assert outcome(replace(CLAIM, **change), 0).startswith(code)  # type: ignore[arg-type]


def test_every_amz_header_has_to_be_signed() -> None:
    more = replace(REQUEST, headers=(*REQUEST.headers, ("x-amz-acl", "public-read")))
    assert outcome(CLAIM, 0, more).startswith("AccessDenied")


def test_a_verified_signature_does_not_show_its_key() -> None:
    shown = repr(Verified(b"signing-key", "20261129T210400Z", "scope", "signature"))
    assert "signing-key" not in shown
    assert "scope" in shown


@pytest.mark.parametrize("key", ["a", "x", ""])
def test_a_client_behind_a_mount_may_have_signed_the_path_below_it(key: str) -> None:
    request = replace(REQUEST, path=f"/s3/{key}", mount="/s3", hosts=("public",))
    texts = list(_canonical_requests(request, CLAIM))
    assert any(
        text.startswith(f"GET\n/{key}\n") and "host:public/s3\n" in text for text in texts
    ), texts
    below = replace(REQUEST, path=f"/other/{key}", mount="/s3", hosts=("public",))
    assert not any(text.startswith(f"GET\n/{key}\n") for text in _canonical_requests(below, CLAIM))
