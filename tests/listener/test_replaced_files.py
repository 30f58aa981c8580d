"""A delivered file that something else replaced is not the object any more."""

from __future__ import annotations

import os

import pytest

from tests.listener.conftest import Storage, grant
from tests.listener.wire import request


@pytest.mark.parametrize("change", ["content", "size", "link"])
async def test_a_replaced_file_is_unknown(storage: Storage, change: str) -> None:
    assert (await request(storage, "PUT", "/outputs/a.bin", b"delivered")).status == 200
    path = storage.folder / "a.bin"
    before = path.stat()
    if change == "content":
        path.write_bytes(b"something")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000_000))
    elif change == "size":
        path.write_bytes(b"more than it was")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    else:
        path.rename(path.with_name("b.bin"))
        path.symlink_to(path.with_name("b.bin"))
    assert not list(await storage.receiver.delivered(grant()))
    assert (await request(storage, "GET", "/outputs/a.bin")).status == 404
