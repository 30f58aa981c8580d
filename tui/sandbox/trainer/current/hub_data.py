"""Entries of `type: huggingface`: folders of pictures from the Hub, or a zip from an address.

The files come with the real `huggingface_hub`; their layout is read as the `datasets` library
reads it. Parquet files are not read here.

Source: SimpleTuner 4.10.1, `helpers/data_backend/huggingface.py` and
`helpers/metadata/backends/huggingface.py`; `datasets` 5, `data_files.py` and the folder builders.
"""

from __future__ import annotations

import csv
import fnmatch
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

from tui.sandbox.trainer.current.entries import Entry, kind_of
from tui.sandbox.trainer.current.rows import Row, block_of, captions_of, measure, suffixes_of
from tui.sandbox.trainer.data import fetch
from tui.sandbox.worker import ProgramError, RunContext
from tui.simpletuner.config.values import as_int, as_text

_SPLIT_NAME: Final = re.compile(r"\w+(\.\w+)*")
_KEYWORDS: Final = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_METADATA: Final = ("metadata.jsonl", "metadata.csv")
_NOT_DATA: Final = frozenset({"README.md", ".gitattributes"})
_MAX_UNPACKED: Final = 8 * 1024**3


@dataclass(frozen=True, slots=True)
class _Folder:
    """A downloaded dataset: where it lies and the paths of its files, in the loader's order."""

    root: Path
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HubRows:
    """What a dataset has, and what was wrong with single samples.

    Attributes:
        rows: samples in the loader's order; their names are their numbers.
        problems: the loader's error lines.
    """

    rows: tuple[Row, ...]
    problems: tuple[str, ...]


def load(run: RunContext, entry: Entry) -> HubRows:
    """Download an entry's dataset and read its samples.

    Raises:
        ProgramError: the loader's message.
    """
    name = as_text(entry.get("dataset_name")) or ""
    given = entry.get("data_files") or block_of(entry).get("data_files")
    if name == "imagefolder" and given:
        found = _from_zip(run, str(entry.get("id")), given)
        paths = found.paths
    else:
        found = _from_hub(run, entry, name)
        paths = _split(found, entry)
    return _rows(found.root, paths, entry)


def _from_hub(run: RunContext, entry: Entry, name: str) -> _Folder:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from huggingface_hub.utils.tqdm import disable_progress_bars

    disable_progress_bars()
    if not run.config.hub_endpoint:
        raise ProgramError("This sandbox's trainer cannot reach the Hugging Face Hub")
    # The token comes from the inputs alone: a container has no other.
    token: str | bool = as_text(run.inputs.get("hf_token")) or False
    api = HfApi(endpoint=run.config.hub_endpoint, token=token)
    try:
        # The loader inspects the main branch, whatever the revision.
        listed = api.list_repo_files(name, repo_type="dataset")
        if not any(_is_data(path) for path in listed):
            raise ProgramError(
                f"EmptyDatasetError: The directory at hf://datasets/{name} doesn't contain any "
                "data files"
            )
        revision = as_text(entry.get("revision")) or as_text(block_of(entry).get("revision"))
        known = set(api.list_repo_files(name, repo_type="dataset", revision=revision))
        wanted = None
        if "README.md" in known:
            card = api.hf_hub_download(
                name,
                "README.md",
                repo_type="dataset",
                revision=revision,
                cache_dir=run.folder / "hub",
            )
            wanted = _wanted(_config(Path(card), entry))
        root = Path(
            api.snapshot_download(
                name,
                repo_type="dataset",
                revision=revision,
                cache_dir=run.folder / "hub",
                allow_patterns=wanted,
                max_workers=4,
            )
        )
    except (RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError) as error:
        raise ProgramError(
            f"Dataset '{name}' doesn't exist on the Hub or cannot be accessed."
        ) from error
    except HFValidationError as error:
        raise ProgramError(f"HFValidationError: {error}") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ProgramError(str(error).splitlines()[0]) from error
    return _Folder(root, tuple(sorted(_files(root))))


def _from_zip(run: RunContext, name: str, given: Any) -> _Folder:
    if isinstance(given, Mapping):
        given = given.get("train")
    address = str(given[0] if isinstance(given, list) and given else given)
    if urlsplit(address).scheme not in {"http", "https"}:
        raise ProgramError(f"FileNotFoundError: Unable to find '{address}'")
    if not urlsplit(address)._replace(fragment="").geturl().endswith(".zip"):
        # The archive is known by the end of its address alone.
        raise ProgramError('Instruction "train" corresponds to no data!')
    archive, root = run.folder / f"{name}.zip", run.folder / "zips" / name
    fetch(run, address, archive)
    try:
        with zipfile.ZipFile(archive) as source:
            members = source.infolist()
            if sum(member.file_size for member in members) > _MAX_UNPACKED:
                raise ProgramError("the archive is too large unpacked")
            root.mkdir(parents=True)
            for member in members:
                run.check()
                source.extract(member, root)
    except (zipfile.BadZipFile, OSError, NotImplementedError) as error:
        raise ProgramError(f"Could not read {address}: {error}") from error
    finally:
        archive.unlink(missing_ok=True)
    return _Folder(root, tuple(sorted(_files(root))))


def _files(root: Path) -> Iterator[str]:
    for path in root.rglob("*"):
        if path.is_file():
            yield path.relative_to(root).as_posix()


def _is_data(path: str) -> bool:
    return path not in _NOT_DATA and not PurePosixPath(path).name.startswith(".")


def _split(found: _Folder, entry: Entry) -> tuple[str, ...]:
    """The files of the split that an entry names."""
    splits = _configured(found, entry) or _inferred(found)
    wanted = as_text(entry.get("split")) or as_text(block_of(entry).get("split")) or "train"
    if wanted not in splits:
        raise ProgramError(f'Unknown split "{wanted}". Should be one of {list(splits)}.')
    return splits[wanted]


def _configured(found: _Folder, entry: Entry) -> dict[str, tuple[str, ...]]:
    """The splits that the dataset's card defines; empty without such a card."""
    config = _config(found.root / "README.md", entry)
    return {split: _matching(found.paths, paths) for split, paths in config.items()}


def _wanted(config: Mapping[str, Sequence[str]]) -> list[str] | None:
    """What is downloaded: the files of every split of a config, or everything without one."""
    if not config:
        return None
    # The patterns of huggingface_hub have no `**`; their `*` crosses folders.
    patterns = [path.replace("**", "*") for paths in config.values() for path in paths]
    return ["README.md", *patterns]


def _config(card: Path, entry: Entry) -> dict[str, list[str]]:
    """Patterns of files by split, of the config that the entry names.

    Raises:
        ProgramError: the card is invalid, or the config is not found.
    """
    from huggingface_hub.repocard import metadata_load

    try:
        metadata = metadata_load(card) if card.is_file() else None
    except Exception as error:
        raise ProgramError(f"The dataset card cannot be read: {error}") from error
    configs = (metadata or {}).get("configs")
    if not isinstance(configs, list):
        return {}
    by_name = {str(item.get("config_name", "default")): item for item in configs}
    wanted = as_text(entry.get("dataset_config")) or as_text(block_of(entry).get("dataset_config"))
    if wanted is None:
        standard = [name for name, item in by_name.items() if item.get("default")]
        choices = standard or (["default"] if "default" in by_name else list(by_name))
        if len(choices) > 1:
            raise ProgramError(
                f"Config name is missing. Please pick one among the available configs: {choices}"
            )
        wanted = choices[0]
    if wanted not in by_name:
        raise ProgramError(f"BuilderConfig '{wanted}' not found. Available: {list(by_name)}")
    for item in by_name.values():
        _patterns(item)  # one invalid config makes the whole card invalid
    base = str(by_name[wanted].get("data_dir") or "").strip("/")
    return {
        split: [f"{base}/{one}" if base else one for one in patterns]
        for split, patterns in _patterns(by_name[wanted]).items()
    }


def _patterns(config: Mapping[str, Any]) -> dict[str, list[str]]:
    given = config.get("data_files", "**")
    if isinstance(given, str):
        return {"train": [given]}
    patterns: dict[str, list[str]] = {}
    for item in given if isinstance(given, list) else [given]:
        if isinstance(item, str):
            patterns.setdefault("train", []).append(item)
            continue
        split = str(item.get("split", "")) if isinstance(item, Mapping) else ""
        paths = item.get("path") if isinstance(item, Mapping) else None
        if not _SPLIT_NAME.fullmatch(split) or not isinstance(paths, str | list):
            raise ProgramError(
                f"Expected data_files in YAML to be a path or a list of split and path, got {item}"
            )
        patterns[split] = [paths] if isinstance(paths, str) else [str(path) for path in paths]
    return patterns


def _matching(paths: Sequence[str], patterns: Sequence[str]) -> tuple[str, ...]:
    chosen = []
    for path in paths:
        if not _is_data(path):
            continue
        for pattern in patterns:
            everything = pattern.removesuffix("**") if pattern.endswith("**") else None
            if (everything is not None and path.startswith(everything)) or fnmatch.fnmatchcase(
                path, pattern
            ):
                chosen.append(path)
                break
    return tuple(chosen)


def _inferred(found: _Folder) -> dict[str, tuple[str, ...]]:
    """The splits without a card: by names of folders, else by names of files, else `train`."""
    data = [path for path in found.paths if _is_data(path)]
    for in_folders in (True, False):
        splits: dict[str, list[str]] = {}
        for path in data:
            *folders, last = path.split("/")
            for split, words in _KEYWORDS.items():
                if any(_has_word(part, words) for part in (folders if in_folders else [last])):
                    splits.setdefault(split, []).append(path)
                    break
        if splits:
            return {split: tuple(splits[split]) for split in _KEYWORDS if split in splits}
    return {"train": tuple(data)}


def _has_word(part: str, words: Sequence[str]) -> bool:
    between = r"[-._ 0-9]"
    return any(re.search(rf"(^|{between}){word}($|{between})", part) for word in words)


def _rows(root: Path, paths: Sequence[str], entry: Entry) -> HubRows:
    suffixes = suffixes_of(kind_of(entry))
    if any(path.endswith(".parquet") for path in paths):
        raise ProgramError("This sandbox reads folders with metadata.jsonl or .csv, no parquet")
    media = [path for path in paths if PurePosixPath(path).suffix.lower() in suffixes]
    described = [path for path in paths if PurePosixPath(path).name in _METADATA]
    if not described:
        texts = sum(path.endswith(".txt") for path in paths)
        if texts and texts >= len(media):
            return HubRows((), ())  # it is a text dataset, which has no pictures
    facts = _metadata(root, described, set(media)) if described else None
    rows: list[Row] = []
    problems: list[str] = []
    # With metadata the order is that of their rows, and a picture without a row is left out.
    known = set(media)
    for path in media if facts is None else [path for path in facts if path in known]:
        number = len(rows) + len(problems)
        row = _row(root / path, f"{number}.jpg", entry, (facts or {}).get(path, {}))
        if row is None:
            problems.append(f"Error reading from dataset at index {number}")
        else:
            rows.append(row)
    return HubRows(tuple(rows), tuple(problems))


def _metadata(
    root: Path, described: Sequence[str], media: set[str]
) -> dict[str, Mapping[str, Any]]:
    """The rows of the metadata files by the path of their sample."""
    facts: dict[str, Mapping[str, Any]] = {}
    for name in described:
        folder = PurePosixPath(name).parent
        for row in _read_metadata(root / name):
            file = row.get("file_name")
            if not isinstance(file, str):
                raise ProgramError("`file_name` or `*_file_name` must be present as a key")
            path = (folder / file).as_posix()
            if path not in media and not (root / path).is_file():
                raise ProgramError(
                    f"FileNotFoundError: [Errno 2] No such file or directory: "
                    f"'.../snapshots/{root.name}/{path}'"
                )
            facts[path] = row
    return facts


def _read_metadata(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            if path.suffix == ".csv":
                yield from csv.DictReader(file)
                return
            for line in file:
                if line.strip():
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise ProgramError(f"{path.name}: a row is no object")
                    yield row
    except (ValueError, OSError) as error:
        raise ProgramError(f"{path.name} cannot be read: {error}") from error


def _row(path: Path, name: str, entry: Entry, facts: Mapping[str, Any]) -> Row | None:
    captions = captions_of(entry, _captions(entry, facts))
    if kind_of(entry) in {"video", "audio"}:
        return Row(name, 0, 0, captions, None)
    size = measure(path, path.name)
    if size is None:
        return None
    block = block_of(entry)
    # Sizes in columns replace those of the picture.
    width = as_int(facts.get(str(block.get("width_column")))) or size.width
    height = as_int(facts.get(str(block.get("height_column")))) or size.height
    return Row(name, width, height, captions, path, size.is_cmyk)


def _captions(entry: Entry, facts: Mapping[str, Any]) -> list[str]:
    block = block_of(entry)
    columns = block.get("caption_column", "caption")
    if isinstance(columns, list):
        return [text for column in columns if (text := _text(facts.get(str(column))))]
    for column in (columns, block.get("fallback_caption_column"), "description"):
        if text := _text(facts.get(str(column))):
            return [text]
    return []


def _text(value: Any) -> str:
    # A list in one column becomes one text with its brackets.
    return "" if value is None else str(value).strip()
