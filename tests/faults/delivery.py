"""Deliveries to the storage receiver that break, come twice or are not what they claim."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.faults.table import Fault, Outcome, Part
from tests.listener.conftest import Storage, serve_storage
from tests.listener.wire import exchange, request, sign
from tui.listener.storage import STORAGE_PATH


@asynccontextmanager
async def _open(folder: Path) -> AsyncIterator[Storage]:
    async with serve_storage(folder / "out") as storage:
        yield storage


def _content(storage: Storage, key: str) -> bytes | None:
    path = storage.folder / key
    return path.read_bytes() if path.exists() else None


def _new() -> tuple[str, bytes]:
    return f"{secrets.token_hex(8)}.bin", secrets.token_bytes(5_000)


async def _interrupt(storage: Storage, key: str, data: bytes, dice: random.Random) -> None:
    signed = sign(storage, "PUT", f"/outputs/{key}")
    headers = signed.headers | {"Content-Length": str(len(data))}
    piece = data[: dice.randrange(len(data))]
    await exchange(storage, "PUT", f"{STORAGE_PATH}/outputs/{key}", headers, [piece], finish=False)


async def _cut(storage: Storage, dice: random.Random) -> Outcome:
    key, data = _new()
    await _interrupt(storage, key, data, dice)
    return Outcome(lost=_content(storage, key) is not None)


async def _cut_and_again(storage: Storage, dice: random.Random) -> Outcome:
    key, data = _new()
    await _interrupt(storage, key, data, dice)
    answer = await request(storage, "PUT", f"/outputs/{key}", data)
    return Outcome(lost=answer.status != 200 or _content(storage, key) != data)


async def _cut_over_old(storage: Storage, dice: random.Random) -> Outcome:
    key, data = _new()
    await request(storage, "PUT", f"/outputs/{key}", data)
    await _interrupt(storage, key, secrets.token_bytes(5_000), dice)
    return Outcome(lost=_content(storage, key) != data)


async def _at_once(storage: Storage, _dice: random.Random) -> Outcome:
    key, data = _new()
    bodies = [data, secrets.token_bytes(5_000), secrets.token_bytes(4_000)]
    await asyncio.gather(*(request(storage, "PUT", f"/outputs/{key}", body) for body in bodies))
    return Outcome(lost=_content(storage, key) not in bodies)


async def _refused(storage: Storage, key: str, data: bytes, **options: object) -> Outcome:
    answer = await request(storage, "PUT", f"/outputs/{key}", data, **options)  # type: ignore[arg-type]
    kept = _content(storage, key) is not None
    return Outcome(doubled=answer.status < 400 or kept, said=answer.code)


async def _other_sha(storage: Storage, _dice: random.Random) -> Outcome:
    key, data = _new()
    return await _refused(storage, key, data, declared=hashlib.sha256(b"other").hexdigest())


async def _other_md5(storage: Storage, _dice: random.Random) -> Outcome:
    key, data = _new()
    md5 = base64.b64encode(hashlib.md5(b"other", usedforsecurity=False).digest()).decode()
    return await _refused(storage, key, data, headers={"Content-MD5": md5})


async def _wrong_secret(storage: Storage, _dice: random.Random) -> Outcome:
    return await _refused(storage, *_new(), secret="another-secret-of-some-length")


async def _wrong_key(storage: Storage, _dice: random.Random) -> Outcome:
    return await _refused(storage, *_new(), access_key="nobody")


async def _outside(storage: Storage, dice: random.Random) -> Outcome:
    key, data = _new()
    path = dice.choice(("../", "a/../../", "%2e%2e/", "a/%2e%2e%2f%2e%2e/"))
    return await _refused(storage, path + key, data)


PART = Part(
    "delivery",
    _open,
    [
        Fault("cut at a random byte", _cut),
        Fault("cut at a random byte, then sent again", _cut_and_again),
        Fault("cut while it replaces an object", _cut_over_old),
        Fault("three bodies for one key at once", _at_once),
        Fault("another SHA-256 than declared", _other_sha),
        Fault("another MD5 than declared", _other_md5),
        Fault("signed with another secret", _wrong_secret),
        Fault("signed with an unknown key", _wrong_key),
        Fault("a key that leads out of the folder", _outside),
    ],
)
