"""What was delivered, listed and read with an API key, at the paths of SimpleTuner's storage."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from aiohttp import web

from tui.api import paths, storage
from tui.base.errors import RefusedError
from tui.base.listener_address import STORAGE_PATH
from tui.engine.credentials.storage_keys import BUCKET
from tui.engine.engine import Engine
from tui.engine.http_api.operation import Call, Operations

_HIDDEN: Final = "."


class StoredFileRoutes:
    """The group's handlers. Over TCP, requests with an S3 signature are the receiver's."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add_to(self, operations: Operations) -> None:
        """Add the group's operations."""
        operations.add(paths.STORED_BUCKETS, self._buckets)
        operations.add(paths.STORED_OBJECTS, self._list)
        operations.add_stream(paths.STORED_OBJECT, self._file)

    @property
    def _root(self) -> Path:
        return self._engine.listening.outputs

    async def _buckets(self, _call: Call[None, None]) -> storage.StoredBuckets:
        rows = await asyncio.to_thread(_files, self._root)
        total = sum(row["Size"] for row in rows)
        newest = max((row["LastModified"] for row in rows), default=None)
        bucket: storage.StoredBucket = {
            "Name": BUCKET, "Size": total, "FileCount": len(rows), "LastModified": newest,
        }  # fmt: skip
        return {"Buckets": [bucket], "total_size": total}

    async def _list(self, call: Call[None, storage.PrefixQuery]) -> storage.StoredObjects:
        self._check(_parts(call.request)[0])
        prefix = call.query.get("prefix", "")
        rows = await asyncio.to_thread(_files, self._root)
        found = [row for row in rows if row["Key"].startswith(prefix)]
        return {"Contents": found, "Name": BUCKET}

    async def _file(self, call: Call[None, None]) -> web.StreamResponse:
        bucket, key = _parts(call.request)
        self._check(bucket)
        path = self._root / key
        names = key.split("/")
        if any(name in ("", "..") or name.startswith(_HIDDEN) or "\0" in name for name in names):
            raise _missing(key)
        inside = await asyncio.to_thread(_is_inside, path, self._root)
        if not inside:
            raise _missing(key)
        headers = {"Content-Type": "application/octet-stream", "Content-Disposition": "attachment"}
        return web.FileResponse(path, headers=headers)

    def _check(self, bucket: str) -> None:
        if bucket != BUCKET:
            raise RefusedError(
                f"There is no bucket {bucket}.", f"The one there is: {BUCKET}.",
                status=404, code="not_found",
            )  # fmt: skip


def _parts(request: web.Request) -> tuple[str, str]:
    """Bucket and key of a path, however it was routed."""
    bucket, _, key = request.path.removeprefix(STORAGE_PATH).removeprefix("/").partition("/")
    return bucket, key


def _files(root: Path) -> list[storage.StoredObject]:
    rows: list[storage.StoredObject] = []
    for path in root.rglob("*"):
        name = path.relative_to(root)
        if any(part.startswith(_HIDDEN) for part in name.parts) or path.is_symlink():
            continue
        if path.is_file():
            state = path.stat()
            changed = datetime.fromtimestamp(state.st_mtime, UTC).isoformat()
            rows.append({"Key": name.as_posix(), "Size": state.st_size, "LastModified": changed})
    return sorted(rows, key=lambda row: row["Key"])


def _is_inside(path: Path, root: Path) -> bool:
    """Whether a path is a plain file below a folder, with no link on the way out of it."""
    return path.is_file() and path.resolve().is_relative_to(root.resolve())


def _missing(key: str) -> RefusedError:
    return RefusedError(f"There is no file {key}.", status=404, code="not_found")
