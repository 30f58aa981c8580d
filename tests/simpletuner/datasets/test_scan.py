"""Looking through datasets."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.simpletuner.projects import (
    HOSTED,
    TEXT_CACHE,
    local_entry,
    write_dataset,
    write_image,
    write_project,
)
from tui.simpletuner.config.load import load_config
from tui.simpletuner.datasets import scan_cache, walk
from tui.simpletuner.datasets.safety import folder_names, refused_folder
from tui.simpletuner.datasets.scan import DataReport, DatasetReport, scan
from tui.simpletuner.errors import CancelledByUser


def look(root: Path, *entries: dict[str, Any], cache: Path | None = None) -> DataReport:
    return scan(load_config(write_project(root, list(entries))), cache=cache)


def look_at(root: Path, folder: Path, **changes: Any) -> DatasetReport:
    return look(root, local_entry(folder, **changes)).datasets[0]


def reasons(dataset: DatasetReport) -> dict[str, str]:
    return {item.path: item.reason for item in dataset.skipped}


def test_images_captions_and_sizes(tmp_path: Path) -> None:
    folder = write_dataset(
        tmp_path / "cats", ["a.png", "b.jpg", "deep/er/c.webp", "d.bmp", "e.TIFF"]
    )
    dataset = look_at(tmp_path, folder)
    assert (dataset.images, dataset.captions) == (5, 5)
    assert dataset.bytes == sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    assert dataset.problems == ()
    assert dataset.skipped == ()


def test_kinds(tmp_path: Path) -> None:
    write_dataset(tmp_path / "datasets" / "cats")
    report = look(tmp_path, local_entry("datasets/cats"), HOSTED, TEXT_CACHE)
    assert [dataset.kind for dataset in report.datasets] == ["local", "remote", "cache"]
    assert report.images == 3


def test_missing_and_empty_captions(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "cats", ["a.png", "b.png", "c.png", "d.png"])
    (folder / "a.txt").unlink()
    (folder / "b.txt").write_bytes(b"")
    (folder / "c.txt").write_text(" \n\t\n")
    dataset = look_at(tmp_path, folder)
    assert dataset.missing_captions == ("a.png",)
    assert dataset.empty_captions == ("b.txt", "c.txt")
    assert dataset.captions == 1


def test_captions_that_are_no_text_are_not_sent(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "cats", ["a.png"])
    (folder / "a.txt").write_bytes(b"caf\xe9")
    dataset = look_at(tmp_path, folder)
    assert dataset.missing_captions == ("a.png",)
    assert "UTF-8" in reasons(dataset)["a.txt"]


def test_captions_are_sent_only_when_the_strategy_reads_them(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "cats", ["a.png"])
    dataset = look_at(tmp_path, folder, caption_strategy="filename")
    assert dataset.captions == 0
    assert [file.name for file in dataset.files] == ["a.png"]
    assert "filename" in reasons(dataset)["a.txt"]


def test_captions_without_an_image_are_reported(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "cats", ["a.png"])
    (folder / "notes.txt").write_text("private thoughts")
    assert "notes.txt" in reasons(look_at(tmp_path, folder))


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.bmp", "a.tif", "a.avif"])
def test_truncated_images_are_found(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "cats"
    noise = Image.effect_noise((300, 300), 90)
    folder.mkdir()
    noise.save(folder / name)
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) * 2 // 3])
    write_image(folder / "whole.png")
    dataset = look_at(tmp_path, folder)
    assert dataset.corrupt_images == (name,)
    assert name in reasons(dataset)
    assert [file.name for file in dataset.files] == ["whole.png"]


def test_bytes_after_the_end_of_an_image_are_no_error(tmp_path: Path) -> None:
    path = write_image(tmp_path / "cats" / "motion.jpg")
    path.write_bytes(path.read_bytes() + b"\0" * 5000)
    assert look_at(tmp_path, path.parent).corrupt_images == ()


def test_a_key_under_an_image_name_is_not_sent(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "cats", ["a.png"])
    (folder / "holiday.jpg").write_text("-----BEGIN OPENSSH PRIVATE KEY-----")
    (folder / "empty.jpg").write_bytes(b"")
    dataset = look_at(tmp_path, folder)
    assert set(dataset.corrupt_images) == {"holiday.jpg", "empty.jpg"}
    assert {file.name for file in dataset.files} == {"a.png", "a.txt"}


@pytest.mark.parametrize(
    "name",
    [
        *(".env", ".env.local", "server.key", "cert.pem", "id_rsa", "id_ed25519.pub", "a.p12"),
        *("credentials.json", ".netrc", "secrets.txt", "Token.txt"),
    ],
)
def test_secrets_are_not_sent_and_are_counted(tmp_path: Path, name: str) -> None:
    folder = write_dataset(tmp_path / "cats", ["a.png"])
    (folder / name).write_text("s3cret")
    dataset = look_at(tmp_path, folder)
    assert dataset.secrets_skipped == 1
    assert name in reasons(dataset)
    assert name not in {file.name for file in dataset.files}


def test_hidden_and_tool_folders_are_not_sent(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "cats", ["a.png"])
    for inner in (".git", ".ssh", "node_modules", ".cache"):
        write_image(folder / inner / "x.png")
    (folder / ".DS_Store").write_bytes(b"x")
    dataset = look_at(tmp_path, folder)
    assert dataset.images == 1
    assert set(reasons(dataset)) == {".git/", ".ssh/", "node_modules/", ".cache/", ".DS_Store"}


def test_links(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "cats", ["a.png"])
    outside = write_image(tmp_path / "elsewhere" / "o.png")
    (folder / "out.png").symlink_to(outside)
    (folder / "outdir").symlink_to(outside.parent)
    (folder / "in.png").symlink_to("a.png")
    (folder / "dangling.png").symlink_to("nowhere.png")
    (folder / "circle.png").symlink_to("circle.png")
    (folder / "loop").symlink_to(".")
    (folder / ".secret.png").write_bytes((folder / "a.png").read_bytes())
    (folder / "sly.png").symlink_to(".secret.png")
    dataset = look_at(tmp_path, folder)
    assert {file.name for file in dataset.files} == {"a.png", "a.txt", "in.png"}
    assert "outside" in reasons(dataset)["out.png"]
    assert {"out.png", "outdir", "dangling.png", "circle.png", "loop", "sly.png"} <= set(
        reasons(dataset)
    )


def test_other_files_are_reported_with_the_reason(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "cats", ["a.png"])
    (folder / "photo.heic").write_bytes(b"x")
    (folder / "README.md").write_text("hello")
    os.mkfifo(folder / "pipe.png")
    (folder / "new\nline.png").write_bytes((folder / "a.png").read_bytes())
    (folder / "back\\slash.png").write_bytes((folder / "a.png").read_bytes())
    raw = os.fsencode(folder) + b"/bad\xff.png"
    Path(os.fsdecode(raw)).write_bytes((folder / "a.png").read_bytes())
    dataset = look_at(tmp_path, folder)
    assert ".heic" in reasons(dataset)["photo.heic"]
    assert len(dataset.skipped) == 6
    assert {file.name for file in dataset.files} == {"a.png", "a.txt"}
    assert all(item.path.encode("utf-8") for item in dataset.skipped)


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    for name, message in (
        ("missing", "does not exist"),
        ("file", "not a folder"),
        ("empty", "holds no images"),
    ):
        (problem,) = look_at(tmp_path, tmp_path / name).problems
        assert problem.level == "error"
        assert message in problem.message
        assert problem.advice
    (nameless,) = look(tmp_path, {"id": "x", "type": "local"}).datasets[0].problems
    assert "names no folder" in nameless.message


def test_an_unreadable_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_dataset(tmp_path / "cats")
    real = os.scandir

    def forbidden(path: str) -> Any:
        if str(path) == str(folder):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", forbidden)  # root, who may run this, can read everything
    (problem,) = look_at(tmp_path, folder).problems
    assert "may not be read" in problem.message


def test_two_datasets_with_one_id(tmp_path: Path) -> None:
    first, second = write_dataset(tmp_path / "one"), write_dataset(tmp_path / "two")
    report = look(tmp_path, local_entry(first), local_entry(second))
    assert all("called cats" in dataset.problems[0].message for dataset in report.datasets)
    assert {dataset.archive_folder for dataset in report.datasets} == {"cats", "cats-2"}


def test_one_folder_in_two_datasets_is_sent_once(tmp_path: Path) -> None:
    folder = write_dataset(tmp_path / "cats")
    report = look(
        tmp_path,
        local_entry(folder, id="small", caption_strategy="instanceprompt"),
        local_entry(folder, id="large"),
        cache=tmp_path / "cache.json",
    )
    assert {dataset.archive_folder for dataset in report.datasets} == {"small"}
    assert len(report.archive_files) == 6
    assert report.images == 3


def test_a_disabled_dataset_is_not_scanned(tmp_path: Path) -> None:
    dataset = look_at(tmp_path, tmp_path / "missing", disabled=True)
    assert dataset.problems == ()


def test_small_images_against_minimum_or_resolution(tmp_path: Path) -> None:
    folder = tmp_path / "cats"
    write_image(folder / "small.png", (100, 300))
    write_image(folder / "large.png", (300, 300))
    assert look_at(tmp_path, folder).small_images == ("small.png",)
    assert look_at(tmp_path, folder, minimum_image_size=64).small_images == ()


def test_video_clips_and_tables(tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "clip.mp4").write_bytes(b"mp4")
    (folder / "none.mp4").write_bytes(b"")
    (folder / "facts.parquet").write_bytes(b"PAR1")
    dataset = look_at(
        tmp_path,
        folder,
        dataset_type="video",
        caption_strategy="parquet",
        parquet={"path": "clips/facts.parquet"},
    )
    assert {file.name for file in dataset.files} == {"clip.mp4", "facts.parquet"}
    assert dataset.corrupt_images == ("none.mp4",)


@pytest.mark.parametrize(
    "folder", ["/", "~", "~/.ssh", "/etc", "/proc/1", "/usr/lib/x", "~/.aws/y"]
)
def test_dangerous_folders_are_refused(folder: str) -> None:
    assert refused_folder(Path(folder).expanduser())


def test_a_link_to_a_dangerous_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir()
    write_image(tmp_path / ".ssh" / "x.png")
    (tmp_path / "cats").symlink_to(tmp_path / ".ssh")
    dataset = look_at(tmp_path, tmp_path / "cats")
    assert ".ssh" in dataset.problems[0].message
    assert dataset.files == ()


@pytest.mark.parametrize(
    "folder", ["/tmp/cats", str(Path("/", "root", "cats")), "~/pictures", "/var/tmp/x"]
)
def test_ordinary_folders_are_not_refused(folder: str) -> None:
    assert refused_folder(Path(folder).expanduser()) is None


def test_folder_names_never_collide() -> None:
    names = folder_names(["cats", "Cats", "cats/1", "cats-1", "../..", "", "ä" * 300, "con fig"])
    assert len({name.lower() for name in names}) == len(names)
    assert all("/" not in name and name.strip(".") and len(name) < 90 for name in names)


def test_the_cache_is_used_and_detects_every_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "TICK_NS", -(10**10))  # else files written just now are read again
    monkeypatch.setattr(scan_cache, "_PER_LINE", 2)
    folder = write_dataset(tmp_path / "cats")
    cache = tmp_path / "state" / "cache.json"
    first = look(tmp_path, local_entry(folder), cache=cache)
    looked: list[str] = []
    from tui.simpletuner.datasets import images, scan_folder

    def counted(path: str) -> images.ImageFacts:
        looked.append(Path(path).name)
        return images.probe_image(path)

    monkeypatch.setattr(scan_folder, "probe_image", counted)
    again = look(tmp_path, local_entry(folder), cache=cache)
    assert looked == []
    assert again == first
    stat = (folder / "a.png").stat()
    data = (folder / "a.png").read_bytes()
    (folder / "a.png").write_bytes(data[:-20] + b"\0" * 20)
    os.utime(folder / "a.png", ns=(stat.st_atime_ns, stat.st_mtime_ns))  # same size, same time
    changed = look(tmp_path, local_entry(folder), cache=cache)
    assert looked == ["a.png"]
    assert changed.datasets[0].corrupt_images == ("a.png",)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b'{"version": 2}', b'{"version": 4}\n["x", {"a": [1]}]\n["x", 3]\n', b"[]\n\xff"],
)
def test_a_damaged_cache_is_ignored(tmp_path: Path, content: bytes) -> None:
    folder = write_dataset(tmp_path / "cats")
    cache = tmp_path / "cache.json"
    cache.write_bytes(content)
    assert look(tmp_path, local_entry(folder), cache=cache).images == 3
    assert (
        look(tmp_path, local_entry(folder), cache=tmp_path / "config" / "x" / "c.json").images == 3
    )
    assert look(tmp_path, local_entry(folder), cache=folder / "a.png" / "c.json").images == 3


def test_progress_and_cancel(tmp_path: Path) -> None:
    config = load_config(write_project(tmp_path))
    seen: list[tuple[int, int]] = []
    scan(config, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (6, 6)
    assert seen == sorted(seen)
    stop = threading.Event()
    stop.set()
    with pytest.raises(CancelledByUser):
        scan(config, cancel=stop)


def test_a_caption_dataset_holds_no_images(tmp_path: Path) -> None:
    write_dataset(tmp_path / "cats")
    entry = local_entry(tmp_path / "cats", dataset_type="caption")
    (dataset,) = scan(load_config(write_project(tmp_path, [entry]))).datasets
    assert (dataset.images, dataset.captions, dataset.problems) == (0, 3, ())
    assert {file.name for file in dataset.files} == {"a.txt", "b.txt", "c.txt"}
