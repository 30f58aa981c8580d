"""The sandbox: list pages of a long history, and uploads, beside bare aiohttp handlers."""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
from aiohttp import web

from tests.benchmarks import Row
from tests.wished import wished
from tui.sandbox.server import serve

_HISTORY = 10_000
_ROUNDS = 60
_UPLOAD_BYTES = 100 * 1024 * 1024


async def _median_ms(call: Callable[[int], Awaitable[httpx.Response]]) -> float:
    times = []
    for number in range(_ROUNDS):
        begin = time.perf_counter()
        answer = await call(number)
        times.append((time.perf_counter() - begin) * 1000)
        assert answer.is_success
    return statistics.median(times)


async def _bare(body: bytes) -> tuple[web.AppRunner, str]:
    """A bare server: one route answers the same bytes, another reads and drops a body."""

    async def give(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    async def swallow(request: web.Request) -> web.Response:
        async for _ in request.content.iter_chunked(256 * 1024):
            continue
        return web.Response()

    app = web.Application()
    app.add_routes([web.get("/list", give), web.post("/files", swallow)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


async def _measure(folder: Path) -> list[Row]:
    sandbox = await serve(wished(past_predictions=_HISTORY, work_dir=folder, speed=1000))
    headers = {"Authorization": f"Bearer {sandbox.token}"}
    async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=60) as http:
        pages: list[str] = []
        cold: list[float] = []
        url: str | None = f"{sandbox.base_url}/predictions"
        while url and len(pages) < _ROUNDS:
            pages.append(url)
            begin = time.perf_counter()
            answer = await http.get(url)
            cold.append((time.perf_counter() - begin) * 1000)
            url = answer.json()["next"]
        again = await _median_ms(lambda number: http.get(pages[number % len(pages)]))
        runner, bare = await _bare(answer.content)
        floor = await _median_ms(lambda _: http.get(f"{bare}/list"))
        path = folder / "upload.bin"
        path.write_bytes(b"x" * _UPLOAD_BYTES)
        ours = await _upload(http, f"{sandbox.base_url}/files", path)
        plain = await _upload(http, f"{bare}/files", path)
        await runner.cleanup()
    await sandbox.aclose()
    mib = _UPLOAD_BYTES / 2**20
    return [
        Row(
            "sandbox: one list page of 10 000 predictions, first time",
            f"{statistics.median(cold):.2f} ms",
            f"{floor:.2f} ms (bare aiohttp, same bytes)",
            statistics.median(cold) / floor,
            "p50 < 15 ms",
        ),
        Row(
            "sandbox: the same page again",
            f"{again:.2f} ms",
            f"{floor:.2f} ms (bare aiohttp, same bytes)",
            again / floor,
            "p50 < 15 ms",
        ),
        Row(
            "sandbox: one upload of 100 MiB, hashed and kept",
            f"{mib / ours:.0f} MiB/s",
            f"{mib / plain:.0f} MiB/s (bare aiohttp that drops it)",
            plain / ours,
            "not a bottleneck of the demo",
        ),
    ]


async def _upload(http: httpx.AsyncClient, url: str, path: Path) -> float:
    begin = time.perf_counter()
    with path.open("rb") as file:
        answer = await http.post(url, files={"content": ("a.zip", file, "application/zip")})
    assert answer.is_success
    return time.perf_counter() - begin


def run() -> list[Row]:
    """Measure once."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder)))


if __name__ == "__main__":
    for row in run():
        print(row, file=sys.stdout)
