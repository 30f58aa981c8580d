"""Verified webhooks with a body of 200 kB, beside a bare aiohttp handler that reads the body.

The requests are made and signed before the clock starts; the client only sends and counts.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time

from tests.benchmarks import Row
from tests.benchmarks.webhook_server import SECRET
from tui.listener.webhooks import WEBHOOK_PATH
from tui.replicate.webhook import sign_webhook

CONNECTIONS = 8
REQUESTS = 1500
ROUNDS = 3
JOBS = 1000


def _request(number: int) -> bytes:
    """A `logs` event of one of a thousand jobs."""
    line = "Epoch 3/10, Steps:  62%|######    | 1240/2000 [39:02<23:56, 1.89s/it, loss=0.142]\n"
    event = {
        "id": f"job{number % JOBS:023d}",
        "status": "processing",
        "logs": (line * (200_000 // len(line)))[:200_000],
        "metrics": {},
        "number": number,
    }
    body = json.dumps(event).encode()
    stamp = int(time.time())
    head = (
        f"POST {WEBHOOK_PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"webhook-id: msg_{number}\r\nwebhook-timestamp: {stamp}\r\n"
        f"webhook-signature: {sign_webhook(SECRET, f'msg_{number}', stamp, body)}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _drive(port: int, requests: list[bytes], connections: int) -> tuple[float, list[float]]:
    """Requests per second, and the duration of each answer in seconds."""
    waiting = iter(requests)
    times: list[float] = []

    async def worker() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for data in waiting:
            start = time.perf_counter()
            writer.write(data)
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head[:16]:
                raise RuntimeError(head.decode())
            length = head.lower().partition(b"content-length:")[2].partition(b"\r")[0]
            await reader.readexactly(int(length))
            times.append(time.perf_counter() - start)
        writer.close()

    start = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(connections)))
    return len(requests) / (time.perf_counter() - start), times


def _measured(kind: str, requests: list[bytes], connections: int) -> tuple[float, list[float]]:
    command = [sys.executable, "-m", "tests.benchmarks.webhook_server", kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        answer = asyncio.run(_drive(port, requests, connections))
        process.communicate()
    return answer


def run() -> list[Row]:
    """Send the same requests to both."""
    requests = [_request(number) for number in range(REQUESTS)]
    speeds: dict[str, list[float]] = {"bare": [], "hash": [], "ours": []}
    times: dict[str, list[float]] = {"bare": [], "hash": [], "ours": []}
    for _ in range(ROUNDS):
        for kind, measured in speeds.items():
            speed, took = _measured(kind, requests, CONNECTIONS)
            measured.append(speed)
            times[kind] += took
    ours, bare = statistics.median(speeds["ours"]), statistics.median(speeds["bare"])
    hashing = statistics.median(speeds["hash"])
    p99 = {kind: statistics.quantiles(took, n=100)[98] * 1000 for kind, took in times.items()}
    return [
        Row(
            "webhooks: verified, 200 kB each",
            f"{ours:.0f} /s",
            f"bare aiohttp {bare:.0f} /s; with a SHA-256 and json.loads {hashing:.0f} /s",
            ours / bare,
            ">= 60 % of the bare handler",
        ),
        Row(
            f"webhooks: p99 of the answer, {JOBS} jobs, {CONNECTIONS} connections at full speed",
            f"{p99['ours']:.1f} ms",
            f"bare aiohttp {p99['bare']:.1f} ms",
            None,
            "<= 50 ms",
        ),
    ]


if __name__ == "__main__":
    for row in run():
        print(row)
