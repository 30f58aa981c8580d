"""Folder destinations on real file systems, a full one included."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.destinations.conftest import make_files, publish
from tests.support import small_disk
from tui.destinations.common.contract import Item, LocalFile, Resume, part_name
from tui.destinations.common.errors import (
    MismatchError,
    PublishError,
    SourceChangedError,
    TransferCancelledError,
    Trouble,
)
from tui.destinations.common.meter import Throttle
from tui.destinations.folder import FolderDestination, _append_to

MIB = 1024 * 1024


@pytest.fixture
def target(tmp_path: Path) -> FolderDestination:
    return FolderDestination(tmp_path / "there", "runs/cat")


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    with small_disk(tmp_path / "tiny", "4m") as place:
        yield place


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".*") if path.is_file()]


def test_files_arrive_whole_and_only_once(target: FolderDestination, tmp_path: Path) -> None:
    files = make_files(tmp_path / "run", nothing=0, a_b__c_d=70_000, large=3 * MIB + 1)
    items = publish(target, files)
    for file, item in zip(files, items, strict=True):
        assert Path(item.target).read_bytes() == file.path.read_bytes()
        assert target.verify(item).checksum == item.sha256
        assert target.link(item) == Path(item.target).as_uri()
    assert not leftovers(tmp_path / "there")
    assert all(item.present for item in target.plan(files))
    Path(items[1].target).write_bytes(b"x" * 70_000)
    assert [item.replaces for item in target.plan(files)] == [False, True, False]
    with pytest.raises(MismatchError, match="SHA-256"):
        target.verify(items[1])


def test_a_pipe_of_that_name_is_replaced(target: FolderDestination, tmp_path: Path) -> None:
    """Others may write in a shared folder; reading their pipe would never end."""
    files = make_files(tmp_path / "run", nothing=0)
    path = tmp_path / "there/runs/cat" / files[0].name
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    [item] = publish(target, files)
    assert (item.replaces, path.is_file()) == (True, True)


def test_a_sparse_file_of_5_gib_is_planned_and_refused_or_stopped_quickly(
    target: FolderDestination, tmp_path: Path
) -> None:
    path = tmp_path / "sparse"
    path.touch()
    os.truncate(path, 5 * 2**30)
    item = Item("s", str(tmp_path / "out"), path, 5 * 2**30, path.stat().st_mtime_ns, "0" * 64)
    stop = threading.Event()
    with pytest.raises((TransferCancelledError, PublishError)):
        target.send(item, lambda done, _: stop.set() if done > 64 * MIB else None, stop)
    path.unlink()  # whoever reads all that the tests left should not read 5 GiB of nothing


def test_a_stopped_copy_is_resumed(tmp_path: Path) -> None:
    target = FolderDestination(tmp_path / "there", throttle=Throttle(40 * MIB))
    [file] = make_files(tmp_path, large=20 * MIB)
    [item] = target.plan([file])
    stop, kept = threading.Event(), []
    resume = Resume(on_change=lambda data: kept.append(json.dumps(data)))
    with pytest.raises(TransferCancelledError):
        target.send(item, lambda done, _: stop.set() if done > MIB else None, stop, resume)
    assert not Path(item.target).exists()
    state = json.loads(kept[-1])
    assert state["synced"] > 0
    part = target._part(item, Resume(state))
    assert part is not None
    assert part.stat().st_size == state["synced"]
    inode, before = part.stat().st_ino, dict(state)
    target.send(item, resume=Resume(state))
    assert Path(item.target).stat().st_ino == inode
    assert target.verify(item)
    assert not leftovers(tmp_path / "there")
    # Somebody else who may write there has put a link in the place of the partial copy.
    precious = tmp_path / "precious"
    precious.write_bytes(b"x" * (before["synced"] + 1))
    Path(item.target).unlink()
    part.symlink_to(precious)
    FolderDestination(tmp_path / "there").send(item, resume=Resume(dict(before)))
    assert target.verify(item)
    assert precious.stat().st_size == before["synced"] + 1
    part.symlink_to(precious)  # in the last moment
    with pytest.raises(OSError, match="symbolic links"):
        _append_to(part)


def test_a_damaged_partial_copy_is_not_resumed(target: FolderDestination, tmp_path: Path) -> None:
    """Whoever wrote into the half-made copy is found out, as verifying reads everything."""
    [file] = make_files(tmp_path, large=5 * MIB)
    [item] = target.plan([file])
    target.prepare()
    state = {"sha256": item.sha256, "target": item.target, "synced": MIB}
    part = target._part(item, Resume(state))
    assert part is not None
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(b"x" * MIB)
    target.send(item, resume=Resume(state))
    with pytest.raises(MismatchError):
        target.verify(item)


def test_abandoning_leaves_nothing(target: FolderDestination, tmp_path: Path) -> None:
    [file] = make_files(tmp_path, large=5 * MIB)
    [item] = target.plan([file])
    stop, resume = threading.Event(), Resume()
    with pytest.raises(TransferCancelledError):
        target.send(item, lambda *_: stop.set(), stop, resume)
    target.abandon(item, resume)
    target.abandon(item, resume)
    assert not leftovers(tmp_path / "there")
    assert resume.data == {}


def test_two_transfers_under_two_spellings_do_not_write_into_one_file(tmp_path: Path) -> None:
    """As from a second machine that has mounted the folder elsewhere."""
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    [file] = make_files(tmp_path / "one", large=6 * MIB)
    other = LocalFile(tmp_path / "two", file.name)
    other.path.write_bytes(os.urandom(6 * MIB))
    first, second = FolderDestination(tmp_path / "there"), FolderDestination(tmp_path / "link")
    [item], [twin] = first.plan([file]), second.plan([other])
    once = threading.Event()

    def meanwhile(done: int, _: int) -> None:
        if done > 2 * MIB and not once.is_set():
            once.set()
            second.send(twin, resume=Resume())
            assert second.verify(twin)

    first.send(item, meanwhile, resume=Resume())
    assert first.verify(item)
    assert not leftovers(tmp_path / "there")


def test_stale_partial_copies_are_deleted(target: FolderDestination, tmp_path: Path) -> None:
    """What others may be at work on stays."""
    [file] = make_files(tmp_path, large=3 * MIB)
    [item] = target.plan([file])
    made = []
    for _ in range(2):
        stop = threading.Event()
        resume = Resume()
        with pytest.raises(TransferCancelledError):
            target.send(item, lambda *_, stop=stop: stop.set(), stop, resume)
        made.append(target._part(item, resume))
    old, young = made
    assert old is not None
    assert young is not None
    assert old != young
    os.utime(old, (0, 0))
    other = old.with_name(".something-else.part")
    other.touch()
    os.utime(other, (0, 0))
    target.send(item, resume=Resume())
    assert set(leftovers(tmp_path / "there")) == {other, young}


def test_without_a_resume_state_no_partial_copy_stays(
    target: FolderDestination, tmp_path: Path
) -> None:
    [file] = make_files(tmp_path, large=3 * MIB)
    [item] = target.plan([file])
    stop = threading.Event()
    with pytest.raises(TransferCancelledError):
        target.send(item, lambda *_: stop.set(), stop)
    assert not leftovers(tmp_path / "there")


@pytest.mark.parametrize("name", ["猫" * 84 + ".b", "é" * 120, "a" * 255], ids=["cat", "e", "a"])
def test_names_as_long_as_a_file_system_takes(
    target: FolderDestination, tmp_path: Path, name: str
) -> None:
    [file] = make_files(tmp_path, a=1000)
    [item] = publish(target, [LocalFile(file.path, name)])
    assert target.verify(item)
    assert len(os.fsencode(part_name(name, "0" * 12))) < 143


def test_a_file_that_changes(target: FolderDestination, tmp_path: Path) -> None:
    [file] = make_files(tmp_path, large=5 * MIB)
    [item] = target.plan([file])
    with pytest.raises(SourceChangedError):
        target.send(item, lambda *_: os.truncate(file.path, 10))
    wrong = LocalFile(file.path, "other", "0" * 64)
    [item] = target.plan([wrong])
    with pytest.raises(SourceChangedError):
        target.send(item)
    assert not [path for path in (tmp_path / "there").rglob("*") if path.is_file()]


def test_too_small_a_disk_is_reported_before_copying(tiny: Path, tmp_path: Path) -> None:
    destination = FolderDestination(tiny)
    assert destination.test().ok
    [file] = make_files(tmp_path, large=5 * MIB)
    [item] = destination.plan([file])
    with pytest.raises(PublishError) as caught:
        destination.send(item)
    assert caught.value.kind is Trouble.DISK_FULL
    assert "are free" in caught.value.message
    assert not list(tiny.iterdir())


def test_a_disk_that_fills_up_at_the_last_byte(tiny: Path, tmp_path: Path) -> None:
    destination = FolderDestination(tiny)
    [file] = make_files(tmp_path, large=3 * MIB)
    [item] = destination.plan([file])
    room = tiny / "room"

    def fill(*_: int) -> None:
        if not room.exists():
            free = shutil.disk_usage(tiny).free
            room.write_bytes(bytes(max(0, free - item.size + 2 * MIB - 4096)))

    with pytest.raises(PublishError) as caught:
        destination.send(item, fill)
    assert caught.value.kind is Trouble.DISK_FULL
    assert caught.value.advice
    assert [path.name for path in tiny.iterdir()] == ["room"]
    room.unlink()
    destination.send(item)
    assert destination.verify(item)


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    [step] = FolderDestination(tmp_path / "file").test().steps
    assert step.level == "error"
    with pytest.raises(PublishError):
        FolderDestination(tmp_path / "file" / "below").prepare()
    [file] = make_files(tmp_path, a=1)
    (tmp_path / "there" / file.name).mkdir(parents=True)
    with pytest.raises(PublishError) as caught:
        FolderDestination(tmp_path / "there").plan([file])
    assert caught.value.kind is Trouble.TAKEN


def test_the_test_leaves_nothing(tmp_path: Path) -> None:
    report = FolderDestination(tmp_path / "new" / "er").test()
    assert report.ok
    assert not list(tmp_path.iterdir())


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(max_size=30))
def test_no_name_leaves_the_folder(tmp_path: Path, name: str) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")
    destination = FolderDestination(tmp_path / "there")
    try:
        [item] = destination.plan([LocalFile(source, name)])
        destination.send(item)
    except PublishError:
        return
    place = Path(item.target).resolve()
    assert place.is_relative_to((tmp_path / "there").resolve())
    assert destination.verify(item)


@pytest.mark.parametrize("name", [".git/config", "a/.GIT/hooks/x", ".netrc", "\u200c.git/config"])
def test_nothing_hidden_is_published(target: FolderDestination, tmp_path: Path, name: str) -> None:
    [file] = make_files(tmp_path / "run", x=10)
    with pytest.raises(PublishError, match="hidden") as raised:
        target.plan([LocalFile(file.path, name)])
    assert raised.value.kind is Trouble.NAME
