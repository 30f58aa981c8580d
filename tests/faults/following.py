"""Following a run over a line that breaks, a service that errs, and answers that come as they like.

The pauses of the monitor take no time. What a try is judged by is the job's record, its log file
and its metrics in the store.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.engine.tracking.followed import T0, Following, following
from tests.faults.table import Fault, Outcome, Part
from tests.replicate.server import QUICK, TOKEN, Handler, cut, prediction, reply
from tests.store.job_records import job as a_job
from tests.support import eventually
from tui.base.job_status import JobStatus
from tui.replicate.budget import RateBudget
from tui.replicate.client import ReplicateClient
from tui.settings import Home
from tui.store.reader import StoreReader

STEPS = 30
LOG = "".join(
    f"Epoch 1/1, Steps: {100 * step // STEPS:>3}%|##| {step}/{STEPS} "
    f"[00:01<00:02,  1.00it/s, step_loss={step / 7:.3f}]\n"
    for step in range(1, STEPS + 1)
)
POINTS = [(step, float(f"{step / 7:.3f}")) for step in range(1, STEPS + 1)]
STARTED = "2026-11-29T21:00:00Z"
Script = Callable[[random.Random, list[dict[str, Any]]], list[Handler]]


@asynccontextmanager
async def _open(folder: Path) -> AsyncIterator[Following]:
    async with following(Home(folder / "home", folder / "outputs")) as followed:
        yield followed


def _snapshots(dice: random.Random, name: str) -> list[dict[str, Any]]:
    """What an undisturbed service would answer, from the first poll to the end."""
    cuts = sorted(dice.sample(range(len(LOG)), 5))
    ran = {"id": name, "status": "processing", "started_at": STARTED}
    end = {"status": "succeeded", "completed_at": "2026-11-29T21:09:00Z"}
    return [
        *(prediction(**ran, logs=LOG[:at]) for at in cuts),
        prediction(**(ran | end), logs=LOG),
    ]


def _between(trouble: Callable[[random.Random, dict[str, Any]], Handler], most: int = 4) -> Script:
    """Troubles between the answers, which come at last."""

    def script(dice: random.Random, snapshots: list[dict[str, Any]]) -> list[Handler]:
        answers: list[Handler] = []
        for snapshot in snapshots:
            count = dice.randint(0, most)
            answers += [*(trouble(dice, snapshot) for _ in range(count)), reply(snapshot)]
        return [trouble(dice, snapshots[0]), *answers]

    return script


def _cut(dice: random.Random, snapshot: dict[str, Any]) -> Handler:
    body = json.dumps(snapshot).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    whole = head % len(body) + body
    return cut(whole[: dice.randrange(len(whole))])


def _half(dice: random.Random, snapshot: dict[str, Any]) -> Handler:
    body = json.dumps(snapshot).encode()
    return reply(body[: dice.randrange(1, len(body))])


def _silent(_dice: random.Random, _snapshot: dict[str, Any]) -> Handler:
    async def silent(request: web.Request) -> web.Response:
        assert request.transport is not None
        while not request.transport.is_closing():  # until the client gives up
            await asyncio.sleep(0.005)
        return web.Response()

    return silent


def _storm(dice: random.Random, _snapshot: dict[str, Any]) -> Handler:
    headers = {"Retry-After": str(dice.choice((5, 30, 120)))}  # longer than the client waits itself
    return reply({"detail": "Request was throttled."}, status=429, headers=headers)


def _answer(status: int, body: Any) -> Callable[[random.Random, dict[str, Any]], Handler]:
    return lambda _dice, _snapshot: reply(body, status=status)


def _disordered(dice: random.Random, snapshots: list[dict[str, Any]]) -> list[Handler]:
    *early, last = snapshots
    mixed = dice.choices(early, k=8)
    return [*map(reply, mixed), reply(last)]


def _clipped(dice: random.Random, snapshots: list[dict[str, Any]]) -> list[Handler]:
    """Each answer begins where a busy service cut the log, inside of what was sent before."""
    answers, end = [reply(snapshots[0])], len(snapshots[0]["logs"])
    for snapshot in snapshots[1:]:
        start = max(0, end - dice.randint(300, 600))
        end = len(snapshot["logs"])
        answers.append(reply(snapshot | {"logs": LOG[start:end]}))
    return answers


def _wiped(dice: random.Random, snapshots: list[dict[str, Any]]) -> list[Handler]:
    """The last answer comes twice, then without its data, as the service removes them."""
    del dice
    *early, last = snapshots
    gone = last | {"logs": None, "output": None, "data_removed": True}
    return [*map(reply, early), reply(early[-1] | {"logs": LOG}), reply(gone)]


def _wrong_clock(dice: random.Random, snapshots: list[dict[str, Any]]) -> list[Handler]:
    dates = ("Fri, 20 Nov 2099 10:00:00 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "yesterday")
    return [reply(snapshot, headers={"Date": dice.choice(dates)}) for snapshot in snapshots]


def _attempt(
    script: Script, *, impatient: bool = False
) -> Callable[[Following, random.Random], Awaitable[Outcome]]:
    async def attempt(followed: Following, dice: random.Random) -> Outcome:
        name = dice.randbytes(13).hex()
        server, monitor = followed.server, followed.monitor

        def clock() -> float:  # a rest that the service asks for passes with the pauses
            return (followed.now - T0).total_seconds()

        timeouts = replace(QUICK.timeouts, read=0.03, whole=0.03) if impatient else QUICK.timeouts
        retry = replace(QUICK.retry, base=0.0, longest=0.0, attempts=2)
        network = replace(QUICK, timeouts=timeouts, retry=retry)
        budget = RateBudget(clock=clock)
        client = ReplicateClient(TOKEN, base_url=server.base, network=network, budget=budget)
        old = followed.clients._clients[server.base, TOKEN, None]
        followed.clients._clients[server.base, TOKEN, None] = client
        followed.now = T0
        server.on(f"GET /predictions/{name}", *script(dice, _snapshots(dice, name)))
        known = {"prediction_id": name, "api_base": server.base, "created_at": T0}
        monitor.follow(followed.recorder.insert(a_job(name, **known)))
        writer = followed.recorder.writer
        await eventually(
            lambda: not monitor.following and writer.job(name).status.is_terminal, every=0.002
        )
        await old.aclose()
        return _judge(followed, name)

    return attempt


def _judge(followed: Following, name: str) -> Outcome:
    home = followed.recorder._home
    job, log = followed.recorder.writer.job(name), home.log_file(name).read_bytes()
    reader = StoreReader(home.database)
    try:
        points = list(zip(*reader.metrics(name, "loss"), strict=True))
        said = [event.message for event in reader.events(name) if event.kind == "trouble"]
    finally:
        reader.close()
    return Outcome(
        lost=job.status is not JobStatus.COMPLETED
        or len(log) < len(LOG)
        or len(points) < len(POINTS),
        doubled=log != LOG.encode() or points != POINTS,
        said=said[-1] if said else "",
    )


_HTML = b"<html><title>502 Bad Gateway</title></html>"

PART = Part(
    "following",
    _open,
    [
        Fault("answers cut at a random byte", _attempt(_between(_cut))),
        Fault("half a JSON document", _attempt(_between(_half))),
        Fault("no answer in time", _attempt(_between(_silent, 1), impatient=True)),
        Fault("a storm of 429", _attempt(_between(_storm))),
        Fault("answers 500", _attempt(_between(_answer(500, {"detail": "no"})))),
        Fault("answers 502, an HTML page", _attempt(_between(_answer(502, _HTML)))),
        Fault("answers 200, an HTML page", _attempt(_between(_answer(200, _HTML)))),
        Fault("the token refused for a while", _attempt(_between(_answer(401, {"detail": "no"})))),
        Fault("a 404 now and then", _attempt(_between(_answer(404, {"detail": "no"}), 2))),
        Fault("answers in any order, some twice", _attempt(_disordered)),
        Fault("logs whose beginning is cut off", _attempt(_clipped)),
        Fault("the end without its data", _attempt(_wiped)),
        Fault("a clock of the service that is off by years", _attempt(_wrong_clock)),
    ],
)
