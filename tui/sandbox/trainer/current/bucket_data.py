"""Entries of `type: aws`: pictures and captions in a bucket, read with the real boto3.

The trainer writes two index files into the prefix. It prefers an index that it finds there, so the
settings of an earlier job with the same prefix and id are used instead of the new ones.

Source: SimpleTuner 4.10.1, `helpers/data_backend/aws.py`, `factory.py` and
`helpers/metadata/backends/discovery.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeVar

from tui.base.json_types import JsonObject
from tui.sandbox.trainer.current.entries import Entry, backend_of, kind_of
from tui.sandbox.trainer.current.rows import Row, captions_of, measure, suffixes_of
from tui.sandbox.trainer.publish import bare_client
from tui.sandbox.worker import ProgramError, RunContext
from tui.simpletuner.config.values import as_bool, as_text

T = TypeVar("T")
_TRIES: Final = 5
_BETWEEN_TRIES_SECONDS: Final = 5.0
_KEPT_PICTURES: Final = 8
_LATENT_BYTES: Final = 1024
_NEVER_RESTORED: Final = frozenset(
    {
        "id", "type", "dataset_type", "probability", "ignore_epochs", "caption_filter_list",
        "vae_cache_clear_each_epoch", "caption_strategy", "maximum_image_size",
        "target_downsample_size", "parquet", "video", "conditioning_data", "conditioning",
        "hash_filenames", "train_batch_size", "repeats", "start_epoch", "start_step", "end_epoch",
        "end_step",
    }
)  # fmt: skip
"""Keys of an earlier index that do not replace those of the entry."""


@dataclass
class BucketRows:
    """What a prefix holds.

    Attributes:
        entry: the entry with the values of an earlier index, where there is one.
        rows: the samples by key.
        index: the buckets of an earlier index; None without one.
        problems: error lines.
    """

    entry: Entry
    rows: tuple[Row, ...]
    index: Mapping[str, list[str]] | None
    problems: list[str] = field(default_factory=list)


class BucketData:
    """The objects of one entry, with the retries of the trainer's backend."""

    def __init__(
        self, run: RunContext, entry: Entry, strategy: str, error: Callable[[str], None]
    ) -> None:
        """Take the run, the entry, its caption strategy, and a function that prints an error."""
        self._strategy = strategy
        self._run = run
        self._entry = entry
        self._error = error
        self._bucket = str(entry["aws_bucket_name"])
        self._prefix = as_text(entry.get("aws_data_prefix")) or ""
        self._client: Any = bare_client(
            endpoint=as_text(entry.get("aws_endpoint_url")),
            region=as_text(entry.get("aws_region_name")),
            access_key=as_text(entry.get("aws_access_key_id")),
            secret_key=as_text(entry.get("aws_secret_access_key")),
            session_token=as_text(entry.get("aws_session_token")),
            ca_bundle=run.config.ca_bundle,
        )

    def closing(self) -> closing[Any]:
        """A context that closes the connections at its end."""
        return closing(self._client)

    def load(self) -> BucketRows:
        """List and read everything.

        Raises:
            ProgramError: the backend's message.
        """
        earlier = self._read_json(self._index_key("indices"))
        found = BucketRows(self._entry, (), None)
        if earlier is not None:
            found.entry, found.problems = self._restored(earlier.get("config"))
            indices = earlier.get("aspect_ratio_bucket_indices")
            found.index = indices if isinstance(indices, dict) else None
        self._read_json(self._index_key("metadata"))
        found.rows = tuple(self._rows(found))
        return found

    def write_index(self, entry: Entry, buckets: Mapping[str, list[str]], rows: list[Row]) -> None:
        """Write the two index files."""
        config = {key: value for key, value in entry.items() if not key.startswith("aws_")}
        indices = {"config": config, "aspect_ratio_bucket_indices": dict(buckets)}
        sizes = {row.name: {"original_size": [row.width, row.height]} for row in rows}
        self._put(self._index_key("indices"), json.dumps(indices).encode())
        self._put(self._index_key("metadata"), json.dumps(sizes).encode())

    def write_latents(self, folder: str, rows: list[Row]) -> None:
        """Write one cache object per sample; the trainer reads each picture again for it."""
        for row in rows:
            self._get(row.name)
            name = PurePosixPath(row.name).with_suffix(".pt").name
            self._put(f"{folder.strip('/')}/{name}", bytes(_LATENT_BYTES))

    def _index_key(self, what: str) -> str:
        name = f"aspect_ratio_bucket_{what}_{self._entry['id']}.json"
        return f"{self._prefix.rstrip('/')}/{name}" if self._prefix else name

    def _restored(self, earlier: Any) -> tuple[Entry, list[str]]:
        entry, problems = dict(self._entry), []
        for key, value in (earlier if isinstance(earlier, dict) else {}).items():
            if key in _NEVER_RESTORED or key.startswith("aws_"):
                continue
            if (
                key in entry
                and entry[key] != value
                and not as_bool(entry.get("override_dataset_config"))
            ):
                problems.append(
                    f"Dataset {entry['id']} has inconsistent config, and --override_dataset_config "
                    f"was not provided. {key}={value} is used instead of {entry[key]}."
                )
                entry[key] = value
            entry.setdefault(key, value)
        return entry, problems

    def _rows(self, found: BucketRows) -> Iterator[Row]:
        suffixes = suffixes_of(kind_of(found.entry))
        folder = self._run.folder / "bucket" / str(found.entry["id"])
        kept = 0
        for key in self._list():
            if PurePosixPath(key).suffix.lower() not in suffixes:
                continue
            self._run.check()
            data = self._get(key)
            size = measure(data, key) if kind_of(found.entry) not in {"video", "audio"} else None
            if size is None and kind_of(found.entry) not in {"video", "audio"}:
                found.problems.append(f"Error opening image {key}: cannot identify image file")
                continue
            captions = captions_of(found.entry, self._captions(key))
            path: Path | None = None
            if size is not None and kept < _KEPT_PICTURES:
                folder.mkdir(parents=True, exist_ok=True)
                path = folder / f"{kept}{PurePosixPath(key).suffix}"
                path.write_bytes(data)
                kept += 1
            width, height = (size.width, size.height) if size is not None else (0, 0)
            yield Row(key, width, height, captions, path)

    def _captions(self, key: str) -> list[str]:
        if self._strategy == "filename":
            return [PurePosixPath(key).stem.replace("_", " ")]
        if self._strategy != "textfile":
            return []
        name = str(PurePosixPath(key).with_suffix(".txt"))
        data = self._find(name)
        if data is None:
            raise ProgramError(f"Caption file {name} not found")
        text = data.decode("utf-8", "replace")
        if as_bool(self._entry.get("disable_multiline_split")):
            return [text.strip()] if text.strip() else []
        return [line for line in text.splitlines() if line.strip()]

    def _list(self) -> list[str]:
        def call() -> list[str]:
            pages = self._client.get_paginator("list_objects_v2")
            given = {"Bucket": self._bucket, "Prefix": self._prefix, "MaxKeys": 1000}
            if not self._prefix:
                del given["Prefix"]
            return [
                str(item["Key"])
                for page in pages.paginate(**given)
                for item in page.get("Contents", ())
            ]

        return sorted(self._tried("listing the bucket", call))

    def _find(self, key: str) -> bytes | None:
        from botocore.exceptions import ClientError

        def exists() -> bool:
            try:
                self._client.head_object(Bucket=self._bucket, Key=key)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") in {"404", "NoSuchKey"}:
                    return False
                raise
            return True

        return (
            self._get(key) if self._tried(f'checking existence of S3 key "{key}"', exists) else None
        )

    def _get(self, key: str) -> bytes:
        def call() -> bytes:
            body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
            data: bytes = body.read()
            return data

        return self._tried(f'reading S3 key "{key}"', call)

    def _put(self, key: str, data: bytes) -> None:
        self._tried(
            f'writing S3 key "{key}"',
            lambda: self._client.put_object(Body=data, Bucket=self._bucket, Key=key),
        )

    def _read_json(self, key: str) -> JsonObject | None:
        data = self._find(key)
        if data is None:
            return None
        try:
            document = json.loads(data)
        except ValueError:
            return None
        return document if isinstance(document, dict) else None

    def _tried(self, what: str, call: Callable[[], T]) -> T:
        """Call up to five times, five simulated seconds apart."""
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        for left in reversed(range(_TRIES)):
            try:
                return call()
            except (Boto3Error, BotoCoreError, ClientError, OSError, ValueError) as error:
                cause = str(error).strip() or type(error).__name__
                self._error(f"Error {what}: {cause}")
                if not left:
                    raise ProgramError(cause) from error
            self._run.pause(_BETWEEN_TRIES_SECONDS)
        raise AssertionError("the last try returns or raises")


def writes_latents(entry: Entry, entries: tuple[Entry, ...]) -> bool:
    """Whether the cache of latents goes into the bucket: no local `image_embeds` is named."""
    named = as_text(entry.get("image_embeds"))
    return not any(
        other.get("id") == named
        and kind_of(other) == "image_embeds"
        and backend_of(other) == "local"
        for other in entries
    )
