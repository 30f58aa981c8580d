"""Files that are written while those before are flushed to the disk."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.engine.staging.world import staged_file
from tui.engine.staging.flushing import flushing
from tui.listener.storage.staged import ContentChangedError, StagedFolder
from tui.simpletuner.staging.manifest import StagedFile


class Disk:
    """What is flushed, in order; the system's call is made as well."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        self.root = root
        self.flushed: list[str] = []
        self.refuses = False
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self._fsync = os.fsync
        monkeypatch.setattr(os, "fsync", self._flush)

    def _flush(self, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        assert self.may_go_on.wait(30)
        if self.refuses and path.suffix == ".new":
            raise OSError(errno.EIO, "the disk refuses")
        self._fsync(descriptor)
        self.flushed.append(path.name)

    def left(self) -> list[Path]:
        return [path for path in self.root.rglob("*.new") if path.is_file()]


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Disk:
    return Disk(monkeypatch, tmp_path / "staged")


@pytest.fixture
def files(tmp_path: Path) -> list[StagedFile]:
    return [staged_file(tmp_path, f"{number}.png", b"%d" % number * 1000) for number in range(40)]


def stage(staged: StagedFolder, files: Iterable[tuple[StagedFile, Iterable[bytes]]]) -> None:
    with flushing(staged) as keep:
        for file, blocks in files:
            keep(file, blocks)


def read(files: list[StagedFile]) -> Iterator[tuple[StagedFile, list[bytes]]]:
    for file in files:
        yield file, [Path(file.source).read_bytes()]


def test_all_are_safe_on_the_disk_at_the_end(disk: Disk, files: list[StagedFile]) -> None:
    staged = StagedFolder(disk.root)
    stage(staged, read(files))
    assert sorted(staged.content()) == sorted(file.sha256 for file in files)
    for file in files:
        (body,) = [name for name in disk.flushed if name.startswith(file.sha256)]
        assert body.endswith(".new"), "flushed before it has its name"
        assert file.sha256[:2] in disk.flushed[disk.flushed.index(body) :]
    assert not disk.left()


def test_the_next_is_written_while_one_is_flushed(disk: Disk, files: list[StagedFile]) -> None:
    disk.may_go_on.clear()

    def blocks() -> Iterator[bytes]:
        assert not disk.flushed
        disk.may_go_on.set()
        yield Path(files[1].source).read_bytes()

    stage(StagedFolder(disk.root), [*read(files[:1]), (files[1], blocks())])
    assert disk.flushed


def test_those_before_a_changed_one_are_kept(disk: Disk, files: list[StagedFile]) -> None:
    staged = StagedFolder(disk.root)
    with pytest.raises(ContentChangedError):
        stage(staged, [*read(files[:1]), (files[1], [b"others"])])
    assert list(staged.content()) == [files[0].sha256]
    assert disk.flushed[-1] == files[0].sha256[:2]
    assert not disk.left()


def test_a_disk_that_refuses_to_flush_ends_it(disk: Disk, files: list[StagedFile]) -> None:
    staged = StagedFolder(disk.root)
    disk.refuses = True
    with pytest.raises(OSError, match="the disk refuses"):
        stage(staged, read(files[:1]))
    many = read(files)
    with pytest.raises(OSError, match="the disk refuses"):
        stage(staged, many)
    assert next(many, None), "noticed before all are written"
    assert staged.content() == {}
    assert not disk.left()
