"""Answers of far ends that mean harm: of Replicate, the Hub and a bucket.

Whatever comes, a call ends with data or with an error that has words, and no token follows a
redirect to another server.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from tests.attacks.area import Area, Growth, attack_area
from tests.attacks.listener import ODD, SEED
from tests.replicate.server import QUICK, TOKEN
from tui.destinations.common.errors import PublishError
from tui.destinations.hub.probe import availability
from tui.destinations.s3.client import make_client
from tui.destinations.s3.profile import S3Keys, S3Profile
from tui.destinations.s3.reading import head
from tui.engine.tracking.monitor import snapshot_of
from tui.replicate.client import ReplicateClient
from tui.replicate.errors import ReplicateError
from tui.replicate.network import Retry, Timeouts
from tui.replicate.secret import Secret
from tui.settings import NetworkSettings

LONGEST: Final = 30.0
"""Seconds after which a call counts as one that never ends."""
ONCE = replace(
    QUICK, timeouts=Timeouts(connect=5, read=1, write=5, pool=5, whole=2), retry=Retry(attempts=1)
)
FIELDS = ["id", "status", "output", "logs", "error", "created_at", "metrics", "urls", "username",
          "results", "next", "name", "fullname", "orgs", "auth", "private", "title"]  # fmt: skip
NUMBERS = ["1" * 5000, "1e308", "-1e999", "NaN", "Infinity", "0.5", "-0"]
HUB = "hf_" + "q" * 34
_BOMB = gzip.compress(b" " * 20_000_000, 1)


class HostileServer:
    """A server on this machine that answers each request with what the dice say.

    Attributes:
        port: where it listens.
        carried: requests that came to `other_port` with a credential.
    """

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._servers: list[asyncio.Server] = []
        self.port = self.other_port = 0
        self.carried: list[bytes] = []

    async def __aenter__(self) -> HostileServer:
        for handler in (self._answer, self._receive):
            self._servers.append(await asyncio.start_server(handler, "127.0.0.1", 0))
        self.port, self.other_port = (
            server.sockets[0].getsockname()[1] for server in self._servers
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers:
            server.close()
            await server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self._made_up())
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def _receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take what a redirect has sent here."""
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            known = (TOKEN.reveal().encode(), HUB.encode(), b"AWS4-HMAC")
            self.carried += [secret for secret in known if secret in request]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _json(self, depth: int = 0) -> str:
        dice = self._dice
        kind = dice.random()
        if depth < 3 and kind < 0.5:
            names = dice.sample(FIELDS, dice.randrange(1, 6))
            return "{" + ",".join(f'"{name}":{self._json(depth + 1)}' for name in names) + "}"
        if depth < 3 and kind < 0.6:
            return f"[{self._json(depth + 1)}]"
        text = json.dumps(dice.choice([*ODD, "9999-12-31T23:59:59Z", "succeeded", "\x1b[2J"]))
        return dice.choice([text, text, dice.choice(NUMBERS), "null", "true", "[" * 3000])

    def _body(self) -> tuple[bytes, str]:
        dice = self._dice
        body = dice.choice(
            [self._json().encode(), self._json().encode(), b"", b"<html>no</html>", b"\xff\xfe{",
             b"{" + b" " * 100_000, b"<Error><Code>x</Code></Error>",
             b'<!DOCTYPE a [<!ENTITY b "c">]>']
        )  # fmt: skip
        if dice.random() < 0.1:
            return _BOMB + gzip.compress(body), "gzip"
        return body, dice.choice(["", "", "", "gzip", "br", "identity"])

    def _made_up(self) -> bytes:
        dice = self._dice
        body, encoding = self._body()
        elsewhere = f"http://127.0.0.1:{self.other_port}/v1/account"
        status = dice.choice([200, 200, 200, 201, 204, 301, 302, 307, 308, 400, 401, 403, 404, 409,
                              418, 429, 500, 503, 999, 0])  # fmt: skip
        length = len(body) + dice.choice([0, 0, 0, 0, 10, -1])
        head = [f"HTTP/1.1 {status} {dice.choice(['OK', '', 'x' * 9000])}", "Connection: close"]
        head += dice.choice([[f"Content-Length: {max(0, length)}"], ["Transfer-Encoding: chunked"],
                             []])  # fmt: skip
        if 300 <= status < 400:
            head.append(
                f"Location: {dice.choice([elsewhere, elsewhere, '/', 'file:///etc/passwd'])}"
            )
        if encoding:
            head.append(f"Content-Encoding: {encoding}")
        if dice.random() < 0.3:
            odd = dice.choice(ODD).replace("\x00", "").encode("utf-8", "replace").decode()
            names = ["Retry-After", "Date", "ETag", "RateLimit", "X-Error-Code", "Content-Type"]
            head.append(f"{dice.choice(names)}: {odd}")
        head += dice.choice([[], [], ["Content-Type: application/json"]])
        raw = "\r\n".join([*head, "", ""]).encode("utf-8", "replace") + body
        return dice.choice([raw, raw, raw, raw, raw[: len(raw) // 2], b"", b"SSH-2.0-x\r\n"])


async def _ask_replicate(server: HostileServer, dice: random.Random) -> None:
    base = f"http://127.0.0.1:{server.port}/v1"
    async with ReplicateClient(TOKEN, base_url=base, network=ONCE) as client:
        if dice.random() < 0.5:
            repr(await client.account())
        else:
            snapshot_of(await client.get_prediction("a" * 26))


async def _ask_hub(server: HostileServer, _: random.Random) -> None:
    endpoint = f"http://127.0.0.1:{server.port}"
    network = NetworkSettings(timeout=1)
    await asyncio.to_thread(
        availability, "me/lora", Secret(HUB), endpoint=endpoint, network=network
    )


async def _ask_bucket(server: HostileServer, _: random.Random) -> None:
    profile = S3Profile("results", endpoint=f"http://127.0.0.1:{server.port}")
    keys = S3Keys("AKIAIOSFODNN7EXAMPLE", Secret("s" * 40))
    client = await asyncio.to_thread(make_client, profile, keys, NetworkSettings(timeout=1))
    try:
        await asyncio.to_thread(head, client, profile, "a.safetensors")
    finally:
        client.close()


ENDS: dict[str, Callable[[HostileServer, random.Random], Awaitable[None]]] = {
    "replicate": _ask_replicate, "hub": _ask_hub, "bucket": _ask_bucket,
}  # fmt: skip


async def attack(attempts: int, seed: int = SEED) -> Area:
    """Let far ends answer what means harm.

    Args:
        attempts: how many calls.
        seed: decides the answers.
    """
    dice = random.Random(seed)
    async with HostileServer(dice) as server:

        async def attempt() -> str:
            name = dice.choice([*ENDS, "replicate", "replicate"])
            try:
                async with asyncio.timeout(LONGEST):
                    await ENDS[name](server, dice)
            except (ReplicateError, PublishError) as error:
                return "" if error.message.isprintable() else f"{name}: {error.message!r}"
            except TimeoutError:
                return f"{name}: the call never ended"
            except Exception as error:
                return f"{name}: {type(error).__name__}: {error}"
            return ""

        for end in ENDS.values():  # what libraries open once stays open
            with contextlib.suppress(ReplicateError, PublishError):
                await end(server, dice)
        area = await attack_area("far ends", attempts, attempt, Growth())
        area.through += [f"{secret!r} went to another server" for secret in server.carried]
    return area
