"""Manifests of small folders, and a trainer's reader of datasets of type `aws`."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

import boto3
import botocore.session
from botocore.config import Config

from tests.app.world import job
from tui.base.job_status import JobStatus
from tui.destinations.s3.client import service_descriptions
from tui.engine.engine import Engine
from tui.engine.staging.place import JobData, StagingPlace
from tui.simpletuner.staging.manifest import Manifest, StagedDataset, StagedFile
from tui.store.records import JobRecord
from tui.store.writer import Change

CAPTIONS = {"cat.png": ("a cat", "a photo of a cat"), "far/dog.jpg": ("a dog",)}


def staged_file(folder: Path, name: str, content: bytes, *captions: str) -> StagedFile:
    """Write a file, and return its row in a manifest."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    state = path.stat()
    return StagedFile(
        name, str(path), hashlib.sha256(content).hexdigest(), len(content), captions,
        source_size=state.st_size, source_mtime_ns=state.st_mtime_ns,
    )  # fmt: skip


def photos(folder: Path, size: int = 3000, **entry: Any) -> Manifest:
    """A manifest of two pictures with captions in several lines."""
    files = [
        staged_file(folder, name, f"{name} ".encode() * size, *captions)
        for name, captions in CAPTIONS.items()
    ]
    usual = {"id": "photos", "dataset_type": "image", "caption_strategy": "textfile"}
    return Manifest((StagedDataset("photos", usual | entry, tuple(files)),))


def new_job(number: int, **changes: Any) -> JobRecord:
    """A job that is about to be posted."""
    now = datetime.now(UTC)
    return replace(job(number, JobStatus.PENDING, now=now), created_at=now, **changes)


def filled(entry: Mapping[str, Any], data: JobData) -> dict[str, Any]:
    """An entry as the trainer gets it."""
    text = json.dumps(entry)
    for placeholder, value in data.values.items():
        text = text.replace(json.dumps(placeholder)[1:-1], value)
    for placeholder, secret in data.secrets.items():
        text = text.replace(json.dumps(placeholder)[1:-1], secret.reveal())
    made: dict[str, Any] = json.loads(text)
    return made


async def entries_of(
    place: StagingPlace, manifest: Manifest, record: JobRecord
) -> list[dict[str, Any]]:
    """Prepare a job, and return the entries that its trainer gets."""
    data = await place.prepare_job(manifest, record)
    return [
        filled(place.entry(dataset, dataset.entry, record.job_id), data)
        for dataset in manifest.datasets
    ]


class TrainerBucket:
    """Reads and writes as SimpleTuner's S3 backend does, with the keys of an entry alone."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.entry = entry
        self.prefix = entry["aws_data_prefix"]
        self.bucket = entry["aws_bucket_name"]
        session = botocore.session.Session()
        session.register_component("data_loader", service_descriptions())  # megabytes, read once
        self.client: Any = boto3.session.Session(botocore_session=session).client(
            "s3",
            endpoint_url=entry["aws_endpoint_url"],
            region_name=entry["aws_region_name"],
            aws_access_key_id=entry["aws_access_key_id"],
            aws_secret_access_key=entry["aws_secret_access_key"],
            aws_session_token=entry.get("aws_session_token"),
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
        )

    def keys(self, *, whole: bool = False) -> list[str]:
        """All keys below the prefix; SimpleTuner 4.8.0 lists the whole bucket."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, **({} if whole else {"Prefix": self.prefix})
        )
        return [row["Key"] for page in pages for row in page.get("Contents", [])]

    def read(self, key: str) -> bytes:
        """An object's content."""
        return bytes(self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read())

    def write(self, name: str, data: bytes) -> None:
        """Write an index file beside the pictures."""
        self.client.put_object(Bucket=self.bucket, Key=f"{self.prefix}{name}", Body=data)

    def has(self, key: str) -> bool:
        """Whether HEAD finds an object."""
        try:
            self.client.head_object(Bucket=self.bucket, Key=key)
        except self.client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] == "404":
                return False
            raise
        return True

    def samples(self) -> dict[str, tuple[bytes, list[str]]]:
        """Content and captions of each picture, by its name below the prefix."""
        pictures = [key for key in self.keys() if not key.endswith((".txt", ".json"))]
        found = {}
        for key in pictures:
            text = f"{key.rpartition('.')[0]}.txt"
            captions = self.read(text).decode().split("\n") if self.has(text) else []
            found[key.removeprefix(self.prefix)] = (self.read(key), captions)
        return found

    def train(self, resolution: int) -> dict[str, Any]:
        """Begin a run: an index that is there wins over the settings; else it is written."""
        name = f"aspect_ratio_bucket_indices_{self.entry['id']}.json"
        key = f"{self.prefix}{name}"
        if not self.has(key):
            index = {
                "config": {"resolution": resolution},
                "aspect_ratio_bucket_indices": {"1.0": sorted(self.samples())},
            }
            self.write(name, json.dumps(index).encode())
        found: dict[str, Any] = json.loads(self.read(key))
        return found


def expected(manifest: Manifest, number: int = 0) -> dict[str, tuple[bytes, list[str]]]:
    """What a trainer must find of a dataset."""
    return {
        file.name: (Path(file.source).read_bytes(), list(file.captions))
        for file in manifest.datasets[number].files
    }


async def in_thread(function: Any, *arguments: Any) -> Any:
    """Call a blocking client, while the receiver serves from this thread."""
    return await asyncio.to_thread(function, *arguments)


async def trained(
    entries: Sequence[Mapping[str, Any]], resolutions: Sequence[int]
) -> list[dict[str, Any]]:
    """Begin the runs of several jobs at once; returns the index that each of them uses."""
    runs = [
        in_thread(TrainerBucket(entry).train, resolution)
        for entry, resolution in zip(entries, resolutions, strict=True)
    ]
    return list(await asyncio.gather(*runs))


Place = TypeVar("Place", bound=StagingPlace)


@dataclass
class Staged(Generic[Place]):
    """An engine, a place, and what was sent to it."""

    engine: Engine
    place: Place
    sent: list[int]

    async def stage(self, manifest: Manifest) -> None:
        """Send a manifest."""
        await self.place.send(manifest, lambda done, _: self.sent.append(done), threading.Event())

    async def start(self, number: int, manifest: Manifest) -> tuple[JobRecord, list[Any]]:
        """A new job's record, and the entries that its trainer gets."""
        record = new_job(number)
        self.engine.recorder.writer.insert(record)
        return record, await entries_of(self.place, manifest, record)

    async def end(self, record: JobRecord) -> None:
        """End a job."""
        values = {"status": JobStatus.COMPLETED, "completed_at": record.created_at}
        self.engine.recorder.writer.apply(record.job_id, Change(values=values))
        await self.place.job_ended(record)
