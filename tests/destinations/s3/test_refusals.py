"""Everything that an S3 server can refuse, on the way that a publication takes."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.destinations.conftest import OpenS3, make_files, publish
from tests.destinations.hosting import BUCKET, Loop, Server, receiver
from tests.destinations.interceptor import Answer
from tests.destinations.s3.intercepted import intercepted
from tests.destinations.wrong_clock import destination_test_three_hours_ahead
from tests.support import needs_program
from tui.destinations.common.contract import Item, LocalFile, Resume
from tui.destinations.common.errors import (
    MismatchError,
    PublishError,
    TransferCancelledError,
    Trouble,
)
from tui.destinations.s3.destination import S3Destination
from tui.destinations.s3.parts import PART_BYTES
from tui.destinations.s3.profile import S3Keys
from tui.listener.storage import StorageLimits
from tui.listener.storage.grants import DiskSpace
from tui.replicate.secret import Secret
from tui.settings import NetworkSettings

MIB = 1024 * 1024
GIB = 1024 * MIB


def refusal(destination: S3Destination, files: list[LocalFile]) -> PublishError:
    """How a publication ends."""
    with pytest.raises(PublishError) as caught:
        publish(destination, files)
    assert caught.value.advice
    assert "canary" not in f"{caught.value}{caught.value.advice}"
    return caught.value


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (S3Keys("nobody-canary", Secret("x" * 20)), "does not know the access key"),
        (S3Keys("job-key-1", Secret("wrong-canary")), "does not accept the secret key"),
    ],
)
def test_wrong_keys_are_reported(
    any_server: Server, open_s3: OpenS3, tmp_path: Path, keys: S3Keys, words: str
) -> None:
    """Also where the first question is a HEAD, to which no answer gives a reason."""
    problem = refusal(open_s3(any_server, keys=keys), make_files(tmp_path, a=10))
    assert problem.kind is Trouble.CREDENTIALS
    assert words in problem.message
    destination = open_s3(any_server, keys=keys)
    report = destination.test()
    [step] = [step for step in report.steps if step.level == "error"]
    assert words in step.message
    assert step.advice
    assert "wrong-canary" not in f"{report}{destination!r}{keys!r}{destination.describe()}"
    item = open_s3(any_server).plan(make_files(tmp_path, a=10))[0]
    with pytest.raises(PublishError) as caught:
        open_s3(any_server, keys=keys).verify(item)
    assert caught.value.kind is Trouble.CREDENTIALS


def test_another_region_is_found_or_reported(
    loop_thread: Loop, open_s3: OpenS3, tmp_path: Path
) -> None:
    """The library asks again in the region that the server names; then nothing is wrong."""
    server = receiver(loop_thread, tmp_path / "server", None, StorageLimits(region="eu-central-1"))
    files = make_files(tmp_path, small=1000, large=2 * PART_BYTES)
    destination = open_s3(server, region="us-west-2")
    items = publish(destination, files)
    for file, item in zip(files, items, strict=True):
        assert server.stored()[item.target] == file.path.read_bytes()
        assert destination.verify(item, deep=True)


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_clock_that_is_off(
    loop_thread: Loop, open_s3: OpenS3, tmp_path: Path, hours: int
) -> None:
    limits = StorageLimits(now=lambda: datetime.now(UTC) + timedelta(hours=hours))
    far = datetime.now(UTC) + timedelta(days=9)
    server = receiver(loop_thread, tmp_path / "server", None, limits, expires_at=far)
    problem = refusal(open_s3(server), make_files(tmp_path, a=10))
    assert problem.kind is Trouble.CLOCK
    assert "clock" in problem.message


@needs_program("faketime")
def test_our_own_clock_is_off(server: Server) -> None:
    told = destination_test_three_hours_ahead(server)
    assert "error The clock of this machine is too far from" in told
    assert "timedatectl" in told


def test_a_quota_that_is_used_up(loop_thread: Loop, open_s3: OpenS3, tmp_path: Path) -> None:
    server = receiver(loop_thread, tmp_path / "server", None, quota_bytes=10 * MIB)
    for size in (11 * MIB, 7 * MIB):
        [file] = make_files(tmp_path, a=size)
        destination = open_s3(server)
        if size > 10 * MIB:
            assert refusal(destination, [file]).kind is Trouble.QUOTA
            assert not server.stored()
        else:
            publish(destination, [file])
    assert refusal(open_s3(server), make_files(tmp_path, b=4 * MIB)).kind is Trouble.QUOTA


def test_a_server_whose_disk_is_full(loop_thread: Loop, open_s3: OpenS3, tmp_path: Path) -> None:
    limits = StorageLimits(space=lambda _: DiskSpace(total=100 * GIB, free=GIB))
    server = receiver(loop_thread, tmp_path / "server", None, limits)
    problem = refusal(open_s3(server), make_files(tmp_path, a=10))
    assert problem.kind is Trouble.QUOTA
    assert "full" in problem.message


def test_a_bucket_that_is_not_there(server: Server, open_s3: OpenS3, tmp_path: Path) -> None:
    for size in (10, 2 * PART_BYTES):
        problem = refusal(open_s3(server, bucket="nowhere"), make_files(tmp_path, a=size))
        assert problem.kind is Trouble.MISSING
        assert "There is no bucket nowhere" in problem.message


def test_the_wrong_scheme(
    loop_thread: Loop, open_s3: OpenS3, tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    for pair, wrong in ((None, "https://"), (certificate, "http://")):
        server = receiver(loop_thread, tmp_path / f"server-{wrong[:5]}", pair)
        server.endpoint = wrong + server.endpoint.partition("//")[2]
        problem = refusal(open_s3(server), make_files(tmp_path, a=10))
        assert problem.kind in {Trouble.TLS, Trouble.NETWORK}
        if pair is None:
            assert "http://" in problem.advice


def test_without_tls_the_test_of_a_destination_warns(server: Server, open_s3: OpenS3) -> None:
    """Only where somebody can listen: not on this machine itself."""
    assert [step.level for step in open_s3(server).test().steps] == ["ok"] * 4
    profile = server.profile(endpoint="http://192.0.2.1:9000")
    destination = S3Destination(profile, server.keys, network=NetworkSettings(timeout=0.2))
    step = destination.test().steps[0]
    destination.close()
    assert (step.name, step.level) == ("tls", "warn")


NAMES = (
    "a b+c.bin",
    "ünï ✓ 猫.bin",
    "%41 %2f.bin",
    "a&b=c?d#e.bin",
    "~'()!*;:@$,[].bin",
    "a/b//"[:3],
)


@pytest.mark.parametrize("name", NAMES)
def test_names_of_every_kind(
    any_server: Server, open_s3: OpenS3, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "source"
    for size in (1, PART_BYTES + 1):
        path.write_bytes(os.urandom(size))
        file = LocalFile(path, name)
        destination = open_s3(any_server, prefix=f"runs/ä +{size}")
        [item] = publish(destination, [file])
        assert destination.verify(item, deep=True)
        assert any_server.stored()[item.target] == path.read_bytes()
        assert open_s3(any_server, prefix=f"runs/ä +{size}").plan([file])[0].present


# -- what other providers say -------------------------------------------------------------------

_REGION = "<Region>eu-central-1</Region>"
SAID = [
    (Answer(403, "InvalidAccessKeyId"), Trouble.CREDENTIALS, "does not know the access key"),
    (Answer(403, "SignatureDoesNotMatch"), Trouble.CREDENTIALS, "secret key"),
    (Answer(401, "Unauthorized"), Trouble.CREDENTIALS, "does not know the access key"),
    (Answer(401), Trouble.CREDENTIALS, "does not know the access key"),
    (Answer(400, "ExpiredToken"), Trouble.CREDENTIALS, "has expired"),
    (Answer(400, "InvalidToken"), Trouble.CREDENTIALS, "session token"),
    (Answer(403, "AccessDenied"), Trouble.PERMISSION, "may not"),
    (Answer(403, "AllAccessDisabled"), Trouble.PERMISSION, "may not"),
    (Answer(403, "AccessDenied", "Cannot upload files, storage cap exceeded."), Trouble.QUOTA,
     "quota"),
    (Answer(403, "RequestTimeTooSkewed"), Trouble.CLOCK, "clock"),
    (Answer(403, "QuotaExceeded"), Trouble.QUOTA, "quota"),
    (Answer(400, "XMinioAdminBucketQuotaExceeded"), Trouble.QUOTA, "quota"),
    (Answer(507, "XMinioStorageFull"), Trouble.QUOTA, "full"),
    (Answer(507), Trouble.QUOTA, "full"),
    (Answer(400, "EntityTooLarge"), Trouble.REFUSED, "size"),
    (Answer(413, body=b"<html>too large</html>"), Trouble.REFUSED, "size"),
    (Answer(400, "InvalidStorageClass"), Trouble.REFUSED, "storage class"),
    (Answer(400, "AccessControlListNotSupported"), Trouble.REFUSED, "ACL"),
    (Answer(400, "KMS.NotFoundException"), Trouble.REFUSED, "encryption key"),
    (Answer(501, "NotImplemented"), Trouble.REFUSED, "option"),
    (Answer(400, "InvalidRequest", "Something \x41 else."), Trouble.REFUSED, "Something A else"),
    (Answer(404, "NoSuchBucket"), Trouble.MISSING, "no bucket"),
    (Answer(301, "PermanentRedirect", headers={"x-amz-bucket-region": "eu-central-1"}),
     Trouble.REGION, "another region"),
    (Answer(400, "AuthorizationHeaderMalformed", details=_REGION), Trouble.REGION,
     "another region"),
    (Answer(400, "IllegalLocationConstraintException"), Trouble.REGION, "another region"),
    (Answer(302, headers={"Location": "http://portal.example/"}), Trouble.REFUSED, "no S3 server"),
    (Answer(303, headers={"Location": "http://portal.example/"}), Trouble.REFUSED, "no S3 server"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "kind", "words"), SAID, ids=[f"{answer.status}-{answer.code}" for answer, *_ in SAID]
)
def test_errors_of_providers(
    loop_thread: Loop,
    server: Server,
    open_s3: OpenS3,
    tmp_path: Path,
    answer: Answer,
    kind: Trouble,
    words: str,
) -> None:
    intercepted(loop_thread, server, replace(answer))
    problem = refusal(open_s3(server), make_files(tmp_path, a=10))
    assert problem.kind is kind, problem
    assert words in problem.message
    assert not problem.retryable
    if "x-amz-bucket-region" in answer.headers or answer.details:
        assert "eu-central-1" in problem.advice


EVIL = (
    "\x9b31mred \u202egnp.exe\u2066 bell\x7f zero\u200bwidth\nsecond line "
    "AKIA\u200bIOSFODNN7EXAMPLE https://user:canary@h/x " + "long " * 1000
)


@pytest.mark.parametrize(
    "code", ["InvalidRequest", "Strange\u202eCode" + "x" * 5000], ids=["message", "code"]
)
def test_messages_of_a_server_are_cleaned(
    loop_thread: Loop, server: Server, open_s3: OpenS3, tmp_path: Path, code: str
) -> None:
    """One short line that cannot steer a terminal, without the keys that it repeats."""
    message = EVIL if code == "InvalidRequest" else ""
    intercepted(loop_thread, server, Answer(400, code, message))
    problem = refusal(open_s3(server), make_files(tmp_path, a=10))
    assert problem.kind is Trouble.REFUSED
    assert problem.message.isprintable()
    assert len(problem.message) < 300 + 100
    assert "EXAMPLE" not in problem.message
    intercepted(
        loop_thread, server, Answer(301, "PermanentRedirect", details=f"<Region>{EVIL}</Region>")
    )
    problem = refusal(open_s3(server), make_files(tmp_path, a=10))
    assert problem.advice.isprintable()
    assert len(problem.advice) < 300 + 100


@pytest.mark.parametrize(
    "answer",
    [
        Answer(503, "SlowDown", headers={"Retry-After": "1"}, times=2),
        Answer(500, "InternalError", times=2),
        Answer(502, body=b"<html>Bad Gateway</html>", times=2),
        Answer(429, "TooManyRequests", times=2),
        Answer(400, "RequestTimeout", times=2),
    ],
    ids=lambda answer: f"{answer.status}-{answer.code}",
)
def test_temporary_failures_are_retried(
    loop_thread: Loop, server: Server, open_s3: OpenS3, tmp_path: Path, answer: Answer
) -> None:
    """Of every request of a small and of a large file."""
    interceptor = intercepted(loop_thread, server)
    destination = open_s3(server)
    files = make_files(tmp_path, small=1000, large=2 * PART_BYTES)
    for file, item in zip(files, destination.plan(files), strict=True):
        interceptor.answer = replace(answer, methods="PUT POST")
        destination.send(item)
        assert destination.verify(item, deep=True)
        assert server.stored()[item.target] == file.path.read_bytes()
        assert interceptor.answer.times == 0


def test_a_byte_that_is_damaged_on_the_way_is_sent_again(
    loop_thread: Loop, server: Server, open_s3: OpenS3, tmp_path: Path
) -> None:
    """Without TLS too: the checksum in the header is signed, the body is compared with it."""
    interceptor = intercepted(loop_thread, server)
    destination = open_s3(server)
    files = make_files(tmp_path, small=1000, large=2 * PART_BYTES)
    for file, item in zip(files, destination.plan(files), strict=True):
        interceptor.damage = 1
        destination.send(item)
        assert interceptor.damage == 0
        assert destination.verify(item).how == "etag"
        assert server.stored()[item.target] == file.path.read_bytes()


def test_keys_that_may_put_and_get_but_not_list(
    loop_thread: Loop, server: Server, open_s3: OpenS3, tmp_path: Path
) -> None:
    """Asked for what is not there, the server then says that they may not know."""
    interceptor = intercepted(loop_thread, server, Answer(403, "AccessDenied", methods="HEAD GET"))
    destination = open_s3(server)
    items = destination.plan(make_files(tmp_path, a=10))
    assert not items[0].present
    destination.send(items[0])
    with pytest.raises(PublishError) as caught:
        destination.verify(items[0])
    assert caught.value.kind is Trouble.PERMISSION
    interceptor.answer = None
    assert destination.verify(items[0])


@pytest.mark.parametrize("lost", ["", "a part", "the upload"])
def test_keys_that_may_not_list_parts_resume_all_the_same(
    loop_thread: Loop, server: Server, open_s3: OpenS3, tmp_path: Path, lost: str
) -> None:
    """They go by what they remember; where the server has lost some of it, all goes again."""
    interceptor = intercepted(loop_thread, server)
    [file] = make_files(tmp_path, a=8 * PART_BYTES)
    stop = threading.Event()
    resume = Resume(on_change=lambda data: stop.set() if len(data.get("parts", ())) == 2 else None)
    destination = open_s3(server)
    [item] = destination.plan([file])
    with pytest.raises(TransferCancelledError):
        destination.send(item, cancel=stop, resume=resume)
    already = len(resume.data["parts"])
    assert already >= 2
    if lost == "a part":
        resume.data["parts"]["1"]["etag"] = f'"{"0" * 32}"'
    if lost == "the upload":
        destination.abandon(item, Resume(dict(resume.data)))
    interceptor.answer = Answer(
        403, "AccessDenied", methods="GET"
    )  # ListParts; HEAD is another right
    interceptor.seen.clear()
    second, told = open_s3(server), []
    second.send(item, lambda *facts: told.append(facts), resume=resume)
    assert told[-1] == (item.size, item.size)
    interceptor.answer = None
    if not lost:
        assert interceptor.seen.count("PUT") == 8 - already
    assert second.verify(item)
    assert server.stored()[item.target] == file.path.read_bytes()
    assert not second._client.list_multipart_uploads(Bucket=BUCKET).get("Uploads")


def test_wrong_content_in_the_bucket_is_detected(
    loop_thread: Loop, server: Server, open_s3: OpenS3, tmp_path: Path
) -> None:
    interceptor = intercepted(loop_thread, server)
    files = make_files(tmp_path, a=1000, b=1000)
    destination = open_s3(server)
    items = destination.plan(files)
    interceptor.swallow = True  # it says that it has what it threw away
    destination.send(items[0])
    with pytest.raises(MismatchError, match="does not have it"):
        destination.verify(items[0])
    interceptor.swallow = False
    destination.send(items[1])
    interceptor.lie = {"content-length": "999"}
    with pytest.raises(MismatchError, match="999 bytes instead of 1,000"):
        destination.verify(items[1])
    # An ETag may be no checksum (encryption makes it so): then the content itself decides.
    for etag in ("0" * 32, "not-a-checksum-at-all"):
        interceptor.lie = {"etag": f'"{etag}"'}
        assert destination.verify(items[1]).how == "read back"
    interceptor.answer = Answer(200, body=b"x" * 1000, methods="GET")
    with pytest.raises(MismatchError, match="other bytes"):
        destination.verify(items[1])
    interceptor.lie, interceptor.answer = {}, None
    assert destination.verify(items[1]).how == "etag"


# Of five parts, because then their size cannot be another than ours.
@pytest.mark.parametrize("size", [1000, 5 * PART_BYTES])
def test_a_hash_in_the_metadata_does_not_prove_the_content(
    loop_thread: Loop, server: Server, open_s3: OpenS3, tmp_path: Path, size: int
) -> None:
    """Other bytes of the same size whose metadata tell the right SHA-256: the ETag tells better."""
    [file] = make_files(tmp_path, a=size)
    [item] = publish(destination := open_s3(server), [file])
    other = os.urandom(size)
    if size > PART_BYTES:
        spoiled = LocalFile(tmp_path / "other", file.name)
        spoiled.path.write_bytes(other)
        [wrong] = destination.plan([spoiled])
        send_as(destination, wrong, item.sha256)
    else:
        destination._client.put_object(
            Bucket=BUCKET, Key=item.target, Body=other, Metadata={"sha256": item.sha256}
        )
    assert server.stored()[item.target] == other
    [again] = open_s3(server).plan([file])
    assert (again.present, again.replaces) == (False, True)
    [item] = publish(fresh := open_s3(server), [file])
    assert fresh.verify(item)
    assert server.stored()[item.target] == file.path.read_bytes()
    [there] = (fresh := open_s3(server)).plan([file])
    assert there.present
    assert fresh.verify(there).how == "etag"


def send_as(destination: S3Destination, item: Item, digest: str) -> None:
    """Send an item whose metadata tell another SHA-256."""
    from tui.destinations.common.meter import Meter
    from tui.destinations.s3.parts import PartedUpload

    upload = PartedUpload(
        destination._client, destination._profile, item, Meter(item.size), Resume()
    )
    upload.run({"Metadata": {"sha256": digest}})


def test_a_hash_in_the_metadata_counts_if_the_etag_proves_nothing(
    loop_thread: Loop, server: Server, open_s3: OpenS3, tmp_path: Path
) -> None:
    """With KMS an ETag looks like an MD5 and is none; verifying reads the object back."""
    interceptor = intercepted(loop_thread, server)
    [file] = make_files(tmp_path, a=1000)
    [item] = publish(open_s3(server), [file])
    interceptor.lie = {"etag": f'"{"0" * 32}"', "x-amz-server-side-encryption": "aws:kms"}
    [again] = (fresh := open_s3(server)).plan([file])
    assert again.present
    assert fresh.verify(again).how == "read back"
    interceptor.answer = Answer(200, body=b"x" * 1000, methods="GET")
    with pytest.raises(MismatchError, match="other bytes"):
        fresh.verify(item)


def test_a_captive_portal_is_not_an_s3_server(
    loop_thread: Loop, server: Server, open_s3: OpenS3, tmp_path: Path
) -> None:
    """A network that answers everything with its own page must not count as success."""
    intercepted(loop_thread, server, Answer(200, body=b"<html>Welcome! Please log in.</html>"))
    for size in (10, 2 * PART_BYTES):
        refusal(open_s3(server), make_files(tmp_path / str(size), a=size))
    assert not open_s3(server).test().ok


def test_a_file_of_5_gib_is_sent_in_parts_that_s3_takes(
    loop_thread: Loop, server: Server, open_s3: OpenS3, tmp_path: Path
) -> None:
    """Not sent whole here: a benchmark does. Stopped after some parts, nothing is left over."""
    path = tmp_path / "sparse.bin"
    path.touch()
    os.truncate(path, 5 * GIB)
    destination = open_s3(server)
    [item] = destination.plan([LocalFile(path, "sparse.bin", "0" * 64)])
    assert item.size == 5 * GIB
    stop = threading.Event()
    state: dict[str, Any] = {}
    with pytest.raises(TransferCancelledError):
        destination.send(
            item, lambda done, _: stop.set() if done > 20 * MIB else None, stop, Resume(state)
        )
    assert state["part"] * 10_000 >= item.size
    destination.abandon(item, Resume(state))
    assert not server.stored()
    path.unlink()
