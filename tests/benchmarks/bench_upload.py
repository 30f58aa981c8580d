"""Uploading a file to `/v1/files` over loopback, beside curl on the same server.

Replicate takes no larger ones. Memory is what the peak of a process grew by after the first upload
and after the last.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web

from tests.benchmarks import Row, memory_row, serving

_MIB = 1024 * 1024
_SIZE = 96 * _MIB
_ROUNDS = 15
_TOKEN = "r8_" + "0" * 37

_OURS = """
import asyncio, sys, time
from pathlib import Path
from tui.replicate.client import ReplicateClient
from tui.replicate.secret import Secret

def peak_kib():  # of this program alone; getrusage would count what was before exec, too
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])

async def main():
    async with ReplicateClient(Secret(sys.argv[2]), base_url=sys.argv[1]) as client:
        await client.upload_file(Path(sys.argv[3]), filename="warm.zip")
        before = peak_kib()
        while path := sys.stdin.readline().strip():
            started = time.perf_counter()
            await client.upload_file(
                Path(path), filename="a.zip", progress=lambda done, total: None
            )
            print(time.perf_counter() - started, peak_kib() - before, flush=True)

asyncio.run(main())
"""


async def _take(request: web.Request) -> web.Response:
    async for _ in request.content.iter_any():
        pass
    return web.json_response({"id": "f"}, status=201)


@contextmanager
def _server() -> Iterator[str]:
    """Run `serve` in its own process; yield the API's address."""
    code = "from tests.benchmarks.bench_upload import serve; serve()"
    with serving([sys.executable, "-c", code]) as line:
        yield line


def serve() -> None:
    """Accept uploads and drop them; print the API's address."""

    async def main() -> None:
        app = web.Application(client_max_size=2 * _SIZE)
        app.router.add_post("/v1/files", _take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        print(f"http://{host}:{port}/v1", flush=True)
        await asyncio.Event().wait()

    asyncio.run(main())


def _curl(base: str, path: Path) -> float:
    """Seconds of one upload by curl, as curl reports them."""
    done = subprocess.run(
        ["curl", "-sS", "-o", "/dev/null", "-w", "%{time_total}", "-H", "Expect:",
         "-H", f"Authorization: Bearer {_TOKEN}",
         "-F", f"content=@{path};type=application/zip", f"{base}/files"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return float(done.stdout)


def run() -> list[Row]:
    """Measure ours and curl in turns, so that both have the same conditions."""
    with tempfile.TemporaryDirectory() as folder, _server() as base:
        path, small = Path(folder, "a.zip"), Path(folder, "warm.zip")
        path.write_bytes(os.urandom(_SIZE))
        small.write_bytes(b"1")
        _curl(base, path)
        ours, peers, grown = [], [], []
        with subprocess.Popen(
            [sys.executable, "-c", _OURS, base, _TOKEN, str(small)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            assert process.stdin is not None
            assert process.stdout is not None
            for _ in range(_ROUNDS):
                print(path, file=process.stdin, flush=True)
                seconds, kib = process.stdout.readline().split()
                ours.append(float(seconds))
                grown.append(int(kib) / 1024)
                peers.append(_curl(base, path))
    mine, curl = statistics.median(ours), statistics.median(peers)
    mib = _SIZE / _MIB
    return [
        Row(
            f"upload of {mib:.0f} MiB over loopback",
            f"{mib / mine:.0f} MiB/s",
            f"curl {mib / curl:.0f} MiB/s",
            statistics.median(peer / own for own, peer in zip(ours, peers, strict=True)),
            "≥ 90 % of curl",
        ),
        memory_row("uploading", [grown[0], grown[-1]], [mib, mib * _ROUNDS]),
    ]


def main() -> None:
    """Print the table."""
    for row in run():
        print(row)


if __name__ == "__main__":
    main()
