"""The scan reduced to what is staged: neither more pictures nor fewer than the trainer gets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from tui.simpletuner.checks.buckets import aspect_buckets
from tui.simpletuner.checks.data import data_checks
from tui.simpletuner.config.load import load_config
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.datasets.scan import DataReport, scan
from tui.simpletuner.staging.build import build_manifest
from tui.simpletuner.staging.trained import staged_report


def put(path: Path, size: tuple[int, int], *, caption: str = "", mode: str = "RGB") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size).save(path)
    if caption:
        path.with_suffix(".txt").write_text(caption)


def trained(tmp_path: Path, *entries: Mapping[str, Any]) -> tuple[DataReport, TrainingConfig]:
    """The reduced scan of datasets below a folder."""
    (tmp_path / "data.json").write_text(
        json.dumps(
            [
                {"type": "local", "resolution": 512, "caption_strategy": "textfile"} | dict(entry)
                for entry in entries
            ]
        )
    )
    values = {"model_family": "sana", "data_backend_config": str(tmp_path / "data.json")}
    (tmp_path / "config.json").write_text(json.dumps(values))
    config = load_config(tmp_path / "config.json")
    report = scan(config)
    return staged_report(
        report, build_manifest(config, report, leave_out_uncaptioned=True).manifest
    ), config


def test_pictures_without_a_caption_are_in_no_count_and_in_no_bucket(tmp_path: Path) -> None:
    folder = tmp_path / "cats"
    put(folder / "a.png", (640, 640), caption="a cat")
    put(folder / "wide.png", (900, 450))
    put(folder / "small.png", (64, 64))
    report, config = trained(tmp_path, {"id": "cats", "instance_data_dir": str(folder)})
    (dataset,) = report.datasets
    assert (dataset.images, dataset.captions, dataset.small_images) == (1, 1, ())
    assert [(bucket.aspect, bucket.images) for bucket in aspect_buckets(dataset, config) or ()] == [
        (1.0, 1)
    ]
    assert dataset.missing_captions == ("small.png", "wide.png")  # still named


def test_pictures_under_odd_names_are_counted_since_they_are_staged(tmp_path: Path) -> None:
    folder = tmp_path / "cats"
    put(folder / "a.png", (640, 640), caption="a cat")
    put(folder / "new\nline.png", (900, 450), caption="another cat")
    put(folder / "print.png", (640, 640), caption="as printed")
    Image.new("CMYK", (640, 640)).save(folder / "print.jpg")
    for name in ("no\npicture.txt", "notes.md"):
        (folder / name).write_text("mine")
    report, config = trained(tmp_path, {"id": "cats", "instance_data_dir": str(folder)})
    (dataset,) = report.datasets
    assert dataset.images == 4
    assert {item.path for item in dataset.skipped} == {"no\npicture.txt", "notes.md"}
    said = [row[2] for row in data_checks(config, report, "staged", None, None)]
    assert [line for line in said if "line.png" in line or "new\n" in line] == []
    assert any("2 files not sent" in line and "notes.md" in line for line in said), said
    found = [(bucket.aspect, bucket.images) for bucket in aspect_buckets(dataset, config) or ()]
    assert found[0] == (1.0, 3)
    assert [images for _, images in found] == [3, 1]


def test_two_datasets_over_one_folder_count_twice_and_hosted_ones_stay(tmp_path: Path) -> None:
    folder = tmp_path / "cats"
    put(folder / "a.png", (640, 640), caption="a cat")
    report, _ = trained(
        tmp_path,
        {"id": "near", "instance_data_dir": str(folder)},
        {"id": "far", "instance_data_dir": str(folder), "crop": True},
        {"id": "hosted", "type": "huggingface", "dataset_name": "a/b"},
        {"id": "off", "instance_data_dir": str(folder), "disabled": True},
    )
    assert [dataset.images for dataset in report.datasets] == [1, 1, 0, 0]
    assert report.images == 2
