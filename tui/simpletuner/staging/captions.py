"""The captions of a local dataset, as the trainer reads them from files of this machine.

Source: SimpleTuner 4.10.1, `helpers/prompts.py`. Caption files are never staged; their texts are.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from tui.base.json_types import JsonObject
from tui.simpletuner.config.training_config import DatasetSpec
from tui.simpletuner.config.values import as_bool, as_text
from tui.simpletuner.errors import SimpleTunerError
from tui.simpletuner.staging.names import split_suffix

Captions = Callable[[str], tuple[str, ...]]
"""Returns the captions of a file by its name in the dataset; empty when it has none."""

STRATEGIES: Final = ("filename", "textfile", "instanceprompt", "parquet")
"""Caption strategies of local datasets that can be staged."""


def caption_lines(text: str, *, whole: bool) -> tuple[str, ...]:
    """Return the captions in the text of a caption file: one per line, or one in all."""
    text = text.removeprefix("\ufeff")
    parts = [text] if whole else text.split("\n")
    return tuple(stripped for part in parts if (stripped := part.strip()))


def is_whole(spec: DatasetSpec) -> bool:
    """Whether a caption file with line breaks is one caption."""
    return as_bool(spec.raw.get("disable_multiline_split"))


def caption_of_name(name: str) -> tuple[str, ...]:
    """Return the caption that a file's name is, or nothing for a name of `_` alone."""
    stem = split_suffix(name.rpartition("/")[2])[0].replace("_", " ").strip()
    return (stem,) if stem else ()


def table_captions(spec: DatasetSpec, table: Path) -> Captions:
    """Read a dataset's table of captions (parquet, JSON lines or CSV).

    Raises:
        SimpleTunerError: it cannot be read, or lacks a column; the message names field and reason.
    """
    options = spec.raw.get("parquet")
    options = options if isinstance(options, Mapping) else {}
    names = as_text(options.get("filename_column")) or "id"
    captions = as_text(options.get("caption_column")) or "caption"
    fallback = as_text(options.get("fallback_caption_column"))
    with_suffix = as_bool(options.get("identifier_includes_extension"))
    found: dict[str, tuple[str, ...]] = {}
    for row in _rows(spec, table):
        for column, field in ((names, "filename_column"), (captions, "caption_column")):
            if column not in row:
                raise SimpleTunerError(
                    f"dataset {spec.id}: parquet.{field} names the column {column}, which "
                    f"{table.name} does not have",
                    f"Set parquet.{field} to one of: {', '.join(row)}.",
                )
        texts = _texts(row[captions]) or (_texts(row.get(fallback)) if fallback else ())
        found[str(row[names])] = texts
    return lambda name: _look_up(found, name, with_suffix=with_suffix)


def _look_up(
    found: Mapping[str, tuple[str, ...]], name: str, *, with_suffix: bool
) -> tuple[str, ...]:
    base = name.rpartition("/")[2]
    choices = (name, base) if with_suffix else (split_suffix(name)[0], split_suffix(base)[0])
    return next((found[choice] for choice in choices if choice in found), ())


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value.strip(),) if value.strip() else ()
    if isinstance(value, Iterable):
        return tuple(text.strip() for text in map(str, value) if text.strip())
    return ()


def _rows(spec: DatasetSpec, table: Path) -> list[JsonObject]:
    suffix = table.suffix.lower()
    try:
        if suffix == ".jsonl":
            lines = table.read_text("utf-8").splitlines()
            return [dict(json.loads(line)) for line in lines if line.strip()]
        if suffix == ".json":
            return [dict(row) for row in json.loads(table.read_text("utf-8"))]
        if suffix == ".csv":
            with table.open(encoding="utf-8-sig", newline="") as file:
                return [dict(row) for row in csv.DictReader(file)]
        return _parquet_rows(spec, table)
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise SimpleTunerError(
            f"dataset {spec.id}: parquet.path: {table.name} cannot be read: {error}",
            "Repair the table, or write the captions into .txt files.",
        ) from error


def _parquet_rows(spec: DatasetSpec, table: Path) -> list[JsonObject]:
    try:
        from pyarrow import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
            parquet,  # an optional package: without it only parquet tables cannot be staged
        )
    except ImportError:
        raise SimpleTunerError(
            f"dataset {spec.id}: parquet.path: reading {table.name} needs the package pyarrow",
            "Install pyarrow beside simpletuner-tui, or write the captions as JSON lines (.jsonl).",
        ) from None
    rows: list[JsonObject] = parquet.read_table(table).to_pylist()
    return rows
