"""Datasets that are staged to Ceph's S3 gateway, which has a token service, and to servers without.

The trainer gets temporary keys of its own folder; the user's keys stay here.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from tests.destinations.hosting import BUCKET, Loop, Server, rclone, receiver
from tests.destinations.radosgw import KMS_KEY, Rados, make_bucket, missing_program, rados
from tests.engine.staging.world import (
    Staged,
    TrainerBucket,
    expected,
    in_thread,
    photos,
    staged_file,
    trained,
)
from tests.engine.world import running_engine, running_world
from tests.support import eventually, needs_program
from tui.base.job_status import JobStatus
from tui.destinations.common.errors import (
    MismatchError,
    PublishError,
    TransferCancelledError,
    Trouble,
)
from tui.destinations.s3.session import prefix_policy
from tui.engine.engine import Engine
from tui.engine.staging import bucket_objects
from tui.engine.staging.bucket_objects import BucketObjects
from tui.engine.staging.bucket_place import BucketPlace
from tui.engine.staging.place import Missing
from tui.settings import Home
from tui.simpletuner.errors import SimpleTunerError
from tui.simpletuner.staging.manifest import Manifest, StagedDataset
from tui.store.writer import Change

pytestmark = [pytest.mark.xdist_group("radosgw"), pytest.mark.timeout(600)]
LOOPBACK = "http://127.0.0.1:1/v1"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Rados]:
    missing = missing_program()
    if missing is not None:
        pytest.skip(f"{missing} is not installed")
    with rados(Path(tempfile.mkdtemp(prefix="rgw")), gives_temporary_keys=True) as running:
        yield running


@pytest.fixture(scope="module")
def owner(cluster: Rados) -> Server:
    server = cluster.user("owner")
    make_bucket(server)
    return server


@pytest.fixture(scope="module")
def role(cluster: Rados, owner: Server) -> str:
    return cluster.role("stager", "owner")


@dataclass
class Bucket(Staged[BucketPlace]):
    """An engine, a place, and the bucket as its owner sees it."""

    objects: BucketObjects

    async def keys(self) -> list[str]:
        """Every key below the destination's prefix."""
        return sorted(await in_thread(self.objects.sizes, self.objects.profile.prefix))


async def open_bucket(
    engine: Engine, server: Server, *, prefix: str, role: str = "",
    waits: tuple[float, ...] = (), **more: Any,
) -> Bucket:  # fmt: skip
    """A destination at a server, and the place that stages there."""
    destinations = engine.transfers.places
    usual = {
        "name": "mine", "kind": "s3", "bucket": BUCKET, "endpoint": server.endpoint,
        "prefix": prefix, "data_role": role, "access_key": server.access,
        "secret_key": server.secret, "session_only": True,
    }  # fmt: skip
    await destinations.add(cast("Any", usual | more))
    place = BucketPlace(
        api_base=LOOPBACK,
        destination="mine",
        destinations=destinations,
        network=lambda: server.network,
        throttle=None,
        waits=lambda: waits,
        may_read=engine.keys.may_read_data,
        records=engine.home.staged / "buckets",
    )
    profile = replace(server.profile(), prefix=prefix)
    return Bucket(engine, place, [], BucketObjects(profile, server.keys, server.network))


@pytest.fixture
async def bucket(home: Home, owner: Server, role: str) -> AsyncIterator[Bucket]:
    async with running_engine(home) as (engine, _):
        made = await open_bucket(engine, owner, prefix=f"of/{uuid.uuid4()}", role=role)
        yield made
        made.objects.close()


async def test_the_trainer_finds_every_picture_with_its_captions(
    bucket: Bucket, tmp_path: Path
) -> None:
    manifest = photos(tmp_path)
    assert await bucket.place.missing(manifest) == Missing(2, manifest.bytes)
    await bucket.stage(manifest)
    assert bucket.sent[-1] == manifest.bytes
    assert await bucket.place.missing(manifest) == Missing(0, 0)
    _, (entry,) = await bucket.start(1, manifest)
    assert entry["aws_session_token"]
    assert entry["aws_data_prefix"].endswith("/images/")
    assert await in_thread(TrainerBucket(entry).samples) == expected(manifest)


async def test_two_jobs_with_the_same_folder_train_each_at_its_own_resolution(
    bucket: Bucket, tmp_path: Path
) -> None:
    manifest = photos(tmp_path)
    await bucket.stage(manifest)
    _, (small,) = await bucket.start(1, manifest)
    _, (large,) = await bucket.start(2, manifest)
    for _ in range(2):
        indices = await trained([small, large], [512, 1024])
        assert [index["config"]["resolution"] for index in indices] == [512, 1024]


async def test_the_temporary_keys_open_the_jobs_own_folder_only(
    bucket: Bucket, owner: Server, tmp_path: Path
) -> None:
    manifest = photos(tmp_path)
    await bucket.stage(manifest)
    _, (entry,) = await bucket.start(1, manifest)
    _, (other,) = await bucket.start(2, manifest)
    assert owner.secret not in str(entry)
    assert entry["aws_access_key_id"] != owner.access
    trainer = TrainerBucket(entry)
    foreign = f"{other['aws_data_prefix']}cat.png"
    content = next(key for key in await bucket.keys() if "/content/" in key)
    where = {"Bucket": BUCKET}
    for call in (
        lambda: trainer.client.list_objects_v2(**where),
        lambda: trainer.client.list_objects_v2(**where, Prefix=other["aws_data_prefix"]),
        lambda: trainer.read(foreign),
        lambda: trainer.read(content),
        lambda: trainer.client.put_object(**where, Key=content, Body=b"other"),
        lambda: trainer.client.delete_object(**where, Key=f"{trainer.prefix}cat.png"),
    ):
        with pytest.raises(ClientError) as refused:
            await in_thread(call)
        assert refused.value.response["Error"]["Code"] == "AccessDenied"
    assert not await in_thread(trainer.has, f"{trainer.prefix}nothing.json")


@pytest.fixture(params=["one by one", "by listing"])
def looked_for(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Contents that are looked for by a request each, and by listing as for large datasets."""
    if request.param == "by listing":
        monkeypatch.setattr(bucket_objects, "_ASKED_ONE_BY_ONE", 0)


@pytest.mark.usefixtures("looked_for")
async def test_nothing_is_sent_twice_and_a_cut_upload_goes_on(
    bucket: Bucket, tmp_path: Path
) -> None:
    files = [staged_file(tmp_path, f"{n}.png", bytes([n]) * 600_000) for n in range(20)]
    manifest = Manifest((StagedDataset("photos", {}, tuple(files)),))
    stop = threading.Event()

    def cut(done: int, total: int) -> None:
        if done > total // 2:
            stop.set()

    with pytest.raises(TransferCancelledError):
        await bucket.place.send(manifest, cut, stop)
    missing = await bucket.place.missing(manifest)
    assert 0 < missing.files < len(files)
    await bucket.stage(manifest)
    assert bucket.sent[0] == manifest.bytes - missing.bytes
    assert await bucket.place.missing(manifest) == Missing(0, 0)
    bucket.sent.clear()
    await bucket.stage(manifest)
    assert bucket.sent == [manifest.bytes]


@pytest.mark.usefixtures("looked_for")
async def test_what_is_damaged_at_the_far_end_is_never_called_staged(
    bucket: Bucket, tmp_path: Path
) -> None:
    """And is sent again by the next try, although its size is right."""
    (photo, *_) = photos(tmp_path).datasets[0].files
    manifest = Manifest((StagedDataset("photos", {}, (photo,)),))

    def damage(done: int, total: int) -> None:
        if done == total:  # before it is compared: once all is read, and once all is sent
            key = bucket.objects.content_key(photo.sha256)
            bucket.objects.put_texts([(key, "x" * photo.size)], threading.Event())

    with pytest.raises(MismatchError):
        await bucket.place.send(manifest, damage, threading.Event())
    assert await bucket.place.missing(manifest) == Missing(1, photo.size)
    await bucket.stage(manifest)
    _, (entry,) = await bucket.start(1, manifest)
    assert await in_thread(TrainerBucket(entry).samples) == expected(manifest)


@pytest.mark.usefixtures("looked_for")
async def test_contents_whose_etag_tells_nothing_are_read_back(
    home: Home, owner: Server, role: str, tmp_path: Path
) -> None:
    """As those that the server encrypts with a key of its own."""
    async with running_engine(home) as (engine, _):
        bucket = await open_bucket(
            engine, owner, prefix="kms", role=role, encryption="aws:kms", kms_key=KMS_KEY
        )
        manifest = photos(tmp_path)
        await bucket.stage(manifest)
        assert await bucket.place.missing(manifest) == Missing(0, 0)
        bucket.objects.close()


async def test_a_file_that_changed_since_the_check_is_not_kept(
    bucket: Bucket, tmp_path: Path
) -> None:
    """Nor one that another program writes to while it is read, as its size and time are then."""
    manifest = photos(tmp_path)
    file = manifest.datasets[0].files[1]
    path = Path(file.source)
    path.write_bytes(b"x" * file.size)
    with pytest.raises(PublishError, match="changed while it was being sent"):
        await bucket.stage(manifest)
    os.utime(path, ns=(file.source_mtime_ns, file.source_mtime_ns))
    with pytest.raises(PublishError):
        await bucket.stage(manifest)
    missing = await bucket.place.missing(manifest)
    assert missing.files == 1, "it counts as not sent"


async def test_the_folder_ends_with_the_job_and_content_with_the_last_reader(
    bucket: Bucket, tmp_path: Path
) -> None:
    manifest = photos(tmp_path)
    (dataset,) = manifest.datasets
    half = Manifest((replace(dataset, files=dataset.files[:1]),))
    await bucket.stage(manifest)
    record, (entry,) = await bucket.start(1, manifest)
    await trained([entry], [512])
    assert [key for key in await bucket.keys() if "aspect_ratio" in key]
    await bucket.end(record)
    assert not [key for key in await bucket.keys() if "/jobs/" in key]
    killed, _ = await bucket.start(2, manifest)
    values = {"status": JobStatus.FAILED, "completed_at": killed.created_at}
    bucket.engine.recorder.writer.apply(killed.job_id, Change(values=values))
    await bucket.place.remove(manifest, [half])
    (left,) = await bucket.keys()
    assert left.endswith(dataset.files[0].sha256)
    assert await bucket.place.missing(manifest) == Missing(1, dataset.files[1].size)
    await bucket.place.remove(half, [])
    assert await bucket.keys() == []


async def test_a_life_that_the_server_does_not_give_is_refused_with_the_figure(
    home: Home, owner: Server, role: str, tmp_path: Path
) -> None:
    async with running_engine(home) as (engine, _):
        waits = tuple([60.0] * 20 + [7200.0] * 3)
        bucket = await open_bucket(engine, owner, prefix="long", role=role, waits=waits)
        with pytest.raises(PublishError, match="2 h 16 m") as refused:
            await bucket.place.missing(photos(tmp_path))
        assert "Stage to the Hub" in refused.value.advice
        bucket.objects.close()


async def test_a_role_that_writes_and_does_not_read_is_refused(
    home: Home, cluster: Rados, owner: Server, tmp_path: Path
) -> None:
    role = cluster.role("writer", "owner", "s3:PutObject", "s3:ListBucket")
    async with running_engine(home) as (engine, _):
        bucket = await open_bucket(engine, owner, prefix="write-only", role=role)
        manifest = photos(tmp_path)
        await bucket.stage(manifest)
        with pytest.raises(PublishError, match="could not read the staged data") as refused:
            await bucket.start(1, manifest)
        assert "s3:GetObject" in refused.value.advice
        bucket.objects.close()


async def test_keys_that_may_not_use_the_token_service_are_refused(
    home: Home, owner: Server, tmp_path: Path
) -> None:
    async with running_engine(home) as (engine, _):
        bucket = await open_bucket(
            engine, owner, prefix="none", role="arn:aws:iam:::role/of-somebody-else"
        )
        with pytest.raises(PublishError, match="may not make temporary keys") as refused:
            await bucket.place.missing(photos(tmp_path))
        assert refused.value.kind is Trouble.PERMISSION
        bucket.objects.close()


async def test_a_bucket_that_does_not_exist_is_named_by_the_check(
    home: Home, owner: Server, role: str, tmp_path: Path
) -> None:
    async with running_engine(home) as (engine, _):
        bucket = await open_bucket(engine, owner, prefix="x", role=role, bucket="gone-away")
        with pytest.raises(PublishError, match="gone-away"):
            await bucket.place.missing(photos(tmp_path))
        bucket.objects.close()


async def refused_for_lasting_keys(home: Home, server: Server, tmp_path: Path) -> None:
    async with running_engine(home) as (engine, _):
        bucket = await open_bucket(engine, server, prefix="x")
        manifest = photos(tmp_path)
        for call in (bucket.place.missing(manifest), bucket.start(1, manifest)):
            with pytest.raises(PublishError) as refused:
                await call
        assert "gives no temporary keys, and lasting ones are not sent" in refused.value.message
        assert not any(server.secret in key for key in refused.value.args)
        bucket.objects.close()


async def test_a_server_without_a_token_service_is_refused(home: Home, tmp_path: Path) -> None:
    loop = Loop()
    try:
        server = receiver(loop, tmp_path / "server", None)
        await refused_for_lasting_keys(home, server, tmp_path)
    finally:
        loop.close()


@needs_program("rclone")
async def test_rclone_has_no_token_service_either(home: Home, tmp_path: Path) -> None:
    with rclone(tmp_path / "server", None) as server:
        await refused_for_lasting_keys(home, server, tmp_path)


@pytest.mark.parametrize("option", ["vae_cache_disable", "vae_cache_ondemand"])
async def test_pictures_that_are_read_all_along_are_refused(
    bucket: Bucket, tmp_path: Path, option: str
) -> None:
    with pytest.raises(SimpleTunerError, match=option):
        await bucket.place.missing(photos(tmp_path, **{option: True}))


async def test_a_server_on_this_machine_is_refused_for_replicate(
    bucket: Bucket, tmp_path: Path
) -> None:
    far = BucketPlace(
        api_base="https://api.replicate.com/v1",
        destination="mine",
        destinations=bucket.engine.transfers.places,
        network=lambda: bucket.engine.live.now.network,
        throttle=None,
        waits=tuple,
        may_read=lambda _: True,
        records=tmp_path,
    )
    with pytest.raises(PublishError, match="is on this machine"):
        await far.missing(photos(tmp_path))
    assert not far.describe(photos(tmp_path)).stays_here
    missing = replace_destination(far, "others")
    with pytest.raises(PublishError, match="no destination"):
        await missing.missing(photos(tmp_path))


def replace_destination(place: BucketPlace, name: str) -> BucketPlace:
    place._destination = name
    return place


@pytest.mark.parametrize("prefix", ["a*b/", "who?/", "${aws:username}/"])
def test_a_prefix_that_is_a_pattern_gives_no_policy(prefix: str) -> None:
    """It would open other folders than the job's."""
    with pytest.raises(PublishError, match="any text"):
        prefix_policy("bucket", prefix)


async def test_many_small_jobs_do_not_mix(bucket: Bucket, tmp_path: Path) -> None:
    manifests = [photos(tmp_path / str(number), size=100 + number) for number in range(3)]
    await asyncio.gather(*(bucket.stage(manifest) for manifest in manifests))
    started = [await bucket.start(n, manifest) for n, manifest in enumerate(manifests)]
    for manifest, (_, (entry,)) in zip(manifests, started, strict=True):
        assert await in_thread(TrainerBucket(entry).samples) == expected(manifest)


async def test_a_job_is_posted_with_temporary_keys_that_are_stored_nowhere(
    home: Home, project: Path, owner: Server, role: str
) -> None:
    """And refused for a trainer whose release is not known to read one folder only."""
    async with running_world(home, project) as world:
        bucket = await open_bucket(world.engine, owner, prefix="whole way", role=role)
        draft = world.draft(5000, data="staged", staging="bucket:mine")
        report = await world.client.check(draft)
        (error,) = [check for check in report["checks"] if check["level"] == "error"]
        assert "the whole bucket" in error["message"]
        report = await world.client.check({**draft, "trainer_release": "4.10.1"})
        assert report["ok"], report["checks"]
        assert "temporary keys" in report["leaves"]["token"]
        job_id = (await world.client.submit({**draft, "trainer_release": "4.10.1"}))["job_id"]
        await eventually(lambda: world.predictions or world.job(job_id).status.is_terminal)
        assert world.predictions, world.job(job_id).error
        entries = json.loads(world.predictions[-1].input["dataloader_json"])
        (entry,) = [entry for entry in entries if entry["type"] == "aws"]
        samples = await in_thread(TrainerBucket(entry).samples)
        assert samples
        assert all(captions for _, captions in samples.values())
        await world.until(job_id, JobStatus.RUNNING, JobStatus.COMPLETED)
        files = [path.read_bytes() for path in home.root.rglob("*") if path.is_file()]
        for name in ("aws_secret_access_key", "aws_session_token"):
            assert not [content for content in files if entry[name].encode() in content]
        await world.client.cancel(job_id)
        await world.ended(job_id)

        async def removed() -> bool:
            return await bucket.keys() == []

        await eventually(removed)
        bucket.objects.close()
