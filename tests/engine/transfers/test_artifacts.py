"""Artifacts of jobs: publishing single checkpoints, and deleting files with a copy elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.destinations.hosting import BUCKET
from tests.engine.transfers.transfer_steps import a_job, artifacts, ended
from tests.engine.world import World
from tests.listener.conftest import ACCESS_KEY, SECRET, grant, serve_storage
from tui.api.artifacts import JobArtifacts
from tui.api.transfers import Transfer
from tui.client.client import ControlError
from tui.store.records import shared_folder


def published_names(job_artifacts: JobArtifacts, names: list[str]) -> list[str]:
    """The names of files at a destination: without the folder that all files share."""
    shared = shared_folder([file["name"] for file in job_artifacts["files"]])
    assert shared  # the trainer's own
    return sorted(name.removeprefix(shared) for name in names)


async def publish(world: World, job_id: str, to: str, **options: Any) -> Transfer:
    made = await world.client.publishing.publish(job_id, to, **options)
    row = await ended(world, made["transfer_id"])
    assert row["state"] == "done", row
    return row


async def test_a_single_checkpoint_can_be_published(world: World, tmp_path: Path) -> None:
    job_id = await a_job(world)
    job_artifacts = await artifacts(world, job_id)
    steps = [row["step"] for row in job_artifacts["checkpoints"]]
    assert steps
    assert steps[-1] is None
    best = [row for row in job_artifacts["checkpoints"] if row["best"]]
    assert len(best) == 1
    for wanted, step in (("final", None), ("best", best[0]["step"]), *((s, s) for s in steps if s)):
        row = await publish(world, job_id, f"dir:{tmp_path}/{wanted}", checkpoint=wanted)
        names = [file["name"] for file in job_artifacts["files"] if file["checkpoint"] == step]
        assert sorted(file["name"] for file in row["files"]) == published_names(
            job_artifacts, names
        )
    row = await publish(
        world, job_id, f"dir:{tmp_path}/one", files=[job_artifacts["files"][0]["name"]]
    )
    assert len(row["files"]) == 1
    wrong: dict[str, Any]
    for wrong in ({"files": []}, {"files": ["no"]}, {"checkpoint": 999}, {"checkpoint": True}):
        with pytest.raises(ControlError):
            await world.client.publishing.publish(job_id, f"dir:{tmp_path}/x", **wrong)


async def test_the_best_checkpoint_lies_at_the_top_of_its_repository(world: World) -> None:
    """Libraries look for the weights there; the link is that of the weights."""
    await world.use_hub()
    job_id = await a_job(world)
    row = await publish(world, job_id, "hub:sandbox/best", checkpoint="best")
    names = [file["name"] for file in row["files"]]
    assert "pytorch_lora_weights.safetensors" in names
    assert not [name for name in names if name.startswith("checkpoint-")]
    assert row["link"].endswith("/blob/main/pytorch_lora_weights.safetensors")
    best = next(
        checkpoint
        for checkpoint in (await artifacts(world, job_id))["checkpoints"]
        if checkpoint["best"]
    )
    rows = [
        file for file in (await artifacts(world, job_id))["files"]
        if file["checkpoint"] == best["step"]
    ]  # fmt: skip
    assert all(file["published"] for file in rows)


async def test_only_files_verified_elsewhere_can_be_deleted(world: World, tmp_path: Path) -> None:
    job_id = await a_job(world)
    calls = world.client.publishing
    job_artifacts = await artifacts(world, job_id)
    names = [file["name"] for file in job_artifacts["files"]]
    answer = await calls.clear(job_id, names)
    assert not answer["deleted"]
    assert {entry["why"] for entry in answer["kept"]} == {"it is published nowhere"}
    await publish(world, job_id, f"dir:{tmp_path}/copy")
    spoilt = tmp_path / "copy" / published_names(job_artifacts, [names[0]])[0]
    spoilt.write_bytes(b"x" * spoilt.stat().st_size)
    answer = await calls.clear(job_id, names)
    assert [entry["name"] for entry in answer["kept"]] == [names[0]]
    assert sorted(entry["name"] for entry in answer["deleted"]) == sorted(names[1:])
    after = await artifacts(world, job_id)
    for file in after["files"]:
        assert Path(file["path"]).exists() == file["here"] == (file["name"] == names[0])
        assert file["published"]
        assert ("a copy is at" in file["missing"]) == (not file["here"])


async def test_the_outputs_folder_itself_is_not_another_copy(world: World) -> None:
    job_id = await a_job(world)
    job_artifacts = await artifacts(world, job_id)
    shared = shared_folder([file["name"] for file in job_artifacts["files"]])
    await publish(world, job_id, f"dir:{job_artifacts['folder']}/{shared}")
    answer = await world.client.publishing.clear(
        job_id, [file["name"] for file in job_artifacts["files"]]
    )
    assert not answer["deleted"]
    assert {entry["why"] for entry in answer["kept"]} == {"its only copy is this very file"}
    assert all(Path(file["path"]).exists() for file in job_artifacts["files"])


async def test_a_destination_can_be_changed_without_its_keys(world: World, tmp_path: Path) -> None:
    calls = world.client.publishing
    rights = grant(prefix="job", may_delete=True)
    async with serve_storage(tmp_path / "s3", grants={ACCESS_KEY: rights}) as storage:
        await calls.add_destination(
            name="mine", kind="s3", bucket=BUCKET, endpoint=storage.endpoint,
            access_key=ACCESS_KEY, secret_key=SECRET, session_only=True,
        )  # fmt: skip
        (row,) = await calls.destinations()
        assert row["tested"] is None
        assert (await calls.test_destination("mine"))["ok"]
        (row,) = await calls.destinations()
        assert row["tested"] is not None
        assert row["tested"]["ok"]
        changed = await calls.change_destination(
            "mine", prefix="runs", public_base_url="https://x.y"
        )
        assert changed["kind"] == "s3"
        assert changed["options"]["prefix"] == "runs"
        assert changed["options"]["bucket"] == BUCKET
        (row,) = await calls.destinations()
        assert row["tested"] is None  # it is another place now
        assert (await calls.test_destination("mine"))["ok"]  # and its keys are still there
        with pytest.raises(ControlError) as caught:
            await calls.change_destination("mine", endpoint="https://elsewhere.example")
        assert list(caught.value.details["fields"]) == ["access_key"]
        for field, value in (("bucket", "No!"), ("endpoint", "ftp://x"), ("encryption", "rot13")):
            change: dict[str, Any] = {field: value}
            with pytest.raises(ControlError) as caught:
                await calls.change_destination("mine", **change)
            assert list(caught.value.details["fields"]) == [field]
        (row,) = await calls.destinations()
        assert row["kind"] == "s3"
        assert row["options"]["bucket"] == BUCKET


async def test_the_preview_lists_the_files_and_the_state_of_the_card(
    world: World, tmp_path: Path
) -> None:
    job_id = await a_job(world)
    job_artifacts = await artifacts(world, job_id)
    answer = await world.client.publishing.look_ahead(
        job_id, f"dir:{tmp_path}/x", checkpoint="final"
    )
    final = [file for file in job_artifacts["files"] if file["checkpoint"] is None]
    assert answer["size"] == sum(file["size"] for file in final)
    assert sorted(answer["files"]) == published_names(
        job_artifacts, [file["name"] for file in final]
    )
    assert answer["card"] == "none"
    assert not (tmp_path / "x").exists()


async def test_speed_limits_are_parsed(world: World) -> None:
    calls = world.client.publishing
    for text, bytes_per_second in (
        ("5 MiB/s", 5 << 20), ("800k", 800 << 10), ("2.5M", 5 << 19), ("1000", 1000), ("off", 0),
    ):  # fmt: skip
        assert await calls.limit(text) == bytes_per_second
        assert world.engine.live.now.publishing.bandwidth == bytes_per_second
    for text in ("fast", "-5", "5 MiB per s", "1e9", "nan"):
        with pytest.raises(ControlError) as caught:
            await calls.limit(text)
        assert "bandwidth" in caught.value.details["fields"]
