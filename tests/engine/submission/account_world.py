"""An account at Replicate and the engine's parts that post to it, on a clock that does not wait.

The far end decides for each POST when it is carried out, how often, and what becomes of the answer.
The engine can be killed at any of its writes. Nothing waits for time to pass: the event loop's
clock jumps to the next thing that is due, so a run is fast and depends on its seed alone.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import selectors
import sqlite3
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import pytest

from tui.base.job_status import JobStatus
from tui.engine.credentials.job_networks import JobNetworks
from tui.engine.credentials.replicate_clients import ReplicateClients
from tui.engine.credentials.storage_keys import StorageKeys
from tui.engine.listener.webhook_events import WebhookEvents
from tui.engine.listener.webhook_probes import WebhookProbes
from tui.engine.runtime.event_bus import EventBus
from tui.engine.runtime.tasks import TaskOwner
from tui.engine.submission.run_names import run_name_of, unique_run_name, with_run_name
from tui.engine.submission.submit import Submitter
from tui.engine.tracking.monitor import Monitor
from tui.engine.tracking.prediction_claims import CARRIED_OUT_WITHIN, PredictionClaims
from tui.engine.tracking.recorder import JobRecorder
from tui.engine.tracking.sync import import_predictions
from tui.listener.webhooks import WebhookEvent
from tui.replicate import lookup
from tui.replicate.addresses import Base
from tui.replicate.client import ReplicateClient
from tui.replicate.errors import NoAnswerError, NotFoundError, ServiceError
from tui.replicate.lookup import input_fingerprint
from tui.replicate.session import Call
from tui.settings import Home, Settings
from tui.store.masking import MaskingConnection
from tui.store.records import JobRecord
from tui.store.writer import StoreWriter

BASE = "https://api.replicate.com/v1"
T0 = datetime(2026, 11, 1, 10, tzinfo=UTC)
FATES = (
    "at once", "late", "lost", "garbled", "refused by a gateway", "never arrived",
    "after the look-up", "doubled", "doubled and lost",
)  # fmt: skip
"""What becomes of a POST."""
WHOLE_FATES = FATES[:6]
"""Those that start one run at most, and before a look-up has ended."""
ACTIONS = ("submit", "twin", "sync", "two syncs", "hook", "bare hook", "kill", "pause")
_PAGE = 3
_LAG = 8.0
"""Seconds for which a new prediction may be missing in the list; a look-up is patient for 12."""


T = TypeVar("T")


class KilledError(BaseException):
    """Stands for the end of the engine's process."""


class JumpingSelector(selectors.SelectSelector):
    """Waits for nothing: a time limit that would pass has passed."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("nothing is due and nothing can come")
        if not ready and timeout:
            self.now += timeout
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to what is due next."""

    def __init__(self) -> None:
        self.jumping = JumpingSelector()
        super().__init__(self.jumping)

    def time(self) -> float:
        return self.jumping.now


class MortalConnection(MaskingConnection):
    """A connection on which nothing runs any more after a number of writes."""

    left: float = math.inf

    def _count(self, sql: str) -> None:
        if sql.startswith(("INSERT", "UPDATE", "DELETE", "COMMIT")):
            self.left -= 1
        if self.left < 0 and sql != "ROLLBACK":
            raise KilledError

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        self._count(sql)
        return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Any, /) -> sqlite3.Cursor:
        self._count(sql)
        return super().executemany(sql, parameters)


@dataclass(eq=False)
class Run:
    """A prediction at the far end, with all its states so far."""

    id: str
    created: float
    listed: float
    input: dict[str, Any]
    webhook: str
    states: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_active(self) -> bool:
        return self.states[-1]["status"] in ("starting", "processing")

    @property
    def mark(self) -> str:
        return run_name_of(self.input)


class Account:
    """The far end: carries requests out, and answers as the dice say.

    Attributes:
        runs: all predictions, oldest first.
        posts: requests to start one, by run name.
    """

    def __init__(self, dice: random.Random, fates: tuple[str, ...]) -> None:
        self.dice = dice
        self.fates = fates
        self.runs: list[Run] = []
        self.posts: Counter[str] = Counter()
        self.fated: Counter[str] = Counter()
        self.never: Counter[str] = Counter()
        self.calm = False
        self.coming = 0
        """Requests that are carried out later."""

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def fate(self, name: str) -> str:
        """What becomes of a request; of the three that a job may send, one arrives."""
        chosen = "at once" if self.calm else self.dice.choice(self.fates)
        if chosen == "never arrived":
            self.never[name] += 1
            if self.never[name] > 2:
                chosen = "lost"
        self.fated[chosen] += 1
        return chosen

    def at(self, moment: float) -> datetime:
        """The time of a moment of the loop's clock."""
        return T0 + timedelta(seconds=moment)

    def start(self, body: dict[str, Any]) -> Run:
        run = Run(
            id=f"p{len(self.runs)}", created=self.now,
            listed=self.now + (0 if self.calm else self.dice.uniform(0, _LAG)),
            input=body["input"], webhook=body.get("webhook", ""),
        )  # fmt: skip
        self.runs.append(run)
        run.states.append(self._state(run, "starting", ""))
        return run

    def start_later(self, seconds: float, body: dict[str, Any]) -> None:
        def start() -> None:
            self.coming -= 1
            self.start(body)

        self.coming += 1
        asyncio.get_running_loop().call_later(seconds, start)

    def go_on(self, run: Run) -> None:
        """Let a run make a step."""
        if run.is_active:
            logs = run.states[-1]["logs"]
            step = logs.count("\n") + 1
            line = f"[TRAINING] Step {step}/999 (8.3%) loss=0.{step:03d} lr=1e-04 (0.5s/step)\n"
            run.states.append(self._state(run, "processing", logs + line))

    def cancel(self, run: Run) -> dict[str, Any]:
        if run.is_active:
            run.states.append(self._state(run, "canceled", run.states[-1]["logs"]))
        return run.states[-1]

    def _state(self, run: Run, status: str, logs: str) -> dict[str, Any]:
        at = [self.at(moment).isoformat() for moment in (run.created, self.now)]
        return {
            "id": run.id, "model": "simpletuner/advanced-trainer", "version": "f" * 64,
            "status": status, "logs": logs, "input": run.input, "created_at": at[0],
            "source": "api", "urls": {},
            **({"started_at": at[0]} if status != "starting" else {}),
            **({"completed_at": at[1]} if status == "canceled" else {}),
        }  # fmt: skip


class AccountSession:
    """Takes the place of a client's session: its calls go to the account."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.base = Base.parse(BASE)
        self.clock_offset = timedelta()
        self.alive = True

    async def json(self, call: Call) -> Any:
        if not self.alive:
            raise KilledError
        dice, account = self.account.dice, self.account
        path = call.url.removeprefix(f"{BASE}/predictions")
        if call.method == "POST" and path.endswith("/cancel"):
            return account.cancel(self._run(path.split("/")[1]))
        if call.method == "POST":
            assert call.body is not None
            return await self._post(json.loads(cast("bytes", call.body())))
        answer = self._list(path) if path in ("", "?") or "before=" in path else None
        if answer is None:
            answer = self._run(path.split("/")[1]).states[-1]
        if not account.calm and dice.random() < 0.3:  # an answer that others overtake
            await asyncio.sleep(dice.uniform(0, 20))
        return answer

    async def read(self, call: Call, read: Callable[[Any], T]) -> T:
        return read(await self.json(call))

    def _run(self, name: str) -> Run:
        for run in self.account.runs:
            if run.id == name:
                return run
        raise NotFoundError("There is no such prediction.")

    def _list(self, path: str) -> dict[str, Any]:
        listed = [run for run in self.account.runs if run.listed <= self.account.now][::-1]
        ids = [run.id for run in listed]
        start = ids.index(path.partition("before=")[2]) + 1 if "before=" in path else 0
        page = listed[start : start + _PAGE]
        more = len(listed) > start + _PAGE
        following = f"{BASE}/predictions?before={page[-1].id}" if more else None
        return {"results": [run.states[-1] for run in page], "next": following}

    async def _post(self, body: dict[str, Any]) -> Any:
        account, dice = self.account, self.account.dice
        name = run_name_of(body["input"])
        fate = account.fate(name)
        account.posts[name] += 1
        await asyncio.sleep(dice.uniform(0, 1))
        if fate == "never arrived":
            raise NoAnswerError("The line was cut.")
        if fate == "after the look-up":
            account.start_later(dice.uniform(13, 200), body)
            raise NoAnswerError("The line was cut.")
        run = account.start(body)
        if fate.startswith("doubled"):  # by something on the way
            run = dice.choice([run, account.start(body)])
        answer = run.states[-1]
        if fate == "late":
            await asyncio.sleep(dice.uniform(0, 60))
        elif fate.endswith("lost"):
            raise NoAnswerError("The line was cut.")
        elif fate == "garbled":
            return {"detail": "?"}
        elif fate == "refused by a gateway":
            raise ServiceError("502", status=502)
        return answer


class AccountClient(ReplicateClient):
    """The real client, over such a session."""

    def __init__(self, session: AccountSession) -> None:
        self._session = session  # type: ignore[assignment]
        self._url = session.base.path


class SmallEngine:
    """The parts of an engine that say whose a prediction is, put together as the engine does."""

    def __init__(
        self,
        home: Home,
        account: Account,
        *,
        webhooks: bool,
        session: type[AccountSession] = AccountSession,
    ) -> None:
        self.session = session(account)
        self.client = AccountClient(self.session)
        self.writer = StoreWriter(home)
        self.database = cast("MortalConnection", self.writer._db)
        self.database.execute("PRAGMA synchronous = OFF")  # a kill leaves what was written
        loop = asyncio.get_running_loop()

        def now() -> datetime:
            return T0 + timedelta(seconds=loop.time())

        self.bus, self.tasks = EventBus(), TaskOwner()
        self.recorder = JobRecorder(self.writer, home, self.bus, now)
        self.keys = StorageKeys(home.root / "receiver.key", self.writer, now)
        self.claims = PredictionClaims(self.recorder, self.keys, lambda _: timedelta())
        clients = cast("ReplicateClients", _Clients(self.client))
        self.monitor = Monitor(self.recorder, clients, self.bus, self.tasks, now=now)

        async def no_keys(_job: JobRecord) -> dict[str, Any]:
            if not account.calm:  # as long as somebody unlocks the keyring
                await asyncio.sleep(account.dice.choice((0, 0, 10)))
            return {}

        async def nothing_to_share(_job: JobRecord) -> None:
            return

        self.submitter = Submitter(
            recorder=self.recorder, claims=self.claims, clients=clients, bus=self.bus,
            monitor=self.monitor, tasks=self.tasks, keys=self.keys, home=home, now=now,
            keys_for=no_keys, staging=cast("Any", SimpleNamespace(
                job_ended=lambda _job: None, secrets_for=no_keys
            )),
            share_checkpoint=nothing_to_share,
            webhook_for=lambda job: (
                f"https://me.example/webhook?key={self.keys.hook_key(job.job_id)}"
                if webhooks else None
            ),
        )  # fmt: skip
        self.claims.on_assigned = self.submitter.follow
        self.events = WebhookEvents(
            recorder=self.recorder, claims=self.claims, keys=self.keys,
            live=cast("Any", SimpleNamespace(now=Settings())), monitor=self.monitor,
            probes=WebhookProbes(), secrets=cast("Any", None), default_base=lambda: BASE,
        )  # fmt: skip
        for job in self.writer.active():
            if job.prediction_id:
                self.submitter.follow(job)
            else:
                self.submitter.start(job)
        for job in self.writer.ended_since(now() - CARRIED_OUT_WITHIN):
            self.submitter.look_again(job)

    async def sync(self) -> None:
        """As `JobService.sync`."""
        found = import_predictions(self.client, BASE, self.recorder, Settings(), self.claims)
        async for job in found:
            if job.status.is_active:
                self.monitor.follow(job)

    async def end(self) -> None:
        """End as a killed process does: nothing is written and nothing sent any more."""
        self.database.left = -1
        self.session.alive = False
        await self.tasks.aclose()
        self.database.close()
        os.close(self.writer._lock)


class _Clients:
    """The clients of an account whose token never changes."""

    def __init__(self, client: ReplicateClient) -> None:
        self._client = client
        self.networks = JobNetworks()

    async def get(self, _base: str) -> ReplicateClient:
        return self._client

    async def get_for(self, _job: JobRecord) -> ReplicateClient:
        return self._client

    @contextmanager
    def acting_for(self, _base: str, _account: str | None) -> Iterator[None]:
        yield

    async def with_account(self, _base: str) -> tuple[ReplicateClient, str]:
        return self._client, "somebody"

    def known_account(self, _base: str) -> str:
        return "somebody"

    def clock_offset(self, _base: str) -> timedelta:
        return timedelta()


class Script:
    """One random sequence of submits, answers, looks and kills.

    Attributes:
        submitted: ids of the jobs that were stored.
        done: how often each action was taken.
        kills: how often the engine was killed.
        found: what does not hold in the end.
    """

    def __init__(self, home: Home, seed: int) -> None:
        self.home = home
        self.dice = random.Random(seed)
        # Jobs without a mark (a config that cannot be read) are told apart by content and time.
        self.marked = self.dice.random() < 0.8
        self.webhooks = self.dice.random() < 0.5
        self.account = Account(self.dice, FATES if self.marked else WHOLE_FATES)
        self.submitted: list[str] = []
        self.kills = 0
        self.done: Counter[str] = Counter()
        self.found: list[str] = []
        self.engine: SmallEngine

    async def play(self) -> None:
        """Play all of it, and let it come to rest."""
        self.engine = SmallEngine(self.home, self.account, webhooks=self.webhooks)
        for number in range(self.dice.randint(3, 7)):
            action = self.dice.choice(ACTIONS) if number else "submit"
            with suppress(KilledError):
                await self._act(action)
                self._look(action)
            await asyncio.sleep(self.dice.choice((0, 0, 0.5, 3, 30)))
            if self.engine.database.left < 0:
                await self._restart()
        await self._rest()

    async def _act(self, action: str) -> None:
        engine, runs = self.engine, self.account.runs
        self.done[action] += 1
        if action in ("submit", "twin"):
            for _ in range(2 if action == "twin" else 1):
                self.submit()
        elif action == "sync":
            await engine.sync()
        elif action == "two syncs":
            await asyncio.gather(engine.sync(), engine.sync())
        elif action in ("hook", "bare hook") and runs:
            await self._hook(self.dice.choice(runs), bare=action == "bare hook")
        elif action == "kill":
            engine.database.left = self.dice.randint(0, 12)

    def _look(self, action: str) -> None:
        """Nobody is shown a second job of a run meanwhile, where its first one can be known."""
        marks = {self.engine.writer.job(name).submit["mark"] for name in self.submitted}
        for job in self.engine.writer.active() if self.marked else ():
            if job.job_id not in self.submitted and not job.cancel_requested:
                assert run_name_of(job.inputs) in marks
                self.found.append(f"{job.prediction_id} was imported by {action}")

    def submit(self) -> None:
        job_id = f"job{len(self.submitted)}"
        values: dict[str, Any] = {"config_json": json.dumps({"--max_train_steps": 12})}
        if self.marked:
            values = with_run_name(values, unique_run_name("the-same", job_id))
        else:
            values["config_json"] = "not a config"
        record = JobRecord(
            job_id=job_id, api_base=BASE, name="the same", config_name="", config_path="",
            model="simpletuner/advanced-trainer", version="f" * 64, model_family="",
            model_flavour="", model_type="lora", lora_type="", hardware="l40s", rate_micros=975,
            delivery="none", created_at=T0 + timedelta(seconds=self.account.now),
            submit={
                "phase": "new", "draft": {}, "secret_names": [], "mark": run_name_of(values),
                "fingerprint": input_fingerprint(values),
            },
            inputs=values,
        )  # fmt: skip
        self.engine.recorder.insert(record)
        self.submitted.append(job_id)
        self.engine.submitter.start(record)

    async def _hook(self, run: Run, *, bare: bool = False) -> None:
        """Send a state of a run, perhaps an old one, perhaps twice."""
        self.account.go_on(run)
        key = run.webhook.partition("key=")[2]
        owner = None if bare or not key else self.engine.keys.job_of_hook_key(key)
        event = WebhookEvent(
            kind="prediction", subject=run.id, event="logs", body=self.dice.choice(run.states),
            message_id="", job_id=owner.job_id if owner else "", verified=True, address="",
            received_at=T0,
        )  # fmt: skip
        for _ in range(self.dice.choice((1, 2))):
            await self.engine.events.take(event)

    async def _restart(self) -> None:
        self.kills += 1
        await self.engine.end()
        self.engine = SmallEngine(self.home, self.account, webhooks=self.webhooks)
        stored = [job.job_id for job in self.jobs]
        # A submit whose record was stored, although nobody was told.
        self.submitted = sorted({*self.submitted, *(name for name in stored if name[:3] == "job")})

    async def _rest(self) -> None:
        """Nothing goes wrong any more: wait for all that is on its way, and look at it twice."""
        self.engine.database.left = math.inf
        self.account.calm = True
        for _ in range(2):
            while self.engine.submitter.busy or self.account.coming:
                await asyncio.sleep(5)
            await asyncio.sleep(_LAG + 60)
            await self.engine.sync()
        while self.engine.submitter.busy:
            await asyncio.sleep(5)
        for run in self.account.runs:
            self.account.go_on(run)
        self.engine.monitor.wake()
        await asyncio.sleep(1)

    @property
    def jobs(self) -> list[JobRecord]:
        """All records."""
        writer = self.engine.writer
        return [writer.job(row[0]) for row in writer._read("SELECT job_id FROM jobs")]

    def problems(self) -> list[str]:
        """What does not hold after all that happened."""
        jobs = {job.job_id: job for job in self.jobs}
        runs = {run.id: run for run in self.account.runs}
        found = []
        if sorted(job.prediction_id for job in jobs.values()) != sorted(runs):
            owners = {job.job_id: job.prediction_id for job in jobs.values()}
            found.append(f"not one job for each prediction: {owners}, {sorted(runs)}")
        active = [run for run in runs.values() if run.is_active]
        if len(active) != len(self.submitted):
            found.append(f"{len(self.submitted)} submits, {len(active)} runs that cost money")
        for job_id in self.submitted:
            job = jobs[job_id]
            run = runs.get(job.prediction_id)
            if run is None or job.status is not JobStatus.RUNNING:
                found.append(f"{job_id} is {job.status}: {job.error}")
            elif self.marked and run.mark != job.submit["mark"]:
                found.append(f"{job_id} has the prediction of another job")
        if self.marked and self.account.posts and max(self.account.posts.values()) > 3:
            found.append("more than three requests for one job")
        return found


async def play(home: Home, seed: int) -> Script:
    """Play the script of a seed to its end."""
    script = Script(home, seed)
    try:
        await script.play()
        script.found += script.problems()
    finally:
        await script.engine.end()
    return script


def let_time_jump(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the look-up's patience pass on the loop's clock, and connections be killed."""
    clock = SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time())
    monkeypatch.setattr(lookup, "time", clock)
    monkeypatch.setattr("tui.store.writer.MaskingConnection", MortalConnection)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a clock that jumps."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(work)
