"""Fuzz of the control socket: malformed HTTP, bodies of the wrong kind, odd parts of paths.

Only programs of the same user reach it, so it guards no secret; but none of them may end, stall or
bloat the engine that keeps the jobs.
"""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

from tests.attacks.area import Area, Growth, attack_area
from tests.attacks.listener import HEADERS, METHODS, ODD, SEED
from tests.engine.world import World
from tui.api import paths, routes

UNTRIED = {paths.SHUT_DOWN, paths.EVENTS, paths.JOB_LOG_STREAM}
"""The end of the engine, and what does not end by itself."""
ROUTES = [one for one in paths.ENDPOINTS if one.door != "listener" and one not in UNTRIED]
WHOLE = 2.0
"""Seconds that the answer to a whole request may take; of the others nobody waits for one."""
JUNK: list[Any] = [
    None, True, -1, 2**70, 1e308, "", "x" * 5000, [], {}, [[]], {"": ""}, "\u202e", "../../etc",
    "\x1b[2J", {"values": {"a.b": 1}}, [None], "http://[", "nan",
]  # fmt: skip


class Fuzzer:
    """A program of the user that sends nonsense.

    Args:
        world: whose engine.
        seed: decides every attempt.
    """

    def __init__(self, world: World, seed: int) -> None:
        self._world = world
        self._dice = random.Random(seed)

    def _odd(self) -> str:
        return self._dice.choice(ODD)

    async def _send(self, raw: bytes, patience: float) -> bytes:
        reader, writer = await asyncio.open_unix_connection(str(self._world.home.socket))
        try:
            writer.write(raw)
            async with asyncio.timeout(patience):
                return await reader.read(65_536)
        except (ConnectionError, TimeoutError):
            return b""
        finally:
            writer.close()

    async def malformed(self) -> str:
        """Send what is no HTTP."""
        dice = self._dice
        path = dice.choice([dice.choice(ROUTES).path, "/", "*", "//", self._odd()])
        line = (
            f"{dice.choice([*METHODS, self._odd()])} {path} {dice.choice(['HTTP/1.1', 'HTTP/9'])}"
        )
        headers = [f"{dice.choice([*HEADERS, self._odd()])}: {self._odd()}" for _ in range(3)]
        text = "\r\n".join([line, "Host: x", *headers, "", "body"])
        return _verdict(line, await self._send(text.encode("utf-8", "surrogateescape"), 0.1))

    async def wrong(self, endpoint: routes.Endpoint[Any, Any, Any] | None = None) -> str:
        """Send a whole request to a route, with a body that means nothing."""
        dice = self._dice
        endpoint = endpoint or dice.choice(ROUTES)
        parts = {name: dice.choice([*ODD[2:], "replicate"]).replace("\udcff", "é") or "x"
                 for name in routes.variables(endpoint)}  # fmt: skip
        target = routes.path(endpoint.path, **parts)
        junk = {dice.choice(["config", "kind", "name", "values", "x"]): dice.choice(JUNK)}
        body = dice.choice([json.dumps(junk), json.dumps(dice.choice(JUNK)), "{", '{"a":' * 900])
        head = [f"{endpoint.method} {target} HTTP/1.1", "Host: x", "Connection: close"]
        head += [f"X-Api-Base: {self._world.sandbox.base_url}", "Content-Type: application/json"]
        data = body.encode() if endpoint.method != "GET" else b""
        head += [f"Content-Length: {len(data)}", "", ""]
        answer = await self._send("\r\n".join(head).encode() + data, WHOLE * 10)
        return _verdict(head[0], answer) or ("" if answer else f"{head[0]!r} was not answered")

    async def attempt(self) -> str:
        """Send one of both kinds."""
        return await (self.malformed() if self._dice.random() < 0.5 else self.wrong())


def _verdict(line: str, answer: bytes) -> str:
    status = answer.partition(b"\r\n")[0].split()[1:2]
    if status and status[0].startswith(b"5"):
        return f"{line!r} answered {answer[:300]!r}"
    return f"{line!r} answered with a traceback" if b"Traceback" in answer else ""


async def attack(world: World, attempts: int, seed: int = SEED) -> Area:
    """Fuzz the control socket of a world's engine.

    Args:
        world: whose engine.
        attempts: how many.
        seed: decides them.
    """
    fuzzer = Fuzzer(world, seed)
    if attempts > len(ROUTES):  # each route has a reader of its own, which is made once and stays
        for endpoint in ROUTES:
            await Fuzzer(world, seed).wrong(endpoint)
    await world.client.info()
    area = await attack_area("socket", attempts, fuzzer.attempt, Growth())
    assert (await world.client.info())["home"] == str(world.home.root)
    if world.predictions:
        area.through.append(f"{len(world.predictions)} jobs were started")
    return area
