"""Packing datasets."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import threading
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.simpletuner.datasets.reports import report_of
from tests.simpletuner.projects import (
    HOSTED,
    local_entry,
    write_dataset,
    write_image,
    write_project,
)
from tui.simpletuner.config.load import load_config
from tui.simpletuner.datasets.archive_size import stored_size
from tui.simpletuner.datasets.pack import MANIFEST_NAME, _disk_error, pack
from tui.simpletuner.datasets.scan import scan
from tui.simpletuner.errors import ArchiveTooLargeError, CancelledByUser, PackError


def test_the_archive_has_all_files_and_a_manifest(tmp_path: Path) -> None:
    cats, dogs = write_dataset(tmp_path / "cats"), write_dataset(tmp_path / "dogs", ["x/y.jpg"])
    (cats / "a.txt").write_text("a cat asleep on a warm stone in the afternoon " * 5)
    report = report_of(tmp_path, cats, dogs)
    archive = pack(report, tmp_path / "out.zip")
    assert archive.path.stat().st_size == archive.size
    assert archive.sha256 == hashlib.sha256(archive.path.read_bytes()).hexdigest()
    assert archive.folders == {"cats": "cats", "dogs": "dogs"}
    with zipfile.ZipFile(archive.path) as opened:
        names = opened.namelist()
        assert names[-1] == MANIFEST_NAME
        assert len(names) == archive.entries + 1 == 9
        assert opened.read("dogs/x/y.jpg") == (dogs / "x" / "y.jpg").read_bytes()
        kinds = {info.filename: info.compress_type for info in opened.infolist()}
        assert kinds["cats/a.png"] == zipfile.ZIP_STORED
        assert {info.external_attr for info in opened.infolist()} == {0o100644 << 16}
        assert {info.create_system for info in opened.infolist()} == {3}
        assert kinds["cats/a.txt"] == zipfile.ZIP_DEFLATED
        manifest = json.loads(opened.read(MANIFEST_NAME))["files"]
        assert manifest.keys() == set(names[:-1])
        for name in manifest:
            assert manifest[name]["sha256"] == hashlib.sha256(opened.read(name)).hexdigest()
            assert manifest[name]["size"] == opened.getinfo(name).file_size


def test_unzip_reads_the_archive(tmp_path: Path) -> None:
    if not (unzip := shutil.which("unzip")):
        pytest.skip("unzip is not installed")
    write_dataset(tmp_path / "cats", ["a.png", "Käse & Brot.jpg"])
    archive = pack(report_of(tmp_path, tmp_path / "cats"), tmp_path / "out.zip")
    subprocess.run([unzip, "-q", archive.path, "-d", tmp_path / "x"], check=True)
    for file in (tmp_path / "cats").iterdir():
        assert (tmp_path / "x" / "cats" / file.name).read_bytes() == file.read_bytes()


def test_only_the_owner_may_read_the_archive(tmp_path: Path) -> None:
    archive = pack(report_of(tmp_path, write_dataset(tmp_path / "cats")), tmp_path / "out.zip")
    assert archive.path.stat().st_mode & 0o077 == 0


file_names = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12
)


@settings(max_examples=30, deadline=None)
@given(
    files=st.dictionaries(file_names, st.binary(max_size=300), max_size=8),
    dataset=st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
def test_any_names_give_safe_and_equal_archives(files: dict[str, bytes], dataset: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        write_image(root / "data" / "always.png", (8, 8))
        for name, content in files.items():
            if name in (".", ".."):
                continue
            (root / "data" / f"{name}").write_bytes(content)
            shutil.copy(root / "data" / "always.png", root / "data" / f"{name}.png")
        config = load_config(write_project(root, [local_entry(root / "data", id=dataset)]))
        first = pack(scan(config), root / "one.zip")
        for file in (root / "data").iterdir():
            shutil.copy(file, root / "copy")
            file.unlink()
            (root / "copy").rename(file)  # the same contents with other times and inodes
        second = pack(scan(config), root / "two.zip")
        assert first.path.read_bytes() == second.path.read_bytes()
        with zipfile.ZipFile(first.path) as opened:
            names = opened.namelist()
            assert len({name.lower() for name in names}) >= 2
            for name in names:
                target = os.path.normpath(root / "unpacked" / name)
                assert target.startswith(f"{root / 'unpacked'}{os.sep}")
                assert not name.startswith("/")
                assert ".." not in name.split("/")
            opened.extractall(root / "unpacked")
            assert opened.testzip() is None


def test_nothing_to_pack(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    with pytest.raises(PackError, match="nothing to pack"):
        pack(report_of(tmp_path, tmp_path / "cats"), tmp_path / "out.zip")
    hosted = scan(load_config(write_project(tmp_path, [HOSTED])))
    with pytest.raises(PackError, match="nothing to pack"):
        pack(hosted, tmp_path / "out.zip")


def test_the_limit_is_on_the_finished_archive_to_the_byte(tmp_path: Path) -> None:
    report = report_of(tmp_path, write_dataset(tmp_path / "cats"))
    size = pack(report, tmp_path / "out.zip").size
    assert pack(report, tmp_path / "out.zip", limit=size).size == size
    (tmp_path / "out.zip").unlink()
    with pytest.raises(ArchiveTooLargeError) as caught:
        pack(report, tmp_path / "out.zip", limit=size - 1)
    assert caught.value.limit == size - 1
    assert "https" in caught.value.advice
    assert list(tmp_path.glob("out.zip*")) == []


def test_an_archive_above_the_limit_is_refused_before_packing(tmp_path: Path) -> None:
    report = report_of(tmp_path, write_dataset(tmp_path / "cats"))
    assert report.archive_size <= pack(report, tmp_path / "out.zip").size
    read: list[int] = []
    with pytest.raises(ArchiveTooLargeError):
        pack(report, tmp_path / "o.zip", limit=500, progress=lambda done, _: read.append(done))
    assert read == []


def test_compressible_text_may_be_larger_than_the_limit(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "cats", ["a.png"])
    (folder / "a.txt").write_text("meow " * 50_000)
    report = report_of(tmp_path, folder)
    assert report.bytes > 200_000
    assert pack(report, tmp_path / "out.zip", limit=100_000).size < 100_000


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda path: path.unlink(), "vanished"),
        (lambda path: path.write_bytes(b"other"), "changed"),
        (lambda path: os.utime(path, ns=(1, 1)), "changed"),
        (lambda path: path.write_bytes(path.read_bytes() + b"!"), "changed"),
    ],
)
def test_files_that_change_after_the_scan(tmp_path: Path, act: object, message: str) -> None:
    folder = write_dataset(tmp_path / "cats")
    report = report_of(tmp_path, folder)
    assert callable(act)
    act(folder / "b.jpg")
    with pytest.raises(PackError, match=rf"b\.jpg {message}"):
        pack(report, tmp_path / "out.zip")
    assert list(tmp_path.glob("out.zip*")) == []


def test_a_file_that_grows_while_it_is_read(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "cats", ["a.png"])
    big = folder / "z.bmp"
    write_image(big, (1500, 1500))
    report = report_of(tmp_path, folder)

    def grow(done: int, total: int) -> None:
        if done < total:
            with big.open("ab") as file:
                file.write(b"more")

    with pytest.raises(PackError, match=r"z\.bmp changed"):
        pack(report, tmp_path / "out.zip", progress=grow)


def test_cancel_leaves_nothing(tmp_path: Path) -> None:
    report = report_of(tmp_path, write_dataset(tmp_path / "cats"))
    stop = threading.Event()
    with pytest.raises(CancelledByUser):
        pack(report, tmp_path / "out.zip", cancel=stop, progress=lambda *_: stop.set())
    assert list(tmp_path.glob("out.zip*")) == []


def test_progress_counts_bytes(tmp_path: Path) -> None:
    report = report_of(tmp_path, write_dataset(tmp_path / "cats"))
    seen: list[tuple[int, int]] = []
    pack(report, tmp_path / "out.zip", progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1] == (report.bytes, report.bytes)


def test_a_full_disk_is_an_error_with_advice(tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    report = report_of(tmp_path, write_dataset(tmp_path / "cats"))
    (tmp_path / "out.zip.part").symlink_to(full)
    with pytest.raises(PackError, match="disk is full"):
        pack(report, tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()


def test_no_other_trouble_of_the_disk_is_called_full() -> None:
    for number, words in ((errno.ENOSPC, "is full"), (errno.EROFS, "Read-only"), (errno.EIO, "I")):
        assert words in str(_disk_error(OSError(number, os.strerror(number)), Path("/x/out.zip")))
        assert ("is full" in words) == (number == errno.ENOSPC)


def test_a_missing_target_folder_is_an_error(tmp_path: Path) -> None:
    report = report_of(tmp_path, write_dataset(tmp_path / "cats"))
    with pytest.raises(PackError, match="cannot be written"):
        pack(report, tmp_path / "none" / "out.zip")


def test_memory_does_not_grow_with_the_dataset(tmp_path: Path) -> None:
    folder = tmp_path / "cats"
    write_image(folder / "a.png")
    with (folder / "big.png").open("wb") as file:
        file.write((folder / "a.png").read_bytes()[:-12])
        file.truncate(60_000_000)
        file.seek(0, 2)
        file.write((folder / "a.png").read_bytes()[-12:])
    report = report_of(tmp_path, folder)
    assert report.bytes > 60_000_000
    tracemalloc.start()
    try:
        pack(report, tmp_path / "out.zip")
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    finally:
        tracemalloc.stop()


def test_the_lower_bound_of_a_size_counts_each_name_twice(tmp_path: Path) -> None:
    """The archive has it in the entry and in its list."""
    report = report_of(tmp_path, write_dataset(tmp_path / "cats"))
    [(name, file), *_] = [(n, f) for n, f in report.archive_files.items() if n.endswith(".png")]
    short = stored_size({"a.png": file})
    assert stored_size({"a" * 31 + ".png": file}) == short + 2 * 30
    assert name in report.archive_files
