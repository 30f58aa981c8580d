"""Verifies AWS Signature Version 4.

Source: "Authenticating Requests (AWS Signature Version 4)" of the Amazon S3 API reference. botocore
only signs, and its signer cannot check the variants that proxies and clients produce (Host, path
encoding, Accept-Encoding). Pure functions; the permissions of a key are checked elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote_to_bytes

from tui.listener.storage.claims import ALGORITHM, Claim, SignedRequest, parse_query
from tui.listener.storage.errors import S3Error

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()

# S3 requires clients to sign this header and all x-amz-* headers.
_ALWAYS_SIGNED = "host"


@dataclass(frozen=True, slots=True)
class Verified:
    """A verified signature, from which the chain of chunk signatures starts."""

    key: bytes = field(repr=False)
    stamp: str
    scope: str
    signature: str


def verify(
    request: SignedRequest, claim: Claim, secret: str, *, region: str, now: datetime, skew: float
) -> Verified:
    """Check scope, time and signature of a claim.

    Raises:
        S3Error: the scope is not ours, the time is off, or the signature does not match.
    """
    _check_scope(claim, region)
    _check_time(claim, now, skew)
    _check_headers_are_signed(request, claim)
    key = signing_key(secret, claim.date, claim.region, claim.service)
    for canonical in _canonical_requests(request, claim):
        digest = hashlib.sha256(canonical.encode("utf-8", "surrogateescape")).hexdigest()
        text = f"{ALGORITHM}\n{claim.stamp}\n{claim.scope}\n{digest}"
        if hmac.compare_digest(sign(key, text), claim.signature):
            return Verified(key, claim.stamp, claim.scope, claim.signature)
    raise S3Error(
        "SignatureDoesNotMatch",
        "The signature does not match. Check the secret key, and whether a proxy changes requests.",
    )


def _check_scope(claim: Claim, region: str) -> None:
    code = (
        "AuthorizationHeaderMalformed"
        if claim.expires is None
        else "AuthorizationQueryParametersError"
    )
    if claim.service != "s3":
        raise S3Error(code, f"The credential is for service '{claim.service}', not for 's3'.")
    if claim.region != region:
        raise S3Error(
            code,
            f"The region '{claim.region}' is wrong; expecting '{region}'.",
            Region=region,
        )
    if claim.date != claim.stamp[:8]:
        raise S3Error(code, "The date of the credential is not the date of the request.")


def _check_time(claim: Claim, now: datetime, skew: float) -> None:
    age = (now - claim.signed_at).total_seconds()
    if claim.expires is not None:
        if age > claim.expires:
            expired = claim.signed_at + timedelta(seconds=claim.expires)
            raise S3Error("AccessDenied", "Request has expired.", Expires=_iso(expired))
        if age < -skew:
            raise S3Error("AccessDenied", "Request is not yet valid.")
    elif abs(age) > skew:
        raise S3Error(
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large: "
            f"one of the two clocks is off by {abs(age):.0f} s.",
            RequestTime=claim.stamp,
            ServerTime=_iso(now),
            MaxAllowedSkewMilliseconds=str(int(skew * 1000)),
        )


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _check_headers_are_signed(request: SignedRequest, claim: Claim) -> None:
    needed = {name for name, _ in request.headers if name.startswith("x-amz-")} | {_ALWAYS_SIGNED}
    if claim.expires is not None:
        needed.discard("x-amz-content-sha256")
    unsigned = needed.difference(claim.signed_headers)
    if unsigned:
        raise S3Error(
            "AccessDenied",
            "There were headers present in the request which were not signed.",
            HeadersNotSigned=", ".join(sorted(unsigned)),
        )


def _canonical_requests(request: SignedRequest, claim: Claim) -> Iterator[str]:
    """Yield every text that an honest client may have signed, the most likely one first."""
    query = _canonical_query(request.query)
    # Proxies are known to replace Accept-Encoding, which Go's SDK signs as `identity`.
    encodings = (None, "identity") if "accept-encoding" in claim.signed_headers else (None,)
    path_below_mount = request.path.removeprefix(request.mount)
    hosts_and_paths: list[tuple[str | None, str]] = [
        (host, request.path) for host in (None, *request.hosts)
    ]
    if request.mount and path_below_mount != request.path:
        hosts_and_paths += [
            (f"{host}{request.mount}", path_below_mount or "/") for host in request.hosts
        ]
    spellings = {
        raw: dict.fromkeys((_canonical_path(raw), raw))
        for raw in {raw for _, raw in hosts_and_paths}
    }
    values: dict[str, list[str]] = {}
    for name, value in request.headers:
        values.setdefault(name, []).append(" ".join(value.split()))
    sent = {name: ",".join(values.get(name, ())) for name in claim.signed_headers}
    for encoding in encodings:
        for host, raw in hosts_and_paths:
            headers = _canonical_headers(sent, host, encoding)
            for uri in spellings[raw]:
                yield (
                    f"{request.method}\n{uri}\n{query}\n{headers}\n"
                    f"{';'.join(claim.signed_headers)}\n{claim.payload}"
                )


def _canonical_path(raw: str) -> str:
    return quote(unquote_to_bytes(raw.encode("utf-8", "surrogateescape")), safe="/-_.~")


def _canonical_headers(sent: Mapping[str, str], host: str | None, encoding: str | None) -> str:
    replaced = {"host": host, "accept-encoding": encoding}
    lines = []
    for name, value in sent.items():
        other = replaced.get(name)
        lines.append(f"{name}:{value if other is None else other}\n")
    return "".join(lines)


def _canonical_query(query: str) -> str:
    pairs = [
        (
            quote(name, safe="-_.~", errors="surrogateescape"),
            quote(value, safe="-_.~", errors="surrogateescape"),
        )
        for name, value in parse_query(query)
        if name != "X-Amz-Signature"
    ]
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The key of one day, region and service, derived from the secret."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode("utf-8", "surrogateescape"), "sha256")
    return key


def sign(key: bytes, text: str) -> str:
    """HMAC-SHA256 in hexadecimal digits."""
    return hmac.digest(key, text.encode("utf-8", "surrogateescape"), "sha256").hex()
