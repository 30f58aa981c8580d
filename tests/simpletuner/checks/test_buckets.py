"""The aspect buckets of a dataset, and whether each fills a batch."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.simpletuner.projects import TEXT_CACHE, local_entry, write_image, write_project
from tui.simpletuner.checks.buckets import aspect_buckets, samples_per_step
from tui.simpletuner.checks.checks import Check, check_config
from tui.simpletuner.checks.describe import describe_datasets
from tui.simpletuner.config.load import load_config
from tui.simpletuner.config.training_config import TrainingConfig, read_entries
from tui.simpletuner.datasets.images import probe_image
from tui.simpletuner.datasets.scan import DataReport, DatasetReport, scan

# Width, height, and the bucket with its training size at 1024 px, alignment 64: computed by
# SimpleTuner's own TrainingSample.
KNOWN = [
    (1024, 1024, (1.0, 1024, 1024)),
    (1500, 1000, (1.54, 1280, 832)),
    (1000, 1500, (0.65, 832, 1280)),
    (500, 1000, (0.48, 704, 1472)),
    (1920, 1080, (1.75, 1344, 768)),
    (1030, 1000, (1.0, 1024, 1024)),
]


def dataset(
    sizes: dict[tuple[int, int], int], options: dict[str, Any] | None = None, **entry: Any
) -> tuple[DatasetReport, TrainingConfig]:
    raw = {"id": "cats", "type": "local", "resolution": 1024} | entry
    values = {"model_family": "sana", "train_batch_size": 1} | (options or {})
    config = TrainingConfig("x", Path("x"), values, datasets=read_entries([raw], []))
    listed = tuple((width, height, count) for (width, height), count in sizes.items())
    images = sum(sizes.values())
    report = DatasetReport("cats", "local", config.datasets[0], images=images, sizes=listed)
    return report, config


def findings(
    sizes: dict[tuple[int, int], int], options: dict[str, Any] | None = None, **entry: Any
) -> list[Check]:
    report, config = dataset(sizes, options, **entry)
    listed = check_config(config, DataReport((report,)))
    return [check for check in listed if check.id == "buckets"]


def shapes(*arguments: Any, **entry: Any) -> list[tuple[float, int, int, int]] | None:
    buckets = aspect_buckets(*dataset(*arguments, **entry))
    return None if buckets is None else [(b.aspect, b.width, b.height, b.images) for b in buckets]


@pytest.mark.parametrize(("width", "height", "bucket"), KNOWN)
def test_a_picture_falls_into_the_trainers_bucket(
    width: int, height: int, bucket: tuple[float, int, int]
) -> None:
    assert shapes({(width, height): 3}) == [(*bucket, 3)]


def test_the_resolution_type_decides_the_size() -> None:
    assert shapes({(1500, 1000): 1}, resolution=512, resolution_type="pixel") == [
        (1.5, 768, 512, 1)
    ]
    assert shapes({(900, 900): 1}, resolution=1.0, resolution_type="area") == [(1.0, 1024, 1024, 1)]
    assert shapes({(9, 9): 1}, {"resolution": 768}, resolution=768) == [(1.0, 768, 768, 1)]


def test_a_square_crop_makes_one_bucket_and_the_nearest_aspect_wins() -> None:
    sizes = {(1500, 1000): 2, (1000, 1500): 1, (800, 800): 1}
    assert shapes(sizes, crop=True) == [(1.0, 1024, 1024, 4)]
    closest = {"crop": True, "crop_aspect": "closest", "crop_aspect_buckets": [0.5, 1.0]}
    assert shapes({(1500, 1000): 2, (500, 1000): 1}, **closest) == [
        (1.0, 1024, 1024, 2),
        (0.48, 704, 1472, 1),
    ]


def test_a_finer_alignment_makes_more_buckets() -> None:
    sizes = {(1000 + 8 * step, 1000): 1 for step in range(12)}
    coarse, fine = (shapes(sizes, {"model_family": "chroma", **o}) for o in ({}, {
        "aspect_bucket_alignment": 8}))  # fmt: skip
    assert coarse is not None
    assert fine is not None
    assert len(fine) > len(coarse)
    forced = shapes(sizes, {"model_family": "flux", "aspect_bucket_alignment": 8})
    assert forced == coarse  # this family has its own


@pytest.mark.parametrize(
    "entry",
    [
        {"crop": True, "crop_aspect": "random", "crop_aspect_buckets": [1.0]},
        {"dataset_type": "video"},
        {"resolution": "large"},
    ],
)
def test_what_cannot_be_known_is_not_guessed(entry: dict[str, Any]) -> None:
    assert shapes({(1000, 1000): 9}, **entry) is None
    assert shapes({(1000, 1000): 9, (0, 0): 1}) is None


def test_small_pictures_and_thin_buckets_are_dropped_with_a_minimum_size() -> None:
    sizes = {(1024, 1024): 5, (400, 400): 3, (1500, 1000): 1}
    four = {"train_batch_size": 4}
    assert shapes(sizes, four, minimum_image_size=512) == [(1.0, 1024, 1024, 5)]
    unpruned = {**four, "disable_bucket_pruning": True}
    assert len(shapes(sizes, unpruned, minimum_image_size=512) or []) == 2
    assert len(shapes(sizes, four) or []) == 2
    (found,) = findings({(400, 400): 3}, minimum_image_size=512)
    assert (found.level, "drops every image" in found.message) == ("error", True)


def test_every_bucket_needs_a_full_step() -> None:
    sizes = {(1024, 1024): 20, (1500, 1000): 3, (1000, 1500): 2}
    (found,) = findings(sizes, {"train_batch_size": 4})
    assert found.level == "error"
    assert "1.54 (3), 0.65 (2) of 3" in found.message
    assert "Set repeats to 1 or more" in found.advice
    assert "crop to squares" in found.advice
    (fine,) = findings(sizes, {"train_batch_size": 4}, repeats=1)
    assert (fine.level, "a step takes 4" in fine.message) == ("ok", True)


def test_accumulation_and_gpus_multiply_the_need() -> None:
    options = {"train_batch_size": 8, "gradient_accumulation_steps": 4, "num_processes": 2}
    (found,) = findings({(1024, 1024): 6}, options)
    assert "a step takes 64 (batch 8 × accumulation 4 × 2 GPUs)" in found.message
    assert "repeats to 10" in found.advice
    assert "crop to squares" not in found.advice
    (own,) = findings({(1024, 1024): 6}, options, train_batch_size=1)
    assert "a step takes 8" in own.message
    (left_out,) = findings({(1024, 1024): 3}, {"train_batch_size": None})
    assert "a step takes 4 (batch 4)" in left_out.message


def test_oversubscription_fills_a_bucket_unless_repeats_are_set() -> None:
    options = {"train_batch_size": 8, "allow_dataset_oversubscription": True}
    (padded,) = findings({(1024, 1024): 6}, options)
    assert padded.level == "ok"
    (refused,) = findings({(1024, 1024): 3}, options, repeats=1)
    assert refused.level == "error"


def test_an_unknown_bucket_still_needs_enough_pictures() -> None:
    entry = {"crop": True, "crop_aspect": "random", "crop_aspect_buckets": [1.0]}
    (found,) = findings({(1024, 1024): 3}, {"train_batch_size": 4}, **entry)
    assert found.level == "error"
    assert findings({(1024, 1024): 9}, {"train_batch_size": 4}, **entry) == []


def test_a_conditioning_set_fills_its_own_batches_unless_it_follows_its_source() -> None:
    sizes, batch = {(1024, 1024): 3}, {"train_batch_size": 4}
    for kind, refused in (("reference_loose", True), ("reference_strict", False), ("mask", False)):
        entry = {"dataset_type": "conditioning", "conditioning_type": kind}
        assert [c.level for c in findings(sizes, batch, **entry)] == ["error"] * refused


@pytest.mark.parametrize(
    ("entry", "small"),
    [
        ({"minimum_image_size": 512, "resolution_type": "pixel"}, True),
        ({"minimum_image_size": 512}, False),
        ({"minimum_image_size": 0.25, "resolution_type": "area", "resolution": 1.0}, False),
        ({"minimum_image_size": 512, "crop": True}, True),
        ({"minimum_image_size": 0}, False),
    ],
)
def test_the_minimum_size_is_an_edge_or_an_area(entry: dict[str, Any], small: bool) -> None:
    report, config = dataset({(1024, 400): 4}, **entry)
    assert (aspect_buckets(report, config) == ()) is small
    assert report.spec.is_too_small(1024, 400) is small


def test_an_evaluation_set_counts_with_one() -> None:
    report, config = dataset({(1024, 1024): 1}, {"train_batch_size": 8}, dataset_type="eval")
    assert samples_per_step(report.spec, config) == 1


@pytest.mark.parametrize("seed", range(3))
def test_the_repeats_that_are_advised_are_enough_and_the_least(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(30):
        sizes = Counter(
            (rng.choice([700, 1000, 1400]), rng.choice([700, 1000]))
            for _ in range(rng.randint(1, 9))
        )
        options = {"train_batch_size": rng.randint(1, 6), "num_processes": rng.randint(1, 3)}
        found = [c for c in findings(dict(sizes), options) if c.level == "error"]
        if not found:
            continue
        repeats = int(found[0].advice.split("repeats to ")[1].split()[0])
        levels = [
            findings(dict(sizes), options, repeats=r)[0].level for r in (repeats - 1, repeats)
        ]
        assert levels == ["error", "ok"]


def test_the_scan_counts_sizes_as_the_pictures_are_shown(tmp_path: Path) -> None:
    folder = tmp_path / "datasets" / "cats"
    write_image(folder / "a.png", (600, 400)).with_suffix(".txt").write_text("a")
    turned = folder / "b.jpg"
    image = Image.new("RGB", (600, 400))
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(turned, exif=exif)
    turned.with_suffix(".txt").write_text("b")
    assert (probe_image(str(turned)).width, probe_image(str(turned)).height) == (400, 600)
    config = load_config(
        write_project(tmp_path, [local_entry("datasets/cats"), TEXT_CACHE], train_batch_size=2)
    )
    report = scan(config)
    assert sorted(report.datasets[0].sizes) == [(400, 600, 1), (600, 400, 1)]
    described = json.loads(json.dumps(describe_datasets(config, report)))[0]
    assert [bucket["images"] for bucket in described["buckets"]] == [1, 1]
    assert described["samples_per_step"] == 2
    assert [c.level for c in check_config(config, report) if c.id == "buckets"] == ["error"]
