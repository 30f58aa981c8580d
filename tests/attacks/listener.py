"""Attacks on the listener: malformed HTTP, forged webhooks, unsigned storage, hostile names.

A seed decides every attempt, so a failure can be repeated.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import httpx

from tests.attacks.area import Area, Growth, Lines, counted_lines
from tests.listener.conftest import ACCESS_KEY, SECRET, Keys, Storage, grant
from tests.listener.hooks import NATIVE, Jobs
from tests.listener.hooks import SECRET as WEBHOOK_SECRET
from tests.listener.watched import MOST_SECONDS, Watched, watched
from tests.listener.wire import request, sign
from tui.base.stored_names import is_inert
from tui.listener.storage import STORAGE_PATH, StorageReceiver
from tui.listener.webhooks import WEBHOOK_PATH, WebhookReceiver, WebhookSecrets
from tui.replicate.secret import Secret

SEED = 14
ODD = [
    "", " ", "\x00", "\x7f", "%", "%zz", "%00", "é", "\udcff", "[", "[::1", "http://[", "//", "..",
    "-1", "9" * 30, "0x10", "1e9", "*", "a" * 300, "\t", "²", "null", "99999999T999999Z",
    "00000000T000000Z", "20261330T256161Z", "Mon, 99 Foo 99999 99:99:99 +9999", "'", '"', ";", "=",
    "{}", "../../etc/passwd", "aws4_request", "s3", "us-east-1", "chunked", "gzip", "identity",
]  # fmt: skip
METHODS = ["GET", "POST", "PUT", "OPTIONS", "CONNECT", "HEAD", "x", ""]
PATHS = [WEBHOOK_PATH, STORAGE_PATH, "/", "*", "http://[/", "x:1", "//"]
HEADERS = [
    "Host", "Origin", "Content-Length", "Transfer-Encoding", "Date", "Expect", "Connection",
    "Upgrade", "X-Forwarded-For", "Forwarded", "Range", "Cookie", "Content-Type",
]  # fmt: skip
NAME_PIECES = [
    ".git", "config", "CON", "nul.txt", "..", "\\", ":", " ", ".", "\u202e", "\u200b", "\x01", "a",
    "A", "é", "e\u0301", "%41", "x" * 120, "HEAD", "sitecustomize.py", "\x1b[2J", "~", "_", "git~1",
]  # fmt: skip


@dataclass
class Target:
    """A listener that is attacked."""

    watched: Watched
    storage: Storage
    dice: random.Random

    def odd(self) -> str:
        """A value that nobody expects."""
        return "".join(self.dice.choice(ODD) for _ in range(self.dice.choice((1, 1, 1, 2, 3))))

    async def send(self, raw: bytes) -> bytes:
        """Send bytes; return the beginning of the answer, or nothing when none comes.

        A server waits for the rest of a request that is not complete, so nobody waits for it here.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", self.watched.port)
        try:
            writer.write(raw)
            async with asyncio.timeout(0.2):
                return await reader.read(65_536)
        except (ConnectionError, TimeoutError):
            return b""
        finally:
            writer.close()


def verdict(answer: bytes) -> str:
    """What is wrong with an answer to a stranger; "" when nothing is."""
    if not answer:
        return ""
    status = answer.partition(b"\r\n")[0].split()[1:2]
    if not status or not status[0].startswith(b"4"):
        return f"answered {answer[:60]!r}"
    lower = answer.lower()
    leaks = [word for word in (b"aiohttp", b"python", b"traceback", b".py") if word in lower]
    return f"answer has {leaks[0]!r}" if leaks else ""


async def malformed_http(target: Target) -> str:
    """Send a request line, a header or a length that is no HTTP."""
    dice = target.dice
    method = dice.choice([*METHODS, target.odd()])
    path = dice.choice([*PATHS, target.odd()])
    version = dice.choice(["HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/9.9", "", target.odd()])
    names = [*HEADERS, target.odd()]
    headers = [f"{dice.choice(names)}: {target.odd()}" for _ in range(dice.randrange(5))]
    text = "\r\n".join([f"{method} {path} {version}", "Host: x", *headers, "", "body"])
    return verdict(await target.send(text.encode("utf-8", "surrogateescape")))


async def forged_webhook(target: Target) -> str:
    """Send a webhook without a proof, whole or cut off."""
    dice = target.dice
    now = str(int(datetime.now(UTC).timestamp()))
    headers = {
        "webhook-id": dice.choice(["m", target.odd()]),
        "webhook-timestamp": dice.choice([now, now, "0", target.odd()]),
        "webhook-signature": dice.choice(["v1,forged", "v1,", target.odd()]),
    }
    lines = [f"{name}: {value}" for name, value in headers.items() if dice.random() < 0.8]
    odd = quote(target.odd(), errors="ignore")
    query = dice.choice(["", "?key=key-1", "?key=none", f"?key={odd}"])
    id_ = NATIVE["id"]
    body = dice.choice([
        f'{{"id": "{id_}", "status": "failed"}}', '{"job_id": "job-2"}', "[" * 10_000, "x" * 50_000,
        '{"a":' * 5000, "", target.odd(),
    ]).encode("utf-8", "surrogateescape")  # fmt: skip
    length = len(body) + dice.choice([0, 0, 5, 10**9])
    head = [f"POST {WEBHOOK_PATH}{query} HTTP/1.1", "Host: x", f"Content-Length: {length}", *lines]
    text = "\r\n".join([*head, "", ""]).encode("utf-8", "surrogateescape")
    return verdict(await target.send(text + body))


async def unsigned_storage(target: Target) -> str:
    """Send a storage request whose signature is missing, malformed or another's."""
    dice = target.dice
    method = dice.choice(["GET", "PUT", "POST", "DELETE", "HEAD"])
    path = dice.choice(["", "/outputs", "/outputs/x", "/outputs/x?uploadId=1", "/outputs?delete"])
    secret = dice.choice(["another", "another", SECRET])
    signed = sign(target.storage, method, path, secret=secret)
    headers = dict(signed.headers)
    names = ["Authorization", "X-Amz-Date", "X-Amz-Content-SHA256", "Host"]
    for name in dice.sample(names, dice.randrange(1, 4)):
        value = headers.get(name, "")
        where = dice.randrange(len(value) + 1)
        headers[name] = dice.choice([target.odd(), value[:where] + target.odd() + value[where:]])
    if secret == SECRET:  # the right secret, with one digit of the signature changed
        wrong = headers.get("Authorization", "")
        headers["Authorization"] = wrong[:-1] + ("0" if wrong[-1:] != "0" else "1")
    size = dice.choice([0, 10, 10**7])
    head = [f"{method} {STORAGE_PATH}{path} HTTP/1.1", f"Content-Length: {size}"]
    head += [f"{name}: {value}" for name, value in headers.items()]
    text = "\r\n".join([*head, "", "<a/>"])
    return verdict(await target.send(text.encode("utf-8", "surrogateescape")))


async def hostile_name(target: Target) -> str:
    """Store an object with a job's own key, under a name that does harm as a path."""
    dice, storage = target.dice, target.storage
    parts = [
        "".join(dice.choice(NAME_PIECES) for _ in range(dice.randrange(1, 5)))
        for _ in range(dice.randrange(1, 4))
    ]
    key = "/".join(parts)
    body = key.encode()
    path = f"/outputs/{quote(key)}"
    answer = await request(storage, "PUT", path, body)
    if {".", ".."}.intersection(parts) or len(body) > 1024:
        return "" if 400 <= answer.status < 500 else f"{key!r} answered {answer.status}"
    if answer.status != 200:
        # A file and a folder of one name cannot both be.
        return "" if answer.code == "InvalidRequest" else f"{key!r} answered {answer.status}"
    item = storage.received[-1]
    place = item.path.relative_to(storage.folder).as_posix()
    if not is_inert(place) or item.path.resolve() != item.path or item.path.read_bytes() != body:
        return f"{key!r} is at {place!r}"
    back = await request(storage, "GET", path)
    return "" if (back.status, back.body) == (200, body) else f"{key!r} cannot be read"


AREAS: dict[str, tuple[int, Callable[[Target], Awaitable[str]]]] = {
    "http": (4, malformed_http),
    "webhooks": (2, forged_webhook),
    "storage": (2, unsigned_storage),
    "names": (2, hostile_name),
}
"""The attack of each area, and its share of the attempts."""


async def attack(root: Path, attempts: int, seed: int = SEED) -> list[Area]:
    """Attack a listener on this machine.

    Args:
        root: an empty folder; its deliveries lie in `out` below it.
        attempts: of all areas together.
        seed: decides what is sent.
    """
    out = root / "out"
    storage = Storage(out, "", None, Keys({ACCESS_KEY: grant()}), [], None)  # type: ignore[arg-type]  # set below

    async def secret() -> Secret:
        return WEBHOOK_SECRET

    async def note(item: object) -> None:
        storage.received.append(item)  # type: ignore[arg-type]

    events: list[object] = []

    async def on_event(event: object) -> None:
        events.append(event)

    storage.receiver = StorageReceiver(out, storage.keys, on_object=note)
    hooks = WebhookReceiver(WebhookSecrets(secret), on_event, jobs=Jobs())
    areas = []
    with counted_lines() as lines:
        async with watched([storage.receiver, hooks]) as seen:
            storage.origin = f"http://127.0.0.1:{seen.port}"
            for number, (name, (share, attempt)) in enumerate(AREAS.items()):
                target = Target(seen, storage, random.Random(seed + number))
                areas.append(
                    await _attack_area(target, name, attempts * share // 10, attempt, lines)
                )
            # Whoever is no stranger is served as before.
            async with httpx.AsyncClient() as http:
                answer = await http.get(f"{storage.origin}/nothing")
                assert answer.status_code == 404
            assert (await request(storage, "PUT", "/outputs/after", b"x")).status == 200
    assert events == []
    outside = [path for path in root.rglob("*") if path.is_file() and out not in path.parents]
    areas[-1].through += [f"{path} is outside" for path in outside]
    return areas


async def _attack_area(
    target: Target,
    name: str,
    attempts: int,
    attempt: Callable[[Target], Awaitable[str]],
    lines: Lines,
) -> Area:
    area = Area(name, attempts)
    growth, before = Growth(), lines.count
    growth.start()
    for number in range(attempts):
        target.watched.longest = 0.0
        if problem := await attempt(target):
            area.through.append(f"{name} {number}: {problem}")
        if target.watched.longest > MOST_SECONDS:
            area.stalls.append(f"{name} {number}: {target.watched.culprit}")
    area.growth = (lines.count - before) + await growth.more()
    return area
