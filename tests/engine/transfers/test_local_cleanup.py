"""A local file is deleted only while it is the one that the published copy is of."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.engine.transfers.finished_jobs import a_job_with, publish
from tests.engine.world import World
from tui.base.listener_address import STORAGE_PATH
from tui.destinations.common.contract import LocalFile
from tui.destinations.common.meter import sha256_of
from tui.destinations.folder import FolderDestination
from tui.destinations.s3.client import make_client
from tui.destinations.s3.profile import S3Keys, S3Profile
from tui.engine.credentials import storage_keys
from tui.engine.transfers.local_cleanup import ChangedError, check_unchanged
from tui.replicate.secret import Secret
from tui.settings import NetworkSettings
from tui.store.records import FileRecord
from tui.store.writer import Change


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    (tmp_path / "outputs/job").mkdir(parents=True)
    (tmp_path / "outputs/job/a.bin").write_bytes(b"first")
    return tmp_path / "outputs"


def record_of(outputs: Path) -> FileRecord:
    path = outputs / "job/a.bin"
    return FileRecord("job/a.bin", 5, sha256_of(path), "delivered", datetime.now(UTC))


def test_a_file_is_the_one_in_its_record(outputs: Path) -> None:
    record = record_of(outputs)
    check_unchanged(outputs, record)
    path = outputs / "job/a.bin"
    for content in (b"other", b"longer than before"):
        path.write_bytes(content)
        with pytest.raises(ChangedError, match="changed here"):
            check_unchanged(outputs, record)
    path.unlink()
    check_unchanged(outputs, record)  # nothing to delete
    os.mkfifo(path)
    with pytest.raises(ChangedError, match="changed here"):
        check_unchanged(outputs, record)


def test_nothing_behind_a_link_is_the_file_of_a_record(outputs: Path, tmp_path: Path) -> None:
    record = record_of(outputs)
    (outputs / "job").rename(tmp_path / "mine")
    (outputs / "job").symlink_to(tmp_path / "mine")
    with pytest.raises(ChangedError, match="folder is a link"):
        check_unchanged(outputs, record)
    (outputs / "job").unlink()
    (outputs / "job").mkdir()
    (outputs / "job/a.bin").symlink_to(tmp_path / "mine/a.bin")
    with pytest.raises(ChangedError, match="it is a link"):
        check_unchanged(outputs, record)


async def test_what_was_changed_since_it_was_published_is_kept(
    world: World, tmp_path: Path
) -> None:
    job_id = a_job_with(world, 1, a_dot_bin=b"first")
    await publish(world, job_id, f"dir:{tmp_path}/one")
    (path,) = world.home.outputs.rglob("a.bin")
    path.write_bytes(b"mine!")
    answer = await world.client.publishing.clear(job_id, ["a.bin"])
    assert answer["deleted"] == []
    assert [row["why"] for row in answer["kept"]] == ["it was changed here since it came"]
    assert path.read_bytes() == b"mine!"


async def test_both_names_of_a_file_that_could_not_keep_its_own_are_known(world: World) -> None:
    job_id = a_job_with(world, 1)
    now = datetime.now(UTC)  # its keys are good for a while after its end, and a week at most
    world.engine.recorder.write(job_id, Change(values={"created_at": now, "completed_at": now}))
    pair = world.engine.keys.pair(job_id)
    profile = S3Profile(
        storage_keys.BUCKET, endpoint=f"{world.engine.listening.reachable_at}{STORAGE_PATH}"
    )
    keys = S3Keys(pair.access_key, Secret(pair.secret_key))
    client = make_client(profile, keys, NetworkSettings())
    try:
        for key in ("a/.git", "a/plain"):
            where = {"Bucket": storage_keys.BUCKET, "Key": key}
            await asyncio.to_thread(client.put_object, Body=b"x", **where)
    finally:
        client.close()
    rows = (await world.client.collect(job_id))["files"]
    names = {Path(row["path"]).name: row.get("sent_as") for row in rows}
    assert names == {"_.git": "a/.git", "plain": None}
    assert world.kinds(job_id).count("renamed") == 1


def test_what_is_published_to_a_folder_gets_names_that_can_stand(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")
    destination = FolderDestination(tmp_path / "there")
    names = ["con.txt", "A.bin", "a.bin", "plain.bin", "_.git"]
    items = destination.plan([LocalFile(source, name) for name in names])
    paths = [Path(item.target).relative_to(tmp_path / "there").as_posix() for item in items]
    assert (paths[0], paths[1], paths[3], paths[4]) == ("_con.txt", "A.bin", "plain.bin", "_.git")
    assert paths[2].startswith("a~")
    assert [item.name for item in items] == names
