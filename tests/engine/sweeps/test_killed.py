"""The engine is killed between the jobs of a sweep: each of them is posted once, in its turn."""

from __future__ import annotations

from pathlib import Path

from tests.engine.tracking.engine_process import EngineProcess, engine_process
from tests.support import eventually
from tui.api.sweeps import SweepRequest
from tui.base.job_status import JobStatus
from tui.settings import Home
from tui.store.writer import StoreWriter


async def test_kills_between_the_jobs_of_a_sweep_leave_one_prediction_for_each(
    home: Home, tmp_path: Path
) -> None:
    async with engine_process(home, tmp_path, "slow=1@POST /v1/predictions") as engine:
        wanted = _sweep(engine, "cats", "2 4", steps=30)
        members = (await engine.client.sweeps.start(wanted))["members"]
        ids = [one["job_id"] for one in members]
        for at, job_id in enumerate(ids):
            # Before its turn, while it is posted, and after the one before it has ended.
            await eventually(lambda: _phase(engine, job_id) != "new", within=30)  # noqa: B023
            await engine.end()
            await engine.start()
            again = await engine.client.sweeps.start(wanted)  # as a client would ask again
            assert [one["job_id"] for one in again["members"]] == ids
            later = [engine.job(one).status for one in ids[at + 1 :]]
            ended = await engine.ended(job_id)
            assert ended.status is JobStatus.COMPLETED, ended.error
            assert set(later) <= {JobStatus.PENDING}
        records = engine.sandbox.core.jobs.order["prediction"]
        assert [record.id for record in records] == [engine.job(one).prediction_id for one in ids]
        ends = [record.completed_at for record in records if record.completed_at is not None]
        starts = [record.created_at for record in records]
        assert all(end <= start for end, start in zip(ends, starts[1:] + ends[-1:], strict=True))
        (sweep,) = await engine.client.sweeps.all()
        assert (sweep["state"], sweep["done"], sweep["waiting"]) == ("done", 2, 0)
        await _killed_while_it_cancels(engine)


async def _killed_while_it_cancels(engine: EngineProcess) -> None:
    """The engine ends when it has written down that a sweep is cancelled, and done nothing yet."""
    start = engine.client.sweeps.start(_sweep(engine, "dogs", "2 4", steps=2500))
    first, second = (one["job_id"] for one in (await start)["members"])
    await eventually(lambda: _phase(engine, first) == "accepted", within=30)
    await engine.end()
    writer = StoreWriter(engine.home)
    writer.sweeps.set_state("dogs", "cancelled")
    writer.close()
    await engine.start()
    ended = [await engine.ended(one) for one in (first, second)]
    assert [job.status for job in ended] == [JobStatus.CANCELLED] * 2
    assert (bool(ended[0].prediction_id), ended[1].prediction_id) == (True, "")


def _sweep(engine: EngineProcess, name: str, ranks: str, *, steps: int) -> SweepRequest:
    return {
        "drafts": [{"config": str(engine.config), "delivery": {"kind": "local"},
                    "overrides": {"max_train_steps": steps}}],
        "axes": [{"name": "lora_rank", "values": ranks.split()}],
        "at_once": 1, "consent": True, "idempotency_key": name, "name": name,
    }  # fmt: skip


def _phase(engine: EngineProcess, job_id: str) -> str:
    return str(engine.job(job_id).submit["phase"])
