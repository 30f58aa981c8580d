"""Servers for blocking tests: asyncio ones in a thread of their own, rclone as a process."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from tests.listener.conftest import ACCESS_KEY, SECRET, grant, serve_storage
from tests.support import eventually_sync, free_port
from tui.base.stored_names import original_path
from tui.destinations.s3.profile import S3Keys, S3Profile
from tui.listener.storage import StorageLimits
from tui.replicate.secret import Secret
from tui.settings import NetworkSettings

T = TypeVar("T")
BUCKET = "outputs"


class Loop:
    """An event loop in a thread; what is entered here stays open until the end."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._stack = AsyncExitStack()
        self._thread = threading.Thread(target=self._loop.run_forever, name="test servers")
        self._thread.start()

    def run(self, task: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(task, self._loop).result(30)

    def enter(self, context: AbstractAsyncContextManager[T]) -> T:
        return self.run(self._stack.enter_async_context(context))

    def close(self) -> None:
        self.run(self._stack.aclose())
        self.run(_settle())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


async def _settle() -> None:
    """End what outlived its server: lines that broke, and who still waits for them."""
    loop: Any = asyncio.get_running_loop()  # what follows is not public
    for key in list(loop._selector.get_map().values()):
        # A broken TLS line can outlive its protocol; nothing but its socket is left of it.
        transport = loop._transports.get(key.fd)
        if transport is not None:
            transport.abort()
    for _ in range(50):
        await asyncio.sleep(0)
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


@dataclass
class Server:
    """An S3 server, and where it keeps what it got."""

    name: str
    endpoint: str
    folder: Path
    certificate: Path | None = None
    access: str = ACCESS_KEY
    secret: str = SECRET

    @property
    def port(self) -> int:
        return int(self.endpoint.split("/")[2].rpartition(":")[2])

    @property
    def keys(self) -> S3Keys:
        return S3Keys(self.access, Secret(self.secret))

    @property
    def network(self) -> NetworkSettings:
        return NetworkSettings(ca_bundle=str(self.certificate or ""), timeout=20.0)

    def profile(self, **changes: Any) -> S3Profile:
        usual = S3Profile(BUCKET, self.endpoint, prefix="runs/cat 1+1")
        return replace(usual, **changes)

    def stored(self) -> dict[str, bytes]:
        """Every object's content by key; our own receiver escapes what names may not have."""
        key = original_path if self.name == "receiver" else str
        return {
            key(path.relative_to(self.folder).as_posix()): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file()
        }


def receiver(
    loop: Loop,
    root: Path,
    certificate: tuple[Path, Path] | None,
    limits: StorageLimits | None = None,
    **rights: Any,
) -> Server:
    """Our own storage receiver; `rights` are fields of the key's grant."""
    given = grant(**({"prefix": "job", "may_delete": True} | rights))
    context = serve_storage(
        root, grants={ACCESS_KEY: given}, certificate=certificate, limits=limits
    )
    storage = loop.enter(context)
    return Server(
        "receiver", storage.endpoint, root / "job", certificate[0] if certificate else None
    )


@contextmanager
def rclone(
    root: Path, certificate: tuple[Path, Path] | None, *options: str, remember: str = "1ms"
) -> Iterator[Server]:
    """rclone's S3 server over a folder; `remember` is how long it believes what it saw there."""
    program = shutil.which("rclone")
    assert program
    folder = root / BUCKET
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    # Tests change files behind the server's back, so it must not remember folders for long. It arms
    # a timer of twice that time for each folder: with 0 these timers eat all processors, hold the
    # folders' locks, and requests wait for minutes on a machine that has other work.
    command = [
        program, "serve", "s3", str(root), "--addr", f"127.0.0.1:{port}",
        "--auth-key", f"{ACCESS_KEY},{SECRET}", "--dir-cache-time", remember,
        "--config", "/dev/null", "--log-level", "ERROR", *options,
    ]  # fmt: skip
    if certificate:
        command += ["--cert", str(certificate[0]), "--key", str(certificate[1])]
    with subprocess.Popen(command) as process:
        try:
            eventually_sync(lambda: is_open(port))
            scheme = "https" if certificate else "http"
            endpoint = f"{scheme}://127.0.0.1:{port}"
            yield Server("rclone", endpoint, folder, certificate[0] if certificate else None)
        finally:
            process.terminate()


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
