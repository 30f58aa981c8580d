"""Publishing over loopback, beside what a user would call instead, on the same servers.

S3: boto3's own `upload_file` at rclone's server. Hub: the library's own `upload_file` (what
`hf upload` does) at the sandbox's Hub, by plain LFS for both. Folder: `cp` and `sync`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks import Row, serving

_SIZE = 128 * 1024 * 1024
_ROUNDS = 9
_MIB = 1024 * 1024

_CHILD = """
import hashlib, os, sys, time
from pathlib import Path
kind, endpoint, path, certificate = sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4]

def peak_kib():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])

def fresh(data):
    "Another content each time, or the Hub would not want it."
    with path.open("r+b") as file:
        file.write(os.urandom(64))
    small = path.with_name("small.bin")
    small.write_bytes(os.urandom(data))
    return small

def ours(destination, file, name):
    from tui.destinations.common.contract import LocalFile
    known = None
    if kind == "s3-ours":  # a collected file's hash is known already
        with file.open("rb") as opened:
            known = hashlib.file_digest(opened, "sha256").hexdigest()
    started = time.perf_counter()
    items = destination.plan([LocalFile(file, name, known)])
    for item in items:
        destination.send(item, lambda done, total: None)
    destination.finish(items)
    return time.perf_counter() - started

if kind.startswith("s3"):
    from tui.destinations.s3.destination import S3Destination
    from tui.destinations.s3.profile import S3Keys, S3Profile
    from tui.replicate.secret import Secret
    profile = S3Profile("outputs", endpoint)
    keys = S3Keys("job-key-1", Secret("not-a-real-secret-but-long-enough"))
    destination = S3Destination(profile, keys)
    if kind == "s3-ours":
        send = lambda file, name: ours(destination, file, name)
    else:
        import boto3
        client = boto3.session.Session().client(
            "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="job-key-1",
            aws_secret_access_key="not-a-real-secret-but-long-enough",
        )
        def send(file, name):
            started = time.perf_counter()
            client.upload_file(str(file), "outputs", name)
            return time.perf_counter() - started
elif kind == "hub-ours":
    from tui.destinations.hub.destination import HubDestination, HubTarget
    from tui.replicate.secret import Secret
    target = HubTarget("sandbox/bench", endpoint=endpoint, xet=False)
    destination = HubDestination(target, Secret("hf_write"))
    destination.prepare()
    send = lambda file, name: ours(destination, file, name)
else:
    from huggingface_hub import HfApi
    api = HfApi(endpoint=endpoint, token="hf_write")
    api.create_repo("sandbox/bench", exist_ok=True)
    def send(file, name):
        started = time.perf_counter()
        api.upload_file(path_or_fileobj=file, path_in_repo=name, repo_id="sandbox/bench")
        return time.perf_counter() - started

send(fresh(1000), "small.safetensors")
before = peak_kib()
number = 0
while sys.stdin.readline():
    fresh(1)
    number += 1
    print(send(path, f"{kind}{number}.safetensors"), flush=True)
print(peak_kib() - before)
"""


class _Child:
    def __init__(self, kind: str, endpoint: str, folder: Path) -> None:
        path = folder / f"{kind}.bin"
        path.write_bytes(os.urandom(_SIZE))
        quiet = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        self._process = subprocess.Popen(  # our own interpreter
            [sys.executable, "-W", "ignore", "-c", _CHILD, kind, endpoint, str(path), ""],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | quiet,
        )  # fmt: skip

    def once(self) -> float:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def end(self) -> int:
        """Growth of the peak memory by sending, in KiB."""
        out, _ = self._process.communicate()
        return int(out)


@contextlib.contextmanager
def _hub(root: Path) -> Iterator[str]:
    code = (
        "import asyncio, sys\nfrom pathlib import Path\n"
        "from tui.sandbox.hub import HubConfig, serve_hub\n"
        "async def main():\n"
        "    hub = await serve_hub(HubConfig(Path(sys.argv[1])))\n"
        "    print(hub.url, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    with serving([sys.executable, "-c", code, str(root)]) as line:
        yield line


def _beside(name: str, peer: str, endpoint: str, folder: Path) -> list[Row]:
    mine, theirs = (
        _Child(f"{name}-ours", endpoint, folder),
        _Child(f"{name}-peer", endpoint, folder),
    )
    pairs = [(mine.once(), theirs.once()) for _ in range(_ROUNDS)]
    grown = mine.end()
    theirs.end()
    ours, others = (statistics.median(column) for column in zip(*pairs, strict=True))
    mib = _SIZE / _MIB
    return [
        Row(
            f"publish {mib:.0f} MiB to {name}",
            f"{mib / ours:.0f} MiB/s",
            f"{peer} {mib / others:.0f} MiB/s",
            statistics.median(other / own for own, other in pairs),
            f"\u2265 90 % of {peer}",
        ),
        Row(
            f"memory that publishing to {name} adds",
            f"{grown / 1024:.1f} MiB",
            f"the file: {mib:.0f} MiB",
            None,
            "flat",
        ),
    ]


def _folder(folder: Path) -> Row:
    from tui.destinations.common.contract import LocalFile
    from tui.destinations.common.meter import sha256_of
    from tui.destinations.folder import FolderDestination

    source = folder / "source.bin"
    source.write_bytes(os.urandom(_SIZE))
    known = sha256_of(source)
    destination = FolderDestination(folder / "there")
    destination.prepare()
    pairs = []
    for number in range(_ROUNDS):
        [item] = destination.plan([LocalFile(source, f"{number}.bin", known)])
        started = time.perf_counter()
        destination.send(item)
        own = time.perf_counter() - started
        started = time.perf_counter()
        copy = folder / f"copy{number}"
        subprocess.run(["cp", str(source), str(copy)], check=True)
        subprocess.run(["sync", str(copy)], check=True)
        pairs.append((own, time.perf_counter() - started))
        Path(item.target).unlink()
        copy.unlink()
    ours, others = (statistics.median(column) for column in zip(*pairs, strict=True))
    mib = _SIZE / _MIB
    ratio = statistics.median(other / own for own, other in pairs)
    return Row(
        f"copy {mib:.0f} MiB to a folder, hashed and synced", f"{mib / ours:.0f} MiB/s",
        f"cp + sync {mib / others:.0f} MiB/s", ratio, "as near as hashing allows",
    )  # fmt: skip


def run() -> list[Row]:
    """Measure ours and the peer in turns, so that both have the same conditions."""
    from tests.destinations.hosting import rclone

    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if shutil.which("rclone"):
            with rclone(folder / "s3", None) as server:
                rows += _beside("s3", "boto3 upload_file", server.endpoint, folder)
        with _hub(folder / "hub") as endpoint:
            rows += _beside("hub", "hf upload", endpoint, folder)
        rows.append(_folder(folder))
    return rows


def main() -> None:
    """Print the table."""
    for row in run():
        print(row)


if __name__ == "__main__":
    main()
