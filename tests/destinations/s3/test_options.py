"""What a destination's options make of its requests, on real servers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.destinations.conftest import OpenS3, make_files, publish
from tests.destinations.hosting import BUCKET, Loop, Server, rclone
from tests.destinations.s3.intercepted import intercepted
from tests.replicate.proxies import proxying
from tests.support import needs_program
from tui.destinations.common.contract import LocalFile
from tui.destinations.s3.destination import S3Destination
from tui.destinations.s3.parts import PART_BYTES
from tui.settings import NetworkSettings

OPTIONS: list[tuple[dict[str, Any], dict[str, str]]] = [
    (
        {"encryption": "AES256", "storage_class": "STANDARD_IA"},
        {"x-amz-server-side-encryption": "AES256", "x-amz-storage-class": "STANDARD_IA"},
    ),
    (
        {"encryption": "aws:kms", "kms_key": "alias/mine", "acl": "private"},
        {
            "x-amz-server-side-encryption": "aws:kms",
            "x-amz-server-side-encryption-aws-kms-key-id": "alias/mine",
            "x-amz-acl": "private",
        },
    ),
]


@pytest.mark.parametrize(("options", "wanted"), OPTIONS, ids=["AES256", "aws:kms"])
def test_options_go_out_with_every_object_and_an_etag_that_is_no_md5_is_no_trouble(
    loop_thread: Loop,
    server: Server,
    open_s3: OpenS3,
    tmp_path: Path,
    options: dict[str, Any],
    wanted: dict[str, str],
) -> None:
    """Put, parted and copied; the server behind the interceptor answers as one that encrypts."""
    interceptor = intercepted(loop_thread, server)
    interceptor.lie = {"x-amz-server-side-encryption": options["encryption"]}
    if options["encryption"] == "aws:kms":
        interceptor.lie["etag"] = f'"{"ab" * 16}"'
    destination = open_s3(server, **options)
    files = make_files(tmp_path, small=1000, large=2 * PART_BYTES)
    for file, item in zip(files, destination.plan(files), strict=True):
        interceptor.headers.clear()
        destination.send(item)
        # Of parted uploads the first request says it for the whole object.
        method, given = interceptor.headers[0]
        assert method == ("PUT" if file.name.startswith("small") else "POST")
        assert wanted.items() <= given.items()
        proof = open_s3(server, **options).verify(item)
        assert proof.how == ("read back" if options["encryption"] == "aws:kms" else "etag")
        assert server.stored()[item.target] == file.path.read_bytes()
    assert all(item.present for item in open_s3(server, **options).plan(files))
    interceptor.headers.clear()
    [copy] = destination.plan([LocalFile(files[0].path, "copy.bin")])
    destination.copy(copy, destination.plan(files)[0].target)
    puts = [given for method, given in interceptor.headers if method == "PUT"]
    assert bool(puts) == (options["encryption"] == "AES256")  # only its ETag proves what is copied
    assert all(wanted.items() <= given.items() for given in puts)


@needs_program("rclone")
def test_the_bucket_in_the_hosts_name(loop_thread: Loop, tmp_path: Path) -> None:
    """A server that takes the bucket from there alone, under a name that only a proxy knows."""
    with rclone(tmp_path / "server", None, "--force-path-style=false") as server:
        proxy = loop_thread.enter(proxying())
        host = f"s3.example.test:{server.port}"
        profile = server.profile(endpoint=f"http://{host}", addressing="virtual")
        network = NetworkSettings(timeout=20.0, proxy=f"http://127.0.0.1:{proxy.port}")
        destination = S3Destination(profile, server.keys, network=network)
        files = make_files(tmp_path, small=1000, large=2 * PART_BYTES)
        items = publish(destination, files)
        for file, item in zip(files, items, strict=True):
            assert server.stored()[item.target] == file.path.read_bytes()
            assert destination.verify(item, deep=True)
            assert destination.link(item) == profile.url(item.target)
        assert profile.url("k") == f"http://{BUCKET}.{host}/k"
        assert set(proxy.seen) == {f"{BUCKET}.{host}"}
        assert all(item.present for item in destination.plan(files))
        assert destination.test().steps[-1].name == "delete"
        destination.close()
