"""A second scan of the same process lists the files again, and reads only what changed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.simpletuner.projects import (
    HOSTED,
    local_entry,
    write_dataset,
    write_image,
    write_project,
)
from tui.simpletuner.config.load import load_config
from tui.simpletuner.datasets import images, scan_folder, scan_memory, walk
from tui.simpletuner.datasets import scan as scan_module
from tui.simpletuner.datasets.scan import DataReport, ScanMemory, scan


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take files that were written just now for old ones."""
    monkeypatch.setattr(walk, "TICK_NS", -(10**10))


class Scans:
    """Scans of one folder of captioned images with one memory."""

    def __init__(self, root: Path) -> None:
        self.folder = write_dataset(root / "cats", ["a.png", "deep/b.png"])
        project = write_project(root, [local_entry(self.folder), HOSTED])
        self.config = load_config(project)
        self.memory = ScanMemory()

    def __call__(self) -> DataReport:
        return scan(self.config, memory=self.memory)


@pytest.fixture
def scans(tmp_path: Path, settled: None) -> Scans:
    return Scans(tmp_path)


def _edit_in_place(folder: Path) -> None:
    """Other text of the same size, with the old time: only the time of change tells."""
    path = folder / "deep" / "b.txt"
    before = path.stat()
    with path.open("r+") as file:
        file.write("b")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _replace(folder: Path) -> None:
    path = folder / "a.txt"
    other = folder.parent / "other.txt"
    other.write_bytes(path.read_bytes())
    other.replace(path)


def _replace_through_a_link(folder: Path) -> None:
    (folder / "a.txt").rename(folder / "one.txt")
    (folder / "a.txt").symlink_to("one.txt")


CHANGES: dict[str, Callable[[Path], object]] = {
    "a caption edited in place": _edit_in_place,
    "a file replaced": _replace,
    "a file that became a link": _replace_through_a_link,
    "a file added": lambda folder: write_image(folder / "deep" / "c.png"),
    "a caption removed": lambda folder: (folder / "deep" / "b.txt").unlink(),
    "a folder added": lambda folder: write_dataset(folder / "more", ["d.png"]),
    "a file renamed": lambda folder: (folder / "a.png").rename(folder / "z.png"),
    "other rights": lambda folder: (folder / "a.png").chmod(0o600),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_is_seen(scans: Scans, change: Callable[[Path], object]) -> None:
    first = scans()
    change(scans.folder)
    second = scans()
    assert second is not first
    assert second.state != first.state, "the digest that the consent is bound to differs too"
    assert second == scan(scans.config), "and it is what a first scan finds"
    assert scans() is second


def test_an_unchanged_folder_is_not_read(scans: Scans, monkeypatch: pytest.MonkeyPatch) -> None:
    first = scans()
    monkeypatch.setattr(scan_memory, "scan_folder", None)
    monkeypatch.setattr(scan_module, "_summarise", None)
    assert scans() is first, "what is derived from it can be kept by its identity"


def test_only_changed_files_are_read(scans: Scans, monkeypatch: pytest.MonkeyPatch) -> None:
    scans()
    looked: list[str] = []

    def counted(path: str) -> images.ImageFacts:
        looked.append(Path(path).name)
        return images.probe_image(path)

    monkeypatch.setattr(scan_folder, "probe_image", counted)
    write_image(scans.folder / "c.png")
    scans()
    assert looked == ["c.png"]


def test_files_that_were_written_just_now_are_read_again(tmp_path: Path) -> None:
    """Two writes within one step of the clock leave the same times."""
    scans = Scans(tmp_path)
    path = scans.folder / "a.txt"

    class Clock:
        time_ns = staticmethod(lambda: path.stat().st_ctime_ns)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(walk, "time", Clock)
        assert scans() is not scans()


def test_a_failure_that_may_pass_is_not_remembered(
    scans: Scans, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.read_bytes

    def fails(path: Path) -> bytes:
        if path.name == "a.txt":
            raise OSError(5, "Input/output error")
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", fails)
        assert scans().datasets[0].missing_captions == ("a.png",)
    assert scans().datasets[0].missing_captions == ()


def test_two_datasets_over_one_folder_share_a_listing(
    tmp_path: Path, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_dataset(tmp_path / "cats")
    entries = [local_entry(folder), local_entry(folder, id="large", resolution=512)]
    config, memory = load_config(write_project(tmp_path, entries)), ScanMemory()
    walked: list[Path] = []

    def counted(base: Path, cancel: threading.Event | None) -> walk.Walk:
        walked.append(base)
        return walk.walk(base, cancel)

    monkeypatch.setattr(scan_memory, "walk", counted)
    first = scan(config, memory=memory)
    assert walked == [folder]
    assert scan(config, memory=memory) is first
    assert [data.spec.raw["resolution"] for data in first.datasets] == [256, 512]


def test_the_memory_is_bounded_by_files(
    tmp_path: Path, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_memory, "_MOST_FILES", 10)
    memory = ScanMemory()
    configs = []
    for name in ("one", "two"):
        folder = write_dataset(tmp_path / name / "data")
        configs.append(load_config(write_project(tmp_path / name, [local_entry(folder)])))
    first, second = (scan(config, memory=memory) for config in configs)
    assert scan(configs[1], memory=memory) is second
    assert scan(configs[0], memory=memory) is not first, "six files each are more than ten"
