"""A server lists the parts of an upload in pages; all of them are read."""

from __future__ import annotations

import os
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from tests.destinations.conftest import OpenS3, make_files
from tests.destinations.hosting import BUCKET, Server
from tui.destinations.common.contract import Resume
from tui.destinations.common.errors import TransferCancelledError
from tui.destinations.common.meter import Meter
from tui.destinations.s3.parts import PartedUpload, _raise_first


@pytest.mark.parametrize("pages", [True, False])
def test_parts_on_later_pages_are_known(
    server: Server, open_s3: OpenS3, tmp_path: Path, pages: bool
) -> None:
    """A server that always gives its first page is not asked for ever."""
    destination = open_s3(server)
    [item] = destination.plan(make_files(tmp_path, large=10))
    client: Any = destination._client
    where: dict[str, Any] = {"Bucket": BUCKET, "Key": item.target}
    upload_id = client.create_multipart_upload(**where)["UploadId"]
    etags = {
        number: client.upload_part(
            **where, UploadId=upload_id, PartNumber=number, Body=os.urandom(9)
        )["ETag"].strip('"')
        for number in (1, 2, 4, 5, 9)
    }
    asked: list[int] = []

    def two_at_a_time(params: dict[str, Any], **_: object) -> None:
        asked.append(params["PartNumberMarker"])
        params["MaxParts"] = 2
        if not pages:
            params["PartNumberMarker"] = 0

    client.meta.events.register("provide-client-params.s3.ListParts", two_at_a_time)
    upload = PartedUpload(client, destination._profile, item, Meter(10), Resume({}))
    known = upload._list_parts(upload_id)
    if pages:
        assert (known, asked) == (etags, [0, 2, 5])
    else:
        assert (list(known), asked) == ([1, 2], [0, 2])


def test_the_etag_of_all_parts_is_the_servers(
    server: Server, open_s3: OpenS3, tmp_path: Path
) -> None:
    destination = open_s3(server)
    [item] = destination.plan(make_files(tmp_path, large=10))
    client: Any = destination._client
    expected = PartedUpload(client, destination._profile, item, Meter(10), Resume({})).run({})
    stored = client.head_object(Bucket=BUCKET, Key=item.target)
    assert stored["ETag"].strip('"') == expected


def test_of_several_failures_the_cause_is_raised_and_not_what_it_stopped() -> None:
    stopped, cause = Future[None](), Future[None]()
    stopped.set_exception(TransferCancelledError())
    cause.set_exception(ValueError("the cause"))
    with pytest.raises(ValueError, match="the cause"):
        _raise_first([stopped, cause], Meter(1))
    with pytest.raises(TransferCancelledError):
        _raise_first([stopped], Meter(1))
    fine = Future[None]()
    fine.set_result(None)
    _raise_first([fine], Meter(1))
