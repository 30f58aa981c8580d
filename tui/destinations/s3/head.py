"""What a bucket says of an object, and why it says nothing."""

from __future__ import annotations

from typing import Any

from tui.destinations.common.errors import PublishError, Trouble
from tui.destinations.s3.client import S3Client
from tui.destinations.s3.errors import code_of, explain, no_s3
from tui.destinations.s3.profile import S3Profile

ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})


def head(client: S3Client, profile: S3Profile, key: str) -> dict[str, Any] | None:
    """Size, ETag and metadata of an object; None when there is none.

    Raises:
        PublishError: the server refused, or does not answer.
    """
    where = {"Bucket": profile.bucket, "Key": key}
    try:
        answer = _head(client, where)
        if answer == {}:  # refused without a reason: GET is told the reason
            client.get_object(**where, Range="bytes=0-0")["Body"].close()
            answer = client.head_object(**where)  # it found the right region
    except Exception as error:
        if code_of(error) in ABSENT:
            return None
        raise explain(error, profile) from error
    if "ContentLength" not in answer or "ETag" not in answer:
        raise no_s3(profile)
    return answer


def _head(client: S3Client, where: dict[str, str]) -> dict[str, Any]:
    """The answer to HEAD, which has no body: empty where it is a refusal without a reason."""
    try:
        answer: dict[str, Any] = client.head_object(**where)
    except Exception as error:
        if code_of(error).isdecimal() and code_of(error) not in ABSENT:
            return {}
        raise
    return answer


def head_before_sending(client: S3Client, profile: S3Profile, key: str) -> dict[str, Any] | None:
    """The same, for an object that may not be there yet.

    Keys that may put and get but not list are told "access denied" instead of "not found" when
    they ask for what is not there. Whether they may put shows when something is put.
    """
    try:
        return head(client, profile, key)
    except PublishError as error:
        if error.kind is Trouble.PERMISSION:
            return None
        raise


def etag_of(answer: dict[str, Any]) -> str:
    """The ETag in the answer to HEAD; "" where it is said to be no hash of the content.

    With KMS and with keys of one's own it is none, whatever it looks like
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html).
    """
    hidden = answer.get("ServerSideEncryption", "AES256") != "AES256"
    if hidden or "SSECustomerAlgorithm" in answer:
        return ""
    return str(answer.get("ETag", "")).strip('"')
