"""The entry of a staged dataset, key by key."""

from __future__ import annotations

import base64
import json
from collections import Counter
from typing import Any

import pytest

from tui.simpletuner.staging.config import fill_placeholders
from tui.simpletuner.staging.manifest import Manifest, StagedDataset, StagedFile
from tui.simpletuner.staging.rewrite import hub_entry, hub_rows, portable_entry, row_name


def dataset(entry: dict[str, Any], *captions: tuple[str, ...]) -> StagedDataset:
    files = tuple(
        StagedFile(f"p{n}.png", f"/x/p{n}.png", f"{n:064x}", 10, texts)
        for n, texts in enumerate(captions or ((),))
    )
    return StagedDataset("cats", {"id": "cats", "type": "local"} | entry, files)


def rewritten(entry: dict[str, Any], *captions: tuple[str, ...]) -> dict[str, Any]:
    data = dataset(entry, *captions)
    kept, _ = portable_entry(data.entry)
    return hub_entry(data, kept, repo_id="me/cats", revision="abc")


KEPT = {
    "resolution": 1024, "resolution_type": "pixel_area", "minimum_image_size": 256,
    "maximum_image_size": 2048, "target_downsample_size": 1536, "crop": True,
    "crop_aspect": "square", "crop_style": "center", "crop_aspect_buckets": [1.0, 0.5],
    "minimum_aspect_ratio": 0.5, "maximum_aspect_ratio": 2.0, "repeats": 5, "probability": 0.5,
    "start_epoch": 1, "end_epoch": 3, "start_step": 1, "end_step": 9, "train_batch_size": 2,
    "max_num_samples": 7, "instance_prompt": "a cat", "prepend_instance_prompt": True,
    "caption_shuffle": {"enable": True}, "only_instance_prompt": False, "text_embeds": "t5",
    "image_embeds": "vae", "vae_cache_clear_each_epoch": True, "write_batch_size": 64,
    "dataset_type": "image", "conditioning_data": "masks", "source_dataset_id": "cats-0",
    "video": {"num_frames": 9}, "audio": {"auto_split": True}, "s2v_datasets": ["voice"],
}  # fmt: skip
DROPPED = {
    "instance_data_dir": "/x", "instance_data_root": "/x", "metadata_backend": "discovery",
    "parquet": {"path": "a.parquet"}, "cache_dir": "/x/cache", "cache_dir_vae": "/x/vae",
    "preserve_data_backend_cache": True, "skip_file_discovery": "vae", "scan_for_errors": True,
    "hash_filenames": True, "csv_file": "a.csv", "aws_bucket_name": "b",
    "delete_problematic_images": True, "delete_unwanted_images": True,
    "disable_multiline_split": True,
}  # fmt: skip


@pytest.mark.parametrize("key", KEPT)
def test_training_options_are_kept(key: str) -> None:
    assert rewritten({key: KEPT[key]}, ("a",))[key] == KEPT[key]


@pytest.mark.parametrize("key", DROPPED)
def test_what_means_nothing_there_is_dropped(key: str) -> None:
    assert key not in rewritten({key: DROPPED[key]}, ("a",))


def test_a_relative_vae_cache_is_kept() -> None:
    entry = rewritten({"cache_dir_vae": "cache/vae/cats"}, ("a",))
    assert entry["cache_dir_vae"] == "cache/vae/cats"


@pytest.mark.parametrize("strategy", ["textfile", "filename", "parquet"])
def test_captions_are_a_column(strategy: str) -> None:
    entry = rewritten({"caption_strategy": strategy}, ("one",), ("two",))
    assert entry["huggingface"] == {"caption_column": "caption"}
    assert "caption_strategy" not in entry
    assert (entry["type"], entry["split"], entry["revision"]) == ("huggingface", "train", "abc")


def test_each_caption_line_is_a_column_of_its_own() -> None:
    data = dataset({"caption_strategy": "textfile"}, ("one",), ("two", "zwei", "deux"))
    entry = hub_entry(data, {}, repo_id="me/cats", revision="abc")
    assert entry["huggingface"] == {"caption_column": ["caption_0", "caption_1", "caption_2"]}
    first, second = hub_rows(data)
    assert first == {
        "file_name": "000/000000.png", "caption_0": "one", "caption_1": None, "caption_2": None
    }  # fmt: skip
    assert [second[f"caption_{n}"] for n in range(3)] == ["two", "zwei", "deux"]


def test_no_folder_of_a_repository_gets_more_entries_than_the_hub_takes() -> None:
    file = StagedFile("a.png", "/x/a.png", "0" * 64, 1)
    names = [row_name(number, file) for number in range(12_000)]
    folders = Counter(name.partition("/")[0] for name in names)
    assert max(folders.values()) <= 10_000
    assert names == sorted(names)


def test_an_instance_prompt_stays_the_strategy() -> None:
    entry = rewritten({"caption_strategy": "instanceprompt", "instance_prompt": "a cat"})
    assert entry["caption_strategy"] == "instanceprompt"
    assert "huggingface" not in entry


def test_a_manifest_is_read_back_as_it_was_written() -> None:
    manifest = Manifest((dataset({"repeats": 2}, ("one", "two"), ()),))
    again = Manifest.from_dict(json.loads(json.dumps(manifest.to_dict())))
    assert again == manifest
    assert again.digest == manifest.digest


def test_placeholders_are_replaced_in_text_and_data_url() -> None:
    text = json.dumps([{"revision": 'of "ü"', "x": 1}], ensure_ascii=False)
    wanted = [{"revision": "c0ffee", "x": 1}]
    assert json.loads(fill_placeholders(text, {'of "ü"': "c0ffee"})) == wanted
    head = "data:application/json;base64,"
    coded = head + base64.b64encode(text.encode()).decode()
    filled = fill_placeholders(coded, {'of "ü"': "c0ffee"})
    assert json.loads(base64.b64decode(filled.removeprefix(head))) == wanted
