"""Polling over errors, 404 answers and a busy service, with pauses that take no time."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from tests.engine.tracking.followed import ROUTE, T0, following
from tests.engine.world import World
from tests.replicate.server import TOKEN, prediction, reply
from tests.store.job_records import job as a_job
from tests.support import eventually
from tui.base.job_status import LOST, JobStatus
from tui.engine.tracking import monitor
from tui.engine.tracking.monitor import MAX_NOT_FOUND, failure_backoff
from tui.engine.tracking.reconcile import latest_end
from tui.engine.tracking.silence import NOT_WRITTEN, reason
from tui.replicate.errors import (
    BadAnswerError,
    CircuitOpenError,
    ForbiddenError,
    NoAnswerError,
    NotFoundError,
    NotSentError,
    RateLimitedError,
    ReplicateError,
    ServiceError,
)
from tui.settings import Home
from tui.store.lost_contact import FACT, LostContact
from tui.store.records import JobRecord
from tui.store.schema import StoreError

RUNS = reply(prediction(status="processing", started_at="2026-11-29T21:00:00Z"))
DONE = reply(
    prediction(
        status="succeeded", started_at="2026-11-29T21:00:00Z", completed_at="2026-11-29T21:09:00Z"
    )
)
REFUSED = reply({"title": "Unauthenticated", "detail": "no"}, status=401)
GONE = reply({"detail": "Not found.", "status": 404}, status=404)


# -- refused ----------------------------------------------------------------------------------


async def test_one_error_does_not_stop_polling(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "FIRST_BACKOFF", 0.2)
    world.fault("webhook-lost", "stall=5")
    job_id = await world.submit()
    await world.until(job_id, JobStatus.RUNNING)
    world.fault("expired-token*1@GET /v1/predictions/")
    await eventually(lambda: "trouble" in world.kinds(job_id))
    world.go_on(job_id)
    assert (await world.ended(job_id)).status is JobStatus.COMPLETED


async def test_a_refused_token_is_retried_with_backoff(
    home: Home,
) -> None:
    async with following(home) as followed:
        followed.follow(RUNS, *[REFUSED] * 8, DONE)
        assert (await followed.ended()).status is JobStatus.COMPLETED
        assert followed.pauses[1:9] == [5, 10, 20, 40, 60, 60, 60, 60]
        assert followed.lost_contact() == {}


async def test_a_successful_poll_resets_the_backoff(home: Home) -> None:
    async with following(home) as followed:
        followed.follow(REFUSED, REFUSED, RUNS, REFUSED, DONE)
        await followed.ended()
        assert [followed.pauses[place] for place in (0, 1, 3)] == [5, 10, 5]


async def test_the_fact_says_since_when_contact_was_lost(home: Home) -> None:
    marks: list[dict[str, LostContact]] = []
    async with following(home) as followed:
        followed.before_wait = lambda: marks.append(followed.lost_contact())
        followed.follow(RUNS, REFUSED, REFUSED, RUNS, DONE)
        await followed.ended()
        mark = {"j": LostContact("token refused", T0)}
        assert marks == [{}, mark, mark, {}]


async def test_a_new_token_is_tried_at_once(home: Home) -> None:
    async with following(home, most=5) as followed:
        followed.follow(*[REFUSED] * 5, DONE)
        await eventually(lambda: len(followed.pauses) == 5)
        assert followed.pauses[-1] == 60
        followed.monitor.wake()  # as the engine does when a token comes
        assert (await followed.ended()).status is JobStatus.COMPLETED


async def test_a_missing_token_is_reported(home: Home) -> None:
    async with following(home, most=3) as followed:
        followed.clients.set_token(followed.server.base, "", "environment")
        followed.follow(DONE)
        await eventually(lambda: len(followed.pauses) == 3)
        assert followed.pauses == [5, 10, 20]
        assert followed.lost_contact()["j"].why == "no token"
        followed.clients.set_token(followed.server.base, TOKEN.reveal(), "environment")
        followed.monitor.wake()
        await followed.ended()


async def test_a_webhook_clears_the_lost_contact(home: Home) -> None:
    async with following(home, most=1) as followed:
        followed.follow(REFUSED)
        await eventually(followed.lost_contact)
        followed.monitor.webhook_received("j")
        assert followed.lost_contact() == {}


async def test_lost_contact_survives_a_restart(home: Home) -> None:
    async with following(home, most=1) as followed:
        followed.follow(RUNS, REFUSED)
        await eventually(lambda: len(followed.pauses) == 1)
        followed.monitor.wake()
        await eventually(followed.lost_contact)
        await followed.tasks.aclose()
        followed.now += timedelta(hours=2)
        followed.__post_init__()  # as a new engine does
        assert followed.lost_contact() == {"j": LostContact("token refused", T0)}
        followed.monitor.follow(followed.job)
        await eventually(lambda: len(followed.pauses) == 3)
        assert followed.lost_contact() == {"j": LostContact("token refused", T0)}


async def test_a_job_is_unheard_since_the_engine_before_kept_it(home: Home) -> None:
    async with following(home, most=1) as followed:
        followed.follow(RUNS)
        await eventually(lambda: len(followed.pauses) == 1)
        await followed.tasks.aclose()
        for heard_until, since in (
            (T0 + timedelta(minutes=3), T0 + timedelta(minutes=3)),
            (T0 - timedelta(days=1), T0),  # before the job
            (None, T0),
        ):
            followed.now = T0 + timedelta(hours=2)
            followed.server.on(ROUTE, REFUSED)
            followed.recorder.writer.set_fact(FACT, {})
            later = monitor.Monitor(
                followed.recorder, followed.clients, followed.bus, followed.tasks, lambda: True,
                heard_until=heard_until, now=lambda: followed.now, wait=followed.wait,
            )  # fmt: skip
            later.follow(followed.job)
            await eventually(followed.lost_contact)
            assert followed.lost_contact() == {"j": LostContact("token refused", since)}
            await followed.tasks.aclose()


async def test_an_ended_job_has_no_lost_contact(home: Home) -> None:
    async with following(home) as followed:
        followed.recorder.writer.set_fact(FACT, {"gone": LostContact("token refused", T0).row()})
        followed.__post_init__()  # as a new engine does
        assert followed.lost_contact() == {}


# -- not found --------------------------------------------------------------------------------


async def test_a_running_job_survives_temporary_not_found_answers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor, "FIRST_BACKOFF", 0.2)
    world.fault("webhook-lost")
    job_id = await world.submit(steps=300)
    record = world.prediction_of(await world.until(job_id, JobStatus.RUNNING))
    looks: list[str] = []
    by_id = world.sandbox.core.jobs.by_id
    del by_id[record.id]
    look = world.engine.monitor.poll

    async def counted(job_id: str, source: str = "poll") -> JobRecord:
        looks.append(job_id)
        return await look(job_id, source)

    monkeypatch.setattr(world.engine.monitor, "poll", counted)
    await eventually(lambda: len(looks) > MAX_NOT_FOUND + 1, within=30)
    assert world.job(job_id).status is JobStatus.RUNNING
    by_id[record.id] = record
    assert (await world.ended(job_id)).status is JobStatus.COMPLETED


async def test_a_job_that_never_ran_is_lost_after_the_maximum_of_not_found_answers(
    home: Home,
) -> None:
    async with following(home) as followed:
        followed.follow(GONE)
        assert (await followed.ended()).provider_status == LOST
        assert len(followed.server.calls(ROUTE)) == MAX_NOT_FOUND


async def test_only_consecutive_not_found_answers_count(home: Home) -> None:
    waits = reply(prediction(status="starting"))
    broken = reply({"detail": "no"}, status=403)
    few = [GONE] * (MAX_NOT_FOUND - 1)
    async with following(home) as followed:
        followed.follow(*few, waits, *few, broken, *few, REFUSED, *few, DONE)
        assert (await followed.ended()).status is JobStatus.COMPLETED


async def test_a_job_is_given_up_at_the_maximum_of_not_found_answers_and_not_before(
    home: Home,
) -> None:
    async with following(home, most=MAX_NOT_FOUND) as followed:
        followed.follow(RUNS, GONE)
        await eventually(lambda: len(followed.pauses) == MAX_NOT_FOUND)
        assert not followed.monitor.give_up("j")
        assert followed.job.status is JobStatus.RUNNING
        followed.monitor.wake("j")
        await eventually(lambda: len(followed.pauses) == MAX_NOT_FOUND + 1)
        assert followed.monitor.give_up("j")
        assert (await followed.ended()).provider_status == LOST
        assert not followed.monitor.give_up("j")  # the count ended with the job


async def test_a_job_that_ended_leaves_nothing_behind(home: Home) -> None:
    async with following(home) as followed:
        followed.before_wait = lambda: followed.monitor.webhook_received("j")
        followed.follow(REFUSED, GONE, BROKEN, DONE)
        await followed.ended()
        kept = {name: value for name, value in vars(followed.monitor).items() if value == {}}
        assert {"_not_found_counts", "_refusals", "_failures", "_troubles"} <= kept.keys()
        assert {"_last_webhook", "_last_contact", "_lost_contact", "_followed"} <= kept.keys()


async def test_an_answer_that_does_not_know_the_job_ends_a_row_of_refusals(home: Home) -> None:
    async with following(home) as followed:
        followed.follow(REFUSED, REFUSED, GONE, REFUSED, DONE)
        await followed.ended()
        assert [followed.pauses[place] for place in (0, 1, 3)] == [5, 10, 5]


async def test_a_new_token_begins_the_row_of_not_found_answers_anew(home: Home) -> None:
    async with following(home, most=MAX_NOT_FOUND - 1) as followed:
        followed.follow(*[GONE] * (MAX_NOT_FOUND - 1), GONE, DONE)
        await eventually(lambda: len(followed.pauses) == MAX_NOT_FOUND - 1)
        followed.monitor.wake()
        await eventually(lambda: len(followed.pauses) == MAX_NOT_FOUND)
        followed.monitor.wake()
        assert (await followed.ended()).status is JobStatus.COMPLETED


async def test_not_found_answers_to_the_token_of_another_account_do_not_count(home: Home) -> None:
    several = MAX_NOT_FOUND + 2
    async with following(home, most=several) as followed:
        base, learn = followed.server.base, followed.clients.tokens.learn_owner
        learn("replicate", base, TOKEN, "me")
        followed.follow(GONE, submit={"account": "you"})
        await eventually(lambda: len(followed.pauses) == several)
        assert not followed.job.status.is_terminal
        assert followed.pauses == [failure_backoff(count + 1) for count in range(several)]
        assert followed.lost_contact() == {"j": LostContact("another account's token", T0)}
        learn("replicate", base, TOKEN, "you")
        followed.most = several + MAX_NOT_FOUND
        followed.monitor.wake()
        assert (await followed.ended()).provider_status == LOST
        assert len(followed.server.calls(ROUTE)) == several + MAX_NOT_FOUND


async def test_a_running_job_is_polled_until_its_latest_end(home: Home) -> None:
    async with following(home) as followed:
        followed.follow(RUNS, GONE, submit={"cancel_after": 1800})
        job = await followed.ended()
        assert job.provider_status == LOST
        assert followed.pauses[MAX_NOT_FOUND:][:6] == [5, 10, 20, 40, 60, 60]
        assert max(followed.pauses) == 60
        assert job.completed_at is not None
        over = datetime(2026, 11, 29, 21, 0, tzinfo=UTC) + timedelta(seconds=1800)
        assert over <= job.completed_at < over + timedelta(minutes=3)
        assert followed.lost_contact() == {}


async def test_the_fact_says_that_a_running_job_is_not_found(home: Home) -> None:
    async with following(home, most=MAX_NOT_FOUND + 1) as followed:
        followed.follow(RUNS, GONE)
        await eventually(lambda: len(followed.pauses) == MAX_NOT_FOUND + 1)
        assert followed.lost_contact() == {"j": LostContact("not found at Replicate", T0)}


def test_the_latest_end_is_never_too_early() -> None:
    began = T0 + timedelta(minutes=5)
    ran = {"created_at": T0, "started_at": began}
    limited = a_job("a", submit={"cancel_after": 600}, **ran)
    assert latest_end(limited) >= began + timedelta(seconds=600)
    assert latest_end(a_job("a", **ran)) == began + timedelta(hours=24)
    slow = began + timedelta(hours=40)
    assert latest_end(a_job("a", eta_at=slow, **ran)) > slow


async def test_cancelling_a_job_that_is_not_found_ends_it(world: World) -> None:
    world.fault("webhook-lost", "stall=5")
    job_id = await world.submit()
    record = world.prediction_of(await world.until(job_id, JobStatus.RUNNING))
    del world.sandbox.core.jobs.by_id[record.id]
    await eventually(lambda: world.engine.monitor._not_found_counts.get(job_id, 0) >= MAX_NOT_FOUND)
    await world.client.cancel(job_id)
    job = await world.ended(job_id)
    assert job.provider_status == LOST
    await eventually(lambda: world.engine.monitor.following == 0)
    world.sandbox.core.jobs.by_id[record.id] = record


# -- manners ----------------------------------------------------------------------------------


async def test_retry_after_is_respected(home: Home) -> None:
    busy = reply({"detail": "Request was throttled."}, status=429, headers={"Retry-After": "30"})
    async with following(home, most=1) as followed:
        followed.follow(busy)
        await eventually(lambda: followed.pauses)
        assert followed.pauses[0] >= 30


async def test_an_open_circuit_is_left_alone_for_half_a_minute(home: Home) -> None:
    async with following(home, most=1) as followed:
        client = await followed.clients.get(followed.server.base)
        for _ in range(6):
            client.budget.failed()
        followed.follow(DONE)
        await eventually(lambda: followed.pauses)
        assert followed.server.calls(ROUTE) == []
        assert followed.pauses[0] >= 30


async def test_the_interval_is_spread_by_a_part_of_itself(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with following(home) as followed:
        job = a_job("j", api_base=followed.server.base)
        for end, factor in ((0, 0.85), (1, 1.15)):
            monkeypatch.setattr(random, "uniform", lambda *ends, end=end: ends[end])
            assert followed.monitor._interval(job) == pytest.approx(
                monitor.LOOPBACK_SECONDS * factor
            )


@pytest.mark.parametrize("answer", ["broken", "gone"])
async def test_no_trouble_makes_a_job_polled_more_often_than_without_one(
    home: Home, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr(monitor, "LOOPBACK_SECONDS", 1000.0)
    trouble = {"broken": BROKEN, "gone": GONE}[answer]
    async with following(home) as followed:
        followed.follow(RUNS, *[trouble] * (MAX_NOT_FOUND + 2), DONE)
        await followed.ended()
        assert min(followed.pauses) >= 850


async def test_a_failed_webhook_is_polled_at_once_even_with_polling_off(
    home: Home,
) -> None:
    async with following(home, polling=False, most=1) as followed:
        followed.follow(DONE, submit={"webhook": True})
        await eventually(lambda: followed.pauses)
        assert followed.server.calls(ROUTE) == []
        assert followed.pauses == [3600]
        followed.monitor.webhook_failed("j")
        assert (await followed.ended()).status is JobStatus.COMPLETED


BROKEN = reply({"detail": "no"}, status=403)
"""A failure that the client does not repeat by itself, so that each poll meets one."""


async def test_a_broken_service_is_polled_less_often_with_each_failure(home: Home) -> None:
    async with following(home) as followed:
        followed.follow(RUNS, *[BROKEN] * 5, RUNS, BROKEN, DONE)
        await followed.ended()
        assert followed.pauses[1:6] == [5, 10, 20, 40, 60]
        assert followed.pauses[7] == 5  # an answer in between starts anew


async def test_a_silent_service_is_marked_after_three_intervals(home: Home) -> None:
    marks: list[dict[str, LostContact]] = []
    async with following(home) as followed:
        followed.before_wait = lambda: marks.append(followed.lost_contact())
        followed.follow(RUNS, *[BROKEN] * 5, RUNS, DONE)
        await followed.ended()
        assert marks[:2] == [{}, {}]  # one failed poll is no silence yet
        assert marks[5] == {"j": LostContact("api answers 403", T0)}
        assert marks[6] == {}


async def test_answers_that_cannot_be_recorded_are_a_silence_as_well(home: Home) -> None:
    marks: list[dict[str, LostContact]] = []
    log = home.log_file("j")

    async with following(home) as followed:

        def look() -> None:
            followed.monitor.webhook_received("j")  # whose state could not be recorded either
            marks.append(followed.lost_contact())
            if len(marks) == 3:
                log.rmdir()

        followed.before_wait = look
        log.mkdir()
        followed.follow(*[reply(prediction(status="processing", logs="a line\n"))] * 4, DONE)
        await followed.ended()
    assert marks[0]["j"].why == NOT_WRITTEN
    assert marks[2] == marks[0]  # since the first answer that could not be recorded
    assert marks[3] == {}


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ServiceError("x", status=502), "api answers 502"),
        (RateLimitedError("x", status=429), "api answers 429"),
        (ForbiddenError("x", status=403), "api answers 403"),
        (BadAnswerError("x", status=200), "api answers what cannot be read"),
        (CircuitOpenError("x"), "api does not answer"),
        (NotSentError("x"), "api cannot be reached"),
        (NoAnswerError("x"), "api does not answer"),
    ],
)
def test_the_reason_of_a_silence_names_the_kind_of_trouble(error: ReplicateError, why: str) -> None:
    assert reason(error) == why


def test_backoff_doubles_up_to_a_minute() -> None:
    assert [failure_backoff(count) for count in (1, 2, 3, 4, 5, 6, 5000)] == [
        5,
        10,
        20,
        40,
        60,
        60,
        60,
    ]


class Told:
    """A bus that keeps what is published."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def publish(self, _kind: str, *, message: str, **_more: object) -> None:
        self.messages.append(message)


def quiet_monitor() -> monitor.Monitor:
    """A monitor that follows nothing yet."""
    made = object.__new__(monitor.Monitor)
    made._last_webhook, made._focus, made._troubles = {}, None, {}
    made._bus = Told()  # type: ignore[assignment]  # all that is asked of it
    return made


def test_a_job_is_polled_by_what_is_known_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: (low + high) / 2)
    now = 1000.0
    monkeypatch.setattr("tui.engine.tracking.monitor.time.monotonic", lambda: now)
    far, near = "https://api.replicate.com/v1", "http://127.0.0.1:9/v1"
    looked = quiet_monitor()

    def interval(
        base: str, status: JobStatus = JobStatus.RUNNING, heard: float | None = None
    ) -> float:
        looked._last_webhook = {} if heard is None else {"a": now - heard}
        return looked._interval(a_job("a", api_base=base, status=status))

    assert interval(far) == monitor.OTHER_SECONDS
    assert interval(far, JobStatus.QUEUED) == monitor.QUEUED_SECONDS
    assert interval(far, heard=44.9) == monitor.WEBHOOK_SECONDS
    assert interval(far, heard=45) == monitor.OTHER_SECONDS
    assert interval(near) == interval(near, heard=2) == monitor.LOOPBACK_SECONDS
    assert interval(near, heard=1.9) == monitor.LOOPBACK_WEBHOOK_SECONDS
    looked._focus = "b"
    assert interval(far) == monitor.OTHER_SECONDS
    looked._focus = "a"
    assert interval(far) == interval(far, JobStatus.QUEUED) == monitor.FOCUS_SECONDS
    assert interval(far, heard=1) == monitor.WEBHOOK_SECONDS
    assert interval(near) == monitor.LOOPBACK_SECONDS


def test_trouble_with_the_store_is_told_once_until_it_is_another() -> None:
    looked = quiet_monitor()
    for message in ("b", "b", "a", "a", "c", "c", "b"):
        looked._report_store_error("j", StoreError(message, ""))
    assert looked._bus.messages == ["b", "a", "c", "b"]  # type: ignore[attr-defined]  # a `Told`


@pytest.mark.parametrize(
    ("posted_to", "used", "counts"),
    [("a", "b", False), ("b", "a", False), ("a", "a", True), ("", "b", True), ("a", "", True)],
)
def test_an_answer_to_another_accounts_token_says_nothing_of_a_job(
    posted_to: str, used: str, *, counts: bool
) -> None:
    looked = quiet_monitor()
    looked._clients = SimpleNamespace(known_account=lambda _base: used)  # type: ignore[assignment]  # all that is asked of it
    looked._not_found_counts, looked._refusals, looked._lost_contact = {}, {}, {}
    looked._mark_lost_contact = lambda job_id, why: None  # type: ignore[method-assign]
    looked._report_trouble = lambda job, message, advice: None  # type: ignore[method-assign]
    job = a_job("a", submit={"account": posted_to})
    looked._not_found(job, NotFoundError("gone"))
    assert looked._not_found_counts == ({"a": 1} if counts else {})
    assert looked._refusals == ({} if counts else {"a": 1})
