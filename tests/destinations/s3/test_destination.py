"""S3 destinations with real boto3 against our own receiver and rclone, over http and https."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.destinations.conftest import OpenS3, make_files, publish
from tests.destinations.hosting import BUCKET, Server
from tests.support import eventually_sync
from tui.destinations.common.contract import Item, LocalFile, Resume
from tui.destinations.common.errors import (
    MismatchError,
    PublishError,
    SourceChangedError,
    TransferCancelledError,
    Trouble,
)
from tui.destinations.common.meter import Throttle
from tui.destinations.s3.destination import S3Destination
from tui.destinations.s3.errors import code_of
from tui.destinations.s3.etag import matches
from tui.destinations.s3.parts import PART_BYTES, part_size, whole_etag
from tui.destinations.s3.profile import PRESETS, S3Profile, endpoint_for
from tui.settings import NetworkSettings

MIB = 1024 * 1024


def unfinished(destination: S3Destination) -> list[Any]:
    try:
        answer = destination._client.list_multipart_uploads(Bucket=BUCKET)
    except Exception as error:
        if code_of(error) != "NoSuchUpload":  # rclone's word for "none, ever"
            raise
        return []
    return list(answer.get("Uploads", []))


def test_files_arrive_whole_and_only_once(
    any_server: Server, open_s3: OpenS3, tmp_path: Path
) -> None:
    files = make_files(tmp_path / "run", nothing=0, one=1, a_b__c_d=70_000, large=20 * MIB + 17)
    destination = open_s3(any_server)
    items = publish(destination, files)
    stored = any_server.stored()
    for file, item in zip(files, items, strict=True):
        assert stored[item.target] == file.path.read_bytes(), file.name
        proof = destination.verify(item)
        assert proof.size == item.size
        assert destination.verify(item, deep=True).checksum == item.sha256
    assert items[2].target == "runs/cat 1+1/a +b/c +d.bin"
    assert not unfinished(destination)
    again = open_s3(any_server).plan(files)
    assert all(item.present and not item.replaces for item in again)


def test_other_content_under_the_same_key_is_reported(
    any_server: Server, open_s3: OpenS3, tmp_path: Path
) -> None:
    files = make_files(tmp_path, small=100, large=9 * MIB)
    publish(open_s3(any_server), files)
    for file in files:
        data = bytearray(file.path.read_bytes())
        data[50] ^= 1
        file.path.write_bytes(data)
    items = open_s3(any_server).plan(files)
    assert [(item.present, item.replaces) for item in items] == [(False, True)] * 2


def test_a_stopped_upload_resumes_with_the_missing_parts(
    any_server: Server, open_s3: OpenS3, tmp_path: Path
) -> None:
    """Kept as JSON and taken up by another client, as after a crash."""
    [file] = make_files(tmp_path, large=11 * PART_BYTES + 5)
    stop, kept = threading.Event(), []

    def keep(data: dict[str, Any]) -> None:
        kept.append(json.dumps(data))
        if len(data.get("parts", {})) == 2:
            stop.set()

    first = open_s3(any_server)
    [item] = first.plan([file])
    with pytest.raises(TransferCancelledError):
        first.send(item, cancel=stop, resume=Resume(on_change=keep))
    state = json.loads(kept[-1])
    assert 2 <= len(state["parts"]) < 12
    seen: list[tuple[int, int]] = []
    resume = Resume(state)
    already = len(state["parts"])
    sent = count_parts(second := open_s3(any_server))
    second.send(
        Item.from_dict(json.loads(json.dumps(item.to_dict()))),
        lambda *facts: seen.append(facts),
        resume=resume,
    )
    assert seen[-1] == (item.size, item.size)
    assert len(sent) == 12 - already
    assert resume.data == {}
    assert second.verify(item)
    assert any_server.stored()[item.target] == file.path.read_bytes()
    assert not unfinished(second)


def count_parts(destination: S3Destination) -> list[int]:
    sent: list[int] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        sent.append(params["query_string"]["partNumber"])

    destination._client.meta.events.register("before-call.s3.UploadPart", note)
    return sent


def test_an_upload_that_the_server_forgot_begins_again(
    any_server: Server, open_s3: OpenS3, tmp_path: Path
) -> None:
    [file] = make_files(tmp_path, large=2 * PART_BYTES)
    destination = open_s3(any_server)
    [item] = destination.plan([file])
    part = {"etag": '"0"', "md5": "0"}
    made = destination._client.create_multipart_upload(Bucket=BUCKET, Key=item.target)["UploadId"]
    destination._client.abort_multipart_upload(Bucket=BUCKET, Key=item.target, UploadId=made)
    state = {
        "key": item.target, "sha256": item.sha256, "upload_id": made, "part": PART_BYTES,
        "parts": {"1": part},
    }  # fmt: skip
    destination.send(item, resume=Resume(state))
    assert destination.verify(item)


@pytest.mark.parametrize("size", [3 * MIB, 4 * PART_BYTES])
def test_cancelling_and_abandoning_leaves_nothing(
    any_server: Server, open_s3: OpenS3, tmp_path: Path, size: int
) -> None:
    [file] = make_files(tmp_path, large=size)
    destination = open_s3(any_server, throttle=Throttle(40 * MIB))
    [item] = destination.plan([file])
    stop, resume = threading.Event(), Resume()
    with pytest.raises(TransferCancelledError):
        destination.send(item, lambda *_: stop.set(), stop, resume)
    destination.abandon(item, resume)
    destination.abandon(item, resume)
    assert not unfinished(destination)
    # A server may need a moment to notice that the line broke and to clear away what came by it.
    eventually_sync(lambda: not any_server.stored())


def test_a_failed_upload_without_a_resume_state_is_aborted(
    server: Server, open_s3: OpenS3, tmp_path: Path
) -> None:
    [file] = make_files(tmp_path, large=4 * PART_BYTES)
    destination = open_s3(server)
    [item] = destination.plan([file])
    stop = threading.Event()
    with pytest.raises(TransferCancelledError):
        destination.send(item, lambda *_: stop.set(), stop)
    assert not unfinished(destination)


def test_the_test_of_a_destination_leaves_nothing(any_server: Server, open_s3: OpenS3) -> None:
    destination = open_s3(any_server)
    report = destination.test()
    assert report.ok, report
    assert [step.name for step in report.steps] == ["write", "read", "parts", "delete"]
    assert not any_server.stored()
    assert not unfinished(destination)


def test_a_private_authority_is_not_trusted_unless_it_is_named(
    any_server: Server, open_s3: OpenS3
) -> None:
    if any_server.certificate is None:
        any_server.endpoint = any_server.endpoint.replace("http://", "https://")
    profile = any_server.profile()
    destination = S3Destination(profile, any_server.keys, network=NetworkSettings(timeout=5))
    [step] = destination.test().steps
    destination.close()
    assert step.level == "error"
    if any_server.certificate is not None:
        assert "certificate" in step.message
        assert "ca_bundle" in step.advice
    off = NetworkSettings(ssl_verify=False, timeout=5)
    if any_server.certificate is not None:
        destination = S3Destination(profile, any_server.keys, network=off)
        report = destination.test()
        destination.close()
        assert report.ok
        assert report.steps[0].level == "warn"


def test_an_unreachable_hub_is_reported(open_s3: OpenS3, server: Server) -> None:
    server.endpoint = "http://127.0.0.1:9"
    [step] = open_s3(server).test().steps
    assert "cannot be reached" in step.message


def test_a_file_that_changes_while_it_is_sent(
    server: Server, open_s3: OpenS3, tmp_path: Path
) -> None:
    files = make_files(tmp_path, small=1000, large=3 * PART_BYTES)
    destination = open_s3(server)
    for file, item in zip(files, destination.plan(files), strict=True):
        seen = threading.Event()

        def change(*_: int, path: Path = file.path, seen: threading.Event = seen) -> None:
            if not seen.is_set():
                seen.set()
                with path.open("r+b") as target:
                    target.write(b"changed")

        if file.name.startswith("small"):
            change()
        with pytest.raises(SourceChangedError):
            destination.send(item, change, resume=Resume())
        assert not unfinished(destination)
        assert item.target not in server.stored()
    files[0].path.unlink()
    with pytest.raises(PublishError, match="cannot be read"):
        destination.send(destination.plan(files[1:])[0].__class__.from_dict(item.to_dict() | {
            "source": str(files[0].path)}))  # fmt: skip


def flip(path: Path, at: int = 50) -> None:
    """Change one byte and set the file's time back, as rsync and editors do."""
    before = path.stat()
    with path.open("r+b") as target:
        target.seek(at)
        byte = target.read(1)[0]
        target.seek(at)
        target.write(bytes([byte ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("size", [MIB, 3 * PART_BYTES])
def test_a_byte_that_changes_while_size_and_time_stay(
    server: Server, open_s3: OpenS3, tmp_path: Path, size: int
) -> None:
    """Before it is sent, and while: nothing is there afterwards, and nothing half done."""
    [file] = make_files(tmp_path, a=size)
    destination = open_s3(server)
    [item] = destination.plan([file])
    kept = Item.from_dict(json.loads(json.dumps(item.to_dict())))
    flip(file.path)
    with pytest.raises(SourceChangedError):
        destination.send(kept)
    [item] = destination.plan([file])
    once = threading.Event()

    def change(*_: int) -> None:
        if not once.is_set():
            once.set()
            flip(file.path, size - 1)

    if size > PART_BYTES:  # a small one is hashed and sent from one reading
        with pytest.raises(SourceChangedError):
            destination.send(item, change, resume=Resume())
    assert not server.stored()
    assert not unfinished(destination)


def test_a_plan_of_an_older_version_still_counts(
    tmp_path: Path, server: Server, open_s3: OpenS3
) -> None:
    [file] = make_files(tmp_path, a=10)
    [item] = open_s3(server).plan([file])
    stored = item.to_dict()
    del stored["ctime_ns"], stored["inode"]
    old = Item.from_dict(stored)
    old.check_source()
    with file.path.open("ab") as target:
        target.write(b"more")
    with pytest.raises(SourceChangedError):
        old.check_source()


def test_a_truncated_file_is_noticed_before_it_is_complete(
    server: Server, open_s3: OpenS3, tmp_path: Path
) -> None:
    [file] = make_files(tmp_path, large=6 * PART_BYTES)
    destination = open_s3(server)
    [item] = destination.plan([file])
    with pytest.raises(SourceChangedError):
        destination.send(item, lambda *_: os.truncate(file.path, 100), resume=Resume())
    assert not server.stored()
    assert not unfinished(destination)


@pytest.mark.parametrize("size", [4 * MIB, 3 * PART_BYTES])
def test_a_file_that_shrinks_while_it_is_sent_is_reported_at_once(
    any_server: Server, open_s3: OpenS3, tmp_path: Path, size: int
) -> None:
    """Not waited for until the server gives up, and not called a trouble of the network."""
    [file] = make_files(tmp_path, a=size)
    destination = open_s3(any_server)
    [item] = destination.plan([file])
    started = time.monotonic()
    with pytest.raises(SourceChangedError):
        destination.send(item, lambda *_: os.truncate(file.path, 10), resume=Resume())
    assert time.monotonic() - started < 5
    assert item.target not in any_server.stored()
    assert not unfinished(destination)


def test_a_damaged_or_missing_object_is_not_called_published(
    any_server: Server, open_s3: OpenS3, tmp_path: Path
) -> None:
    files = make_files(tmp_path, small=1000, large=9 * MIB)
    items = publish(open_s3(any_server), files)
    fresh = open_s3(any_server)
    for item in items:
        path = any_server.folder / item.target
        data = bytearray(path.read_bytes())
        data[7] ^= 1
        if any_server.name == "rclone":
            path.write_bytes(data)
            with pytest.raises(MismatchError, match="other bytes"):
                fresh.verify(item)
        path.write_bytes(data[:-1])
        with pytest.raises((MismatchError, PublishError)):
            fresh.verify(item)
        path.unlink()
        with pytest.raises(MismatchError, match="does not have it"):
            fresh.verify(item)


def test_the_bandwidth_limit_holds_for_all_together(
    server: Server, open_s3: OpenS3, tmp_path: Path
) -> None:
    throttle = Throttle(8 * MIB)
    destination = open_s3(server, throttle=throttle)
    items = destination.plan(make_files(tmp_path, a=2 * MIB, b=2 * MIB))
    started = time.monotonic()
    threads = [threading.Thread(target=destination.send, args=(item,)) for item in items]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started > 0.2
    assert all(destination.verify(item) for item in items)


def test_invalid_names_are_refused(server: Server, open_s3: OpenS3, tmp_path: Path) -> None:
    [file] = make_files(tmp_path, a=1)
    destination = open_s3(server)
    for name in ("", "/a", "../a", "a//b", "a/./b", "a\\b", "a\nb", "x" * 1025):
        with pytest.raises(PublishError) as caught:
            destination.plan([LocalFile(file.path, name)])
        assert caught.value.kind is Trouble.NAME
    for name, message in (
        ("a\x7f", "control"), ("a\x9b31m", "control"), ("b/\x85", "control"),
        (os.fsdecode(b"caf\xe9.bin"), "no UTF-8"), ("a\ud800", "no UTF-8"),
    ):  # fmt: skip
        with pytest.raises(PublishError, match=message) as caught:
            destination.plan([LocalFile(file.path, name)])
        assert caught.value.kind is Trouble.NAME
        assert caught.value.message.isprintable()
    with pytest.raises(PublishError, match="twice"):
        destination.plan([file, file])
    for bucket in ("", "A", "a", "a..b", "a/b", "x" * 64):
        with pytest.raises(PublishError):
            S3Profile(bucket)
    for endpoint in (
        "ftp://a",
        "a.b",
        "https://user:canary@a",
        "https://{account}.x",
        "https://a?b=c",
    ):
        with pytest.raises(PublishError) as caught:
            S3Profile("bucket", endpoint)
        assert "canary" not in caught.value.message


def test_closing_ends_the_connections(server: Server, open_s3: OpenS3) -> None:
    destination = open_s3(server)
    destination.test()
    assert connections_to(server.port)
    destination.close()
    assert not connections_to(server.port)


def connections_to(port: int) -> int:
    """How many connections of this process lead to a port of this machine."""
    own = set()
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            own.add(entry.readlink().name)
    rows = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    return sum(f"socket:[{row[9]}]" in own for row in rows if row[2] == f"0100007F:{port:04X}")


def test_links() -> None:
    key = "a b+c/ü.bin"
    assert S3Profile("bkt").url(key) == (
        "https://bkt.s3.us-east-1.amazonaws.com/a%20b%2Bc/%C3%BC.bin"
    )
    assert S3Profile("bkt", "https://h/x/").url("k") == "https://h/x/bkt/k"
    assert S3Profile("bkt", "https://h", addressing="virtual").url("k") == "https://bkt.h/k"
    assert S3Profile("bkt", "https://h", public_base_url="https://cdn/").url("k") == "https://cdn/k"


@pytest.mark.parametrize(
    "address",
    ["https://user:canary@h", "https://h/?canary=1", "https://h/#canary", "https://h/a b",
     "https://h/\ncanary", "ftp://h", "h", "https://"],
)  # fmt: skip
def test_invalid_public_addresses_are_refused(address: str) -> None:
    with pytest.raises(PublishError) as caught:
        S3Profile("bucket", "https://h", public_base_url=address)
    assert caught.value.kind is Trouble.NAME
    assert "canary" not in f"{caught.value.message}{caught.value.advice}"


def test_endpoints_of_the_known_providers() -> None:
    assert endpoint_for("aws") is None
    assert (
        endpoint_for("b2", region="eu-central-003") == "https://s3.eu-central-003.backblazeb2.com"
    )
    assert endpoint_for("r2", account="abc") == "https://abc.r2.cloudflarestorage.com"
    for preset in PRESETS.values():
        if preset.endpoint:
            endpoint = endpoint_for(preset.id, account="abc")
            assert S3Profile("bucket", endpoint).is_open is False
    assert S3Profile("bucket", "http://10.0.0.5:9000").is_open


def test_sizes_of_parts() -> None:
    assert part_size(1) == PART_BYTES
    for size in (PART_BYTES * 9000, PART_BYTES * 9000 + 1, 5 * 1024**4):
        assert size / part_size(size) <= 9000
        assert part_size(size) % MIB == 0


def test_etags_of_other_tools_are_recognised(tmp_path: Path) -> None:
    import hashlib

    data = os.urandom(23 * MIB)
    path = tmp_path / "a"
    path.write_bytes(data)
    assert matches(path, len(data), f'"{hashlib.md5(data).hexdigest()}"') is True
    assert matches(path, len(data), "0" * 32) is False
    for size in (5, 8, 10, 16):
        parts = [data[at : at + size * MIB] for at in range(0, len(data), size * MIB)]
        etag = whole_etag([hashlib.md5(part).hexdigest() for part in parts])
        assert matches(path, len(data), etag) is True
    assert matches(path, len(data), "0" * 32 + "-99") is None
    assert matches(path, len(data), "something-else") is None
