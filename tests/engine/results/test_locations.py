"""An output that is the address of a bucket is fetched with the destination's keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.app.world import job as record
from tests.destinations.hosting import BUCKET, Server, rclone
from tests.engine.file_host import FileHost, serve_files
from tests.engine.results.collector_world import CollectorWorld, ended_job, running_collector_world
from tests.support import needs_program
from tui.base.job_status import JobStatus
from tui.destinations.s3.reading import BucketReader
from tui.engine.results.remote_sources import bucket_of
from tui.settings import Home
from tui.store.transfer_records import DestinationRecord

pytestmark = needs_program("rclone")
WEIGHTS = b"weights" * 1000
PUBLIC = "https://files.example/models"


@pytest.fixture
async def file_host() -> AsyncIterator[FileHost]:
    async with serve_files() as made:
        yield made


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with rclone(tmp_path / "far", None) as made:
        folder = made.folder / "runs" / "cat 1+1"
        folder.mkdir(parents=True)
        (folder / "weights.safetensors").write_bytes(WEIGHTS)
        (folder / "README.md").write_text("card")
        yield made


@pytest.fixture
async def collector_world(
    home: Home, file_host: FileHost, server: Server
) -> AsyncIterator[CollectorWorld]:
    async with running_collector_world(home, file_host) as made:
        await made.client.publishing.add_destination(
            name="mine", kind="s3", bucket=BUCKET, endpoint=server.endpoint, prefix="elsewhere",
            public_base_url=PUBLIC, access_key=server.access, secret_key=server.secret,
            session_only=True,
        )  # fmt: skip
        yield made


def here(collector_world: CollectorWorld, job: Any) -> dict[str, bytes]:
    folder = collector_world.folder(job)
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


@pytest.mark.parametrize("base", ["{endpoint}/outputs", PUBLIC])
@pytest.mark.parametrize("folder", ["runs/cat%201+1", "runs/cat%201+1/"])
async def test_an_address_of_a_destination(
    collector_world: CollectorWorld, file_host: FileHost, server: Server, base: str, folder: str
) -> None:
    output = f"{base.format(endpoint=server.endpoint)}/{folder}"
    job = collector_world.insert(ended_job(file_host, output))
    assert (await collector_world.client.collect(job.job_id))["missing"] == []
    assert here(collector_world, job) == {"weights.safetensors": WEIGHTS, "README.md": b"card"}


async def test_an_address_of_one_file(
    collector_world: CollectorWorld, file_host: FileHost, server: Server
) -> None:
    output = f"{server.endpoint}/{BUCKET}/runs/cat%201+1/weights.safetensors"
    job = collector_world.insert(ended_job(file_host, output))
    assert (await collector_world.client.collect(job.job_id))["missing"] == []
    assert here(collector_world, job) == {"weights.safetensors": WEIGHTS}


async def test_an_address_that_is_none_of_the_destinations_is_not_asked(
    collector_world: CollectorWorld, file_host: FileHost, server: Server
) -> None:
    """No keys are sent to another host, port or bucket with a similar address."""
    host = server.endpoint.removeprefix("http://")
    for output in (
        f"http://{host}1/{BUCKET}/runs",
        f"{server.endpoint}/{BUCKET}2/runs",
        f"{PUBLIC}-2/runs",
        f"http://{host}@files.test/{BUCKET}/runs",
        "http://[::1/outputs/runs",
        f"http://127.0.0.1:99999/{BUCKET}/runs",
    ):
        job = ended_job(file_host, output)
        assert (
            bucket_of(job, collector_world.engine.recorder.writer.transfers.destinations()) is None
        ), output


def test_a_prefix_that_is_a_key_is_that_object(server: Server) -> None:
    profile = server.profile(prefix="runs/cat 1+1/weights.safetensors")
    reader = BucketReader(profile, server.keys, server.network)
    try:
        (remote,) = reader.list()
        assert (remote.name, remote.size) == ("weights.safetensors", len(WEIGHTS))
        with reader.opened(remote.name, remote.mark, 0, None) as opened:
            assert opened.read(10**6) == WEIGHTS
    finally:
        reader.close()
    for nothing in ("runs/cat 1+1/none", "runs/cat 1+1/weights", "ru"):
        reader = BucketReader(server.profile(prefix=nothing), server.keys, server.network)
        assert reader.list() == []
        reader.close()


@pytest.mark.parametrize(
    ("options", "output"),
    [
        ({"endpoint": "https://minio.example"}, "https://minio.example/outputs/runs/cat"),
        ({"endpoint": "https://minio.example/"}, "http://minio.example:443/outputs/runs/cat/"),
        ({"endpoint": "https://minio.example"}, "https://outputs.Minio.example/runs/cat?sig=1"),
        ({"endpoint": "https://a.example/s3"}, "https://a.example/s3/outputs/runs/cat"),
        ({"endpoint": "https://a.example/s3"}, "https://outputs.a.example/s3/runs/cat"),
        ({}, "https://outputs.s3.us-east-1.amazonaws.com/runs/cat"),
        ({"region": "eu-west-1"}, "https://s3.eu-west-1.amazonaws.com/outputs/runs/cat"),
        ({}, "https://outputs.s3.amazonaws.com/runs/cat"),
        ({"public_base_url": "https://cdn.example"}, "https://cdn.example/runs/cat"),
    ],
)
def test_spellings_of_an_address(options: dict[str, Any], output: str) -> None:
    made = replace(record(1, JobStatus.COMPLETED), output=output, delivery="none")
    rows = [
        DestinationRecord("a-hub", "hub", {"repo": "a/b"}, made.created_at),
        DestinationRecord("other", "s3", {"bucket": "others"} | options, made.created_at),
        DestinationRecord("mine", "s3", {"bucket": "outputs"} | options, made.created_at),
    ]
    if "public_base_url" in options:
        rows.pop(1)
    found = bucket_of(made, rows)
    assert found is not None
    assert (found["destination"], found["bucket"], found["prefix"]) == (
        "mine", "outputs", "runs/cat",
    )  # fmt: skip
    assert found["endpoint"] == options.get("endpoint", "")
