"""A remembered upload is continued only as far as the server's parts are this file's."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from tests.destinations.conftest import OpenS3, make_files
from tests.destinations.hosting import BUCKET, Server
from tui.destinations.common.contract import Resume
from tui.destinations.s3.parts import PART_BYTES


@pytest.mark.parametrize("trap", ["another file", "another part"])
def test_parts_of_other_content_are_not_kept(
    server: Server, open_s3: OpenS3, tmp_path: Path, trap: str
) -> None:
    [file] = make_files(tmp_path, large=PART_BYTES + 5)
    destination = open_s3(server)
    [item] = destination.plan([file])
    client = destination._client
    where: dict[str, Any] = {"Bucket": BUCKET, "Key": item.target}
    upload_id = client.create_multipart_upload(**where)["UploadId"]
    other = os.urandom(PART_BYTES)
    sent = client.upload_part(**where, UploadId=upload_id, PartNumber=1, Body=other)
    own = hashlib.md5(file.path.read_bytes()[:PART_BYTES], usedforsecurity=False).hexdigest()
    etag = sent["ETag"] if trap == "another file" else f'"{own}"'
    state = {
        "key": item.target, "upload_id": upload_id, "part": PART_BYTES,
        "sha256": "0" * 64 if trap == "another file" else item.sha256,
        "parts": {"1": {"etag": etag, "md5": own}},
    }  # fmt: skip
    resume = Resume(state)
    kept: list[str] = []
    resume.on_change = lambda data: kept.append(str(data.get("upload_id")))
    destination.send(item, resume=resume)
    assert server.stored()[item.target] == file.path.read_bytes()
    assert (set(kept) - {"None"} == {upload_id}) is (trap == "another part")
    assert (upload_id in kept) is (trap == "another part")
