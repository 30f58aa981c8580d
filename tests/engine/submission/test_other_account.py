"""A job that is being posted is looked for in the account that it was posted to, and no other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engine.submission.held_answers import (
    LIST,
    POST,
    hold_answers,
    post_with_late_answer,
    posted,
)
from tests.engine.world import World, running_world
from tests.support import eventually
from tui.client.client import ControlClient
from tui.sandbox.config import make_token
from tui.settings import Home
from tui.store.lost_contact import FACT, read_unheard

BOB = make_token()


@pytest.fixture
async def world(home: Home, project: Path) -> AsyncIterator[World]:
    """A world whose predictions stay in the queue, with a second account."""
    faults = ["webhook-lost", "queue-forever"]
    async with running_world(home, project, faults=faults, other_users={BOB: "bob"}) as found:
        yield found


async def test_a_token_of_another_account_while_looking_posts_nothing(world: World) -> None:
    """The answer is lost, the look-up goes on, and another account's token is set by hand."""
    base, mine = world.sandbox.base_url, world.sandbox.token
    world.fault(f"cut=0*1@{POST}", f"expired-token@{LIST}")
    job_id = await world.submit()
    await eventually(lambda: world.job(job_id).stage == "looking for it at Replicate", within=20)
    world.engine.clients.tokens.give("replicate", base, BOB, "environment")
    await eventually(lambda: not world.engine._submitter.busy, within=10)
    assert world.job(job_id).stage == "waiting for a Replicate token"
    assert len(world.predictions) == 1
    assert not world.job(job_id).prediction_id
    world.clear_faults()
    world.engine.clients.tokens.give("replicate", base, mine, "environment")
    await posted(world, job_id)
    assert [one.id for one in world.predictions] == [world.job(job_id).prediction_id]


async def test_another_accounts_token_after_a_kill_while_posting_posts_nothing(
    world: World,
) -> None:
    """The next engine is handed another account's token, and nobody ever asked whose ours is."""
    base, mine = world.sandbox.base_url, world.sandbox.token
    job_id, held = await post_with_late_answer(world)
    await world.engine._tasks.aclose()  # what a kill leaves: a record that says "posting"
    held.release()
    world.engine.clients.tokens.give("replicate", base, BOB, "environment")
    world.engine._take_up()
    await eventually(lambda: not world.engine._submitter.busy, within=10)
    assert world.job(job_id).stage == "waiting for a Replicate token"
    assert len(world.predictions) == 1
    world.engine.clients.tokens.give("replicate", base, mine, "environment")
    await posted(world, job_id)
    assert [one.id for one in world.predictions] == [world.job(job_id).prediction_id]


async def test_a_queued_job_is_not_lost_to_another_accounts_token(world: World) -> None:
    """Another account does not find it, which says nothing about it."""
    base, mine = world.sandbox.base_url, world.sandbox.token
    job_id = await world.submit()
    await posted(world, job_id)
    world.engine.clients.tokens.give("replicate", base, BOB, "environment")

    def contact() -> str:
        found = read_unheard(world.engine.recorder.writer.fact(FACT)).get(job_id)
        return found.why if found is not None else ""

    await eventually(lambda: contact() or world.job(job_id).status.is_terminal, within=20)
    assert (contact(), world.job(job_id).status.is_terminal) == ("another account's token", False)
    world.engine.clients.tokens.give("replicate", base, mine, "environment")
    await eventually(lambda: not contact(), within=20)


async def test_a_job_that_was_not_posted_yet_is_not_started_by_another_account(
    world: World,
) -> None:
    """Bob's shell submits beside ours; the next engine holds our token when it takes the job up."""
    base = world.sandbox.base_url
    await posted(world, await world.submit())
    held = hold_answers(world.sandbox)
    world.fault("slow@POST /v1/files")
    shell = ControlClient(world.home.socket, base)
    await shell.set_session({"replicate_token": BOB})
    job_id = (await shell.submit(world.draft()))["job_id"]
    await eventually(lambda: world.job(job_id).submit["phase"] == "packed", within=20)
    await world.engine._tasks.aclose()  # what a kill leaves
    world.engine.clients.tokens.forget_accounts(base)
    world.clear_faults()
    held.release()
    assert not world.sandbox.core.jobs.order["prediction"][1:]
    world.engine._take_up()
    await eventually(lambda: world.job(job_id).stage == "waiting for a Replicate token", within=20)
    assert len(world.predictions) == 1
    world.engine.clients.tokens.give("replicate", base, BOB, "environment")
    await eventually(lambda: world.job(job_id).stage != "waiting for a Replicate token", within=20)
