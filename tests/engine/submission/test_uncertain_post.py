"""One submit makes one prediction, wherever the connection to Replicate breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.engine.world import SPEED, World, running_engine, running_world
from tests.replicate.fault_proxy import Cut, End, FaultProxy, Side, fault_proxy
from tests.support import eventually
from tests.wished import wished
from tui.base.job_status import JobStatus
from tui.client.client import ControlClient
from tui.sandbox.demo import write_demo_project
from tui.sandbox.server import serve
from tui.settings import Home


@pytest.fixture
async def behind_proxy(home: Home, project: Path) -> AsyncIterator[tuple[World, FaultProxy]]:
    """A world whose engine reaches the sandbox through a fault proxy."""
    async with running_world(home, project, faults=["webhook-lost"]) as world:
        port = int(world.sandbox.base_url.split(":")[2].split("/")[0])
        async with fault_proxy(port) as proxy:
            # The sandbox names itself by the address it is reached at.
            world.sandbox.core.views.base_url = f"http://127.0.0.1:{proxy.port}/v1"
            client = ControlClient(home.socket, world.sandbox.core.views.base_url)
            await client.set_session({"replicate_token": world.sandbox.token})
            yield replace(world, client=client), proxy


async def until_posting(world: World, proxy: FaultProxy, cut: Cut) -> str:
    """Submit a job, and arm the cut for the bytes of its POST."""
    armed = asyncio.Event()
    original = world.engine.recorder.note

    def note(job_id: str, source: str, kind: str, message: str, **values: object) -> object:
        if kind == "posting" and not armed.is_set():
            proxy.arm(cut)
            armed.set()
        return original(job_id, source, kind, message, **values)

    world.engine.recorder.note = note  # type: ignore[assignment, method-assign]
    job_id = await world.submit()
    await armed.wait()
    return job_id


@pytest.mark.parametrize("end", list(End))
@pytest.mark.parametrize(("side", "after"), [
    (Side.REQUEST, 0), (Side.REQUEST, 300), (Side.RESPONSE, 0), (Side.RESPONSE, 60),
    (Side.RESPONSE, 700),
])  # fmt: skip
async def test_a_connection_cut_during_the_post_makes_one_job(
    behind_proxy: tuple[World, FaultProxy], side: Side, after: int, end: End
) -> None:
    world, proxy = behind_proxy
    job_id = await until_posting(world, proxy, Cut(side, after, end))
    job = await world.ended(job_id)
    assert proxy.fired
    assert job.status is JobStatus.COMPLETED, job.error
    assert [prediction.id for prediction in world.predictions] == [job.prediction_id]


async def test_an_unanswered_post_is_looked_up_until_the_service_is_back(
    world: World,
) -> None:
    """The POST is accepted, its answer is lost, and the service is down for a while."""
    world.fault("cut=0*1@POST /v1/predictions", "cut-request@GET /v1/predictions", "webhook-lost")
    job_id = await world.submit()
    await eventually(lambda: world.job(job_id).stage == "looking for it at Replicate", within=30)
    assert world.job(job_id).status.is_active
    world.clear_faults()
    job = await world.ended(job_id)
    assert job.status is JobStatus.COMPLETED, job.error
    assert len(world.predictions) == 1


async def test_two_equal_jobs_are_two_predictions_despite_faults(world: World) -> None:
    world.fault("cut=0*1@POST /v1/predictions", "cut-request*1@POST /v1/predictions")
    ids = [await world.submit(), await world.submit()]
    jobs = [await world.ended(job_id) for job_id in ids]
    assert [job.status for job in jobs] == [JobStatus.COMPLETED] * 2
    assert {job.prediction_id for job in jobs} == {
        prediction.id for prediction in world.predictions
    }
    assert len(world.predictions) == 2


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("no-credit@POST /v1/predictions", "credit"), ("expired-token@POST /v1/predictions", "token")],
)
async def test_a_refused_post_fails_with_advice(world: World, fault: str, kind: str) -> None:
    world.fault(fault)
    job = await world.ended(await world.submit())
    assert job.status is JobStatus.FAILED
    assert kind in job.error.lower()
    assert job.diagnosis["advice"]
    assert job.cost_micros == 0
    assert not world.predictions


async def test_a_job_left_while_posting_is_looked_up_first(
    home: Home, project: Path, tmp_path: Path
) -> None:
    """As after a crash between the POST and its answer: the restarted engine finds it."""
    sandbox = await serve(wished(speed=SPEED, work_dir=tmp_path / "sandbox"))
    config = write_demo_project(project)
    try:
        async with running_engine(home) as (engine, _):
            world = World(
                home, sandbox, engine, ControlClient(home.socket, sandbox.base_url), config
            )
            await world.client.set_session({"replicate_token": sandbox.token})
            world.fault("slow=4000*1@POST /v1/predictions", "webhook-lost")
            job_id = await world.submit()
            await eventually(lambda: bool(world.predictions))
            assert world.job(job_id).submit["phase"] == "posting"
        assert world.job(job_id).submit["phase"] == "posting"
        async with running_engine(home):
            await world.client.set_session({"replicate_token": sandbox.token})
            job = await world.ended(job_id)
            assert job.status is JobStatus.COMPLETED
            assert len(world.predictions) == 1
            assert "looked-up" in world.kinds(job_id)
    finally:
        await sandbox.aclose()


async def test_a_webhook_may_be_faster_than_the_look_up(world: World) -> None:
    """The POST's answer is lost and look-ups fail, but the run's webhooks arrive."""
    world.fault("cut=0*1@POST /v1/predictions", "cut-request@GET /v1/predictions")
    job_id = await world.submit()
    await eventually(lambda: world.job(job_id).prediction_id)
    assert world.job(job_id).stage != "looking for it at Replicate"
    world.clear_faults()
    job = await world.ended(job_id)
    assert job.status is JobStatus.COMPLETED
    await eventually(lambda: world.job(job_id).submit["phase"] == "accepted", within=20)
    assert len(world.predictions) == 1
    await eventually(lambda: not world.job(job_id).stage)  # the delivery is being confirmed
