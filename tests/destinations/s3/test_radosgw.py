"""Publishing to Ceph's S3 gateway: a server with users, rights and quotas that is not ours."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.destinations.conftest import OpenS3, make_files, publish
from tests.destinations.hosting import BUCKET, Loop, Server
from tests.destinations.preset_trial import BY_PATH, VIRTUAL, try_preset
from tests.destinations.radosgw import (
    KMS_KEY,
    MOST_BYTES,
    Rados,
    make_bucket,
    missing_program,
    rados,
)
from tests.destinations.wrong_clock import destination_test_three_hours_ahead
from tests.replicate.proxies import proxying
from tests.support import needs_program
from tui.destinations.common.contract import LocalFile, Resume
from tui.destinations.common.errors import (
    MismatchError,
    PublishError,
    TransferCancelledError,
    Trouble,
    UnverifiableError,
)
from tui.destinations.s3 import copy as s3_copy
from tui.destinations.s3.destination import S3Destination
from tui.destinations.s3.parts import PART_BYTES
from tui.destinations.s3.profile import S3Keys
from tui.replicate.secret import Secret
from tui.settings import NetworkSettings

MIB = 1024 * 1024
pytestmark = [pytest.mark.xdist_group("radosgw"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Rados]:
    missing = missing_program()
    if missing is not None:
        pytest.skip(f"{missing} is not installed")
    with rados(Path(tempfile.mkdtemp(prefix="rgw"))) as running:
        yield running


@pytest.fixture(scope="module")
def owner(cluster: Rados) -> Server:
    server = cluster.user("owner")
    make_bucket(server)
    return server


def refusal(destination: object, files: list[LocalFile]) -> PublishError:
    with pytest.raises(PublishError) as caught:
        publish(destination, files)
    assert caught.value.advice
    return caught.value


def test_files_arrive_whole_and_only_once(owner: Server, open_s3: OpenS3, tmp_path: Path) -> None:
    files = make_files(tmp_path, nothing=0, one=1, a_b__c_d=70_000, large=20 * MIB + 17)
    (tmp_path / "ünï ✓.bin").write_bytes(b"x" * 100)
    files.append(LocalFile(tmp_path / "ünï ✓.bin", "ünï ✓/猫 %41.bin"))
    destination = open_s3(owner)
    for item in publish(destination, files):
        assert destination.verify(item).how == "etag"
        assert destination.verify(item, deep=True).checksum == item.sha256
    assert all(item.present for item in open_s3(owner).plan(files))
    report = destination.test()
    assert report.ok, report
    assert not destination._client.list_multipart_uploads(Bucket="outputs").get("Uploads")


@pytest.mark.parametrize("preset", BY_PATH)
def test_a_providers_preset(owner: Server, tmp_path: Path, preset: str) -> None:
    try_preset(owner, preset, tmp_path)


@pytest.mark.parametrize("preset", VIRTUAL)
def test_a_preset_with_the_bucket_in_the_hosts_name(
    owner: Server, loop_thread: Loop, tmp_path: Path, preset: str
) -> None:
    try_preset(owner, preset, tmp_path, loop_thread.enter(proxying()).port)


def test_a_stopped_upload_is_resumed(owner: Server, open_s3: OpenS3, tmp_path: Path) -> None:
    [file] = make_files(tmp_path, halfway=8 * PART_BYTES)
    destination, stop = open_s3(owner), threading.Event()
    [item] = destination.plan([file])
    resume = Resume(on_change=lambda data: stop.set() if len(data.get("parts", ())) == 2 else None)
    with pytest.raises(TransferCancelledError):
        destination.send(item, cancel=stop, resume=resume)
    assert resume.data["parts"]
    with pytest.raises(MismatchError, match="does not have it"):
        destination.verify(item)
    second = open_s3(owner)
    second.send(item, resume=resume)
    assert second.verify(item, deep=True)


def test_the_same_content_is_copied(
    owner: Server, open_s3: OpenS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By one request, and in parts where it is too large for one."""
    [file] = make_files(tmp_path, first=11 * MIB)
    destination = open_s3(owner)
    [first] = publish(destination, [file])
    for name in ("second 1+1.bin", "third.bin"):
        [item] = destination.plan([LocalFile(file.path, f"copies/{name}")])
        calls: list[str] = []
        destination._client.meta.events.register(
            "before-call.s3", lambda model, calls=calls, **_: calls.append(model.name)
        )
        assert destination.copy(item, first.target) == "copied"
        assert not {"PutObject", "UploadPart"} & set(calls)
        assert destination.verify(item).size == item.size
        assert destination.verify(item, deep=True).checksum == item.sha256
        monkeypatch.setattr(s3_copy, "WHOLE_BYTES", 5 * MIB)
        monkeypatch.setattr(s3_copy, "PART_BYTES", 5 * MIB)
    assert "UploadPartCopy" in calls


def test_wrong_keys(owner: Server, open_s3: OpenS3, tmp_path: Path) -> None:
    files = make_files(tmp_path, a=10)
    for keys, words in (
        (S3Keys("nobody", Secret("x" * 20)), "does not know the access key"),
        (S3Keys(owner.access, Secret("wrong-secret")), "does not accept the secret key"),
    ):
        problem = refusal(open_s3(owner, keys=keys), files)
        assert problem.kind is Trouble.CREDENTIALS
        assert words in problem.message


def test_no_right_to_write(cluster: Rados, owner: Server, open_s3: OpenS3, tmp_path: Path) -> None:
    files = make_files(tmp_path, a=10, large=2 * PART_BYTES)
    reader = cluster.user("reader", "--op-mask=read")
    for file in files:
        assert refusal(open_s3(reader), [file]).kind is Trouble.PERMISSION
    stranger = cluster.user("stranger")
    assert refusal(open_s3(stranger), files).kind is Trouble.PERMISSION
    [write] = open_s3(stranger).test().steps
    assert (write.name, write.level) == ("write", "error")
    assert "may not" in write.message


def test_a_suspended_account(cluster: Rados, open_s3: OpenS3, tmp_path: Path) -> None:
    late = cluster.user("late")
    make_bucket(late, "late-bucket")
    cluster.admin("user", "suspend", "--uid=late")
    problem = refusal(open_s3(late, bucket="late-bucket"), make_files(tmp_path, a=10))
    assert problem.kind is Trouble.PERMISSION
    assert "suspended" in problem.message


def test_a_quota_that_is_used_up(cluster: Rados, open_s3: OpenS3, tmp_path: Path) -> None:
    small = cluster.user("small")
    make_bucket(small, "small-bucket")
    cluster.admin("quota", "set", "--quota-scope=user", "--uid=small", f"--max-size={MIB}")
    cluster.admin("quota", "enable", "--quota-scope=user", "--uid=small")
    for file in make_files(tmp_path, much=2 * MIB, more=3 * PART_BYTES):
        problem = refusal(open_s3(small, bucket="small-bucket"), [file])
        assert problem.kind is Trouble.QUOTA
        assert "quota" in problem.message
        assert not problem.retryable


def test_a_bucket_that_is_not_there(owner: Server, open_s3: OpenS3, tmp_path: Path) -> None:
    for size in (10, 2 * PART_BYTES):
        problem = refusal(open_s3(owner, bucket="nowhere"), make_files(tmp_path, a=size))
        assert problem.kind is Trouble.MISSING


def test_options_that_it_does_not_know(owner: Server, open_s3: OpenS3, tmp_path: Path) -> None:
    files = make_files(tmp_path, a=10)
    for options in ({"storage_class": "GLACIER"}, {"acl": "nonsense"}, {"encryption": "aws:kms"}):
        problem = refusal(open_s3(owner, **options), files)
        assert problem.kind is Trouble.REFUSED, options


def test_with_encryption_and_a_storage_class(
    owner: Server, open_s3: OpenS3, tmp_path: Path
) -> None:
    """By a key of the server's; small and in parts, copied, planned again and taken up."""
    files = make_files(tmp_path, sse_small=70_000, sse_large=3 * PART_BYTES + 5)
    options = {"encryption": "aws:kms", "kms_key": KMS_KEY, "storage_class": "STANDARD"}
    destination = open_s3(owner, **options)
    assert destination.test().ok
    for file, item in zip(files, publish(destination, files), strict=True):
        head = destination._client.head_object(Bucket=BUCKET, Key=item.target)
        assert head["ServerSideEncryption"] == "aws:kms"
        assert head["SSEKMSKeyId"] == KMS_KEY
        assert destination.verify(item)
        assert open_s3(owner, **options).verify(item, deep=True)
        [copy] = destination.plan([LocalFile(file.path, f"sse copies/{file.name}")])
        if destination.copy(copy, item.target) != "copied":
            destination.send(copy)
        assert destination.verify(copy, deep=True)
    again = open_s3(owner, **options).plan(files)
    assert all(item.present for item in again)


def test_a_file_larger_than_one_request_may_be(
    owner: Server, open_s3: OpenS3, tmp_path: Path
) -> None:
    """It goes in parts, which are small enough."""
    [file] = make_files(tmp_path, larger=MOST_BYTES + 1)
    [item] = publish(destination := open_s3(owner), [file])
    assert destination.verify(item, deep=True)


@needs_program("faketime")
def test_our_own_clock_is_off(owner: Server) -> None:
    told = destination_test_three_hours_ahead(owner)
    assert "error The clock of this machine is too far from" in told


def test_a_gateway_that_stops_answering(
    cluster: Rados, owner: Server, open_s3: OpenS3, tmp_path: Path
) -> None:
    """It holds the line and says nothing; the transfer can still be stopped."""
    gateway = cluster.gateway
    assert gateway is not None
    [file] = make_files(tmp_path, a=10)
    destination = open_s3(owner)
    [item] = destination.plan([file])
    os.kill(gateway.pid, signal.SIGSTOP)
    try:
        slow = S3Destination(owner.profile(), owner.keys, network=NetworkSettings(timeout=1.0))
        started = time.monotonic()
        with pytest.raises(PublishError) as caught:
            slow.send(item)
        slow.close()
        assert caught.value.kind is Trouble.NETWORK
        assert caught.value.retryable
        assert time.monotonic() - started > 1
    finally:
        os.kill(gateway.pid, signal.SIGCONT)
    destination.send(item)
    assert destination.verify(item)


def test_keys_that_may_only_write(
    cluster: Rados, owner: Server, open_s3: OpenS3, tmp_path: Path
) -> None:
    """What they send is there and cannot be verified by them: neither a failure nor a success."""
    who = {"Principal": {"AWS": ["arn:aws:iam:::user/writer"]},
           "Resource": [f"arn:aws:s3:::{BUCKET}/*"]}  # fmt: skip
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["s3:PutObject", "s3:AbortMultipartUpload"], **who},
            {"Effect": "Deny", "Action": ["s3:GetObject"], **who},  # an object's owner may read it
        ],
    }  # fmt: skip
    writer = cluster.user("writer")
    mine, theirs = open_s3(owner), open_s3(writer)
    mine._client.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))
    try:
        steps = {step.name: step.level for step in theirs.test().steps}
        assert (steps["write"], steps["read"], steps["parts"]) == ("ok", "warn", "ok")
        items = publish(theirs, make_files(tmp_path, written=10, in_parts=PART_BYTES + 1))
        for item in items:
            with pytest.raises(UnverifiableError, match="was sent, and cannot be verified"):
                theirs.verify(item)
        [taken] = make_files(tmp_path, of_another=20)
        publish(mine, [taken])
        (tmp_path / "other.bin").write_bytes(b"not to be seen")
        [item] = theirs.plan([LocalFile(tmp_path / "other.bin", taken.name)])
        with pytest.raises(PublishError, match="may not see what it is") as caught:
            theirs.send(item)
        assert caught.value.kind is Trouble.TAKEN
        assert mine.plan([taken])[0].present, "it is not replaced"
        theirs.send(replace(item, unseen=False))  # as the user said
        assert not mine.plan([taken])[0].present
    finally:
        mine._client.delete_bucket_policy(Bucket=BUCKET)
    assert [theirs.verify(item).how for item in items] == ["etag", "etag"], "it was there"
