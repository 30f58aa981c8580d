"""Webhooks that come twice, half, forged or late."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.faults.table import Fault, Outcome, Part
from tests.listener.hooks import NATIVE, OTHER, Hooks, serve_hooks
from tests.support import eventually
from tui.listener.webhooks import WEBHOOK_PATH, WebhookSettings


@asynccontextmanager
async def _open(_folder: Path) -> AsyncIterator[Hooks]:
    async with serve_hooks(WebhookSettings(per_second=1e6, burst=1_000_000)) as hooks:
        yield hooks


def _body() -> tuple[dict[str, Any], str]:
    return {**NATIVE, "logs": secrets.token_hex(200)}, f"msg_{secrets.token_hex(8)}"


async def _judge(hooks: Hooks, message_id: str, expected: int, said: str) -> Outcome:
    if expected:
        await eventually(lambda: any(e.message_id == message_id for e in hooks.events), every=0.002)
    seen = sum(event.message_id == message_id for event in hooks.events)
    return Outcome(seen < expected, seen > expected, said)


async def _twice(hooks: Hooks, dice: random.Random) -> Outcome:
    body, name = _body()
    answers = [await hooks.send(body, message_id=name) for _ in range(dice.randint(2, 4))]
    return await _judge(hooks, name, 1, answers[-1].json()["status"])


async def _at_once(hooks: Hooks, dice: random.Random) -> Outcome:
    body, name = _body()
    sent = [hooks.send(body, message_id=name) for _ in range(dice.randint(2, 5))]
    answers = await asyncio.gather(*sent)
    return await _judge(hooks, name, 1, min(a.json()["status"] for a in answers))


async def _cut(hooks: Hooks, dice: random.Random) -> Outcome:
    body, name = _body()
    raw = json.dumps(body).encode()
    headers = hooks.signed(raw, message_id=name)
    head = f"POST {WEBHOOK_PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(raw)}\r\n"
    head += "".join(f"{key}: {value}\r\n" for key, value in headers.items()) + "\r\n"
    whole = head.encode() + raw
    _, writer = await asyncio.open_connection("127.0.0.1", hooks.port)
    writer.write(whole[: dice.randrange(len(whole))])
    await writer.drain()
    writer.transport.abort()
    answer = await hooks.http.post(hooks.url, content=raw, headers=headers)
    return await _judge(hooks, name, 1, answer.json()["status"])


async def _refused(hooks: Hooks, raw: bytes, headers: dict[str, str]) -> Outcome:
    before = len(hooks.events)
    answer = await hooks.http.post(hooks.url, content=raw, headers=headers)
    accepted = answer.status_code < 400 or len(hooks.events) > before
    return Outcome(doubled=accepted, said=hooks.reason)


async def _forged(hooks: Hooks, _dice: random.Random) -> Outcome:
    raw = json.dumps(_body()[0]).encode()
    return await _refused(hooks, raw, hooks.signed(raw, secret=OTHER))


async def _changed(hooks: Hooks, dice: random.Random) -> Outcome:
    raw = bytearray(json.dumps(_body()[0]).encode())
    headers = hooks.signed(bytes(raw))
    raw[dice.randrange(len(raw))] ^= 1
    return await _refused(hooks, bytes(raw), headers)


async def _clock(hooks: Hooks, dice: random.Random) -> Outcome:
    raw = json.dumps(_body()[0]).encode()
    return await _refused(hooks, raw, hooks.signed(raw, age=dice.choice((-86_400, -600, 600, 9e4))))


async def _unsigned(hooks: Hooks, _dice: random.Random) -> Outcome:
    return await _refused(hooks, json.dumps(_body()[0]).encode(), {})


async def _half_json(hooks: Hooks, dice: random.Random) -> Outcome:
    raw = json.dumps(_body()[0]).encode()
    raw = raw[: dice.randrange(len(raw))]
    return await _refused(hooks, raw, hooks.signed(raw))


async def _html(hooks: Hooks, _dice: random.Random) -> Outcome:
    raw = b"<html>" + secrets.token_bytes(20).hex().encode()
    return await _refused(hooks, raw, hooks.signed(raw))


PART = Part(
    "webhook",
    _open,
    [
        Fault("sent again", _twice),
        Fault("sent several times at once", _at_once),
        Fault("cut at a random byte, then sent again", _cut),
        Fault("signed with another secret", _forged),
        Fault("a bit of the body changed", _changed),
        Fault("a clock that is off by 10 min or a day", _clock),
        Fault("not signed", _unsigned),
        Fault("half a JSON document", _half_json),
        Fault("an HTML page", _html),
    ],
)
