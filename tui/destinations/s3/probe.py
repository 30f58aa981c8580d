"""Tests an S3 destination: write, read back, send parts, delete."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable

from tui.base.json_types import JsonObject
from tui.destinations.common.contract import Step, TestReport
from tui.destinations.common.errors import TransferCancelledError
from tui.destinations.s3.client import S3Client
from tui.destinations.s3.errors import explain
from tui.destinations.s3.profile import S3Profile
from tui.settings import NetworkSettings


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
