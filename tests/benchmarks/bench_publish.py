"""Publishing over loopback, beside what a user would call instead, on the same servers.

S3: boto3's own `upload_file` at Ceph's gateway and at rclone's server, which hashes a part twice to
compare it with its Content-MD5. Hub: the library's own `upload_file` (what `hf upload` does) at the
sandbox's Hub, by plain LFS for both. Folder: `cp` and `sync`, and with OpenSSL's SHA-256 between
them. Ours knows the SHA-256 already, as of every file that was collected. Memory is what the peak
of a process grew by after a file of each size, the smaller first.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks import Row, memory_row, serving

_MIB = 1024 * 1024
_SIZE = 128 * _MIB
_SIZES = (_SIZE // 2, _SIZE, _SIZE * 4)
_ROUNDS = 9

_CHILD = """
import hashlib, os, sys, time
from pathlib import Path
kind, endpoint, path = sys.argv[1], sys.argv[2], Path(sys.argv[3])

def peak_kib():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0])

def fresh(size):
    "Another content each time, or the Hub would not want it; random only at the usual size."
    file = path if path.stat().st_size == size else path.with_name(f"{kind}-other.bin")
    with file.open("r+b" if file.exists() else "wb") as opened:
        opened.write(os.urandom(64))
        opened.truncate(size)
    return file

def ours(destination, file, name):
    from tui.destinations.common.contract import LocalFile
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
    access, secret = os.environ["BENCH_KEY"], os.environ["BENCH_SECRET"]
    keys = S3Keys(access, Secret(secret))
    destination = S3Destination(profile, keys)
    if kind == "s3-ours":
        send = lambda file, name: ours(destination, file, name)
    else:
        import boto3
        client = boto3.session.Session().client(
            "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=access,
            aws_secret_access_key=secret,
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
while size := sys.stdin.readline():
    number += 1
    taken = send(fresh(int(size)), f"{kind}{number}.safetensors")
    print(taken, peak_kib() - before, flush=True)
"""


class _Child:
    def __init__(
        self, kind: str, endpoint: str, folder: Path, access: str = "", secret: str = ""
    ) -> None:
        path = folder / f"{kind}.bin"
        path.write_bytes(os.urandom(_SIZE))
        quiet = {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        keys = {"BENCH_KEY": access, "BENCH_SECRET": secret}
        self._process = subprocess.Popen(  # our own interpreter
            [sys.executable, "-W", "ignore", "-c", _CHILD, kind, endpoint, str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | quiet | keys,
        )  # fmt: skip

    def once(self, size: int = _SIZE) -> float:
        """Seconds for a file of that size."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{size}\n")
        self._process.stdin.flush()
        seconds, grown = self._process.stdout.readline().split()
        self.grown = int(grown) / 1024
        return float(seconds)

    def end(self) -> None:
        self._process.communicate()


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


def _beside(
    kind: str, what: str, peer: str, times: str, endpoint: str, folder: Path,
    access: str = "", secret: str = "", *, memory: bool = True,
) -> list[Row]:  # fmt: skip
    mine, theirs = (
        _Child(f"{kind}-{whose}", endpoint, folder, access, secret) for whose in ("ours", "peer")
    )
    grown, pairs = [], []
    for size in _SIZES if memory else [_SIZE]:
        if size == _SIZE:
            pairs = [(mine.once(), theirs.once()) for _ in range(_ROUNDS)]
        else:
            mine.once(size)
        grown.append(mine.grown)
    mine.end()
    theirs.end()
    ours, others = (statistics.median(column) for column in zip(*pairs, strict=True))
    mib = _SIZE / _MIB
    rows = [
        Row(
            f"publish {mib:.0f} MiB to {what}",
            f"{mib / ours:.0f} MiB/s",
            f"{peer} {mib / others:.0f} MiB/s",
            statistics.median(other / own for own, other in pairs),
            f"≥ {times} × {peer}",
        ),
    ]
    if memory:
        sizes = [size / _MIB for size in _SIZES]
        rows.append(memory_row(f"publishing to {what}", grown, sizes))
    return rows


def _folder(folder: Path) -> list[Row]:
    from tui.destinations.common.contract import LocalFile
    from tui.destinations.common.meter import sha256_of
    from tui.destinations.folder import FolderDestination

    source = folder / "source.bin"
    source.write_bytes(os.urandom(_SIZE))
    known = sha256_of(source)
    destination = FolderDestination(folder / "there")
    destination.prepare()
    copy = folder / "copy"
    peers = [["cp", "sync"], ["cp", "openssl", "sync"]]

    def ours(number: int) -> float:
        [item] = destination.plan([LocalFile(source, f"{number}.bin", known)])
        started = time.perf_counter()
        destination.send(item)
        taken = time.perf_counter() - started
        Path(item.target).unlink()
        return taken

    def theirs(commands: list[str]) -> float:
        started = time.perf_counter()
        for command in commands:
            arguments = {"cp": [str(source)], "openssl": ["dgst", "-sha256"]}.get(command, [])
            call = [command, *arguments, str(copy)]
            subprocess.run(call, check=True, stdout=subprocess.DEVNULL)
        taken = time.perf_counter() - started
        copy.unlink()
        return taken

    turns = [(ours(number), *map(theirs, peers)) for number in range(_ROUNDS)]
    own, *others = zip(*turns, strict=True)
    mib = _SIZE / _MIB
    return [
        Row(
            f"copy {mib:.0f} MiB to a folder, hashed and synced",
            f"{mib / statistics.median(own):.0f} MiB/s",
            f"{' + '.join(peer)} {mib / statistics.median(taken):.0f} MiB/s",
            statistics.median(other / mine for mine, other in zip(own, taken, strict=True)),
            "as near as hashing allows",
        )
        for peer, taken in zip(peers, others, strict=True)
    ]


def run() -> list[Row]:
    """Measure ours and the peer in turns, so that both have the same conditions."""
    from tests.benchmarks.buckets import buckets

    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for server_name, server in buckets(folder / "s3", 3 * _ROUNDS * _SIZE):
            rows += _beside(
                "s3", server_name, "boto3 upload_file", "1.0", server.endpoint, folder,
                server.access, server.secret, memory=server_name == "rclone",
            )  # fmt: skip
        with _hub(folder / "hub") as endpoint:
            rows += _beside("hub", "the Hub", "hf upload", "1.2", endpoint, folder)
        rows += _folder(folder)
    return rows


def main() -> None:
    """Print the table."""
    for row in run():
        print(row)


if __name__ == "__main__":
    main()
