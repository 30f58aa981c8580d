"""S3 errors: a code that client libraries know, an HTTP status and an XML body."""

from __future__ import annotations

from tui.listener.storage.xml import Node, XmlError, document, parse

# Codes and statuses: "List of error codes" of the Amazon S3 API reference. QuotaExceeded is Ceph's.
# InsufficientStorage has no code in S3; 507 is HTTP's status for a full disk, which clients do not
# repeat at once. An operation that is not offered is 405 here, where S3 answers 501.
_STATUS = {
    "AccessDenied": 403,
    "AuthorizationHeaderMalformed": 400,
    "AuthorizationQueryParametersError": 400,
    "BadDigest": 400,
    "EntityTooLarge": 400,
    "EntityTooSmall": 400,
    "IncompleteBody": 400,
    "InsufficientStorage": 507,
    "InternalError": 500,
    "InvalidAccessKeyId": 403,
    "InvalidArgument": 400,
    "InvalidChunkSizeError": 403,
    "InvalidDigest": 400,
    "InvalidPart": 400,
    "InvalidPartOrder": 400,
    "InvalidRange": 416,
    "InvalidRequest": 400,
    "InvalidURI": 400,
    "KeyTooLongError": 400,
    "MalformedTrailerError": 400,
    "MalformedXML": 400,
    "MaxMessageLengthExceeded": 400,
    "MetadataTooLarge": 400,
    "MethodNotAllowed": 405,
    "MissingContentLength": 411,
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "NoSuchUpload": 404,
    "PreconditionFailed": 412,
    "QuotaExceeded": 403,
    "RequestTimeTooSkewed": 403,
    "RequestTimeout": 400,
    "SignatureDoesNotMatch": 403,
    "SlowDown": 503,
    "XAmzContentSHA256Mismatch": 400,
}


class S3Error(Exception):
    """An error answer to the client.

    Attributes:
        code: S3's error code, by which client libraries choose their exception.
        message: the problem as text.
        status: the HTTP status.
        details: further elements of the XML body.
    """

    def __init__(self, code: str, message: str, **details: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = _STATUS[code]
        self.details = details

    def body(self, *, resource: str, request_id: str) -> bytes:
        """Return the XML document of the answer."""
        fields: list[tuple[str, str]] = [("Code", self.code), ("Message", self.message)]
        fields += self.details.items()
        fields += [("Resource", resource), ("RequestId", request_id)]
        return document("Error", fields, namespace=False)


def read_document(data: bytes) -> Node:
    """Return the root of a request's XML document.

    Raises:
        S3Error: it is no document that is accepted.
    """
    try:
        return parse(data)
    except XmlError as problem:
        raise S3Error(
            "MalformedXML", f"The XML you provided was not well-formed: {problem}"
        ) from None
