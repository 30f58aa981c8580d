"""Rewrites the dataloader entry of a local dataset for a place that the trainer reads from.

Source of the rules: SimpleTuner 4.10.1, `helpers/data_backend/` (builders, factory, config) and
`helpers/metadata/backends/huggingface.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

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


def portable_entry(entry: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Split a local entry into what any place keeps, and what is dropped.

    Returns:
        The entry without `type` and without keys that mean something on this machine only, and the
        reason by dropped key.
    """
    kept: dict[str, Any] = {}
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
