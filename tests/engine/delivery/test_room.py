"""Room on the disk of delivered files, compared with what a job will deliver."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.engine.world import World
from tui.engine.delivery.room import receivable, room_check, space_of
from tui.engine.diagnostics.doctor import disk_line
from tui.listener.storage.grants import GIB, DiskSpace


def test_the_receiver_keeps_a_part_of_the_disk_free() -> None:
    assert receivable(DiskSpace(total=1000, free=400)) == 350
    assert receivable(DiskSpace(total=1000, free=50)) == 0


def test_a_large_disk_that_is_nearly_full_still_takes_results() -> None:
    """A twentieth of 4 TB would turn 190 GB of room into none."""
    assert receivable(DiskSpace(total=4000 * GIB, free=190 * GIB)) == 189 * GIB


def test_a_job_that_is_larger_than_the_room_is_an_error(tmp_path: Path) -> None:
    room = receivable(space_of(tmp_path))
    folder = tmp_path / "later" / "outputs"  # it is made by the first delivery
    assert room_check(folder, room // 2).level == "ok"
    too_much = room_check(folder, room * 2)
    assert (too_much.id, too_much.level) == ("delivery-room", "error")
    assert "are free for it" in too_much.message
    assert too_much.advice
    beside = room_check(folder, room // 2, promised=room)
    assert beside.level == "error"
    assert "of jobs under way" in beside.message
    assert room_check(folder, None).level == "ok"
    assert room_check(folder, None, promised=room).level == "warn"


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "outputs"
    folder.write_text("a file")
    assert room_check(folder, 1).level == "error"


@pytest.mark.parametrize(("model_type", "level"), [("lora", "ok"), ("full", "warn")])
async def test_check_submit_and_doctor_look_at_the_same_disk(
    world: World, model_type: str, level: str
) -> None:
    options = json.loads(world.config.read_text())
    options |= {"--model_type": model_type, "--checkpoint_step_interval": 1}
    world.config.write_text(json.dumps(options))
    report = await world.client.check(world.draft(50))
    room = [check for check in report["checks"] if check["id"] == "delivery-room"]
    # 50 checkpoints of a full model of 12e9 parameters need more than 4 TB; for a sandbox, whose
    # files are small, that is no error.
    assert [check["level"] for check in room] == [level]
    assert str(world.home.outputs) in room[0]["message"]
    if model_type == "lora":
        job = world.job(await world.submit(50))
        assert job.submit["expected_bytes"] == report["weights"]["stored_bytes"]
    line = disk_line(world.home, world.engine.listening.outputs)
    assert str(world.home.outputs) in line.message
