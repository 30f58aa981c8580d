"""A sandbox and an engine to which a script does what submits, syncs and restarts do."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from tests.engine.submission.held_answers import HeldAnswers, hold_answers
from tests.engine.world import quick_settings
from tests.support import eventually
from tui.engine.engine import Engine
from tui.listener.webhooks import WEBHOOK_PATH
from tui.replicate.secret import Secret
from tui.replicate.webhook import sign_webhook
from tui.sandbox.faults import Fault
from tui.sandbox.record import Record
from tui.sandbox.server import RunningSandbox
from tui.settings import Home
from tui.store.records import JobRecord

POST = "POST /v1/predictions"
ANSWERS: dict[str, tuple[str, ...]] = {
    "at once": (),
    "late": (f"slow*1@{POST}",),
    "lost": (f"cut=0*1@{POST}",),
    "late and lost": (f"slow*1@{POST}", f"cut=0*1@{POST}"),
    "garbled": (f"slow*1@{POST}", f"garbage*1@{POST}"),
    "never arrived": (f"cut-request*1@{POST}",),
}


ACTIONS = ("submit", "twin", "sync", "two syncs", "hook", "bare hook", "restart", "release")


class ScriptWorld:
    """A sandbox, a restartable engine, and the jobs of one random script."""

    def __init__(self, home: Home, sandbox: RunningSandbox, config: Path) -> None:
        self.home = home
        self.sandbox = sandbox
        self.held: HeldAnswers = hold_answers(sandbox)
        self.config = config
        self.engine: Engine
        self.submitted: list[str] = []
        self.done: Counter[str] = Counter()

    async def start(self) -> None:
        self.engine = Engine(self.home, quick_settings(), api_base=self.sandbox.base_url)
        await self.engine.start()
        self.engine.set_session(self.sandbox.base_url, {"replicate_token": self.sandbox.token})
        tokens = self.engine.clients.tokens
        await eventually(lambda: tokens.known("replicate", self.sandbox.base_url), every=0.002)

    @property
    def predictions(self) -> list[Record]:
        return self.sandbox.core.jobs.order["prediction"]

    @property
    def jobs(self) -> list[JobRecord]:
        """Records of this script's jobs, and every other active record."""
        active = {job.job_id for job in self.engine.recorder.writer.active()}
        return [
            self.engine.recorder.writer.job(job_id) for job_id in sorted({*active, *self.submitted})
        ]

    async def play(self, dice: random.Random) -> None:
        for number in range(dice.randint(3, 6)):
            action = "submit" if not number else dice.choice(ACTIONS)
            await self.act(action, dice)
            for _ in range(dice.choice((0, 1, 5, 20))):  # how far the engine gets meanwhile
                await asyncio.sleep(0.001)

    async def act(self, action: str, dice: random.Random) -> None:
        self.done[action] += 1
        if action in ("submit", "twin"):
            await self.submit(dice, 2 if action == "twin" else 1)
        elif action == "sync":
            await self.engine.jobs.sync(self.sandbox.base_url)
        elif action == "two syncs":
            work = [self.engine.jobs.sync(self.sandbox.base_url) for _ in range(2)]
            await asyncio.gather(*work)
        elif action == "hook" and self.predictions:
            self.sandbox.core.hooks.event(dice.choice(self.predictions), "start")
        elif action == "bare hook" and self.predictions:
            await self.send_webhook_without_key(dice.choice(self.predictions))
        elif action == "restart":
            await self.engine.aclose()
            await self.start()
        elif action == "release":
            self.held.release()

    async def submit(self, dice: random.Random, times: int) -> None:
        draft: dict[str, Any] = {
            "config": str(self.config), "name": "the same", "consent": True,
            "data": "hosted", "images_url": "https://example.com/images.zip",
            "delivery": {"kind": "none"}, "accept_delivery": True,
            "overrides": {"max_train_steps": 12},
        }  # fmt: skip
        before = len(self.predictions)
        for _ in range(times):
            answer = dice.choice(tuple(ANSWERS))
            self.done[answer] += 1
            for fault in ANSWERS[answer]:
                self.sandbox.core.faults.add(Fault.parse(fault))
            job = await self.engine.jobs.submit(self.sandbox.base_url, draft)
            self.submitted.append(job["job_id"])
        if dice.random() < 0.7:
            await eventually(lambda: len(self.predictions) > before, every=0.001)

    async def send_webhook_without_key(self, record: Record) -> None:
        """Send a webhook to an address without a job's key."""
        raw = json.dumps(self.sandbox.core.views.record(record, "get")).encode()
        name, stamp = f"msg_{secrets.token_hex(8)}", int(time.time())
        secret = Secret(self.sandbox.core.hooks.secret)
        headers = {
            "webhook-id": name, "webhook-timestamp": str(stamp),
            "webhook-signature": sign_webhook(secret, name, stamp, raw),
        }  # fmt: skip
        async with httpx.AsyncClient(trust_env=False) as client:
            url = f"http://{self.engine.listening.address}{WEBHOOK_PATH}"
            await client.post(url, content=raw, headers=headers)

    async def settle(self) -> None:
        """Release all answers, clear all faults and sync once more."""
        self.sandbox.core.faults.clear()
        self.sandbox.core.faults.add(Fault.parse("queue-forever"))
        writer = self.engine.recorder.writer

        def known() -> bool:
            self.held.release()
            return (
                all(
                    writer.job(job_id).prediction_id
                    and writer.job(job_id).submit["phase"] == "accepted"
                    for job_id in self.submitted
                )
                and not self.engine._submitter.busy
            )

        await eventually(known, within=20, every=0.002)
        await self.engine.jobs.sync(self.sandbox.base_url)

    async def clear(self) -> None:
        """End all jobs, so that the next script starts without any."""
        for record in self.predictions:
            self.sandbox.core.jobs.cancel(record)
        self.engine.monitor.wake()
        await eventually(lambda: not self.engine.recorder.writer.active(), every=0.002)
        self.predictions.clear()
        self.submitted.clear()
