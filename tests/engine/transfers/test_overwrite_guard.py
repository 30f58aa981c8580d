"""A transfer replaces files only when asked to, and never the only copy of another file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.destinations.hosting import BUCKET
from tests.engine.transfers.finished_jobs import a_job_with, publish
from tests.engine.transfers.transfer_steps import ended
from tests.engine.world import World
from tests.listener.conftest import ACCESS_KEY, SECRET, grant, serve_storage
from tui.client.client import ControlError
from tui.listener.storage import ReceivedObject

NAME = "pytorch_lora_weights.safetensors"


@pytest.fixture
def jobs(world: World) -> tuple[str, str]:
    """Two jobs whose files have the same names."""
    return (
        a_job_with(world, 1, weights_dot_bin=b"first", log_dot_txt=b"same"),
        a_job_with(world, 2, weights_dot_bin=b"second", log_dot_txt=b"same"),
    )


async def test_existing_files_are_replaced_only_with_overwrite(
    world: World, jobs: tuple[str, str], tmp_path: Path
) -> None:
    calls, to = world.client.publishing, f"dir:{tmp_path}/one"
    assert (await calls.look_ahead(jobs[0], to))["replaces"] == []
    assert (await publish(world, jobs[0], to))["state"] == "done"
    assert (await calls.look_ahead(jobs[1], to))["replaces"] == ["weights.bin"]
    row = await publish(world, jobs[1], to)
    assert (row["state"], row["kind"]) == ("failed", "taken"), row
    assert "weights.bin" in str(row["message"])
    assert "--overwrite" in str(row["advice"])
    assert (tmp_path / "one/weights.bin").read_bytes() == b"first"
    row = await publish(world, jobs[1], to, overwrite=True)
    assert row["state"] == "done", row
    assert row["notes"] == ["weights.bin was replaced there, as was said."]
    assert (tmp_path / "one/weights.bin").read_bytes() == b"second"


async def test_another_spelling_of_the_folder_is_the_same_folder(
    world: World, jobs: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "one")
    first, second = [
        (await world.client.publishing.publish(job, f"dir:{tmp_path}/{name}"))["transfer_id"]
        for job, name in zip(jobs, ("one", "link"), strict=True)
    ]
    states = [(await ended(world, entry))["state"] for entry in (first, second)]
    assert states == ["done", "failed"]


async def test_the_only_copy_of_another_job_is_never_replaced(
    world: World, jobs: tuple[str, str], tmp_path: Path
) -> None:
    to = f"dir:{tmp_path}/one"
    await publish(world, jobs[0], to)
    cleared = await world.client.publishing.clear(jobs[0], ["weights.bin"])
    assert [entry["name"] for entry in cleared["deleted"]] == ["weights.bin"]
    row = await publish(world, jobs[1], to, overwrite=True)
    assert (row["state"], row["kind"]) == ("failed", "taken"), row
    assert "only copy" in str(row["message"])
    assert (tmp_path / "one/weights.bin").read_bytes() == b"first"
    # Brought elsewhere as well (by hand is not enough: nobody knows of it), it may go.
    again = a_job_with(world, 3, weights_dot_bin=b"first")
    await publish(world, again, f"dir:{tmp_path}/two")
    assert (await publish(world, jobs[1], to, overwrite=True))["state"] == "done"


async def test_existing_files_in_a_bucket_are_kept_as_well(
    world: World, jobs: tuple[str, str], tmp_path: Path
) -> None:
    rights = grant(prefix="job", may_delete=True)
    async with serve_storage(tmp_path / "s3", grants={ACCESS_KEY: rights}) as storage:
        await world.client.publishing.add_destination(
            name="mine", kind="s3", bucket=BUCKET, endpoint=storage.endpoint,
            access_key=ACCESS_KEY, secret_key=SECRET, session_only=True,
        )  # fmt: skip
        assert (await publish(world, jobs[0], "s3:mine/one"))["state"] == "done"
        ahead = await world.client.publishing.look_ahead(jobs[1], "s3:mine/one")
        assert ahead["replaces"] == ["weights.bin"]
        assert (await publish(world, jobs[1], "s3:mine/one"))["kind"] == "taken"
        # By the destination's name each job has its own folder.
        for job in jobs:
            assert (await publish(world, job, "mine"))["state"] == "done"


async def test_a_transfer_repairs_its_own_damaged_files(world: World, tmp_path: Path) -> None:
    job_id = a_job_with(world, 1, weights_dot_bin=b"x" * 1000)
    damage = [True]

    async def spoil(received: ReceivedObject) -> None:
        if damage:
            received.path.write_bytes(b"y" * 999)

    rights = grant(prefix="job", may_delete=True)
    async with serve_storage(
        tmp_path / "s3", grants={ACCESS_KEY: rights}, on_object=spoil
    ) as storage:
        await world.client.publishing.add_destination(
            name="mine", kind="s3", bucket=BUCKET, endpoint=storage.endpoint,
            access_key=ACCESS_KEY, secret_key=SECRET, session_only=True,
        )  # fmt: skip
        row = await publish(world, job_id, "s3:mine/one")
        assert (row["state"], row["kind"]) == ("failed", "mismatch")
        damage.clear()
        await world.client.publishing.act(str(row["transfer_id"]), "retry")
        row = await ended(world, str(row["transfer_id"]), "done")
        assert [file["state"] for file in row["files"]] == ["verified"]


async def test_the_trainers_card_does_not_replace_an_edited_card(world: World) -> None:
    from huggingface_hub import HfApi

    await world.use_hub()
    api = HfApi(endpoint=world.sandbox.hub_url, token="hf_write")
    job_id = a_job_with(world, 1, README_dot_md=b"# the trainer's\n", weights_dot_bin=b"w")

    async def card() -> str:
        path = await asyncio.to_thread(
            api.hf_hub_download, "sandbox/cards", "README.md", local_dir=world.home.root / "read",
            force_download=True,
        )  # fmt: skip
        return Path(path).read_text()

    row = await publish(world, job_id, "hub:sandbox/cards")
    assert row["state"] == "done", row
    assert await card() == "# the trainer's\n"
    again = await publish(world, job_id, "hub:sandbox/cards")
    assert (again["state"], again["notes"]) == ("done", [])
    mine = b"---\nlicense: mit\n---\n# mine\n"
    await asyncio.to_thread(
        api.upload_file, path_or_fileobj=mine, path_in_repo="README.md", repo_id="sandbox/cards"
    )
    row = await publish(world, job_id, "hub:sandbox/cards")
    assert row["state"] == "done"
    assert "left alone" in row["notes"][0]
    assert await card() == mine.decode()
    alone = await publish(world, job_id, "hub:sandbox/cards", files=["README.md"])
    assert (alone["state"], alone["files"]) == ("done", [])
    assert "left alone" in alone["notes"][0]
    row = await publish(world, job_id, "hub:sandbox/cards", overwrite_card=True)
    assert row["state"] == "done"
    assert "stays in the repository's history" in row["notes"][0]
    assert await card() == "# the trainer's\n"


async def test_a_destination_of_this_name_and_another_kind_stays(
    world: World, tmp_path: Path
) -> None:
    calls = world.client.publishing
    await calls.add_destination(name="one", kind="folder", path=str(tmp_path))
    with pytest.raises(ControlError, match="another kind"):
        await calls.add_destination(name="one", kind="hub", repo="sandbox/x")
    await calls.add_destination(name="one", kind="folder", path=str(tmp_path / "b"))
    (row,) = await calls.destinations()
    assert row["options"] == {"path": str(tmp_path / "b")}
