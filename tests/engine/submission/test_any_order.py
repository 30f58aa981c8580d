"""Whatever comes late, twice, in another order or never: one submit, one run, one job."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.engine.submission.account_world import (
    ACTIONS,
    FATES,
    Account,
    AccountSession,
    Script,
    SmallEngine,
    let_time_jump,
    play,
    run,
)
from tui.engine.submission.post_once import LOOK_AGAIN_PAUSES
from tui.engine.tracking.prediction_claims import CARRIED_OUT_WITHIN
from tui.replicate import lookup
from tui.settings import Home

CHUNK = 200
RELEASE = 4800


@pytest.fixture(autouse=True)
def jumping(monkeypatch: pytest.MonkeyPatch) -> None:
    let_time_jump(monkeypatch)


def scripts() -> Iterator[Any]:
    """The first seed of each chunk; all but the first chunk are for a release."""
    yield 0
    for first in range(CHUNK, CHUNK + RELEASE, CHUNK):
        yield pytest.param(first, marks=pytest.mark.release)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", scripts())
def test_every_order_ends_in_one_run_and_one_job_for_each_submit(home: Home, first: int) -> None:
    wrong: dict[int, list[str]] = {}
    done: Counter[str] = Counter()
    kills = 0
    for seed in range(first, first + CHUNK):
        script = run(play(Home(home.root / str(seed), home.root / "out"), seed))
        done += script.account.fated + script.done
        kills += script.kills
        if script.found:
            wrong[seed] = script.found
    assert wrong == {}, f"{len(wrong)} of {CHUNK}"
    assert set(done) == {*FATES, *ACTIONS}, "some of it was never tried"
    assert kills > CHUNK / 10


LATE = "after the look-up"


@pytest.mark.parametrize("killed", [True, False])
@pytest.mark.parametrize(
    "fates", [[LATE, "at once"], [LATE, LATE, "at once"], [LATE] * 3, ["doubled and lost"]]
)
def test_a_second_run_ends_without_webhook_and_sync(
    home: Home, *, fates: list[str], killed: bool
) -> None:
    """Also where all three come late, so that the job was given up, and by the next engine."""
    runs = 2 if "doubled and lost" in fates else len(fates)
    left = iter(fates)

    async def submit() -> None:
        script = Script(home, seed=0)
        script.marked = True
        account = script.account = Account(random.Random(0), FATES)
        account.fate = lambda name: next(left)  # type: ignore[method-assign]
        script.engine = SmallEngine(home, account, webhooks=False)
        script.submit()
        await asyncio.sleep(45)
        if killed:
            await script.engine.end()
            script.engine = SmallEngine(home, account, webhooks=False)
        await asyncio.sleep(sum(LOOK_AGAIN_PAUSES) + 60)
        try:
            active = [one.id for one in account.runs if one.is_active]
            assert (len(account.runs), len(active)) == (runs, 1)
            assert [job.prediction_id for job in script.jobs] == active
        finally:
            await script.engine.end()

    run(submit())


def test_a_run_that_is_started_again_on_purpose_goes_on(home: Home) -> None:
    """Its input names the job too: from Replicate's site, or by a script some time later."""

    async def copies() -> list[bool]:
        script = Script(home, seed=0)
        script.marked = True
        account = script.account = Account(random.Random(0), FATES)
        account.calm = True
        script.engine = SmallEngine(home, account, webhooks=True)
        script.submit()
        await asyncio.sleep(5)
        first = account.runs[0]
        account.start({"input": first.input}).states[-1]["source"] = "web"
        await asyncio.sleep(CARRIED_OUT_WITHIN.total_seconds() + 5)
        account.start({"input": first.input})
        await script.engine.sync()
        await asyncio.sleep(60)
        try:
            assert len(script.jobs) == 3
            return [one.is_active for one in account.runs]
        finally:
            await script.engine.end()

    assert run(copies()) == [True, True, True]


def test_it_is_looked_for_as_long_as_it_counts_as_started_by_us() -> None:
    assert timedelta(seconds=sum(LOOK_AGAIN_PAUSES)) >= CARRIED_OUT_WITHIN


def test_a_list_that_was_slow_does_not_prove_that_nothing_was_started() -> None:
    """The list that took longest was asked for before the run was in it."""

    class SlowOnce(AccountSession):
        slow = True

        async def json(self, call: Any) -> Any:
            answer = await super().json(call)
            if self.slow:
                self.slow = False
                await asyncio.sleep(20)
            return answer

    async def look_up() -> list[str]:
        account = Account(random.Random(0), FATES)
        account.calm = True
        account.start_later(3, {"input": {"a": 1}})
        session: Any = SlowOnce(account)
        found = await lookup.find_submitted(
            session, version="f" * 64, values={"a": 1}, since=account.at(0), secret_names=(),
            patience=12,
        )  # fmt: skip
        return [one.id for one in found]

    assert run(look_up()) == ["p0"]
