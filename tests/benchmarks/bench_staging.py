"""Staging a folder of pictures, beside what a user would call instead, on the same servers.

Hub: the library's own `upload_folder` (what `hf upload` does) at the sandbox's Hub, by plain LFS
for both. This machine: `cp -r` and `sync`. A bucket: `aws s3 cp --recursive`, without the time that
the program takes to start, at Ceph's gateway, which gives temporary keys as staging needs them, and
at rclone's server, which gives none and hashes an object each time that it is asked about it. Ours
is verified at the far end in each case; the first peers are not. The second ones pay for a proof as
well: a HEAD of each object at rclone, and OpenSSL's SHA-256 of what `cp` copied here. Memory is
what the peak of a process grew by after a folder of each size, the smaller first. Planning is what
a check does with pictures that are staged already, after the scan.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from PIL import Image

from tests.benchmarks import Row, memory_row
from tests.benchmarks.bench_publish import _hub
from tests.benchmarks.buckets import buckets
from tui.engine.staging.here_place import HerePlace, Proof
from tui.listener.storage.staged import StagedFolder
from tui.simpletuner.config.load import load_config
from tui.simpletuner.datasets.scan import scan
from tui.simpletuner.staging.build import build_manifest

_FILES = 32
_FILE_BYTES = 4 * 1024 * 1024
_MIB = 1024 * 1024
_SMALL, _LARGE = _FILES // 2, _FILES * 4
_ROUNDS = 5
_COUNT = 10_000

_CHILD = """
import asyncio, hashlib, os, subprocess, sys, threading, time
from pathlib import Path
kind, endpoint, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
size = int(sys.argv[4])
from tui.simpletuner.staging.manifest import Manifest, StagedDataset, StagedFile

def peak_kib():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])

def fresh(number, count):
    "A folder with other contents than before; the digests are known from the check."
    files = []
    for old in folder.glob("*.png"):
        old.unlink()
    for item in range(count):
        path = folder / f"{number}-{item}.png"
        content = os.urandom(size)
        path.write_bytes(content)
        state = path.stat()
        files.append(StagedFile(path.name, str(path), hashlib.sha256(content).hexdigest(), size,
                                ("a cat",), source_size=size, source_mtime_ns=state.st_mtime_ns))
    subprocess.run(["sync", str(folder)], check=True)
    return Manifest((StagedDataset("bench", {"id": "bench"}, tuple(files)),))

def timed(call):
    started = time.perf_counter()
    call()
    return time.perf_counter() - started

nothing = lambda done, total: None
if kind == "hub-ours":
    from tui.destinations.common.meter import Meter
    from tui.destinations.hub.client import open_api
    from tui.destinations.hub.staged_dataset import StagedRepository
    from tui.replicate.secret import Secret
    from tui.settings import NetworkSettings
    api = open_api(endpoint, Secret("hf_write"), NetworkSettings())
    repository = StagedRepository(api, "sandbox/staged-bench", "bench")
    def send(manifest):
        meter = Meter(manifest.bytes, nothing, threading.Event())
        return timed(lambda: repository.send(manifest.datasets[0], meter))
elif kind == "hub-peer":
    from huggingface_hub import HfApi
    api = HfApi(endpoint=endpoint, token="hf_write")
    api.create_repo("sandbox/bench", repo_type="dataset", exist_ok=True)
    def send(manifest):
        return timed(lambda: api.upload_folder(
            repo_id="sandbox/bench", repo_type="dataset", folder_path=folder))
elif kind == "bucket-ours":
    from tui.destinations.s3.profile import S3Keys, S3Profile
    from tui.engine.staging.bucket_objects import BucketObjects
    from tui.replicate.secret import Secret
    from tui.settings import NetworkSettings
    keys = S3Keys(os.environ["BENCH_KEY"], Secret(os.environ["BENCH_SECRET"]))
    objects = BucketObjects(S3Profile("outputs", endpoint), keys, NetworkSettings())
    def send(manifest):
        files = manifest.files.values()
        return timed(lambda: objects.send(files, nothing, threading.Event()))
elif kind in ("bucket-peer", "bucket-asking"):
    from concurrent.futures import ThreadPoolExecutor
    import boto3
    os.environ.update(AWS_ACCESS_KEY_ID=os.environ["BENCH_KEY"], AWS_DEFAULT_REGION="us-east-1",
                      AWS_SECRET_ACCESS_KEY=os.environ["BENCH_SECRET"])
    tiny = folder.parent / "tiny"
    tiny.mkdir()
    (tiny / "tiny").write_bytes(b"x")
    client = boto3.client("s3", endpoint_url=endpoint)
    def copy(source):
        prefix = f"peer/{time.monotonic_ns()}/"
        def run():
            subprocess.run(
                ["aws", "--endpoint-url", endpoint, "s3", "cp", "--recursive",
                 "--only-show-errors", str(source), f"s3://outputs/{prefix}"], check=True)
            if kind == "bucket-asking":
                with ThreadPoolExecutor(10) as pool:
                    list(pool.map(lambda path: client.head_object(
                        Bucket="outputs", Key=prefix + path.name), source.iterdir()))
        return timed(run)
    start = min(copy(tiny) for _ in range(3))
    def send(manifest):
        return max(1e-6, copy(folder) - start)
elif kind == "here-ours":
    from tui.engine.staging.here_place import HerePlace, Proof
    from tui.listener.storage.staged import StagedFolder
    staged = StagedFolder(folder.parent / "staged")
    staged.create()
    place = HerePlace(api_base=endpoint, staged=staged, keys=None, endpoint=lambda: endpoint,
                      proof=lambda _: Proof(), forget=lambda view: None)
    def send(manifest):
        taken = timed(lambda: asyncio.run(place.send(manifest, nothing, threading.Event())))
        staged.remove_content(manifest.files)  # as the peer's copy, or each finds other memory
        return taken
else:
    def send(manifest):
        copy = folder.parent / f"copy-{time.monotonic_ns()}"
        def run():
            subprocess.run(["cp", "-r", str(folder), str(copy)], check=True)
            if kind == "here-hashing":
                subprocess.run(["openssl", "dgst", "-sha256", *map(str, copy.iterdir())],
                               check=True, stdout=subprocess.DEVNULL)
            subprocess.run(["sync", *map(str, copy.iterdir()), str(copy)], check=True)
        taken = timed(run)
        subprocess.run(["rm", "-r", str(copy)], check=True)
        return taken

send(fresh("first", 1))
print("ready", flush=True)
number, before = 0, 0
while count := sys.stdin.readline():
    number += 1
    manifest = fresh(number, int(count))
    before = before or peak_kib()  # without the random bytes that the test itself makes
    print(send(manifest), peak_kib() - before, flush=True)
"""


class _Child:
    """A process that stages a fresh folder on command and reports the duration."""

    def __init__(self, kind: str, endpoint: str, root: Path, access: str, secret: str) -> None:
        folder = root / kind / "pictures"
        folder.mkdir(parents=True)
        quiet = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        keys = {"BENCH_KEY": access, "BENCH_SECRET": secret}
        arguments = [kind, endpoint, str(folder), str(_FILE_BYTES)]
        self._process = subprocess.Popen(  # our own interpreter
            [sys.executable, "-W", "ignore", "-c", _CHILD, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | quiet | keys,
        )  # fmt: skip

        # Or the time that the peer takes to start would be measured while this one starts.
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"

    def once(self, files: int = _FILES) -> float:
        """Seconds for a folder of so many files."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{files}\n")
        self._process.stdin.flush()
        seconds, grown = self._process.stdout.readline().split()
        self.grown = int(grown) / 1024
        return float(seconds)

    def end(self) -> None:
        self._process.communicate()


def _beside(
    kind: str, what: str, peers: Mapping[str, str], endpoint: str, root: Path, goal: str,
    access: str = "", secret: str = "", *, memory: bool = True,
) -> list[Row]:  # fmt: skip
    """Rows of our figure beside that of each peer: the end of its kind, and its name."""
    mine, *others = (
        _Child(f"{kind}-{whose}", endpoint, root, access, secret) for whose in ("ours", *peers)
    )
    grown = []
    if memory:
        mine.once(_SMALL)
        grown.append(mine.grown)
    turns = [(mine.once(), *(other.once() for other in others)) for _ in range(_ROUNDS)]
    ours, *theirs = zip(*turns, strict=True)
    mib = _FILES * _FILE_BYTES / _MIB
    rows = [
        Row(
            f"stage {mib:.0f} MiB {what}, verified",
            f"{mib / statistics.median(ours):.0f} MiB/s",
            f"{peer} {mib / statistics.median(taken):.0f} MiB/s",
            statistics.median(other / own for own, other in zip(ours, taken, strict=True)),
            goal,
        )
        for peer, taken in zip(peers.values(), theirs, strict=True)
    ]
    if memory:
        grown.append(mine.grown)
        mine.once(_LARGE)
        grown.append(mine.grown)
        sizes = [files * _FILE_BYTES / _MIB for files in (_SMALL, _FILES, _LARGE)]
        rows.append(memory_row(f"staging {what}", grown, sizes))
    for child in (mine, *others):
        child.end()
    return rows


def project(root: Path, count: int = _COUNT) -> Path:
    """A config with small pictures of different contents, each with a caption."""
    folder = root / "images"
    folder.mkdir()
    Image.effect_noise((64, 64), 60).convert("RGB").save(root / "seed.jpg")
    start, end = (content := (root / "seed.jpg").read_bytes())[:-2], content[-2:]
    for number in range(count):
        text = b"%08d" % number
        comment = b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text
        picture = start[:2] + comment + start[2:] + end
        (folder / f"image-{number:05}.jpg").write_bytes(picture)
        (folder / f"image-{number:05}.txt").write_text(f"a picture of noise, number {number}\n")
    entry = {
        "id": "images", "type": "local", "instance_data_dir": str(folder),
        "caption_strategy": "textfile", "resolution": 64, "resolution_type": "pixel",
    }  # fmt: skip
    (root / "multidatabackend.json").write_text(json.dumps([entry]))
    (root / "config.json").write_text('{"model_family": "flux"}')
    return root / "config.json"


def _planning(root: Path) -> Row:
    config = load_config(project(root))
    report = scan(config, cache=root / "scan.json")
    staged = StagedFolder(root / "staged")
    staged.create()
    address = "http://127.0.0.1:1/v1"
    place = HerePlace(
        api_base=address, staged=staged, keys=cast("Any", None), endpoint=lambda: address,
        proof=lambda _: Proof(), forget=lambda _view: None,
    )  # fmt: skip

    def plan() -> float:
        started = time.perf_counter()
        built = build_manifest(config, report, cache=root / "staging.json")
        missing = asyncio.run(place.missing(built.manifest))
        taken = time.perf_counter() - started
        if built.manifest.images != _COUNT or missing.files not in (0, _COUNT):
            raise AssertionError("the plan is wrong, its speed means nothing")
        return taken

    first = plan()
    manifest = build_manifest(config, report, cache=root / "staging.json").manifest
    asyncio.run(place.send(manifest, lambda _done, _total: None, threading.Event()))
    if asyncio.run(place.missing(manifest)).files:
        raise AssertionError("not all was staged")
    again = statistics.median(plan() for _ in range(_ROUNDS))
    return Row(
        f"plan the staging of {_COUNT} images that are there", f"{again:.2f} s",
        f"all of them new {first:.2f} s", first / again, "<= 1 s after the scan",
    )  # fmt: skip


def _buckets(root: Path) -> list[Row]:
    rows = []
    for name, server in buckets(root / "s3", 4 * _ROUNDS * _FILES * _FILE_BYTES):
        at_rclone = name == "rclone"
        peers = {"peer": "aws s3 cp"}
        if at_rclone:
            peers["asking"] = "aws s3 cp + head-object"
        rows += _beside(
            "bucket", f"to a bucket at {name}", peers, server.endpoint, root / name,
            "≥ 1.0 × aws s3 cp", server.access, server.secret, memory=at_rclone,
        )  # fmt: skip
    return rows


def run() -> list[Row]:
    """Measure ours and the peer in turns, so that both have the same conditions."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        with _hub(root / "hub") as endpoint:
            rows = _beside("hub", "to the Hub", {"peer": "hf upload"}, endpoint, root,
                           "≥ 1.2 × hf upload")  # fmt: skip
        if shutil.which("aws"):
            rows += _buckets(root)
        rows += _beside(
            "here", "on this machine", {"peer": "cp + sync", "hashing": "cp + openssl + sync"},
            "http://127.0.0.1:1/v1", root, "as near as hashing allows",
        )  # fmt: skip
        (root / "plan").mkdir()
        rows.append(_planning(root / "plan"))
    return rows


def main() -> None:
    """Print the table."""
    for row in run():
        print(row)


if __name__ == "__main__":
    main()
