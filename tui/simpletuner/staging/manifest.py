"""What is staged: the files of local datasets, as they are sent.

A manifest is made from a scan before anything is sent, and names every byte: whoever has it can
tell whether a place holds the dataset already, and whether a file has changed since. Its digests
depend only on what is sent, not on where the files lie on this machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal, TypedDict

from tui.base.json_types import JsonObject

Transform = Literal["as-is", "rgb"]
"""What is done to a file before it is sent: nothing, or a conversion to an RGB PNG."""

_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class StagedFile:
    """One picture, video or sound file of a dataset, with its captions.

    Caption files are never sent: their text is in `captions`.

    Attributes:
        name: name in the staged set, relative and with `/`: letters, digits, `.`, `_` and `-` only,
            unique in its dataset even when case is ignored. Files of one local name in two datasets
            get the same name here, but for the suffix that a transform changes.
        source: path of the file on this machine.
        sha256: SHA-256 of the bytes that are sent, in hexadecimal digits.
        size: number of bytes that are sent.
        captions: the captions, one or more; empty when the picture has none.
        transform: what is done to the bytes before they are sent.
        source_size: size of the file on this machine.
        source_mtime_ns: its modification time; a file of another size or time has changed.
    """

    name: str
    source: str
    sha256: str
    size: int
    captions: tuple[str, ...] = ()
    transform: Transform = "as-is"
    source_size: int = 0
    source_mtime_ns: int = 0


@dataclass(frozen=True)
class StagedDataset:
    """A local dataset that is staged.

    Attributes:
        id: its id in the rewritten dataloader.
        entry: its entry as the config has it.
        files: its files, in the order of their rows.
    """

    id: str
    entry: Mapping[str, Any]
    files: tuple[StagedFile, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 over names, contents and captions in their order, in hexadecimal digits."""
        digest = hashlib.sha256(b"staged %d\n" % _VERSION)
        for file in self.files:
            row = [file.name, file.sha256, file.size, *file.captions]
            digest.update(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        return digest.hexdigest()

    @cached_property
    def bytes(self) -> int:
        """Bytes of all files, each counted."""
        return sum(file.size for file in self.files)

    @cached_property
    def caption_lines(self) -> int:
        """The most captions that one file has."""
        return max((len(file.captions) for file in self.files), default=0)


class DatasetData(TypedDict):
    """A staged dataset as JSON values.

    Attributes:
        id: the dataset's id.
        entry: its entry of the dataloader, as the user wrote it.
        files: a row for each file: its fields in their order.
    """

    id: str
    entry: JsonObject
    files: list[list[object]]


class ManifestData(TypedDict):
    """A manifest as JSON values."""

    version: int
    datasets: list[DatasetData]


@dataclass(frozen=True)
class Manifest:
    """The datasets of one job that are staged."""

    datasets: tuple[StagedDataset, ...] = field(default=())

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the ids and digests of the datasets, in hexadecimal digits."""
        rows = [[dataset.id, dataset.digest] for dataset in self.datasets]
        return hashlib.sha256(json.dumps(rows, ensure_ascii=False).encode()).hexdigest()

    @cached_property
    def files(self) -> dict[str, StagedFile]:
        """The files by content (SHA-256): of two with the same content, the first."""
        found: dict[str, StagedFile] = {}
        for dataset in self.datasets:
            for file in dataset.files:
                found.setdefault(file.sha256, file)
        return found

    @cached_property
    def bytes(self) -> int:
        """Bytes of all contents, each content counted once."""
        return sum(file.size for file in self.files.values())

    @property
    def images(self) -> int:
        """Number of files in all datasets."""
        return sum(len(dataset.files) for dataset in self.datasets)

    @cached_property
    def captions(self) -> int:
        """Number of files that have a caption."""
        return sum(bool(file.captions) for data in self.datasets for file in data.files)

    def to_dict(self) -> ManifestData:
        """JSON data, for `from_dict`; it names paths of this machine and no secrets."""
        return {
            "version": _VERSION,
            "datasets": [
                {
                    "id": dataset.id,
                    "entry": dict(dataset.entry),
                    "files": [
                        [
                            file.name, file.source, file.sha256, file.size, list(file.captions),
                            file.transform, file.source_size, file.source_mtime_ns,
                        ]
                        for file in dataset.files
                    ],
                }
                for dataset in self.datasets
            ],
        }  # fmt: skip

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Manifest:
        """Read what `to_dict` wrote.

        Raises:
            ValueError: another version of this program wrote it.
        """
        if data.get("version") != _VERSION:
            raise ValueError("a manifest of another version")
        return cls(
            tuple(
                StagedDataset(
                    dataset["id"],
                    dataset["entry"],
                    tuple(
                        StagedFile(name, source, sha256, size, tuple(texts), how, before, at)
                        for name, source, sha256, size, texts, how, before, at in dataset["files"]
                    ),
                )
                for dataset in data["datasets"]
            )
        )
