"""Staging a folder of pictures, beside what a user would call instead, on the same servers.

Hub: the library's own `upload_folder` (what `hf upload` does) at the sandbox's Hub, by plain LFS
for both. This machine: `cp -r` and `sync`. A bucket: `aws s3 cp --recursive`, without the time that
the program takes to start, at Ceph's gateway, which gives temporary keys as staging needs them, and
at rclone's server, which gives none and hashes an object each time that it is asked about it. Ours
is verified at the far end in each case; the others are not. Planning is what a check does with
pictures that are staged already, after the scan.
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
from pathlib import Path
from typing import Any, cast

from PIL import Image

from tests.benchmarks import Row
from tests.benchmarks.bench_publish import _hub
from tests.destinations.hosting import rclone
from tests.destinations.radosgw import make_bucket, missing_program, rados
from tui.engine.staging.here_place import HerePlace, Proof
from tui.listener.storage.staged import StagedFolder
from tui.simpletuner.config.load import load_config
from tui.simpletuner.datasets.scan import scan
from tui.simpletuner.staging.build import build_manifest

_FILES = 32
_FILE_BYTES = 4 * 1024 * 1024
_MIB = 1024 * 1024
_ROUNDS = 5
_COUNT = 10_000

_CHILD = """
import asyncio, hashlib, os, subprocess, sys, threading, time
from pathlib import Path
kind, endpoint, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
count, size = int(sys.argv[4]), int(sys.argv[5])
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
elif kind == "bucket-peer":
    os.environ.update(AWS_ACCESS_KEY_ID=os.environ["BENCH_KEY"], AWS_DEFAULT_REGION="us-east-1",
                      AWS_SECRET_ACCESS_KEY=os.environ["BENCH_SECRET"])
    tiny = folder.parent / "tiny"
    tiny.mkdir()
    (tiny / "tiny").write_bytes(b"x")
    def copy(source):
        target = f"s3://outputs/peer/{time.monotonic_ns()}/"
        return timed(lambda: subprocess.run(
            ["aws", "--endpoint-url", endpoint, "s3", "cp", "--recursive", "--only-show-errors",
             str(source), target], check=True))
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
        return timed(lambda: asyncio.run(place.send(manifest, nothing, threading.Event())))
else:
    def send(manifest):
        copy = folder.parent / f"copy-{time.monotonic_ns()}"
        def run():
            subprocess.run(["cp", "-r", str(folder), str(copy)], check=True)
            subprocess.run(["sync", *map(str, copy.iterdir()), str(copy)], check=True)
        taken = timed(run)
        subprocess.run(["rm", "-r", str(copy)], check=True)
        return taken

send(fresh("first", 1))
print("ready", flush=True)
number, before = 0, 0
while sys.stdin.readline():
    number += 1
    manifest = fresh(number, count)
    if not before:
        before = peak_kib()  # without the random bytes that the test itself makes
    print(send(manifest), flush=True)
print(peak_kib() - before)
"""


class _Child:
    """A process that stages a fresh folder on command and reports the duration."""

    def __init__(self, kind: str, endpoint: str, root: Path, access: str, secret: str) -> None:
        folder = root / kind / "pictures"
        folder.mkdir(parents=True)
        quiet = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        keys = {"BENCH_KEY": access, "BENCH_SECRET": secret}
        arguments = [kind, endpoint, str(folder), str(_FILES), str(_FILE_BYTES)]
        self._process = subprocess.Popen(  # our own interpreter
            [sys.executable, "-W", "ignore", "-c", _CHILD, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | quiet | keys,
        )  # fmt: skip

        # Or the time that the peer takes to start would be measured while this one starts.
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"

    def once(self) -> float:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def end(self) -> int:
        """Growth of the peak memory by staging, in KiB."""
        out, _ = self._process.communicate()
        return int(out)


def _beside(
    kind: str, what: str, peer: str, endpoint: str, root: Path, goal: str,
    access: str = "", secret: str = "",
) -> list[Row]:  # fmt: skip
    mine, theirs = (
        _Child(f"{kind}-{whose}", endpoint, root, access, secret) for whose in ("ours", "peer")
    )
    pairs = [(mine.once(), theirs.once()) for _ in range(_ROUNDS)]
    grown = mine.end()
    theirs.end()
    ours, others = (statistics.median(column) for column in zip(*pairs, strict=True))
    mib = _FILES * _FILE_BYTES / _MIB
    return [
        Row(
            f"stage {mib:.0f} MiB {what}, verified",
            f"{mib / ours:.0f} MiB/s",
            f"{peer} {mib / others:.0f} MiB/s",
            statistics.median(other / own for own, other in pairs),
            goal,
        ),
        Row(
            f"memory that staging {what} adds",
            f"{grown / 1024:.1f} MiB",
            f"the folder: {mib:.0f} MiB",
            None,
            "flat",
        ),
    ]


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
    goal = "≥ 1.0 × aws s3 cp"
    if missing_program() is None:
        most = 4 * _ROUNDS * _FILES * _FILE_BYTES
        with rados(Path(tempfile.mkdtemp(prefix="rgw")), store_bytes=most) as ceph:
            server = ceph.user("owner")
            make_bucket(server)
            rows += _beside(
                "bucket", "to a bucket at Ceph", "aws s3 cp", server.endpoint, root / "ceph", goal,
                server.access, server.secret,
            )  # fmt: skip
    (root / "s3" / "outputs").mkdir(parents=True)
    with rclone(root / "s3", None) as server:
        rows += _beside(
            "bucket", "to a bucket at rclone", "aws s3 cp", server.endpoint, root / "rclone", goal,
            server.access, server.secret,
        )  # fmt: skip
    return rows


def run() -> list[Row]:
    """Measure ours and the peer in turns, so that both have the same conditions."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        with _hub(root / "hub") as endpoint:
            rows = _beside("hub", "to the Hub", "hf upload", endpoint, root, "≥ 1.2 × hf upload")
        if shutil.which("aws"):
            rows += _buckets(root)
        rows += _beside(
            "here", "on this machine", "cp + sync", "http://127.0.0.1:1/v1", root,
            "as near as hashing allows",
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
