"""Rewrites the dataloader entry of a local dataset for a place that the trainer reads from.

Source of the rules: SimpleTuner 4.10.1, `helpers/data_backend/` (builders, factory, config) and
`helpers/metadata/backends/huggingface.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tui.base.json_types import JsonObject
from tui.simpletuner.config.values import as_text
from tui.simpletuner.request.container import is_outside
from tui.simpletuner.staging.manifest import StagedDataset, StagedFile
from tui.simpletuner.staging.names import split_suffix

LOCAL_KEYS: Final[Mapping[str, str]] = {
    "instance_data_dir": "a folder of this machine",
    "instance_data_root": "a folder of this machine",
    "instance_data_cache_dir": "a folder of this machine",
    "metadata_backend": "the place of the data decides it",
    "parquet": "captions are sent with the pictures",
    "cache_dir": "a folder of this machine",
    "preserve_data_backend_cache": "only for data on a disk",
    "skip_file_discovery": "only for data on a disk",
    "scan_for_errors": "every file is checked before it is sent",
    "hash_filenames": "only for data on a disk",
    "delete_problematic_images": "nothing is deleted from staged data",
    "delete_unwanted_images": "nothing is deleted from staged data",
}
"""Keys of a local entry that are not sent, with the reason; `csv_…` and `aws_…` are others."""


def portable_entry(entry: Mapping[str, Any]) -> tuple[JsonObject, dict[str, str]]:
    """Split a local entry into what any place keeps, and what is dropped.

    Returns:
        The entry without `type` and without keys that mean something on this machine only, and the
        reason by dropped key.
    """
    kept: JsonObject = {}
    dropped: dict[str, str] = {}
    for key, value in entry.items():
        if key == "type":
            continue
        if reason := LOCAL_KEYS.get(key):
            dropped[key] = reason
        elif key.startswith(("csv_", "aws_")):
            dropped[key] = "only for data of another type"
        else:
            kept[key] = value
    return kept, dropped


_NOT_ON_HUB: Final[Mapping[str, str]] = {
    "disable_multiline_split": "captions are columns there",
    "huggingface": "made anew for the staged data",
    "dataset_name": "made anew for the staged data",
    "dataset_config": "made anew for the staged data",
    "data_files": "made anew for the staged data",
    "split": "made anew for the staged data",
    "revision": "made anew for the staged data",
    "streaming": "streamed data have no aspect buckets",
}
_FOLDER_FILES: Final = 5_000


def hub_entry(
    dataset: StagedDataset, entry: Mapping[str, Any], *, repo_id: str, revision: str
) -> JsonObject:
    """Return the `huggingface` entry of a staged dataset.

    Args:
        dataset: the staged dataset.
        entry: its portable entry.
        repo_id: the dataset repository.
        revision: the commit that holds exactly this content.
    """
    kept = {key: value for key, value in entry.items() if key not in _NOT_ON_HUB}
    strategy = as_text(kept.pop("caption_strategy", None))
    if is_outside(kept.get("cache_dir_vae")):
        del kept["cache_dir_vae"]
    result: JsonObject = {
        "id": dataset.id,
        "type": "huggingface",
        **{key: value for key, value in kept.items() if key != "id"},
        "dataset_name": repo_id,
        "split": "train",
        "revision": revision,
    }
    if strategy == "instanceprompt":
        result["caption_strategy"] = strategy
    columns = caption_columns(dataset)
    if columns:
        # A column that holds lists would be read as one text, so each line has its own column.
        name = columns[0] if len(columns) == 1 else list(columns)
        result["huggingface"] = {"caption_column": name}
    return result


def hub_dropped(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return the reason by each key that `hub_entry` drops beyond those of `portable_entry`."""
    dropped = {key: reason for key, reason in _NOT_ON_HUB.items() if key in entry}
    if is_outside(entry.get("cache_dir_vae")):
        dropped["cache_dir_vae"] = "a folder of this machine"
    return dropped


def caption_columns(dataset: StagedDataset) -> tuple[str, ...]:
    """Return the names of the caption columns: `caption`, or `caption_0` and so on for lines."""
    lines = dataset.caption_lines
    if lines <= 1:
        return ("caption",) * lines
    return tuple(f"caption_{number}" for number in range(lines))


def hub_rows(dataset: StagedDataset) -> list[dict[str, str | None]]:
    """Return the rows of `metadata.jsonl`, with `row_name` as each file's name."""
    columns = caption_columns(dataset)
    return [
        {
            "file_name": row_name(number, file),
            **{
                column: file.captions[at] if at < len(file.captions) else None
                for at, column in enumerate(columns)
            },
        }
        for number, file in enumerate(dataset.files)
    ]


def row_name(number: int, file: StagedFile) -> str:
    """Return the name of a file in a dataset repository, relative to its content's folder.

    The loader's rows are in the order of these names, and linked datasets are matched by the row.
    The Hub takes at most 10,000 entries in a folder.
    """
    return f"{number // _FOLDER_FILES:03d}/{number:06d}{split_suffix(file.name)[1]}"
