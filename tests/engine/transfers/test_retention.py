"""`[retention]`: old local files go by themselves, once their copies were verified; no others."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.engine.transfers.finished_jobs import a_job_with, publish
from tests.engine.world import World
from tests.support import eventually
from tui.base.job_status import JobStatus
from tui.store import retention
from tui.store.resume_point import MANIFEST
from tui.store.retention import FACT
from tui.store.writer import Change


def here(world: World) -> set[str]:
    """What the local files hold, which is the name of their run."""
    return {path.read_text() for path in world.home.outputs.rglob("*.bin")}


async def test_only_old_files_with_a_proven_copy_go(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither what is pinned, needed or the only copy, nor what is damaged or gone elsewhere."""
    now = datetime.now(UTC)
    names = ["old", "killed", "pinned", "only", "damaged", "needed", "new"]
    jobs: dict[str, str] = {}
    for number, name in enumerate(names):
        files = {"a_dot_bin": name.encode()}
        if name == "needed":
            files[f"checkpoint-5/{MANIFEST.replace('.', '_dot_')}"] = b"{}"
        jobs[name] = a_job_with(world, number, **files)
        ended = now - timedelta(hours=1 if name == "new" else 100 - number)
        world.engine.recorder.write(jobs[name], Change(values={"completed_at": ended}))
        if name != "only":
            await publish(world, jobs[name], f"dir:{tmp_path}/{name}")
    world.engine.annotator.change(world.job(jobs["pinned"]), {"pinned": True})
    (copy,) = (tmp_path / "damaged").rglob("a.bin")
    copy.write_bytes(b"changed")
    waits = a_job_with(world, 50)  # it goes on from a checkpoint when its turn comes
    world.engine.recorder.write(waits, Change(values={
        "status": JobStatus.PENDING, "completed_at": None, "prediction_id": "",
        "config": {"resume_from_checkpoint": "s3://outputs/checkpoint-5"},
    }))  # fmt: skip
    # An engine that was killed had deleted this one, and not written it down.
    next(
        path for path in world.home.outputs.rglob("a.bin") if path.read_text() == "killed"
    ).unlink()
    said: list[tuple[str, str]] = []
    with world.engine.bus.subscribe() as queue:
        await world.client.cloud.change_settings({"retention.days": 2})
        async with asyncio.timeout(30):
            while len(said) < 2:
                kind, data = await queue.get()
                if kind == "notice":
                    said.append((str(data["level"]), str(data["message"])))
    # What is pinned while its copy is verified, and what nobody wants deleted any more.
    refusal = world.engine._retention._refusal(jobs["pinned"])
    answer = await world.engine.transfers.clear_files(jobs["pinned"], ["a.bin"], refusal)
    assert [one["why"] for one in answer["kept"]] == ["it is pinned"]
    assert world.engine._retention._refusal(jobs["new"])() == ""
    await world.client.cloud.change_settings({"retention.days": 0})
    assert world.engine._retention._refusal(jobs["new"])() == "[retention] was switched off"
    assert here(world) == {"pinned", "only", "damaged", "needed", "new"}
    # By size: past one that is kept, the next oldest that may go.
    monkeypatch.setattr(retention, "_GIB", 1)
    await world.client.cloud.change_settings({"retention.gib": 27})
    await eventually(lambda: here(world) == {"pinned", "only", "damaged", "needed"})
    assert said[0] == ("info", "[retention] deleted 2 files of 2 runs, 9 B here.")
    assert said[1][0] == "warning"
    assert said[1][1].startswith(f"[retention] kept {world.job(jobs['damaged']).name}: a.bin: ")
    reader = world.reader
    for name in ("old", "killed"):
        (event,) = (e for e in reader.events(jobs[name]) if "deleted here" in e.message)
        assert "by [retention]; a copy is at file:///" in event.message
        assert reader.rows([jobs[name]])[jobs[name]].file_bytes == 0
    fact = await eventually(
        lambda: (last := reader.fact(FACT)) and last.value["files"] == 1 and last
    )
    assert (fact.value["files"], fact.value["runs"], fact.value["bytes"]) == (1, 1, 3)
    reader.close()
