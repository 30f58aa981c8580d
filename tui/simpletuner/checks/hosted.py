"""The trainer's rules for hosted datasets that depend on its release.

Source: SimpleTuner's helpers/data_backend/huggingface.py and aws.py, releases 4.8.0 and 4.10.1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from tui.simpletuner.checks.data import CheckRow, resting_on
from tui.simpletuner.checks.entries import Entry, is_disabled
from tui.simpletuner.config.training_config import TrainingConfig
from tui.simpletuner.config.values import as_text
from tui.simpletuner.release.profile import ReleaseProfile

_LOADERS: Final = frozenset({"imagefolder", "videofolder", "audiofolder", "parquet", "webdataset"})
"""Loaders of the `datasets` library, which stand for the files that are named beside them."""


def hosted_checks(config: TrainingConfig, release: ReleaseProfile | None) -> Iterator[CheckRow]:
    """Check the hosted datasets of a config against what the trainer's release can do."""
    for entry in config.dataloader:
        if not is_disabled(entry):
            rows = _of_entry(entry, release)
            name = as_text(entry.get("id")) or "without an id"
            named = ((row[0], row[1], f"dataset {name}: {row[2]}", *row[3:]) for row in rows)
            yield from resting_on(release, named)


def _of_entry(entry: Entry, release: ReleaseProfile | None) -> Iterator[CheckRow]:
    kind = as_text(entry.get("type"))
    if kind == "huggingface":
        yield from _files(entry, release)
        if _given(entry, "dataset_config") and release and release.knows_dataset_config is False:
            message = "dataset_config is ignored by this trainer, which stops if there are several"
            yield "dataloader", "warn", message, "Give each a repository or a split of its own."
    elif kind == "aws" and release and release.aws_prefix_respected is False:
        message = "this trainer reads the whole bucket, whatever aws_data_prefix says"
        if as_text(entry.get("aws_data_prefix")):
            yield "dataloader", "warn", message, "Use a bucket that holds nothing else."


def _files(entry: Entry, release: ReleaseProfile | None) -> Iterator[CheckRow]:
    files = _given(entry, "data_files")
    if not files:
        return
    alone = as_text(entry.get("dataset_name")) in _LOADERS
    advice = "Put the files into a Hub dataset, and name that."
    known = release.knows_data_files if release is not None else None
    if known is False:
        message = "data_files is ignored by this trainer"
        more = ", which finds no data then and stops" if alone else ": it reads the whole dataset"
        yield "dataloader", "error" if alone else "warn", message + more, advice
    elif known is None and alone:
        message = "data_files is read by newer trainers alone; one of 4.8.0 finds no data and stops"
        yield "dataloader", "warn", message, advice
    for address in _texts(files):
        if address.startswith(("http://", "https://")) and urlsplit(address).query:
            message = "data_files has an address with a query; the trainer finds no data and stops"
            yield "dataloader", "error", message, "Use one that ends with the file's name."
            return


def _given(entry: Entry, key: str) -> Any:
    """The value of a key, which may stand in the entry or in its block; the entry's counts."""
    block = entry.get("huggingface")
    return entry.get(key) or (block.get(key) if isinstance(block, Mapping) else None)


def _texts(value: Any) -> Iterator[str]:
    """The texts in a text, a list or an object of either."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        inner: Iterable[Any] = value.values() if isinstance(value, Mapping) else value
        for one in inner:
            yield from _texts(one)
