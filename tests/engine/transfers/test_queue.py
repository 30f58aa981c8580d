"""The queue of transfers over a real Hub, a real S3 receiver and folders."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from tests.destinations.hosting import BUCKET
from tests.destinations.interceptor import Answer, intercepting
from tests.engine.keyrings import secret_service
from tests.engine.transfers.transfer_steps import a_job, artifacts, ended
from tests.engine.world import World, running_engine
from tests.listener.conftest import ACCESS_KEY, SECRET, grant, serve_storage
from tui.api.destinations import NewDestination
from tui.cli.artifact_page import artifact_lines
from tui.client.client import ControlError
from tui.listener.storage import ReceivedObject
from tui.settings import Home


async def test_files_reach_a_folder_verified_and_only_once(world: World, tmp_path: Path) -> None:
    job_id = await a_job(world)
    transfer = await world.client.publishing.publish(job_id, f"dir:{tmp_path}/there")
    row = await ended(world, transfer["transfer_id"])
    assert row["state"] == "done", row
    assert row["files"]
    for file in row["files"]:
        assert (file["state"], file["proof"]) == ("verified", "read back")
        assert (tmp_path / "there" / file["name"]).stat().st_size == file["size"]
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "there").rglob("*")}
    again = await world.client.publishing.publish(job_id, f"dir:{tmp_path}/there")
    assert (await ended(world, again["transfer_id"]))["state"] == "done"
    assert times == {p: p.stat().st_mtime_ns for p in (tmp_path / "there").rglob("*")}
    (job_artifacts,) = await world.client.publishing.artifacts(job_id)
    weights = [file for file in job_artifacts["files"] if file["weights"]]
    assert weights[0]["weights"] is not None
    assert weights[0]["weights"]["kind"] == "lora"
    assert weights[0]["here"]
    assert weights[0]["published"][0]["link"].startswith("file://")


async def test_the_hub_gets_files_and_a_card_that_is_left_alone_once_edited(world: World) -> None:
    await world.use_hub()
    job_id = await a_job(world)
    calls = world.client.publishing
    row = await ended(world, (await calls.publish(job_id, "hub:sandbox/a-cat"))["transfer_id"])
    assert row["state"] == "done", row
    assert {"README.md", "loss.png"} <= {file["name"] for file in row["files"]}
    from huggingface_hub import HfApi, ModelCard

    api = HfApi(endpoint=world.sandbox.hub_url, token="hf_write")
    held = await asyncio.to_thread(
        api.hf_hub_download, "sandbox/a-cat", "README.md", local_dir=world.home.root / "read"
    )
    card = ModelCard(Path(held).read_text())
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{world.sandbox.hub_url}/api/validate-yaml",
            json={"repoType": "model", "content": card.content},
        ) as answer,
    ):
        assert (answer.status, await answer.json()) == (200, {"errors": [], "warnings": []})
    shown = card.data.to_dict()
    assert shown["base_model"] == "black-forest-labs/FLUX.1-dev"
    assert shown["license_name"] == "flux-1-dev-non-commercial-license"
    assert {"flux", "lora", "not-for-all-audiences"} <= set(shown["tags"])
    for text in ("| Steps | 12 |", "| Rank | 2 |", "| Training images | 9 |", "](loss.png)"):
        assert text in card.text
    await asyncio.to_thread(
        api.upload_file,
        path_or_fileobj=b"# mine\n", path_in_repo="README.md", repo_id="sandbox/a-cat",
    )  # fmt: skip
    row = await ended(world, (await calls.publish(job_id, "hub:sandbox/a-cat"))["transfer_id"])
    assert row["state"] == "done"
    assert "left alone" in row["notes"][0]
    assert "README.md" not in {file["name"] for file in row["files"]}
    transfer = await calls.publish(job_id, "hub:sandbox/a-cat", overwrite_card=True)
    row = await ended(world, transfer["transfer_id"])
    assert "README.md" in {file["name"] for file in row["files"]}


async def test_a_bucket_with_its_keys_and_with_wrong_ones(world: World, tmp_path: Path) -> None:
    job_id = await a_job(world)
    calls = world.client.publishing
    rights = grant(prefix="job", may_delete=True)
    async with serve_storage(tmp_path / "s3", grants={ACCESS_KEY: rights}) as storage:
        profile: NewDestination = {
            "name": "mine", "kind": "s3", "bucket": BUCKET, "endpoint": storage.endpoint,
            "access_key": ACCESS_KEY, "session_only": True,
        }  # fmt: skip
        await calls.add_destination(**profile, secret_key="wrong-" + SECRET)
        assert not (await calls.test_destination("mine"))["ok"]
        transfer = await calls.publish(job_id, "s3:mine/runs")
        row = await ended(world, transfer["transfer_id"])
        assert row["state"] == "failed"
        assert row["kind"] in ("credentials", "permission"), row
        await calls.add_destination(**profile, secret_key=SECRET)
        assert (await calls.test_destination("mine"))["ok"]
        await calls.act(transfer["transfer_id"], "retry")
        row = await ended(world, transfer["transfer_id"], "done")
        assert all(file["state"] == "verified" for file in row["files"])
        assert SECRET.encode() not in world.home.database.read_bytes()
        server = URL(storage.endpoint)
        async with intercepting(str(server.origin())) as blind:
            blind.answer = Answer(403, "AccessDenied", methods="HEAD GET")
            profile |= {"name": "blind", "endpoint": f"{blind.endpoint}{server.path}"}
            await calls.add_destination(**profile, secret_key=SECRET)
            transfer = await calls.publish(job_id, "s3:blind/blind")
            row = await ended(world, transfer["transfer_id"])
            assert (row["state"], row["kind"]) == ("unverified", "permission"), row
            assert "cannot be verified" in row["message"]
            assert {file["state"] for file in row["files"]} == {"unverified"}
            found = (await artifacts(world, job_id))["files"]
            copies = [[copy["target"] for copy in file["published"]] for file in found]
            assert copies == [["s3:mine/runs"]] * len(found)
            unseen = [[copy["target"] for copy in file["unverified"]] for file in found]
            assert unseen == [["s3:blind/blind"]] * len(found)
            said = artifact_lines(await calls.artifacts(job_id))
            assert "    s3:blind/blind  sent, cannot be verified" in said
            blind.answer = None
            blind.seen.clear()
            await calls.act(transfer["transfer_id"], "retry")
            row = await ended(world, transfer["transfer_id"])
            assert row["state"] == "done", "once the keys may read, nothing is sent again"
            assert "PUT" not in blind.seen


async def test_pause_and_resume_and_cancel(world: World, tmp_path: Path) -> None:
    job_id = await a_job(world)
    calls = world.client.publishing
    world.engine.live.change("publishing", {"bandwidth": 2000})
    transfer = await calls.publish(job_id, f"dir:{tmp_path}/slow")
    name = transfer["transfer_id"]
    await ended(world, name, "running")
    same = await calls.publish(job_id, f"dir:{tmp_path}/slow")
    assert same["transfer_id"] == name
    await calls.act(name, "pause")
    await ended(world, name, "paused")
    world.engine.live.change("publishing", {"bandwidth": 0})
    await calls.act(name[:6], "resume")
    assert (await ended(world, name, "done"))["done_bytes"] > 0
    with pytest.raises(ControlError, match="cannot be paused"):
        await calls.act(name, "pause")
    world.engine.live.change("publishing", {"bandwidth": 2000})
    other = (await calls.publish(job_id, f"dir:{tmp_path}/other"))["transfer_id"]
    await ended(world, other, "running")
    await calls.act(other, "cancel")
    await ended(world, other, "cancelled")
    assert not list((tmp_path / "other").rglob("*.part"))


async def test_invalid_targets_are_refused(world: World) -> None:
    job_id = await a_job(world)
    for place in ("nowhere", "dir:relative", "hub:a/b/c/d", "s3:unknown/x", "ftp:x"):
        with pytest.raises(ControlError):
            await world.client.publishing.publish(job_id, place)


async def test_damaged_data_at_the_destination_fails_the_transfer(
    world: World, tmp_path: Path
) -> None:
    """The bucket accepts the upload and returns other bytes: the transfer must not be `done`."""
    job_id = await a_job(world)
    calls = world.client.publishing

    async def spoil(received: ReceivedObject) -> None:
        size = received.path.stat().st_size
        received.path.write_bytes(b"x" * (size - 1))

    rights = grant(prefix="job", may_delete=True)
    async with serve_storage(
        tmp_path / "s3", grants={ACCESS_KEY: rights}, on_object=spoil
    ) as storage:
        await calls.add_destination(
            name="liar", kind="s3", bucket=BUCKET, endpoint=storage.endpoint,
            access_key=ACCESS_KEY, secret_key=SECRET, session_only=True,
        )  # fmt: skip
        transfer = await calls.publish(job_id, "s3:liar/runs")
        row = await ended(world, transfer["transfer_id"])
        assert (row["state"], row["kind"]) == ("failed", "mismatch"), row
        (job_artifacts,) = await calls.artifacts(job_id)
        assert not any(file["published"] for file in job_artifacts["files"])


async def test_a_retry_sends_damaged_files_again(world: World, tmp_path: Path) -> None:
    """Without a usable ETag the bucket's listing is trusted, until reading back shows damage."""
    job_id = await a_job(world)
    calls = world.client.publishing
    rights = grant(prefix="job", may_delete=True)
    async with serve_storage(tmp_path / "s3", grants={ACCESS_KEY: rights}) as storage:
        host, _, path = storage.endpoint.removeprefix("http://").partition("/")
        async with intercepting(f"http://{host}") as gate:
            gate.lie = {"etag": f'"{"0" * 32}"', "x-amz-server-side-encryption": "aws:kms"}
            await calls.add_destination(
                name="kms", kind="s3", bucket=BUCKET, endpoint=f"{gate.endpoint}/{path}",
                access_key=ACCESS_KEY, secret_key=SECRET, session_only=True,
            )  # fmt: skip
            transfer = await calls.publish(job_id, "s3:kms/runs")
            assert (await ended(world, transfer["transfer_id"]))["state"] == "done"
            gate.seen.clear()
            gate.answer = Answer(200, body=b"other bytes", methods="GET")
            again = await calls.publish(job_id, "s3:kms/runs")
            row = await ended(world, again["transfer_id"])
            assert (row["state"], row["kind"]) == ("failed", "mismatch"), row
            assert "PUT" not in gate.seen
            gate.answer = None
            await calls.act(again["transfer_id"], "retry")
            row = await ended(world, again["transfer_id"], "done", "failed")
            assert row["state"] == "done", row
            assert "PUT" in gate.seen
            assert {file["state"] for file in row["files"]} == {"verified"}


async def test_a_file_changed_since_it_was_collected_is_not_published(
    world: World, tmp_path: Path
) -> None:
    job_id = await a_job(world)
    calls = world.client.publishing
    (job_artifacts,) = await calls.artifacts(job_id)
    Path(job_artifacts["files"][0]["path"]).write_bytes(b"something else")
    transfer = await calls.publish(job_id, f"dir:{tmp_path}/there")
    row = await ended(world, transfer["transfer_id"])
    assert (row["state"], row["kind"]) == ("failed", "changed"), row
    assert not [path for path in (tmp_path / "there").rglob("*") if path.is_file()]


async def test_keys_in_the_keyring_outlive_the_engine(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rights = grant(prefix="job", may_delete=True)
    with secret_service() as keyring:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", keyring.address)
        async with serve_storage(tmp_path / "s3", grants={ACCESS_KEY: rights}) as storage:
            async with running_engine(home) as (_, client):
                await client.publishing.add_destination(
                    name="kept", kind="s3", bucket=BUCKET, endpoint=storage.endpoint,
                    access_key=ACCESS_KEY, secret_key=SECRET,
                )  # fmt: skip
            async with running_engine(home) as (_, client):
                assert (await client.publishing.test_destination("kept"))["ok"]
                await client.publishing.remove_destination("kept")
                with pytest.raises(ControlError, match="no destination"):
                    await client.publishing.test_destination("kept")
    for path in home.root.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
