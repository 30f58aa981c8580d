"""Deliveries to the storage receiver, beside a bare aiohttp handler and `cat`.

The client is the same for both servers and does next to nothing: it signs, and lets the kernel send
a file. Each server runs in a process of its own; each hashes what it gets and flushes it to disk.
"""

from __future__ import annotations

import http.client
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.benchmarks import Row
from tests.benchmarks.storage_server import ACCESS_KEY, SECRET

MIB = 1024 * 1024
TOTAL = 1024 * MIB
PART = 8 * MIB
UPLOADS = 8
ROUNDS = 3
GOAL = ">= 70 % of the bare handler"


class _Auth(S3SigV4Auth):
    def payload(self, request: Any) -> str:
        return "UNSIGNED-PAYLOAD"


def _signed(port: int, method: str, path: str) -> tuple[str, dict[str, str]]:
    target = f"/api/cloud/storage/outputs/{path}"
    request = AWSRequest(method=method, url=f"http://127.0.0.1:{port}{target}", headers={})
    _Auth(Credentials(ACCESS_KEY, SECRET), "s3", "us-east-1").add_auth(request)
    return target, dict(request.headers.items())


class _Client:
    """One connection."""

    def __init__(self, port: int, source: Path, *, sign: bool) -> None:
        self._port = port
        self._sign = sign
        self._file = source.open("rb")
        self._connection = http.client.HTTPConnection("127.0.0.1", port)

    def call(self, method: str, path: str, body: bytes = b"") -> tuple[bytes, str]:
        target, headers = _signed(self._port, method, path) if self._sign else (f"/{path}", {})
        self._connection.request(method, target, body=body, headers=headers)
        return self._answer()

    def put(self, path: str, offset: int, size: int) -> str:
        target, headers = _signed(self._port, "PUT", path) if self._sign else (f"/{path}", {})
        self._connection.putrequest("PUT", target, skip_accept_encoding=True)
        for name, value in (headers | {"Content-Length": str(size)}).items():
            self._connection.putheader(name, value)
        self._connection.endheaders()
        sock: socket.socket = self._connection.sock
        end = offset + size
        while offset < end:
            offset += os.sendfile(sock.fileno(), self._file.fileno(), offset, end - offset)
        return self._answer()[1]

    def _answer(self) -> tuple[bytes, str]:
        response = self._connection.getresponse()
        data = response.read()
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {data[:300]!r}")
        return data, response.headers.get("ETag", "")

    def close(self) -> None:
        self._connection.close()
        self._file.close()


def _multipart(port: int, source: Path, number: int, size: int) -> None:
    client = _Client(port, source, sign=True)
    key = f"parts-{number}"
    data, _ = client.call("POST", f"{key}?uploads=")
    match = re.search(rb"<UploadId>(\w+)<", data)
    assert match is not None
    upload = match[1].decode()
    listed = ""
    for part, start in enumerate(range(0, size, PART), start=1):
        etag = client.put(f"{key}?partNumber={part}&uploadId={upload}", start, PART)
        listed += f"<Part><PartNumber>{part}</PartNumber><ETag>{etag}</ETag></Part>"
    document = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
    client.call("POST", f"{key}?uploadId={upload}", document)
    client.close()


def _single(port: int, source: Path, *, sign: bool, name: str = "one", size: int = TOTAL) -> None:
    client = _Client(port, source, sign=sign)
    client.put(name, 0, size)
    client.close()


def _parallel(work: Callable[[int], None]) -> None:
    with ThreadPoolExecutor(UPLOADS) as pool:
        list(pool.map(work, range(UPLOADS)))


@contextmanager
def _server(kind: str, root: Path) -> Iterator[tuple[int, int]]:
    command = [sys.executable, "-m", "tests.benchmarks.storage_server", kind, str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process.pid
        process.communicate()


def _peak_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    match = re.search(r"VmHWM:\s+(\d+)", status)
    return int(match[1]) / 1024 if match else 0.0


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _speed(seconds: float) -> str:
    return f"{TOTAL / MIB / seconds:.0f} MiB/s"


def run() -> list[Row]:
    """Send 1 GiB in one piece, and in 8 multipart uploads at the same time."""
    folder = Path(tempfile.mkdtemp(prefix="bench-storage-"))
    try:
        return _run(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(folder: Path) -> list[Row]:
    source = folder / "source"
    block = os.urandom(MIB)
    with source.open("wb") as handle:
        for _ in range(TOTAL // MIB):
            handle.write(block)
    each = TOTAL // UPLOADS
    figures: dict[str, list[float]] = {}
    peak = 0.0
    for _ in range(ROUNDS):
        for kind in ("bare", "ours"):
            root = folder / kind
            root.mkdir()
            sign = kind == "ours"
            with _server(kind, root) as (port, pid):
                alone = _timed(lambda p=port, s=sign: _single(p, source, sign=s))
                figures.setdefault(f"{kind} one", []).append(alone)
                if sign:
                    work = lambda n, p=port: _multipart(p, source, n, each)  # noqa: E731
                else:
                    work = lambda n, p=port: _single(  # noqa: E731
                        p, source, sign=False, name=str(n), size=each
                    )
                figures.setdefault(f"{kind} many", []).append(_timed(lambda w=work: _parallel(w)))
                peak = max(peak, _peak_mib(pid)) if sign else peak
            shutil.rmtree(root)
        copy = [
            "sh",
            "-c",
            f"cat {source} > {folder}/copy && sync {folder}/copy && rm {folder}/copy",
        ]
        figures.setdefault("cat", []).append(_timed(lambda c=copy: subprocess.check_call(c)))
    best = {name: statistics.median(values) for name, values in figures.items()}
    cat = f"cat to disk {_speed(best['cat'])}"
    return [
        Row(
            "storage: PUT of 1 GiB",
            _speed(best["ours one"]),
            f"bare aiohttp {_speed(best['bare one'])}; {cat}",
            best["bare one"] / best["ours one"],
            GOAL,
        ),
        Row(
            f"storage: {UPLOADS} multiparts, 1 GiB in all",
            _speed(best["ours many"]),
            f"bare aiohttp, {UPLOADS} PUTs {_speed(best['bare many'])}; {cat}",
            best["bare many"] / best["ours many"],
            GOAL,
        ),
        Row("storage: peak memory over both", f"{peak:.0f} MiB", "", None, "flat"),
    ]


if __name__ == "__main__":
    for row in run():
        print(row)
