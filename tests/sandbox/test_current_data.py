"""Data of the release that runs as SimpleTuner 4.10.1 does: layouts on the Hub, buckets, zips."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from tests.sandbox.conftest import Bucket, SandboxClient
from tests.sandbox.current_project import DATASET, Opener, cats, picture, staged, train
from tests.sandbox.judged_rows import LOADS, ONE, REFUSED, rows
from tui.sandbox.trainer.current.buckets import Sizing, Split
from tui.sandbox.trainer.publish import bare_client


@pytest.fixture
async def client(open_client: Opener) -> SandboxClient:
    return await open_client(release="4.10.1")


@pytest.mark.parametrize(("files", "entry", "samples"), LOADS)
async def test_layouts_that_load(
    client: SandboxClient, files: dict[str, bytes], entry: dict[str, Any], samples: int
) -> None:
    await staged(client, files)
    done = await train(client, DATASET | entry, steps=1)
    assert done["status"] == "succeeded", (done["error"], done["logs"])
    assert f"-  Num batches = {samples}\n" in done["logs"]


@pytest.mark.parametrize(("files", "entry", "error"), REFUSED)
async def test_layouts_that_do_not_load(
    client: SandboxClient, files: dict[str, bytes], entry: dict[str, Any], error: str
) -> None:
    await staged(client, files)
    done = await train(client, DATASET | entry, steps=1)
    assert done["status"] == "failed"
    assert re.search(error, done["error"]), done["error"]


async def test_a_revision_is_read_and_main_must_still_hold_data(client: SandboxClient) -> None:
    first = await staged(client, cats(2))
    await staged(client, cats(4))
    for entry, batches in ((DATASET, 4), (DATASET | {"revision": first}, 2)):
        done = await train(client, entry, steps=1)
        assert f"-  Num batches = {batches}\n" in done["logs"]


async def test_a_row_without_a_caption_is_dropped_and_the_run_goes_on(
    client: SandboxClient,
) -> None:
    files = {"a.png": picture(), "b.png": picture()}
    files["metadata.jsonl"] = rows(ONE, {"file_name": "b.png", "caption": None})
    await staged(client, files)
    done = await train(client, DATASET, steps=1)
    assert done["status"] == "succeeded", done["error"]
    assert "Could not find caption for 1.jpg in HuggingFace dataset" in done["logs"]
    assert "-  Num batches = 1\n" in done["logs"]


async def test_a_damaged_picture_is_left_out(client: SandboxClient) -> None:
    whole = picture()
    files = {"a.png": whole, "b.png": whole[: len(whole) // 2], "c.gif": picture(format="GIF")}
    files["metadata.jsonl"] = rows(*({"file_name": name, "caption": "x"} for name in files))
    await staged(client, files)
    done = await train(client, DATASET, steps=1)
    assert done["status"] == "succeeded", (done["error"], done["logs"])
    assert "[ERROR] Error reading from dataset at index 1" in done["logs"]
    assert "-  Num batches = 2\n" in done["logs"]


async def test_several_captions_of_a_picture(client: SandboxClient) -> None:
    files = {"a.png": picture(), "b.png": picture()}
    files["metadata.jsonl"] = rows(
        {"file_name": "a.png", "caption_0": "x", "caption_1": "y"},
        {"file_name": "b.png", "caption_0": "z", "caption_1": None},
    )
    await staged(client, files)
    columns = {"huggingface": {"caption_column": ["caption_0", "caption_1"]}}
    done = await train(client, DATASET | columns, steps=1)
    assert re.search(r"Processing prompts: 100%\|█+\| 3/3 ", done["logs"])


async def test_the_loader_turns_a_picture_as_its_exif_data_say(client: SandboxClient) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[274] = 6
    turned = picture(300, 200, format="JPEG", exif=exif)
    files = {"a.jpg": turned, "metadata.jsonl": rows({"file_name": "a.jpg", "caption": "x"})}
    await staged(client, files)
    done = await train(client, DATASET | {"crop": False}, steps=1)
    assert "Processing bucket 0.7:" in done["logs"]


ALIGNED = {"aspect_bucket_alignment": "64", "model_family": "sdxl"}


@pytest.mark.parametrize(
    ("entry", "size", "bucket"),
    [
        ({"resolution": 1024, "resolution_type": "pixel_area"}, (1000, 1000), "1.0"),
        ({"resolution": 1024, "resolution_type": "pixel_area"}, (1500, 1000), "1.54"),
        ({"resolution": 1.0, "resolution_type": "area"}, (1000, 1500), "0.65"),
        ({"resolution": 512, "resolution_type": "pixel"}, (2000, 1000), "2.0"),
        ({"resolution": 512, "resolution_type": "pixel", "crop": True}, (2000, 1000), "1.0"),
        (
            {"resolution": 512, "crop": True, "crop_aspect": "closest",
             "crop_aspect_buckets": [0.5, 1.0, 2.0]},
            (1700, 1000), "2.0",
        ),
        ({"resolution": 1024, "resolution_type": "pixel_area", "minimum_image_size": 512},
         (400, 500), None),
        ({"resolution": 512, "resolution_type": "pixel", "maximum_aspect_ratio": 1.5},
         (2000, 1000), None),
    ],
)  # fmt: skip
def test_the_bucket_of_a_picture(
    entry: dict[str, Any], size: tuple[int, int], bucket: str | None
) -> None:
    assert Sizing.read(entry, ALIGNED).bucket(*size) == bucket


def test_batches_of_an_epoch() -> None:
    buckets = {"1.0": ["a"] * 5, "1.5": ["b"] * 3}
    options = {"train_batch_size": 2, "gradient_accumulation_steps": 1, "num_processes": 1}
    assert Split.read({}, options).batches(buckets) == 3 + 2
    assert Split.read({"repeats": 1}, options).batches(buckets) == 5 + 3
    two = options | {"num_processes": 2}
    assert Split.read({"repeats": 1}, two).batches(buckets) == 3 + 2


def in_bucket(bucket: Bucket, **more: Any) -> dict[str, Any]:
    return {
        "id": "cats",
        "type": "aws",
        "aws_bucket_name": "outputs",
        "aws_endpoint_url": bucket.endpoint,
        "aws_access_key_id": bucket.access,
        "aws_secret_access_key": bucket.secret,
        "aws_data_prefix": "data/",
        "caption_strategy": "textfile",
        "metadata_backend": "discovery",
        "image_embeds": "latents",
        "crop": True,
        "resolution": 512,
        "resolution_type": "pixel_area",
    } | more


LATENTS = {"id": "latents", "type": "local", "dataset_type": "image_embeds"}


async def put(bucket: Bucket, files: dict[str, bytes]) -> None:
    import asyncio

    def send() -> None:
        client = bare_client(
            endpoint=bucket.endpoint,
            region=None,
            access_key=bucket.access,
            secret_key=bucket.secret,
        )
        for key, data in files.items():
            client.put_object(Bucket="outputs", Key=key, Body=data)
        client.close()

    await asyncio.to_thread(send)
    bucket.objects.clear()


PHOTOS = {"data/a.png": picture(), "data/a.txt": b"one\ntwo", "data/b.png": picture(80, 64),
          "data/b.txt": b"three", "other/c.png": picture()}  # fmt: skip


async def test_a_bucket_is_read_and_gets_two_index_files(
    client: SandboxClient, bucket: Bucket
) -> None:
    await put(bucket, PHOTOS)
    done = await train(client, in_bucket(bucket), LATENTS, steps=1, inputs={"hf_token": None})
    assert done["status"] == "succeeded", (done["error"], done["logs"])
    assert bucket.names() == {
        "data/aspect_ratio_bucket_indices_cats.json",
        "data/aspect_ratio_bucket_metadata_cats.json",
    }
    assert "-  Num batches = 2\n" in done["logs"]
    assert re.search(r"Processing prompts: 100%\|█+\| 3/3 ", done["logs"])
    # As in the real log, the entry's keys are in the end of debug.log.
    assert bucket.secret in done["logs"]


async def test_latents_go_into_the_bucket_unless_a_local_cache_is_named(
    client: SandboxClient, bucket: Bucket
) -> None:
    await put(bucket, PHOTOS)
    entry = in_bucket(bucket, image_embeds=None)
    done = await train(client, entry, steps=1)
    assert done["status"] == "succeeded", (done["error"], done["logs"])
    outside = {key for key in bucket.names() if not key.startswith("data/")}
    assert len(outside) == 2
    assert all(
        re.fullmatch(r"output/cog/cog-\w+/cache/vae/flux/cats/[ab].pt", key) for key in outside
    )


async def test_the_index_of_an_earlier_job_wins_over_new_settings(
    client: SandboxClient, bucket: Bucket
) -> None:
    await put(bucket, PHOTOS)
    await train(client, in_bucket(bucket), LATENTS, steps=1)
    done = await train(client, in_bucket(bucket, resolution=1024), LATENTS, steps=1)
    assert done["status"] == "succeeded", (done["error"], done["logs"])
    assert "Dataset cats has inconsistent config" in done["logs"]
    index = next(item for item in reversed(bucket.objects) if "indices" in item.key)
    assert json.loads(index.path.read_bytes())["config"]["resolution"] == 512


@pytest.mark.parametrize(
    ("files", "change", "error"),
    [
        ({"data/a.png": picture()}, {}, "Caption file data/a.txt not found"),
        ({"other/a.png": picture()}, {}, "No datasets are active at the start of training"),
        (PHOTOS, {"aws_secret_access_key": "wrong"}, r"\(403\)|SignatureDoesNotMatch|AccessDenied"),
    ],
)
async def test_buckets_that_cannot_be_used(
    client: SandboxClient,
    bucket: Bucket,
    files: dict[str, bytes],
    change: dict[str, Any],
    error: str,
) -> None:
    await put(bucket, files)
    done = await train(client, in_bucket(bucket, **change), LATENTS, steps=1)
    assert done["status"] == "failed"
    assert re.search(error, done["error"]), done["error"]


async def test_keys_that_may_only_read_end_the_run(client: SandboxClient, bucket: Bucket) -> None:
    await put(bucket, PHOTOS)
    asked: list[str] = []

    async def pass_on(request: web.Request) -> web.StreamResponse:
        import aiohttp

        if request.method == "PUT":
            asked.append(request.path)
            text = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
            return web.Response(status=403, text=text, content_type="application/xml")
        # The signature covers the host, so the receiver gets the name that the client asked for.
        root = bucket.endpoint.removesuffix("/api/cloud/storage")
        async with (
            aiohttp.ClientSession(auto_decompress=False) as session,
            session.request(
                request.method, root + request.raw_path, headers=request.headers
            ) as got,
        ):
            kept = {k: v for k, v in got.headers.items() if k.lower() != "transfer-encoding"}
            return web.Response(status=got.status, body=await got.read(), headers=kept)

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", pass_on)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}/api/cloud/storage"
    done = await train(client, in_bucket(bucket, aws_endpoint_url=endpoint), LATENTS, steps=1)
    await runner.cleanup()
    assert done["status"] == "failed"
    assert "AccessDenied" in done["error"]
    assert "PutObject" in done["error"]
    assert len(asked) == 5
    assert done["logs"].count('[ERROR] Error writing S3 key "data/aspect') == 5


@asynccontextmanager
async def served(data: bytes) -> AsyncIterator[str]:
    app = web.Application()

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=data)

    app.router.add_get("/{name}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_a_zip_is_read_from_an_address_that_ends_in_zip(client: SandboxClient) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        for name, data in cats(3).items():
            file.writestr(f"cats/{name}", data)
    entry = DATASET | {"dataset_name": "imagefolder"}
    async with served(target.getvalue()) as root:
        for given in (f"{root}/data.zip", {"train": f"{root}/data.zip"}):
            done = await train(client, entry | {"data_files": given}, steps=1)
            assert done["status"] == "succeeded", (done["error"], done["logs"])
            assert "-  Num batches = 3\n" in done["logs"]
        done = await train(client, entry | {"data_files": f"{root}/data.zip?sig=1"}, steps=1)
    assert done["status"] == "failed"
    assert 'Instruction "train" corresponds to no data!' in done["error"]
