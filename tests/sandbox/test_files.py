"""Uploading and downloading files over HTTP."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tests.sandbox.conftest import SandboxClient
from tests.support import eventually


async def test_an_uploaded_file_is_downloaded_unchanged(client: SandboxClient) -> None:
    data = bytes(range(256)) * 5000
    answer = await client.http.post(
        "files",
        files={
            "content": ("cats.zip", data, "application/zip"),
            "metadata": (None, json.dumps({"run": 1}), "application/json"),
        },
    )
    assert answer.status_code == 201
    file = answer.json()
    assert (file["name"], file["content_type"], file["size"]) == (
        "cats.zip",
        "application/zip",
        len(data),
    )
    assert file["checksums"]["sha256"] == hashlib.sha256(data).hexdigest()
    assert file["etag"] == file["checksums"]["md5"]
    assert file["metadata"] == {"run": 1}
    assert file["expires_at"] > file["created_at"]
    assert (await client.http.get(file["urls"]["get"])).json() == file
    listed = (await client.http.get("files")).json()
    assert listed == {"next": None, "previous": None, "results": [file]}
    stored = client.sandbox.core.files.get(file["id"])
    assert stored is not None
    url = client.sandbox.core.files.download_url(stored, client.sandbox.base_url)
    got = await client.http.get(url, headers={"Authorization": ""})
    assert got.content == data
    for wrong in (
        url.replace("owner=sandbox", "owner=other"),
        url[:-8],
        url.replace("expiry=", "expiry=9"),
    ):
        assert (await client.http.get(wrong)).status_code == 404
    assert (await client.http.delete(file["urls"]["get"])).status_code == 204
    for call in (client.http.get, client.http.delete):
        gone = await call(file["urls"]["get"])
        assert (gone.status_code, gone.json()["detail"]) == (404, "File not found")
    assert not stored.path.exists()


async def test_form_fields_override_the_headers_of_the_part(client: SandboxClient) -> None:
    answer = await client.http.post(
        "files",
        data={"filename": "b.bin", "type": "image/png", "metadata[a]": "1"},
        files={"content": ("a.zip", b"x", "application/zip")},
    )
    file = answer.json()
    assert (file["name"], file["content_type"], file["metadata"]) == (
        "b.bin",
        "image/png",
        {"a": "1"},
    )


async def test_requests_without_a_file(client: SandboxClient) -> None:
    missing = await client.http.post("files", files={"file": ("a.zip", b"x")})
    assert (missing.status_code, missing.json()["errors"][0]["pointer"]) == (400, "/content")
    assert (await client.http.post("files", content=b"x")).status_code == 415
    broken = await client.http.post(
        "files",
        content=b"--x\r\nnonsense",
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    assert broken.status_code == 400
    long_name = await client.http.post("files", files={"content": ("a" * 256, b"x")})
    assert long_name.status_code == 400
    assert (await client.http.get("files")).json()["results"] == []


@pytest.mark.parametrize("declared", [True, False])
async def test_the_size_limit(client: SandboxClient, declared: bool, monkeypatch: Any) -> None:
    monkeypatch.setattr("tui.sandbox.files.LIMIT_BYTES", 1_000_000)
    monkeypatch.setattr("tui.sandbox.routes.files.LIMIT_BYTES", 1_000_000 if declared else 10**9)
    for size, status in ((1_000_000, 201), (1_000_001, 413)):
        answer = await client.http.post("files", files={"content": ("a.zip", b"x" * size)})
        assert answer.status_code == status
    assert answer.json()["detail"] == "Files must be less than 100MB in size"
    folder = client.work_dir / "files"
    assert len(list(folder.iterdir())) == 1


async def test_files_expire(open_client: Any) -> None:
    client = await open_client(file_lifetime_seconds=200.0)
    url = await client.upload(b"x")

    async def gone() -> bool:
        return (await client.http.get(url)).status_code == 404

    await eventually(gone)


@pytest.mark.parametrize(
    ("fault", "arrives"),
    [
        ("damaged-upload*1", lambda data: bytes([data[0] ^ 1]) + data[1:]),
        ("damaged-upload=300000*1@POST /v1/files", lambda data: data[:-300_000]),
        ("damaged-upload=5000000*1", lambda _data: b""),
        ("damaged-upload*1@GET", lambda data: data),
    ],
)
async def test_a_damaged_upload_reports_the_stored_content(
    client: SandboxClient, fault: str, arrives: Any
) -> None:
    data = bytes(range(256)) * 5000
    await client.fault(fault)
    answers = [
        (await client.http.post("files", files={"content": ("a.zip", data)})).json() for _ in "ab"
    ]
    for answer, kept in zip(answers, (arrives(data), data), strict=True):
        stored = client.sandbox.core.files.get(answer["id"])
        assert stored is not None
        assert stored.path.read_bytes() == kept
        assert answer["size"] == len(kept)
        assert answer["checksums"]["sha256"] == hashlib.sha256(kept).hexdigest()
