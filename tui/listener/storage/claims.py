"""Parses the signature of a request, from its Authorization header or presigned query.

Source: "Authenticating Requests (AWS Signature Version 4)" of the Amazon S3 API reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import unquote_to_bytes

from tui.listener.storage.errors import S3Error

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"

_STAMP = re.compile(r"\d{8}T\d{6}Z", re.ASCII)
_HEX64 = re.compile(r"[0-9a-f]{64}")
_TOKEN = re.compile(r"[\x21-\x7e]{1,256}")
_LONGEST_PRESIGNED = 7 * 24 * 3600
_MOST_SIGNED_HEADERS = 100  # as many as a request may have here


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """The parts of a request that its signature covers, exactly as received.

    Attributes:
        method: the HTTP method.
        path: the path of the request line, still percent-encoded.
        query: the query of the request line, still percent-encoded, without `?`.
        headers: all headers, names in lower case.
        hosts: further values that the client may have signed as Host (a proxy may rewrite it).
        mount: the path of the endpoint, which some clients (s3cmd) sign as part of the host.
    """

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    hosts: tuple[str, ...] = ()
    mount: str = ""

    def header(self, name: str) -> str | None:
        """Return the first value of a header."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True)
class Claim:
    """The signature of a request and what it names; not verified yet.

    Attributes:
        access_key: the public half of the key pair.
        date: the date of the credential scope, `YYYYMMDD`.
        region: the region of the scope.
        service: the service of the scope.
        signed_headers: names of the headers that are signed.
        signature: 64 hexadecimal digits.
        stamp: the time of signing, `YYYYMMDDTHHMMSSZ`.
        payload: the value of `x-amz-content-sha256`.
        expires: lifetime of a presigned URL in seconds; None for a signed header.
    """

    access_key: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    stamp: str
    payload: str
    expires: int | None

    @property
    def scope(self) -> str:
        """The credential scope, which the signing key is derived for."""
        return f"{self.date}/{self.region}/{self.service}/aws4_request"

    @property
    def signed_at(self) -> datetime:
        """The time of signing, by the client's clock."""
        try:
            return datetime.strptime(self.stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except ValueError:
            raise S3Error("AccessDenied", "The date of the request is not a date.") from None


def read_claim(request: SignedRequest) -> Claim:
    """Parse the Authorization header or the query of a presigned URL.

    Raises:
        S3Error: there is none, more than one, or it is malformed.
    """
    query = parse_query(request.query)
    presigned = [name for name, _ in query if name.startswith("X-Amz-")]
    authorizations = [value for name, value in request.headers if name == "authorization"]
    if authorizations and "X-Amz-Signature" in presigned:
        raise S3Error("InvalidArgument", "Only one way of signing is allowed in one request.")
    if authorizations:
        if len(authorizations) > 1:
            raise S3Error("InvalidArgument", "There is more than one Authorization header.")
        return _claim_from_header(request, authorizations[0])
    if "X-Amz-Signature" in presigned or "X-Amz-Algorithm" in presigned:
        return _claim_from_query(request, query)
    if any(name in {"Signature", "AWSAccessKeyId"} for name, _ in query):
        raise S3Error("InvalidRequest", f"This endpoint takes {ALGORITHM} signatures only.")
    raise S3Error("AccessDenied", "The request is not signed.")


def _claim_from_header(request: SignedRequest, value: str) -> Claim:
    algorithm, _, rest = value.strip().partition(" ")
    if algorithm != ALGORITHM:
        raise S3Error("InvalidRequest", f"This endpoint takes {ALGORITHM} signatures only.")
    fields: dict[str, str] = {}
    for part in rest.split(","):
        name, equals, text = part.strip().partition("=")
        if not equals or name in fields:
            raise S3Error("AuthorizationHeaderMalformed", "The Authorization header is malformed.")
        fields[name] = text.strip()
    if fields.keys() != {"Credential", "SignedHeaders", "Signature"}:
        raise S3Error(
            "AuthorizationHeaderMalformed",
            "The Authorization header must have Credential, SignedHeaders and Signature.",
        )
    payload = request.header("x-amz-content-sha256")
    if payload is None:
        raise S3Error("InvalidRequest", "The header x-amz-content-sha256 is missing.")
    return _claim(
        "AuthorizationHeaderMalformed",
        fields["Credential"],
        fields["SignedHeaders"],
        fields["Signature"],
        stamp=_stamp_of(request),
        payload=payload,
        expires=None,
    )


def _claim_from_query(request: SignedRequest, query: Sequence[tuple[str, str]]) -> Claim:
    code = "AuthorizationQueryParametersError"
    fields: dict[str, str] = {}
    for name, value in query:
        if name.startswith("X-Amz-") and name in fields:
            raise S3Error(code, f"{name} stands in the query twice.")
        fields[name] = value
    if fields.get("X-Amz-Algorithm") != ALGORITHM:
        raise S3Error(code, f"X-Amz-Algorithm must be {ALGORITHM}.")
    try:
        expires = fields["X-Amz-Expires"]
        credential, signed = fields["X-Amz-Credential"], fields["X-Amz-SignedHeaders"]
        signature, stamp = fields["X-Amz-Signature"], fields["X-Amz-Date"]
    except KeyError as missing:
        raise S3Error(code, f"The query lacks {missing.args[0]}.") from None
    if not re.fullmatch(r"\d{1,6}", expires, re.ASCII) or not (
        1 <= int(expires) <= _LONGEST_PRESIGNED
    ):
        raise S3Error(code, "X-Amz-Expires must be a number of seconds of at most a week.")
    if not _STAMP.fullmatch(stamp):
        raise S3Error(code, "X-Amz-Date must be in the form 20260131T235959Z.")
    payload = request.header("x-amz-content-sha256") or fields.get("X-Amz-Content-Sha256")
    return _claim(
        code,
        credential,
        signed,
        signature,
        stamp=stamp,
        payload=payload or UNSIGNED,
        expires=int(expires),
    )


def _claim(
    code: str,
    credential: str,
    signed_headers: str,
    signature: str,
    *,
    stamp: str,
    payload: str,
    expires: int | None,
) -> Claim:
    access_key, *scope = credential.rsplit("/", 4)
    if len(scope) != 4 or scope[3] != "aws4_request" or not _TOKEN.fullmatch(access_key):
        raise S3Error(code, "The credential must be KEY/DATE/REGION/s3/aws4_request.")
    names = tuple(signed_headers.split(";"))
    if len(names) > _MOST_SIGNED_HEADERS:
        raise S3Error(code, f"SignedHeaders has more than {_MOST_SIGNED_HEADERS} names.")
    if list(names) != sorted({name.lower() for name in names}):
        raise S3Error(code, "SignedHeaders must be sorted lower-case names without repetition.")
    if not _HEX64.fullmatch(signature):
        raise S3Error("SignatureDoesNotMatch", "The signature is not 64 hexadecimal digits.")
    return Claim(
        access_key, scope[0], scope[1], scope[2], names, signature, stamp, payload, expires
    )


def _stamp_of(request: SignedRequest) -> str:
    stamp = request.header("x-amz-date")
    if stamp is not None and _STAMP.fullmatch(stamp):
        return stamp
    if stamp is None and (date := request.header("date")):
        try:
            return parsedate_to_datetime(date).astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        except (ValueError, OverflowError):
            pass
    raise S3Error("AccessDenied", "A signed request needs a valid x-amz-date or Date header.")


def parse_query(query: str) -> list[tuple[str, str]]:
    """Split a raw query; `+` stays `+`, as S3 clients encode a space as `%20`."""
    return [(_decoded(name), _decoded(value)) for name, value in _split(query)]


def _split(query: str) -> Iterable[tuple[str, str]]:
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            yield name, value


def _decoded(text: str) -> str:
    raw = unquote_to_bytes(text.encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "surrogateescape")
