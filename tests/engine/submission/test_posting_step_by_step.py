"""Each decision of a POST and of its look-up, on a clock that jumps and with answers as told."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
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
from tui.engine.credentials.replicate_clients import MissingTokenError
from tui.engine.submission.phases import IMAGES_PLACEHOLDER
from tui.engine.submission.post_once import (
    CANCEL_PAUSES,
    CancelledWhilePostingError,
    PredictionPoster,
)
from tui.replicate.errors import (
    AuthenticationError,
    NotFoundError,
    RateLimitedError,
    ReplicateError,
    ServiceError,
    UncertainError,
)
from tui.replicate.models import Prediction
from tui.replicate.secret import Secret
from tui.settings import Home
from tui.simpletuner.errors import SimpleTunerError
from tui.store.reader import StoreReader
from tui.store.records import JobRecord

SUBMIT: dict[str, Any] = {"phase": "new", "draft": {}, "mark": "cat-j", "fingerprint": "f"}
POSTED = SUBMIT | {"phase": "posting", "since": T0.isoformat(), "posts": 1}


@pytest.fixture(autouse=True)
def jumping(monkeypatch: pytest.MonkeyPatch) -> None:
    let_time_jump(monkeypatch)


class Api:
    """A client that answers in turn; what it answers last, it goes on answering."""

    clock_offset = timedelta(seconds=2)

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, list[Any]] = {}

    def __getattr__(self, name: str) -> Any:
        async def call(*values: Any, **named: Any) -> Any:
            self.asked.append((name, {"of": values, **named}))
            left = self.answers[name]
            answer = left.pop(0) if len(left) > 1 else left[0]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    def names(self) -> list[str]:
        return [name for name, _ in self.asked]


@dataclass
class Desk:
    """A poster with a real store, and the API that it asks."""

    home: Home
    engine: SmallEngine
    api: Api
    owner: str | Exception = "somebody"

    @property
    def poster(self) -> PredictionPoster:
        return self.engine.submitter._poster

    def job(self, job_id: str = "j") -> JobRecord:
        return self.engine.writer.job(job_id)

    def insert(self, submit: dict[str, Any], **values: Any) -> JobRecord:
        known = {"api_base": BASE, "prediction_id": "", "created_at": T0, "model": "a/b"}
        job_id = values.pop("job_id", "j")
        return self.engine.recorder.insert(a_job(job_id, submit=submit, **known | values))

    def notes(self, kind: str) -> list[str]:
        reader = StoreReader(self.home.database)
        try:
            return [one.message for one in reader.events("j") if one.kind == kind]
        finally:
            reader.close()

    async def with_account(self, _base: str) -> tuple[Any, str]:
        if isinstance(self.owner, Exception):
            raise self.owner
        return self.api, self.owner


@asynccontextmanager
async def desk(home: Home) -> AsyncIterator[Desk]:
    engine = SmallEngine(home, Account(random.Random(0), FATES), webhooks=False)
    engine.session.account.calm = True
    made = Desk(home, engine, Api())
    clients: Any = made.poster._clients
    clients._client = made.api
    clients.with_account = made.with_account
    engine.claims.on_assigned = lambda _job: None  # nobody follows here
    clients.hub_token = lambda _base: Secret("hf_x")
    try:
        yield made
    finally:
        await engine.end()


def found(name: str = "p", **more: Any) -> Prediction:
    """A prediction of the job, by its run name."""
    config = '{"tracker_run_name": "cat-j"}'
    known = {"id": name, "status": "starting", "input": {"config_json": config}}
    return Prediction.read(known | {"created_at": T0.isoformat(), "version": "f"} | more)


def jump(work: Coroutine[Any, Any, None]) -> None:
    run(asyncio.wait_for(work, 100_000))


def test_a_post_says_what_is_kept_of_it(home: Home) -> None:
    async def work() -> None:
        async with desk(home) as at:
            at.api.answers = {"create_prediction": [found()]}
            job = at.insert(SUBMIT | {"cancel_after": 60}, inputs={"x": 1})
            at.poster.hold_secrets("j", {"hf_token": Secret("hf_y")})
            posted = await at.poster.post(job)
            assert (posted.prediction_id, posted.submit["phase"]) == ("p", "accepted")
            kept = {name: posted.submit[name] for name in ("since", "clock_offset", "account")}
            assert kept == {"since": T0.isoformat(), "clock_offset": 2.0, "account": "somebody"}
            assert (posted.submit["posts"], posted.submit["webhook"]) == (1, False)
            assert "looked_up" not in posted.submit
            ((_, sent),) = at.api.asked
            assert sent == {
                "of": (), "version": "a/b", "input": {"x": 1}, "webhook": None,
                "webhook_events_filter": (), "cancel_after": 60,
            }  # fmt: skip
            assert at.notes("posting") == ["Asking Replicate to start the job."]
            assert at.poster._secret_inputs == {}

    jump(work())


@pytest.mark.parametrize("made", [0, 1, 2, 3])
def test_three_posts_at_most_and_those_of_an_earlier_engine_count(home: Home, made: int) -> None:
    async def work() -> None:
        async with desk(home) as at:
            at.api.answers = {"create_prediction": [UncertainError("cut")], "find_submitted": [[]]}
            job = at.insert(POSTED | {"posts": made} if made else SUBMIT)
            with pytest.raises(ReplicateError, match="no such job was found"):
                await at.poster.post(job)
            posts = at.api.names().count("create_prediction")
            assert posts == 3 - made
            look_ups = at.api.names().count("find_submitted")
            assert look_ups == posts + bool(made)
            assert at.job().submit["looked_up"]
            assert at.job().submit["since"] == T0.isoformat()
            first = [] if made else ["Asking Replicate to start the job."]
            assert at.notes("posting") == first + ["Asking once more."] * (posts - len(first))
            assert at.job().submit["posts"] == 3

    jump(work())


def test_what_is_known_of_a_lost_post_is_looked_up_with_it(home: Home) -> None:
    async def work() -> None:
        async with desk(home) as at:
            at.api.answers = {
                "find_submitted": [ServiceError("down", status=500), RateLimitedError(
                    "slow", status=429, retry_after=77), [found()]],
            }  # fmt: skip
            job = at.insert(POSTED | {"clock_offset": -3}, inputs={"x": 1})
            loop = asyncio.get_running_loop()
            began = loop.time()
            posted = await at.poster.post(job)
            assert posted.prediction_id == "p"
            assert 77 < loop.time() - began < 100
            asked = at.api.asked[-1][1]
            assert (asked["since"], asked["patience"]) == (T0, 12.0)
            assert asked["clock_offset"] == timedelta(seconds=-3)
            assert (asked["version"], asked["input"]) == ("a/b", {"x": 1})
            matches = asked["matches"]
            assert matches(found())
            assert not matches(found(input={}))
            at.insert(SUBMIT, job_id="k", prediction_id="taken")
            assert not matches(found("taken"))
            troubles = at.notes("trouble")
            assert [text.split(". ")[1:] for text in troubles][1] == [
                "slow Asked again in 1 m 17 s."
            ]
            assert at.notes("looked-up") == ["It was accepted after all: found at Replicate."]

    jump(work())


def test_a_loopback_list_is_not_waited_for(home: Home) -> None:
    async def work() -> None:
        async with desk(home) as at:
            at.api.answers = {"find_submitted": [ServiceError("down", status=500), []]}
            job = at.insert(POSTED, api_base="http://127.0.0.1:9/v1")
            assert await at.poster._look_up(job) is None
            assert asyncio.get_running_loop().time() == 0.2
            assert at.api.asked[-1][1]["patience"] == 0.5
            assert at.notes("looked-up") == ["It was not accepted: no such job at Replicate."]

    jump(work())


def test_what_was_assigned_meanwhile_is_read_and_not_posted(home: Home) -> None:
    async def work() -> None:
        async with desk(home) as at:
            at.api.answers = {"get_prediction": [ServiceError("down", status=500), found("q")]}
            job = at.insert(SUBMIT)
            at.engine.recorder.note("j", "sync", "accepted", "Found.", prediction_id="q")
            posted = await at.poster.post(job)
            assert posted.prediction_id == "q"
            assert at.api.names() == ["get_prediction"] * 2
            assert at.api.asked[0][1]["of"] == ("q",)
            assert at.job().stage != "looking for it at Replicate"

    jump(work())


def test_a_cancel_before_the_post_prevents_it(home: Home) -> None:
    async def work() -> None:
        async with desk(home) as at:
            at.insert(SUBMIT, cancel_requested=True)
            with pytest.raises(CancelledWhilePostingError):
                await at.poster.post(at.job())
            assert at.api.asked == []

    jump(work())


REFUSED = AuthenticationError("refused", status=401)
DOWN = ServiceError("down", status=500)


@pytest.mark.parametrize(
    ("owner", "submit", "outcome"),
    [
        ("me", SUBMIT, "me"),
        ("me", SUBMIT | {"account": "me"}, "me"),
        ("me", SUBMIT | {"account": "you"}, MissingTokenError),
        (REFUSED, SUBMIT, AuthenticationError),
        (DOWN, SUBMIT, None),
        (DOWN, POSTED | {"account": "me"}, ServiceError),
        ("me", POSTED, None),  # to an account that was not known
    ],
)
def test_a_job_is_posted_to_its_own_account(
    home: Home, owner: str | Exception, submit: dict[str, Any], outcome: object
) -> None:
    async def work() -> None:
        async with desk(home) as at:
            at.owner = owner
            at.api.answers = {"create_prediction": [found()]}
            job = at.insert(submit)
            if isinstance(outcome, type):
                with pytest.raises(outcome):
                    await at.poster._post_once(job, 0)
                assert at.api.asked == []
            else:
                assert await at.poster._post_once(job, 0) == found()
                assert at.job().submit.get("account") == outcome

    jump(work())


@pytest.mark.parametrize(
    ("owner", "account", "refused"),
    [
        ("me", "me", None), ("me", "you", MissingTokenError), ("me", "", None),
        (REFUSED, "me", AuthenticationError), (DOWN, "me", None), (REFUSED, "", None),
    ],
)  # fmt: skip
def test_a_token_is_of_the_account_that_a_job_is_for(
    home: Home, owner: str | Exception, account: str, refused: type[Exception] | None
) -> None:
    async def work() -> None:
        async with desk(home) as at:
            at.owner = owner
            job = at.insert(SUBMIT | {"account": account})
            if refused is None:
                await at.poster.require_account(job)
            else:
                with pytest.raises(refused):
                    await at.poster.require_account(job)

    jump(work())


@pytest.mark.parametrize("failures", [0, 1, 3, 4])
def test_a_cancel_is_passed_on_with_pauses(home: Home, failures: int) -> None:
    async def work() -> None:
        async with desk(home) as at:
            ended = found(status="canceled", completed_at=T0.isoformat())
            at.api.answers = {"cancel_prediction": [*[DOWN] * failures, ended]}
            job = at.insert(SUBMIT | {"phase": "accepted"}, prediction_id="p")
            loop = asyncio.get_running_loop()
            began = loop.time()
            if failures == len(CANCEL_PAUSES):
                with pytest.raises(ServiceError):
                    await at.poster.pass_on_cancel(job)
            else:
                await at.poster.pass_on_cancel(job)
            assert len(at.api.asked) == min(failures + 1, len(CANCEL_PAUSES))
            assert at.job().status.is_terminal is (failures < len(CANCEL_PAUSES))
            assert at.notes("trouble") == ["Not cancelled: down"] * failures
            assert loop.time() - began == sum(pause or 0 for pause in CANCEL_PAUSES[:failures])

    jump(work())


@pytest.mark.parametrize(
    ("status", "answer", "note"),
    [
        ("starting", found("b", status="canceled"), "Replicate started it twice: b is cancelled."),
        ("starting", NotFoundError("gone"), "Replicate started it twice, and b could not be "),
        ("succeeded", None, None),
    ],
)
def test_a_second_run_of_a_post_is_ended(
    home: Home, status: str, answer: object, note: str | None
) -> None:
    """Whether the look-up finds both, or one comes when the other is assigned already."""

    async def work() -> None:
        async with desk(home) as at:
            at.api.answers = {"cancel_prediction": [answer]}
            job, second = at.insert(POSTED), found("b", status=status)
            api: Any = at.api
            taken = await at.poster._select(api, job, [found("a"), second])
            assert taken is not None
            assert taken.id == "a"
            await at.poster._accept(api, job, found("a"))
            assert at.job().prediction_id == "a"
            await at.poster._accept(api, job, found("a"))  # the same one is no second
            await at.poster._accept(api, job, second)
            assert at.job().prediction_id == "a"
            asked = [(name, values["of"]) for name, values in at.api.asked]
            assert asked == [("cancel_prediction", ("b",))] * (2 if note else 0)
            notes = at.notes("surplus")
            assert len(notes) == len(asked)
            assert all(text.startswith(note or "") for text in notes)

    jump(work())


def test_of_equal_runs_without_a_mark_none_is_ended(home: Home) -> None:
    """They may be another program's, or another job's."""

    async def work() -> None:
        async with desk(home) as at:
            api: Any = at.api
            same: dict[str, Any] = {"input": {"x": 1}, "model": "a/b"}
            job = at.insert(POSTED | {"mark": ""}, inputs={"x": 1}, version="f")
            both = [found("a", **same), found("b", **same)]
            taken = await at.poster._select(api, job, both)
            assert taken == both[0]
            assert at.api.asked == []

    jump(work())


def test_a_late_run_is_looked_for_and_a_known_one_left(home: Home) -> None:
    async def work() -> None:
        async with desk(home) as at:
            at.insert(POSTED)
            at.api.answers = {"find_submitted": [DOWN, [], [found("a")], [found("a")]]}
            loop = asyncio.get_running_loop()
            began = loop.time()
            await at.poster.look_again("j")
            assert loop.time() - began == 30 + 60 + 120 + 180 + 240
            assert at.job().prediction_id == "a"
            assert at.api.names() == ["find_submitted"] * 5
            asked = at.api.asked[0][1]
            assert (asked["patience"], asked["since"], asked["version"]) == (0.0, T0, "a/b")
            assert asked["matches"](found())
            assert not asked["matches"](found(input={}))
            at.api.answers = {
                "find_submitted": [[found("a"), found("b", input={}), found("d"), found("c")]],
                "cancel_prediction": [found("c", status="canceled")],
            }
            at.insert({}, job_id="k", prediction_id="d")  # begun again on purpose, and imported
            await at.poster._look_for_late_runs(at.job())
            assert at.job().prediction_id == "a"
            assert at.api.asked[-1] == ("cancel_prediction", {"of": ("c",)})
            assert at.api.names().count("cancel_prediction") == 1

    jump(work())


def test_the_inputs_of_a_post_are_completed_with_what_is_not_stored(home: Home) -> None:
    async def work() -> None:
        async with desk(home) as at:
            poster = at.poster

            def complete(names: list[str], inputs: dict[str, Any], **submit: Any) -> dict[str, Any]:
                known = SUBMIT | {"secret_names": names, **submit}
                job = a_job("j", api_base=BASE, submit=known, inputs=inputs)
                return {
                    name: value.reveal() if isinstance(value, Secret) else value
                    for name, value in poster._complete_inputs(job).items()
                }

            at.insert(SUBMIT)
            assert complete([], {"x": 1}) == {"x": 1}
            sent = complete([], {"images": IMAGES_PLACEHOLDER}, file_url="https://a/f")
            assert sent == {"images": "https://a/f"} == at.job().inputs
            assert complete(["hf_token"], {}) == {"hf_token": "hf_x"}
            pair = at.engine.keys.pair("j")
            keys = ["s3_access_key", "s3_secret_key"]
            own = {"s3_access_key": pair.access_key, "s3_secret_key": pair.secret_key}
            assert complete(keys, {}) == own
            assert complete([*keys, "hf_token"], {}, destination="d") == {"hf_token": "hf_x"}
            assert complete(["images"], {}) == {}
            with pytest.raises(MissingTokenError):
                complete(["other"], {})
            poster.hold_secrets("j", {"hf_token": Secret("hf_y"), "images": Secret("https://s")})
            assert complete(["hf_token"], {}) == {"hf_token": "hf_y"}
            assert complete(["images"], {}) == {"images": "https://s"}
            signed = a_job("j", submit=SUBMIT | {"secret_names": ["images"]})
            poster._require_images_address(signed)
            poster._require_images_address(a_job("k", submit=SUBMIT))
            lost = a_job("k", submit=SUBMIT | {"secret_names": ["images"]})
            with pytest.raises(SimpleTunerError, match="not kept"):
                poster._require_images_address(lost)

    jump(work())
