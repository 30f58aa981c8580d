"""Tests an S3 destination: write, read back, send parts, delete."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from io import BytesIO
from typing import Final

from tui.base.json_types import JsonObject
from tui.destinations.common.contract import Step, TestReport
from tui.destinations.common.errors import TransferCancelledError, Trouble
from tui.destinations.s3.client import S3Client
from tui.destinations.s3.errors import answer_of, explain
from tui.destinations.s3.profile import S3Profile
from tui.settings import NetworkSettings

_TOO_LARGE: Final = 413
_PART_BYTES: Final = 8 * 1024 * 1024
"""boto3's default threshold and part size, with which the trainer uploads."""


def probe(
    client: S3Client,
    profile: S3Profile,
    network: NetworkSettings,
    options: Callable[[str, str], JsonObject],
    cancel: threading.Event | None = None,
) -> TestReport:
    """Make each kind of request that publishing makes; leaves nothing behind."""
    steps = _warnings(profile, network)
    key = profile.key(f".simpletuner-probe-{os.urandom(8).hex()}")
    data = os.urandom(64)
    where = {"Bucket": profile.bucket, "Key": key}
    settings = options("probe.bin", hashlib.sha256(data).hexdigest())

    def read() -> None:
        if client.get_object(**where)["Body"].read() != data:
            raise ValueError("it gave back something else than was written")

    calls: list[tuple[str, str, Callable[[], object]]] = [
        ("write", "An object can be written.", lambda: client.put_object(
            **where, Body=data, ContentLength=len(data), **settings)),
        ("read", "It can be read back.", read),
        ("parts", "Large files can be sent in parts.", lambda: _try_parts(client, where, settings)),
        ("delete", "It can be deleted.", lambda: client.delete_object(**where)),
    ]  # fmt: skip
    for name, fine, call in calls:
        if cancel is not None and cancel.is_set():
            raise TransferCancelledError
        try:
            call()
        except Exception as error:  # noqa: BLE001 - every failure becomes a line of the report
            problem = explain(error, profile)
            if name == "delete":
                text = f"The probe {key} could not be deleted: {problem.message}"
                steps.append(Step(name, "warn", text, problem.advice))
            elif name == "read" and problem.kind is Trouble.PERMISSION:
                text = "These keys may write and not read: what is sent cannot be verified."
                steps.append(Step(name, "warn", text, "Let them read as well (s3:GetObject)."))
            else:
                steps.append(Step(name, "error", problem.message, problem.advice))
            if name == "write":
                break
        else:
            steps.append(Step(name, "ok", fine))
    return TestReport(tuple(steps))


def _try_parts(client: S3Client, where: dict[str, str], settings: JsonObject) -> None:
    answer = client.create_multipart_upload(**where, **settings)
    client.abort_multipart_upload(**where, UploadId=answer["UploadId"])


def probe_large(client: S3Client, profile: S3Profile) -> Step:
    """Send an object that is large enough for parts; leaves nothing behind."""
    key = profile.key(f".simpletuner-probe-{os.urandom(8).hex()}")
    try:
        send_in_parts(client, profile.bucket, key, bytes(_PART_BYTES + 1))
        client.delete_object(Bucket=profile.bucket, Key=key)
    except Exception as error:  # noqa: BLE001 - every failure becomes a line of the report
        if answer_of(error)[0] == _TOO_LARGE:
            message = "A proxy in front of the bucket takes small bodies only (HTTP 413)."
            return Step("large", "error", message, "Raise its limit (nginx: client_max_body_size).")
        problem = explain(error, profile)
        return Step("large", "error", problem.message, problem.advice)
    return Step("large", "ok", "8 MiB were sent in parts, as the trainer sends weights.")


def send_in_parts(client: S3Client, bucket: str, key: str, data: bytes) -> None:
    """Send an object as boto3's `upload_file` does: from 8 MiB on in parts of that size.

    Raises:
        botocore's errors: the server refused a request, or could not be reached.
    """
    from boto3.s3.transfer import TransferConfig

    parts = TransferConfig(multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES)
    client.upload_fileobj(BytesIO(data), bucket, key, Config=parts)


def _warnings(profile: S3Profile, network: NetworkSettings) -> list[Step]:
    steps = []
    if profile.is_open:
        steps.append(
            Step(
                "tls",
                "warn",
                f"{profile.endpoint} has no TLS: whoever sits on the way can read and change "
                "what is sent.",
                "Use https:// if the server offers it.",
            )
        )
    if not network.ssl_verify:
        text = "Certificates are not checked (ssl_verify is off)."
        steps.append(Step("tls", "warn", text, "Name the server's authority as ca_bundle."))
    if profile.acl.startswith("public"):
        text = f"Everything published here can be read by anyone (ACL {profile.acl})."
        steps.append(Step("acl", "warn", text, "Leave the ACL empty to let the bucket decide."))
    return steps
