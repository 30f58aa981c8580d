"""The servers of bench_storage, each in a process of its own: `python -m … KIND FOLDER`."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web

from tui.listener.app import PublicRunner, build_app
from tui.listener.storage import ReceivedObject, StorageGrant, StorageReceiver

ACCESS_KEY = "bench"
SECRET = "bench-secret"


class _Keys:
    async def secret_for(self, access_key: str) -> StorageGrant | None:
        later = datetime.now(UTC) + timedelta(hours=1)
        return StorageGrant("bench", SECRET, "bench", later) if access_key == ACCESS_KEY else None


async def _ignore(_received: ReceivedObject) -> None:
    pass


def _bare(root: Path) -> web.Application:
    """A minimal server that saves a body and hashes it."""

    async def put(request: web.Request) -> web.Response:
        digest = hashlib.sha256()
        path = root / secrets.token_hex(8)
        with path.open("wb") as handle:
            async for piece in request.content.iter_any():
                digest.update(piece)
                handle.write(piece)
            handle.flush()
            os.fsync(handle.fileno())
        return web.Response(text=digest.hexdigest())

    app = web.Application(client_max_size=0)
    app.router.add_put("/{name:.*}", put)
    return app


async def main(kind: str, root: Path) -> None:
    """Serve until standard input ends; the port is the first line of output."""
    if kind == "ours":
        receiver = StorageReceiver(root, _Keys(), on_object=_ignore)
        runner: web.AppRunner = PublicRunner(build_app([receiver]))
    else:
        runner = web.AppRunner(_bare(root), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
