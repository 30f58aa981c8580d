"""A delivered name may be hidden: it is stored under a visible one, and asked for by its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.listener.boto_calls import call
from tests.listener.conftest import ACCESS_KEY, Storage, grant, serve_storage
from tests.listener.wire import request
from tui.base.stored_names import same_file

KEYS = {
    ".git/config": "_.git/config",
    ".GIT/hooks/pre-commit": "_.GIT/hooks/pre-commit",
    "a/.Git": "a/_.Git",
    ".gitattributes": "_.gitattributes",
    "_.gitattributes": "__.gitattributes",
    "a.b/.envrc": "a.b/_.envrc",
    "\u200c.git/config": "%E2%80%8C.git/config",
    "...": "_..%2E",
    "CON": "_CON",
    "a\\..\\b": "a%5C..%5Cb",
    "tab\there.": "tab%09here%2E",
    "\u202egpj.exe": "%E2%80%AEgpj.exe",
    "sitecustomize.py": "_sitecustomize.py",
}


def hidden(root: Path) -> list[Path]:
    """What a program that looks for hidden names would find among the delivered files."""
    return [
        path
        for path in root.rglob("*")
        if any(part.startswith(".") for part in path.relative_to(root).parts)
        and ".incoming" not in path.parts
    ]


async def put(client: Any, key: str) -> None:
    await call(client.put_object, Bucket="outputs", Key=key, Body=key.encode())


async def test_hidden_names_are_stored_visibly_and_answered_by_their_own(tmp_path: Path) -> None:
    async with serve_storage(tmp_path / "out") as storage:
        client = storage.client()
        for key in KEYS:
            await put(client, key)
        await see_all(storage, client)
        assert {item.key for item in storage.received} == set(KEYS)
        assert {item.path for item in storage.received} == {
            storage.folder / name for name in KEYS.values()
        }
    async with serve_storage(tmp_path / "out") as again:  # the records say the same
        await see_all(again, again.client())
        found = await again.receiver.delivered(grant())
        assert {(one.key, one.path) for one in found} == {
            (key, again.folder / name) for key, name in KEYS.items()
        }


async def see_all(storage: Storage, client: Any) -> None:
    for key, name in KEYS.items():
        assert (storage.folder / name).read_bytes() == key.encode()
        head = await call(client.head_object, Bucket="outputs", Key=key)
        assert head["ContentLength"] == len(key.encode())
        answer = await call(client.get_object, Bucket="outputs", Key=key)
        assert await call(answer["Body"].read) == key.encode()
    listing = await call(client.list_objects_v2, Bucket="outputs")
    assert {row["Key"] for row in listing["Contents"]} == set(KEYS)
    some = await call(client.list_objects_v2, Bucket="outputs", Prefix=".git/", Delimiter="/")
    assert [row["Key"] for row in some["Contents"]] == [".git/config"]
    assert hidden(storage.root) == []


async def test_an_upload_in_parts_is_stored_visibly_as_well(storage: Storage) -> None:
    client = storage.client()
    key = "x/.git/hooks/post-checkout"
    begun = await call(client.create_multipart_upload, Bucket="outputs", Key=key)
    same = {"Bucket": "outputs", "Key": key, "UploadId": begun["UploadId"]}
    part = await call(client.upload_part, PartNumber=1, Body=b"#!/bin/sh", **same)
    done = await call(
        client.complete_multipart_upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}, **same,
    )  # fmt: skip
    assert done["Key"] == key
    assert (storage.folder / "x/_.git/hooks/post-checkout").read_bytes() == b"#!/bin/sh"
    assert hidden(storage.root) == []


async def test_git_finds_no_repository_in_what_was_delivered(storage: Storage) -> None:
    """A whole repository with a command in its config: nothing runs."""
    mark = storage.root.parent / "ran"
    made = storage.root.parent / "made"
    subprocess.run(["git", "init", "-q", str(made)], check=True)
    subprocess.run(
        ["git", "-C", str(made), "config", "core.fsmonitor", f"touch {mark}"], check=True
    )
    client = storage.client()
    for path in (made / ".git").rglob("*"):
        if path.is_file():
            key = path.relative_to(made).as_posix()
            await call(client.put_object, Bucket="outputs", Key=key, Body=path.read_bytes())
    for folder in ("refs", "objects"):
        await put(client, f".git/{folder}/x")
    subprocess.run(["git", "-C", str(storage.folder), "status"], check=False, capture_output=True)
    assert not mark.exists()


@pytest.mark.parametrize("many", [False, True])
async def test_a_removal_leads_no_further_than_a_delivery(tmp_path: Path, many: bool) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_bytes(b"x")
    out = tmp_path / "out"
    async with serve_storage(out, grants={ACCESS_KEY: grant(may_delete=True)}) as storage:
        client = storage.client()
        await put(client, "plain")
        (storage.folder / "link").symlink_to(outside)
        (storage.folder / "own").write_bytes(b"nobody delivered it")

        async def remove(key: str) -> str:
            """The error's code, or nothing."""
            if many:
                told = {"Objects": [{"Key": key}]}
                answer = await call(client.delete_objects, Bucket="outputs", Delete=told)
                return str(answer["Errors"][0]["Code"]) if answer.get("Errors") else ""
            try:
                await call(client.delete_object, Bucket="outputs", Key=key)
            except ClientError as error:
                return str(error.response["Error"]["Code"])
            return ""

        assert await remove("link/kept") == "InvalidRequest"
        assert (outside / "kept").read_bytes() == b"x"
        assert await remove("plain/x") == "InvalidRequest"
        assert (storage.folder / "plain").is_file()
        assert await remove("own") == ""  # as S3 answers for what is not there
        assert (storage.folder / "own").exists()
        await put(client, ".git/config")
        assert await remove(".git/config") == ""
        assert await remove("plain") == ""
        assert {path.name for path in storage.folder.iterdir()} == {"link", "own"}


async def test_a_folder_that_became_a_link_is_not_read_through(
    storage: Storage, tmp_path: Path
) -> None:
    client = storage.client()
    await put(client, "d/x")
    (storage.folder / "d").rename(tmp_path / "moved")
    (storage.folder / "d").symlink_to(tmp_path / "moved")
    assert (await request(storage, "GET", "/outputs/d/x")).code == "NoSuchKey"
    assert "Contents" not in await call(client.list_objects_v2, Bucket="outputs")


async def test_names_that_some_disks_do_not_distinguish_get_different_ones(tmp_path: Path) -> None:
    keys = ["d/Model.bin", "d/model.bin", "d/MODEL.BIN", "caf\u00e9", "cafe\u0301"]
    async with serve_storage(tmp_path / "out") as storage:
        client = storage.client()
        for key in (*keys, keys[1]):  # one is sent again
            await put(client, key)
        for key in keys:
            answer = await call(client.get_object, Bucket="outputs", Key=key)
            assert await call(answer["Body"].read) == key.encode()
        paths = {item.key: item.path for item in storage.received}
        assert len({same_file(path.as_posix()) for path in paths.values()}) == len(keys)
        assert paths["d/Model.bin"] == storage.folder / "d/Model.bin"
        assert len(storage.received) == len(keys) + 1
    async with serve_storage(tmp_path / "out") as again:
        found = await again.receiver.delivered(grant())
        assert {one.key: one.path for one in found} == paths
        client = again.client()
        await put(client, keys[2])
        assert again.received[-1].path == paths[keys[2]]


@pytest.mark.parametrize("name", ["." + "x" * 254, "\u00e9" * 127, "x" * 600 + ".bin"])
async def test_the_longest_names_are_stored(storage: Storage, name: str) -> None:
    key = f"a/{name}"
    client = storage.client()
    await put(client, key)
    head = await call(client.head_object, Bucket="outputs", Key=key)
    assert head["ContentLength"] == len(key.encode())
    listing = await call(client.list_objects_v2, Bucket="outputs")
    assert [row["Key"] for row in listing["Contents"]] == [key]
    assert hidden(storage.root) == []


async def test_a_record_of_an_earlier_version_finds_its_file(tmp_path: Path) -> None:
    """It names no path, and only hidden names were stored under others."""
    async with serve_storage(tmp_path / "out") as storage:
        await put(storage.client(), "a:b/.git")
        (record,) = (tmp_path / "out" / ".incoming").glob("*/objects/*.json")
        fields = json.loads(record.read_bytes())
        assert fields.pop("stored") == "a%3Ab/_.git"
        record.write_text(json.dumps(fields))
        (storage.folder / "a%3Ab").rename(storage.folder / "a:b")
    async with serve_storage(tmp_path / "out") as again:
        answer = await call(again.client().get_object, Bucket="outputs", Key="a:b/.git")
        assert await call(answer["Body"].read) == b"a:b/.git"


async def test_a_bare_repository_is_none_here(storage: Storage) -> None:
    """Git takes a folder with HEAD, objects and refs for a repository, and reads its config."""
    client = storage.client()
    for key in ("HEAD", "config", "objects/x", "refs/x"):
        await put(client, key)
    (storage.folder / "config").write_text("[core]\n\trepositoryformatversion = 0\n")
    (storage.folder / "_HEAD").write_text("ref: refs/heads/main\n")
    found = subprocess.run(
        ["git", "-C", str(storage.folder), "rev-parse", "--git-dir"],
        check=False,
        capture_output=True,
    )
    assert found.stdout.strip() != b"."
