"""The trainer's rules for the dataloader file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.simpletuner.projects import TEXT_CACHE, write_project
from tui.simpletuner.checks.checks import Check, check_config
from tui.simpletuner.config.load import load_config
from tui.simpletuner.release.profile import UNKNOWN, ReleaseProfile, profile_for
from tui.simpletuner.request.delivery import Delivery
from tui.simpletuner.request.modes import DatasetMode

RELEASE = profile_for(None, user_word="4.10.1")
HUB = {
    "id": "cats",
    "type": "huggingface",
    "dataset_name": "me/cats",
    "caption_strategy": "huggingface",
    "metadata_backend": "huggingface",
    "resolution": 1024,
    "resolution_type": "pixel_area",
    "cache_dir_vae": "cache/vae",
}
AWS = {
    "id": "cats",
    "type": "aws",
    "aws_bucket_name": "b",
    "aws_endpoint_url": "https://s3.example.org",
    "aws_access_key_id": "x",
    "aws_secret_access_key": "y",
    "caption_strategy": "textfile",
}
CSV = {
    "id": "cats",
    "type": "csv",
    "csv_file": "https://example.org/a.csv",
    "csv_cache_dir": "cache/csv",
    "csv_caption_column": "c",
    "caption_strategy": "csv",
}
VIDEO = {**HUB, "dataset_type": "video", "video": {"num_frames": 49}}
AUDIO = {**HUB, "id": "speech", "dataset_type": "audio", "cache_dir_vae": "cache/speech"}
REFERENCE = {
    "id": "ref",
    "type": "huggingface",
    "dataset_name": "me/ref",
    "dataset_type": "conditioning",
    "conditioning_type": "reference_strict",
    "cache_dir_vae": "cache/ref",
}
CAPTIONS = {"id": "caps", "type": "huggingface", "dataset_name": "x/y", "dataset_type": "caption"}


def without(entry: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key not in names}


def findings(
    root: Path,
    entries: list[dict[str, Any]],
    release: ReleaseProfile | None = RELEASE,
    **changes: Any,
) -> list[Check]:
    config = load_config(write_project(root, entries, **changes))
    listed = check_config(config, delivery=Delivery("local", bucket="b"), release=release)
    ids = ("dataloader", "conditioning", "datasets", "option")
    return [check for check in listed if check.id in ids and check.level != "ok"]


@pytest.mark.parametrize(
    ("entry", "part"),
    [
        (without(HUB, "id"), "id"),
        (without(AWS, "type"), "no type"),
        ({**HUB, "type": "s3"}, "type s3"),
        ({**HUB, "type": "memory"}, "memory"),
        ({**HUB, "dataset_type": "images"}, "dataset_type images"),
        (without(HUB, "dataset_name"), "dataset_name"),
        ({**HUB, "metadata_backend": "discovery"}, "metadata_backend discovery"),
        ({**HUB, "caption_strategy": "textfile"}, "caption_strategy textfile"),
        (without(AWS, "aws_endpoint_url"), "aws_endpoint_url"),
        ({**AWS, "aws_data_prefix": ["a", "b"]}, "aws_data_prefix"),
        (without(CSV, "csv_caption_column"), "csv_caption_column"),
        ({**CSV, "caption_strategy": "textfile"}, "caption_strategy textfile"),
        ({"id": "w", "type": "webshart"}, "source"),
        ({"id": "w", "type": "webshart", "source": "a/b", "metadata_backend": "json"}, "json"),
        ({**AWS, "caption_strategy": "instance_prompt"}, "caption_strategy instance_prompt"),
        ({**AWS, "caption_strategy": "huggingface"}, "caption_strategy huggingface"),
        ({**AWS, "caption_strategy": None}, "caption_strategy is null"),
        ({**AWS, "caption_strategy": "parquet"}, "metadata_backend discovery"),
        ({**AWS, "metadata_backend": "parquet"}, "parquet block"),
        ({**AWS, "caption_strategy": "instanceprompt"}, "instance_prompt"),
        ({**AWS, "prepend_instance_prompt": True}, "instance_prompt"),
        ({**AWS, "caption_filter_list": "x.txt"}, "caption_filter_list"),
        ({**AWS, "caption_shuffle": True}, "caption_shuffle"),
        ({**AWS, "caption_shuffle": {"split_on": "tab"}}, "split_on tab"),
        ({**AWS, "caption_shuffle": {"count": 0}}, "count 0"),
        ({**AWS, "disable_vae_cache": True}, "disable_vae_cache"),
        ({**HUB, "maximum_image_size": 1024}, "maximum_image_size 1024"),
        (
            {**HUB, "resolution_type": "area", "resolution": 1.0, "maximum_image_size": 1024,
             "target_downsample_size": 1.5},
            "20 megapixels",
        ),
        (
            {**HUB, "resolution_type": "pixel", "maximum_image_size": 2,
             "target_downsample_size": 768},
            "512 pixels",
        ),
        (
            {**HUB, "resolution": 1.0, "resolution_type": "area", "minimum_image_size": 512},
            "minimum_image_size 512",
        ),
        ({**HUB, "resolution": 1.0}, "resolution 1.0"),
        ({**HUB, "resolution": "1024"}, "resolution '1024'"),
        ({**HUB, "resolution_type": "pixels"}, "resolution_type pixels"),
        ({**HUB, "crop_aspect": "squared"}, "crop_aspect squared"),
        ({**HUB, "crop_style": "middle"}, "crop_style middle"),
        ({**HUB, "crop": True, "crop_aspect": "closest"}, "crop_aspect_buckets"),
        ({**VIDEO, "video": {"num_frames": 0}}, "num_frames 0"),
        ({**VIDEO, "video": {"num_frames": 49, "min_frames": 20}}, "min_frames 20"),
        ({**HUB, "probability": "often"}, "probability"),
        ({**HUB, "start_epoch": 3, "end_epoch": 2}, "end_epoch 2"),
        ({**AWS, "grounding": {"auto_detect": True}}, "auto_detect"),
        ({**HUB, "text_embeds": "nowhere"}, "text_embeds names nowhere"),
    ],
)  # fmt: skip
def test_an_entry_that_the_trainer_refuses_is_an_error(
    tmp_path: Path, entry: dict[str, Any], part: str
) -> None:
    started = [{**HUB, "id": "first", "cache_dir_vae": "cache/first"}]  # at the start of training
    found = findings(tmp_path, [*started, entry, TEXT_CACHE])
    assert [(c.level, part in c.message) for c in found] == [("error", True)]
    assert all(c.advice for c in found)


@pytest.mark.parametrize(
    ("entry", "part"),
    [
        ({**HUB, "repeat": 10}, "repeat is no key"),
        ({**HUB, "ignore_epochs": True}, "ignore_epochs"),
        ({**AWS, "metadata_backend": "filesystem"}, "discovery"),
        ({**HUB, "resolution": 1}, "1 px"),
        ({**HUB, "resolution": 1024, "resolution_type": "area"}, "1024 megapixels"),
        ({**HUB, "start_step": 1000}, "start_step 1000"),
    ],
)
def test_what_the_trainer_ignores_or_changes_is_a_warning(
    tmp_path: Path, entry: dict[str, Any], part: str
) -> None:
    started = [{**HUB, "id": "first", "cache_dir_vae": "cache/first"}]
    found = findings(tmp_path, [*started, entry, TEXT_CACHE])
    assert [(c.level, part in c.message) for c in found] == [("warn", True)]


@pytest.mark.parametrize(
    "entries",
    [
        [HUB, TEXT_CACHE],
        [HUB],
        [AWS],
        [CSV],
        [without(CSV, "csv_url_column")],
        [{"id": "w", "type": "webshart", "webshart": {"source": "a/b"},
          "caption_strategy": "webshart", "metadata_backend": "webshart", "resolution": 1024}],
        [{**HUB, "caption_strategy": "instanceprompt", "instance_prompt": "x"}],
        [{**HUB, "resolution": 1.0, "resolution_type": "area"}],
        [{**HUB, "hash_filenames": True, "probability": 1, "repeats": 0, "crop": False,
          "maximum_image_size": 480, "minimum_image_size": 128, "target_downsample_size": 480}],
        [{**HUB, "cache_dir_vae": "cache/{id}"}, {**HUB, "id": "b", "cache_dir_vae": "cache/{id}"}],
        [HUB, {**HUB, "id": "b", "type": "nonsense", "disabled": True}],
        [HUB, {"id": "memo", "type": "memory", "dataset_type": "image_embeds"}],
        [{**HUB, "my_note": "the best ones", "x": 1}],
    ],
)  # fmt: skip
def test_what_the_trainer_takes_is_not_complained_about(
    tmp_path: Path, entries: list[dict[str, Any]]
) -> None:
    assert findings(tmp_path, entries) == []


@pytest.mark.parametrize(
    ("entries", "changes", "part"),
    [
        ([HUB], {"model_flavour": "kontext"}, "needs a conditioning dataset"),
        (
            [{**HUB, "conditioning_data": ["ref"]}, {**REFERENCE, "dataset_type": "image"}],
            {},
            "whose dataset_type is image",
        ),
        ([{**HUB, "conditioning_data": "gone"}], {}, "no dataset of the file"),
        ([HUB, REFERENCE], {}, "without a source"),
        (
            [{**HUB, "conditioning_data": "ref"}, {**REFERENCE, "conditioning_data": ["ref"]}],
            {},
            "leads back to it",
        ),
        ([HUB], {"controlnet": True}, "ControlNet"),
        (
            [{**HUB, "conditioning_data": "ref"}, {**REFERENCE, "conditioning_type": "canny"}],
            {"model_family": "qwen_image", "model_flavour": "edit-v2"},
            "conditioning_type canny",
        ),
        (
            [{**HUB, "conditioning_data": "ref"}, {**REFERENCE, "conditioning_type": "mask"}],
            {"model_family": "qwen_image", "model_flavour": "edit-v2"},
            "reference_strict or reference_loose",
        ),
        (
            [{**VIDEO, "audio": {"auto_split": False}}],
            {"model_family": "wan_s2v", "model_flavour": None},
            "needs an audio dataset",
        ),
        ([HUB], {"model_family": "wan_s2v", "model_flavour": None}, "needs an audio dataset"),
        (
            [{**VIDEO, "video": {"is_i2v": True}}],
            {"model_family": "hunyuanvideo", "model_flavour": "i2v-480p"},
            "needs a conditioning dataset",
        ),
        ([{**VIDEO, "s2v_datasets": ["speech"]}], {}, "s2v_datasets names speech"),
    ],
)
def test_links_that_the_trainer_does_not_find(
    tmp_path: Path, entries: list[dict[str, Any]], changes: dict[str, Any], part: str
) -> None:
    found = findings(tmp_path, entries, **changes)
    assert part in "".join(c.message for c in found if c.level == "error")


@pytest.mark.parametrize(
    ("entries", "changes"),
    [
        ([{**HUB, "conditioning_data": ["ref"]}, REFERENCE], {"model_flavour": "kontext"}),
        ([{**HUB, "conditioning": [{"type": "canny"}]}], {"model_flavour": "kontext"}),
        ([{**REFERENCE, "source_dataset_id": "cats"}, HUB], {}),
        (
            [{**HUB, "conditioning_data": "ref"}, {**REFERENCE, "caption_strategy": None}],
            {"model_family": "qwen_image", "model_flavour": "edit-v2"},
        ),
        ([{**VIDEO, "s2v_datasets": "speech"}, AUDIO],
         {"model_family": "wan_s2v", "model_flavour": None}),
        ([{**VIDEO, "type": "local", "instance_data_dir": "clips", "caption_strategy": "textfile",
           "video": {"is_i2v": True}, "metadata_backend": "discovery"}],
         {"model_family": "hunyuanvideo", "model_flavour": "i2v-480p"}),
        ([VIDEO], {"model_family": "wan_s2v", "model_flavour": None}),
        ([{**VIDEO, "audio": {"auto_split": True}}],
         {"model_family": "wan_s2v", "model_flavour": None}),
    ],
)  # fmt: skip
def test_links_that_the_trainer_finds(
    tmp_path: Path, entries: list[dict[str, Any]], changes: dict[str, Any]
) -> None:
    assert findings(tmp_path, entries, **changes) == []


@pytest.mark.parametrize(
    ("entries", "changes", "part"),
    [
        ([{**HUB, "start_step": 5}], {}, "start of training"),
        ([HUB, TEXT_CACHE, {**TEXT_CACHE, "id": "t2"}], {}, "marked default"),
        ([HUB, {**AWS, "id": "cats"}], {}, "2 entries have the id cats"),
        ([HUB, {**TEXT_CACHE, "id": "cats"}], {}, "2 entries have the id cats"),
        ([HUB, {**HUB, "id": "b"}], {}, "same cache_dir_vae"),
        ([HUB, {**TEXT_CACHE, "cache_dir": "cache/vae/"}], {}, "text cache"),
        ([HUB], {"eval_dataset_id": "nowhere"}, "eval_dataset_id nowhere"),
        ([HUB, CAPTIONS], {}, "holds no images"),
        ([TEXT_CACHE], {}, "no dataset to train on"),
        ([HUB, CAPTIONS], {"distillation_method": "dmd", "dataloader_prefetch": True}, "prefetch"),
    ],
)
def test_rules_of_the_whole_file(
    tmp_path: Path, entries: list[dict[str, Any]], changes: dict[str, Any], part: str
) -> None:
    found = [c for c in findings(tmp_path, entries, **changes) if c.level == "error"]
    assert [part in c.message for c in found] == [True]


def test_a_staged_video_loses_the_first_frames_that_a_local_one_has(tmp_path: Path) -> None:
    entry = {**VIDEO, "type": "local", "instance_data_dir": "clips", "caption_strategy": "textfile",
             "video": {"is_i2v": True}, "metadata_backend": "discovery"}  # fmt: skip
    flavour: dict[str, Any] = {"model_family": "wan", "model_flavour": "i2v-14b-2.1"}
    hunyuan: dict[str, Any] = {"model_family": "hunyuanvideo", "model_flavour": "i2v-480p"}
    config = load_config(write_project(tmp_path, [entry], **hunyuan))
    modes: list[tuple[DatasetMode, bool]] = [("both", False), ("staged", True)]
    for mode, refused in modes:
        found = check_config(config, mode=mode, release=RELEASE)
        advice = [c.advice for c in found if c.id == "conditioning"]
        assert ["name it in conditioning_data" in text for text in advice] == [True] * refused
        assert not any("i2v_first_frame" in text for text in advice), "it is made on a disk only"
    assert findings(tmp_path / "wan", [entry], **flavour) == []


def test_a_random_crop_may_stop_several_gpus(tmp_path: Path) -> None:
    crop = {"crop": True, "crop_aspect": "random", "crop_aspect_buckets": [0.5, 1.0]}
    (found,) = findings(tmp_path, [{**HUB, **crop}], num_processes=2)
    assert (found.level, "several GPUs" in found.message) == ("warn", True)
    assert findings(tmp_path / "one", [{**HUB, **crop}]) == []


ZIP = {**HUB, "dataset_name": "imagefolder", "data_files": "https://example.org/a.zip"}
CONFIGS = {**without(HUB), "huggingface": {"dataset_config": "alpha"}}
PREFIXED = {**AWS, "aws_data_prefix": "cats/"}


@pytest.mark.parametrize(
    ("entry", "levels", "part"),
    [
        (ZIP, ["error", "warn", ""], "data_files is"),
        ({**HUB, "data_files": {"train": "a/*"}}, ["warn", "", ""], "reads the whole dataset"),
        (CONFIGS, ["warn", "", ""], "dataset_config"),
        (PREFIXED, ["warn", "", ""], "the whole bucket"),
        (AWS, ["", "", ""], ""),
    ],
)
def test_what_a_release_cannot_do_with_hosted_data(
    tmp_path: Path, entry: dict[str, Any], levels: list[str], part: str
) -> None:
    """By release: 4.8.0, one that is not known, 4.10.1."""
    for release, level in zip((profile_for(None, user_word="4.8.0"), UNKNOWN, RELEASE), levels,
                              strict=True):  # fmt: skip
        found = [c for c in findings(tmp_path, [entry], release) if c.id == "dataloader"]
        assert [c.level for c in found] == ([level] if level else [])
        assert all(part in c.message and c.release == release.title for c in found)


@pytest.mark.parametrize("inside", [False, True])
def test_an_address_with_a_query_is_no_file_of_a_dataset(tmp_path: Path, inside: bool) -> None:
    signed = {"data_files": {"train": ["https://example.org/a.zip?sig=1"]}}
    entry = {**without(ZIP, "data_files"), **({"huggingface": signed} if inside else signed)}
    (found,) = findings(tmp_path, [entry])
    assert (found.level, "with a query" in found.message) == ("error", True)
