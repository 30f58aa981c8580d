"""Jobs that deliver to the Hub with the session's token."""

from __future__ import annotations

import pytest

from tests.engine.world import World
from tui.base.job_status import JobStatus
from tui.client.client import ControlError
from tui.client.engine_process import session_of
from tui.store.log_file import LogFile

HUB = {"kind": "hub", "hub_model_id": "sandbox/cat-lora"}


async def test_a_job_delivers_to_the_hub_with_the_sessions_token(world: World) -> None:
    assert world.sandbox.hub_url
    environ = {"HF_TOKEN": "hf_write", "HF_ENDPOINT": world.sandbox.hub_url}
    await world.client.set_session(session_of(environ))
    report = await world.client.check(world.draft(delivery=HUB))
    assert report["ok"]
    assert report["request"]["input"]["hf_token"] == "***"
    job_id = await world.submit(delivery=HUB)
    job = await world.until(job_id, JobStatus.COMPLETED, JobStatus.FAILED)
    assert job.status is JobStatus.COMPLETED, job.error
    hub = world.sandbox.hub
    assert hub is not None
    repo = hub.hub.repos.get("model", "sandbox/cat-lora")
    assert repo is not None
    assert any(name.endswith(".safetensors") for name in repo.head.tree)
    assert "hf_write" not in str(job)


async def test_without_a_token_it_is_refused_before_anything_is_sent(world: World) -> None:
    report = await world.client.check(world.draft(delivery=HUB))
    assert not report["ok"]
    (problem,) = [check for check in report["checks"] if check["level"] == "error"]
    assert "needs a token" in problem["message"]
    assert "HF_TOKEN" in problem["advice"]
    with pytest.raises(ControlError):
        await world.submit(delivery=HUB)
    assert world.predictions == []


async def test_a_token_that_only_reads_shows_in_the_log(world: World) -> None:
    """If the user overrides the check, the trainer logs the failure and goes on training."""
    await world.use_hub("hf_read")
    with pytest.raises(ControlError):
        await world.submit(delivery=HUB)
    job_id = await world.submit(delivery=HUB, accept_delivery=True)
    await world.until(job_id, JobStatus.COMPLETED, JobStatus.FAILED)
    with LogFile(world.home.log_file(job_id)) as log:
        lines = [line.text for line in log.tail(200)]
    assert any("Uploading to sandbox/cat-lora failed" in line for line in lines)
