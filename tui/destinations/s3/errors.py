"""Translates errors of S3 servers and boto3 into PublishError."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tui.destinations.common.errors import PublishError, Trouble, clean_line
from tui.destinations.s3.profile import S3Profile
from tui.replicate.network import BundleError, name_proxy

_KEYS = "Check the access key and the secret key of this destination, and that they belong to it."
_BY_CODE: dict[str, tuple[Trouble, str, str]] = {
    "InvalidAccessKeyId": (Trouble.CREDENTIALS, "{place} does not know the access key.", _KEYS),
    "SignatureDoesNotMatch": (
        Trouble.CREDENTIALS,
        "{place} does not accept the secret key.",
        "Copy the secret key again, without spaces; else look at the endpoint and any proxy.",
    ),
    "ExpiredToken": (Trouble.CREDENTIALS, "The session token has expired.", "Get a new one."),
    "InvalidToken": (Trouble.CREDENTIALS, "The session token is not valid.", "Get a new one."),
    "AuthorizationHeaderMalformed": (
        Trouble.REGION,
        "The bucket {bucket} is in another region than {region}.",
        "Set the destination's region{hint}.",
    ),
    "AccessDenied": (
        Trouble.PERMISSION,
        "The keys may not do this in the bucket {bucket}.",
        "Give them permission to put, get, list and delete objects there, or use other keys.",
    ),
    "UserSuspended": (
        Trouble.PERMISSION,
        "The account of these keys is suspended at {place}.",
        "Ask its operator, or use other keys.",
    ),
    "NoSuchBucket": (
        Trouble.MISSING,
        "There is no bucket {bucket} at {place}.",
        "Make it there first, or correct its name or the region.",
    ),
    "RequestTimeTooSkewed": (
        Trouble.CLOCK,
        "The clock of this machine is too far from the clock of {place}.",
        "Set this machine's clock (for example: timedatectl set-ntp true).",
    ),
    "QuotaExceeded": (
        Trouble.QUOTA,
        "The storage at {place} is full, or its quota is used up.",
        "Delete something there or raise the quota, then resume.",
    ),
    "EntityTooLarge": (
        Trouble.REFUSED,
        "{place} does not take a file of this size.",
        "Ask its operator for the limit.",
    ),
    "InvalidBucketName": (
        Trouble.NAME, "{place} does not accept the bucket name {bucket}.", "Correct it.",
    ),
    "KeyTooLongError": (
        Trouble.NAME, "The object's key is too long.", "Use a shorter prefix or file name.",
    ),
    "BadDigest": (
        Trouble.NETWORK, "A part did not arrive whole at {place}.", "It will be sent again.",
    ),
    "SlowDown": (Trouble.BUSY, "{place} asks us to slow down.", "Try again in a while."),
    "NoSuchUpload": (
        Trouble.NETWORK,
        "{place} has forgotten the half-done upload.",
        "It will be sent from the beginning.",
    ),
    "NotImplemented": (
        Trouble.REFUSED,
        "{place} does not know one of the options of this destination.",
        "Switch off encryption, storage class or ACL.",
    ),
    "InvalidStorageClass": (
        Trouble.REFUSED,
        "{place} does not know the storage class of this destination.",
        "Leave the storage class empty, or use one that it offers.",
    ),
    "AccessControlListNotSupported": (
        Trouble.REFUSED,
        "The bucket {bucket} takes no ACL.",
        "Leave the ACL of this destination empty; the bucket's own policy decides.",
    ),
    "KMS.NotFoundException": (
        Trouble.REFUSED,
        "The encryption key of this destination is not there, or may not be used.",
        "Check the KMS key and its region, or leave it empty for the account's own.",
    ),
}  # fmt: skip
_CAP = "cap exceeded"
"""Backblaze reports an exceeded quota as AccessDenied with this text."""
_SYNONYMS = {
    "AllAccessDisabled": "AccessDenied",
    "AccountProblem": "UserSuspended",
    "Forbidden": "AccessDenied",
    "403": "AccessDenied",
    "401": "InvalidAccessKeyId",
    "Unauthorized": "InvalidAccessKeyId",
    "404": "NoSuchBucket",
    "PermanentRedirect": "AuthorizationHeaderMalformed",
    "TemporaryRedirect": "AuthorizationHeaderMalformed",
    "IllegalLocationConstraintException": "AuthorizationHeaderMalformed",
    "301": "AuthorizationHeaderMalformed",
    "InvalidRegion": "AuthorizationHeaderMalformed",
    "RequestExpired": "RequestTimeTooSkewed",
    "InsufficientCapacity": "QuotaExceeded",
    "InsufficientStorage": "QuotaExceeded",
    "XMinioStorageFull": "QuotaExceeded",
    "507": "QuotaExceeded",
    "XMinioAdminBucketQuotaExceeded": "QuotaExceeded",
    "StorageQuotaExceeded": "QuotaExceeded",
    "413": "EntityTooLarge",
    "KMS.DisabledException": "KMS.NotFoundException",
    "KMS.KMSInvalidStateException": "KMS.NotFoundException",
    "KMS.AccessDeniedException": "KMS.NotFoundException",
    "InvalidDigest": "BadDigest",
    "IncompleteBody": "BadDigest",
    "RequestTimeout": "BadDigest",
    "XAmzContentSHA256Mismatch": "BadDigest",
    "ServiceUnavailable": "SlowDown",
    "TooManyRequests": "SlowDown",
    "429": "SlowDown",
    "503": "SlowDown",
    "501": "NotImplemented",
}


def answer_of(error: Exception) -> tuple[int, str]:
    """The HTTP status and the `Server` header of the answer that an error is about; 0 and ""."""
    response = getattr(error, "response", None)
    metadata = response.get("ResponseMetadata", {}) if isinstance(response, dict) else {}
    status = metadata.get("HTTPStatusCode")
    server = (metadata.get("HTTPHeaders") or {}).get("server", "")
    return (status if isinstance(status, int) else 0), str(server)


def explain(error: Exception, profile: S3Profile) -> PublishError:
    """Translate the error of a call; an unknown one keeps its text."""
    from botocore import exceptions as boto
    from botocore import parsers as boto_parsers

    place = profile.endpoint or "Amazon S3"
    if isinstance(error, PublishError):
        return error
    inner = getattr(error, "kwargs", {}).get("error")
    if isinstance(inner, PublishError):  # raised by `Body` while it was sent
        return inner
    if isinstance(error, boto.ClientError):
        return _refused(error, profile, place)
    if isinstance(error, boto.SSLError):
        return PublishError(
            f"The certificate of {place} is not trusted: {_last(error)}.",
            "If it has a private authority, name its PEM file as ca_bundle in the network "
            "settings. If the server speaks plain HTTP, write http:// in the endpoint.",
            Trouble.TLS,
        )
    if isinstance(error, BundleError):
        message = f"{place} cannot be reached: {error.message}."
        return PublishError(message, error.advice, Trouble.TLS)
    if isinstance(error, boto.ProxyConnectionError):
        return _proxy(error, place)
    if isinstance(error, boto.ReadTimeoutError):
        return PublishError(
            f"{place} stopped answering.", "It will be tried again.", Trouble.NETWORK
        )
    if isinstance(error, boto.IncompleteReadError):
        message = f"The connection to {place} broke while an object was read."
        return PublishError(message, "It will be tried again.", Trouble.NETWORK)
    if isinstance(error, boto.HTTPClientError | boto.ConnectionError):
        return PublishError(
            f"{place} cannot be reached: {_last(error)}.",
            "Check the endpoint, the network and the proxy.",
            Trouble.NETWORK,
        )
    if isinstance(error, boto_parsers.ResponseParserError):
        return no_s3(profile)
    if isinstance(error, OSError):
        return PublishError(
            f"A file cannot be read: {_last(error)}.", "Check the network settings.", Trouble.LOCAL
        )
    return PublishError(
        f"The request to {place} cannot be made: {_last(error)}.",
        "Check the settings of this destination.",
        Trouble.REFUSED,
    )


def no_s3(profile: S3Profile) -> PublishError:
    """Return the error for a server that does not speak S3."""
    return PublishError(
        f"What answers at {profile.endpoint or 'Amazon S3'} is no S3 server.",
        "Check the endpoint, and whether this network wants a login or a proxy changes answers.",
        Trouble.REFUSED,
    )


def _proxy(error: Any, place: str) -> PublishError:
    """Translate a proxy's failure; botocore masks the password in the error's address."""
    name = name_proxy(str(error.kwargs.get("proxy_url") or ""))
    reason = str(error.kwargs.get("error") or "")
    if "407" in reason:
        problem = "the proxy wants a user name and a password"
        advice = "Write them into the proxy's address: http://name:password@host:port."
    elif "Tunnel connection failed: " in reason:
        code = clean_line(reason.partition("Tunnel connection failed: ")[2][:3])
        problem, advice = f"the proxy refused (HTTP {code})", "Ask whoever runs the proxy."
    elif "CERTIFICATE" in reason.upper():
        problem = "the proxy's certificate is not trusted"
        advice = "Name its PEM file as ca_bundle in the network settings."
    else:
        problem = "the proxy cannot be reached"
        advice = "Check the proxy in the network settings; is it running?"
    message = f"{place} cannot be reached by the proxy {name}: {problem}."
    return PublishError(message, advice, Trouble.NETWORK)


def code_of(error: BaseException) -> str:
    """Return the server's error code, or the HTTP status as text; "" for other errors."""
    answer = getattr(error, "response", None)
    if not isinstance(answer, dict):
        return ""
    return str(answer.get("Error", {}).get("Code", "")) or _status(answer)


def _status(answer: Mapping[str, Any]) -> str:
    return str(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))


def _refused(error: Any, profile: S3Profile, place: str) -> PublishError:
    answer: Mapping[str, Any] = error.response
    code, status = code_of(error), _status(answer)
    if code == "AccessDenied" and _CAP in str(answer.get("Error", {}).get("Message")).lower():
        code = "QuotaExceeded"
    known = _BY_CODE.get(code) or _BY_CODE.get(_SYNONYMS.get(code, ""))
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    if known is None and status.startswith("5"):
        known = _BY_CODE.get(_SYNONYMS.get(status, ""), _BY_CODE["SlowDown"])
    if known is None and status.startswith("3"):  # to a login, or to where another program is
        return no_s3(profile)
    if known is None:
        text = clean_line(answer.get("Error", {}).get("Message") or "") or clean_line(code)
        return PublishError(
            f"{place} refused: {text}", "Check the settings of this destination.", Trouble.REFUSED
        )
    kind, message, advice = known
    region = clean_line(
        headers.get("x-amz-bucket-region") or answer.get("Error", {}).get("Region") or ""
    )
    facts = {
        "place": place,
        "bucket": profile.bucket,
        "region": profile.region,
        "hint": f" to {region}" if region else " to the one that the bucket's page shows",
    }
    wait = str(headers.get("retry-after", ""))
    return PublishError(
        message.format(**facts),
        advice.format(**facts),
        kind,
        retry_after=float(wait) if wait.isdecimal() else None,
    )


def _last(error: Exception) -> str:
    """Return the first line of an error, without secrets."""
    lines = str(error).strip().splitlines()
    return clean_line(lines[0] if lines else type(error).__name__).rstrip(".")
