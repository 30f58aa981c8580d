"""Which step a submit goes on with, and who is told of its end, on a clock that jumps."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tests.engine.submission.account_world import (
    BASE,
    FATES,
    T0,
    Account,
    SmallEngine,
    let_time_jump,
    run,
)
from tests.store.job_records import job as a_job
from tui.base.job_status import JobStatus
from tui.engine.submission.submit import Submitter
from tui.engine.tracking.prediction_claims import CARRIED_OUT_WITHIN
from tui.engine.tracking.reconcile import lost_values
from tui.replicate.secret import Secret
from tui.settings import Home
from tui.store.records import JobRecord


@pytest.fixture(autouse=True)
def jumping(monkeypatch: pytest.MonkeyPatch) -> None:
    let_time_jump(monkeypatch)


@dataclass
class Desk:
    """A submitter with a real store, whose helpers note what they are asked for."""

    engine: SmallEngine
    asked: list[str] = field(default_factory=list)
    hold: dict[str, asyncio.Event] = field(default_factory=dict)
    """Steps that wait until they are let go on."""
    published: list[dict[str, Any]] = field(default_factory=list)

    @property
    def submitter(self) -> Submitter:
        return self.engine.submitter

    def job(self) -> JobRecord:
        return self.engine.writer.job("j")

    def insert(self, phase: str, *, submit: dict[str, Any] | None = None, **more: Any) -> JobRecord:
        known = {"api_base": BASE, "prediction_id": "", "created_at": T0, "model": "a/b"}
        kept = {"phase": phase, "draft": {}, **(submit or {})}
        return self.engine.recorder.insert(a_job("j", submit=kept, **known | more))

    def step(self, name: str, phase: str = "") -> Any:
        """A step that notes its name, waits if it is held, and writes the phase it leads to."""

        async def take(job: JobRecord, *_: Any) -> Any:
            self.asked.append(name)
            if name in self.hold:
                await self.hold[name].wait()
            fresh = self.engine.writer.job(job.job_id)
            if phase:
                self.engine.recorder.note(
                    job.job_id, "local", phase, name, submit={**fresh.submit, "phase": phase}
                )
            return {"staged": 1} if name == "stage" else self.engine.writer.job(job.job_id)

        return take

    async def rest(self) -> None:
        while self.submitter.busy:
            await asyncio.sleep(1)


@asynccontextmanager
async def desk(home: Home) -> AsyncIterator[Desk]:
    engine = SmallEngine(home, Account(random.Random(0), FATES), webhooks=False)
    at = Desk(engine)
    submitter: Any = engine.submitter
    submitter._archives = SimpleNamespace(
        pack=at.step("pack", "packed"), upload=at.step("upload", "uploaded"),
        remove=lambda _job: at.asked.append("remove archive"),
    )  # fmt: skip
    submitter._poster = SimpleNamespace(
        require_account=at.step("account"), post=at.step("post"),
        pass_on_cancel=at.step("pass on cancel"), look_again=at.step("look again"),
        hold_secrets=lambda job_id, secrets: at.asked.append(f"hold {job_id} {[*secrets]}"),
    )  # fmt: skip
    submitter._staging = SimpleNamespace(
        stage=at.step("stage"), job_ended=lambda job: at.asked.append(f"ended {job.status.value}")
    )
    submitter._share_checkpoint = at.step("share checkpoint")
    submitter._monitor = SimpleNamespace(follow=lambda _job: at.asked.append("follow"))
    submitter._bus = SimpleNamespace(publish=lambda _kind, **said: at.published.append(said))
    try:
        yield at
    finally:
        await engine.end()


@pytest.mark.parametrize(
    ("phase", "submit", "steps"),
    [
        ("new", {}, ["account", "share checkpoint", "post", "follow"]),
        ("new", {"pack": True},
         ["account", "pack", "upload", "share checkpoint", "post", "follow"]),
        ("packed", {"pack": True}, ["account", "upload", "share checkpoint", "post", "follow"]),
        ("uploaded", {"pack": True}, ["account", "share checkpoint", "post", "follow"]),
        ("new", {"staging": {"x": 1}}, ["account", "stage", "share checkpoint", "post", "follow"]),
        ("staged", {"staging": {"x": 1}}, ["account", "share checkpoint", "post", "follow"]),
        ("posting", {}, ["account", "share checkpoint", "post", "follow"]),
    ],
)  # fmt: skip
def test_a_submit_goes_on_where_it_stood(
    home: Home, phase: str, submit: dict[str, Any], steps: list[str]
) -> None:
    async def work() -> None:
        async with desk(home) as at:
            at.submitter.start(at.insert(phase, submit=submit))
            assert at.submitter.busy == 1
            await at.rest()
            assert at.asked == steps
            assert at.job().inputs == ({"staged": 1} if "stage" in steps else {})
            assert at.published == []

    run(work())


@pytest.mark.parametrize(
    ("cancelled", "status", "steps"),
    [
        (False, JobStatus.RUNNING, ["follow"]),
        (True, JobStatus.RUNNING, ["follow", "pass on cancel"]),
        (True, JobStatus.COMPLETED, ["follow"]),
    ],
)
def test_what_is_posted_is_followed_and_a_cancel_passed_on(
    home: Home, cancelled: bool, status: JobStatus, steps: list[str]
) -> None:
    async def work() -> None:
        async with desk(home) as at:
            job = at.insert(
                "accepted", prediction_id="p", status=status, cancel_requested=cancelled
            )
            at.submitter.start(job)
            await at.rest()
            assert at.asked == steps
            at.asked.clear()
            at.submitter.follow(job)
            assert at.submitter.busy == (len(steps) > 1)
            await at.rest()
            assert at.asked == ["follow"] + (steps if len(steps) > 1 else [])

    run(work())


def test_a_job_is_started_once_and_not_before_its_turn(home: Home) -> None:
    async def work() -> None:
        async with desk(home) as at:
            job = at.insert("new")
            at.hold["account"] = asyncio.Event()
            submitter: Any = at.submitter
            submitter._is_held = lambda job_id: job_id == "j"
            submitter.start(job, None, {"hf_token": Secret("x")})
            assert at.submitter.busy == 0
            submitter._is_held = lambda _job_id: False
            for _ in range(2):
                submitter.start(job)
                await asyncio.sleep(1)
            assert at.submitter.busy == 1
            at.hold["account"].set()
            await at.rest()
            assert at.asked == [
                "hold j ['hf_token']", "account", "share checkpoint", "post", "follow",
            ]  # fmt: skip
            assert submitter._cancels == {}

    run(work())


def test_a_task_that_ended_does_not_take_its_successors_place(home: Home) -> None:
    async def work() -> None:
        async with desk(home) as at:
            submitter: Any = at.submitter
            job = at.insert("new")
            at.hold["account"] = asyncio.Event()
            submitter.start(job)
            first = submitter._running["j"]
            second = submitter._running["j"] = asyncio.create_task(asyncio.sleep(3))
            at.hold["account"].set()
            await first
            await asyncio.sleep(0)
            assert submitter._running == {"j": second}
            submitter._forget("j", second)
            assert (submitter._running, submitter._cancels) == ({}, {})

    run(work())


@pytest.mark.parametrize("phase", ["new", "packed", "uploaded"])
def test_a_cancel_before_the_post_ends_a_job_for_nothing(home: Home, phase: str) -> None:
    async def work() -> None:
        async with desk(home) as at:
            job = at.insert(phase, submit={"pack": True})
            at.hold = {"account": asyncio.Event()}
            at.submitter.start(job)
            stop = at.submitter._cancels["j"]
            await asyncio.sleep(1)
            assert await at.submitter.cancel(at.job()) is True
            assert stop.is_set()
            ended = at.job()
            assert (ended.status, ended.cost_micros, ended.stage) == (JobStatus.CANCELLED, 0, "")
            assert ended.cancel_requested
            assert ended.completed_at == T0 + timedelta(seconds=1)
            assert at.asked == ["account", "remove archive", "ended cancelled"]
            assert at.submitter.busy == 0

    run(work())


@pytest.mark.parametrize("phase", ["posting", "accepted"])
@pytest.mark.parametrize("during", [False, True])
def test_a_cancel_that_meets_a_post_ends_nothing(home: Home, phase: str, *, during: bool) -> None:
    """Also where the step ignores that it is stopped, and the post is made meanwhile."""

    async def work() -> None:
        async with desk(home) as at:
            submitter: Any = at.submitter
            job = at.insert("uploaded" if during else phase)

            async def stubborn() -> None:
                try:
                    await asyncio.Event().wait()
                finally:
                    at.engine.recorder.note(
                        "j", "local", phase, "", submit={**job.submit, "phase": phase}
                    )

            if during:
                submitter._running["j"] = asyncio.create_task(stubborn())
                await asyncio.sleep(0)
            assert await submitter.cancel(job) is False
            asked = at.job()
            assert asked.cancel_requested
            assert not asked.status.is_terminal
            assert asked.cost_micros is None
            at.asked.clear()
            assert submitter.busy == during
            if during:
                submitter._running["j"].cancel()

    run(work())


@pytest.mark.parametrize("lost", [False, True])
def test_a_failed_submit_says_why_and_takes_its_archive_away(home: Home, *, lost: bool) -> None:
    async def work() -> None:
        async with desk(home) as at:
            submit = {"since": T0.isoformat(), "looked_up": True}
            job = at.insert("posting", submit=submit, rate_micros=975)
            at.submitter._fail(
                "j", "It is full.", "Free some." if lost else "", {"x": "no"}, lost=lost
            )
            await asyncio.sleep(0)
            ended = at.job()
            expected = lost_values(job, T0)["cost_micros"] if lost else 0
            assert (ended.status, ended.cost_micros) == (JobStatus.FAILED, expected)
            assert (ended.error, ended.stage, ended.completed_at) == ("It is full.",) * 2 + (T0,)
            assert ended.diagnosis["advice"] == (["Free some."] if lost else [])
            assert (ended.diagnosis["kind"], ended.diagnosis["inputs"]) == ("submit", {"x": "no"})
            assert at.asked == ["remove archive", "ended failed", "look again"]
            (said,) = at.published
            assert (said["level"], said["message"], said["job_id"]) == ("error", "It is full.", "j")

    run(work())


def test_a_failure_does_not_end_what_is_posted(home: Home) -> None:
    async def work() -> None:
        async with desk(home) as at:
            at.insert("accepted", prediction_id="p", status=JobStatus.RUNNING)
            at.submitter._fail("j", "Not cancelled.", "", lost=True)
            assert at.job().status is JobStatus.RUNNING
            assert at.job().cost_micros is None
            assert at.asked == ["remove archive", "follow"]
            assert [said["message"] for said in at.published] == ["Not cancelled."]

    run(work())


@pytest.mark.parametrize(
    ("submit", "after", "looked"),
    [
        ({"looked_up": True, "since": T0.isoformat()}, 0, True),
        ({"since": T0.isoformat()}, 0, False),
        ({"looked_up": True, "since": T0.isoformat()}, 600, False),
        ({"looked_up": True, "since": T0.isoformat()}, 599, True),
        ({"looked_up": True, "since": T0.isoformat(),
          "posted_at": (T0 + timedelta(seconds=30)).isoformat()}, 600, True),
    ],
)  # fmt: skip
def test_a_late_run_is_looked_for_once_while_it_may_come(
    home: Home, submit: dict[str, Any], after: int, *, looked: bool
) -> None:
    assert timedelta(seconds=600) == CARRIED_OUT_WITHIN

    async def work() -> None:
        async with desk(home) as at:
            await asyncio.sleep(after)
            job = at.insert("accepted", submit=submit)
            at.submitter.look_again(job)
            at.submitter.look_again(job)
            await asyncio.sleep(1)
            assert at.asked == ["look again"] * looked

    run(work())


def test_the_secrets_of_a_post_are_those_of_its_bucket_and_of_its_data(home: Home) -> None:
    async def work() -> None:
        async with desk(home) as at:
            submitter: Any = at.submitter

            async def of_the_bucket(_job: JobRecord) -> dict[str, Secret]:
                return {"s3_access_key": Secret("a")}

            async def of_the_data(_job: JobRecord) -> dict[str, Secret]:
                return {"aws_key": Secret("b")}

            submitter._keys_for = of_the_bucket
            submitter._staging.secrets_for = of_the_data
            assert [*await submitter._secret_values(at.insert("new"))] == [
                "s3_access_key", "aws_key",
            ]  # fmt: skip

    run(work())
