"""Resolving a job's delivery: the user's bucket, and the settings of the Hub."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from tests.canary import MARK, assert_clean
from tests.destinations.hosting import BUCKET
from tests.engine.keyrings import secret_service
from tests.engine.world import World, edit_config, running_world, sha256, written_by_trainer
from tests.listener.conftest import Storage, grant, serve_storage
from tui.api.check_report import CheckReport
from tui.api.submission import DraftOverrides
from tui.base.job_status import JobStatus
from tui.client.client import ControlError
from tui.client.engine_process import session_of
from tui.client.jobs import JobCalls
from tui.settings import Home

ACCESS = f"AK{MARK}"
SECRET = f"{MARK}/secret+with/odd=letters"
OWN = {"kind": "s3", "destination": "mine"}


@asynccontextmanager
async def user_bucket(world: World, root: Path, **options: Any) -> AsyncIterator[Storage]:
    """A bucket with a destination `mine` whose keys are in the keyring."""
    rights = grant(secret=SECRET, prefix="job", may_delete=True)
    async with serve_storage(root, grants={ACCESS: rights}) as storage:
        await world.client.publishing.add_destination(
            **({"name": "mine", "kind": "s3", "bucket": BUCKET, "endpoint": storage.endpoint,
                "prefix": "runs", "access_key": ACCESS, "secret_key": SECRET} | options)
        )  # fmt: skip
        yield storage


def errors(report: CheckReport) -> dict[str, str]:
    return {
        check["id"]: check["message"] for check in report["checks"] if check["level"] == "error"
    }


def config_of(values: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(values["config_json"])
    return config


async def with_hub(world: World, token: str = "hf_write") -> Any:
    """Use the sandbox's Hub with a token."""
    assert world.sandbox.hub_url
    environ = {"HF_TOKEN": token, "HF_ENDPOINT": world.sandbox.hub_url}
    await world.client.set_session(session_of(environ))
    assert world.sandbox.hub is not None
    return world.sandbox.hub.hub


async def test_a_job_writes_to_the_users_bucket_with_keys_from_the_keyring(
    home: Home, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with secret_service() as keyring:
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", keyring.address)
        async with running_world(home, project) as world, user_bucket(world, tmp_path / "s3"):
            report = await world.client.check(world.draft(delivery=OWN))
            assert errors(report) == {}
            sent = report["request"]["input"]
            assert (sent["s3_access_key"], sent["s3_secret_key"]) == ("***", "***")
            assert sent["s3_base_path"] == "runs/{job_id}"
            assert report["delivery"]["destination"] == "mine"
            job_id = await world.submit(delivery=OWN)
            job = await world.ended(job_id)
            assert job.status is JobStatus.COMPLETED, job.error
            assert job.inputs["s3_base_path"] == f"runs/{job_id}"
            assert not {"s3_access_key", "s3_secret_key"} & job.inputs.keys()
            arrived = {sha256(path) for path in (tmp_path / "s3").rglob("*.safetensors")}
            assert arrived == set(written_by_trainer(world, job).values())
            assert arrived
            texts = [json.dumps(report), repr(job), world.log(job_id)]
    assert_clean(texts, below=home.root)


async def test_keys_that_are_gone_when_the_job_is_posted_start_nothing(
    world: World, tmp_path: Path
) -> None:
    async with user_bucket(world, tmp_path / "s3", session_only=True):
        world.fault("slow=3@files")  # the archive is on its way for a while
        job_id = await world.submit(delivery=OWN)
        await world.client.publishing.remove_destination("mine")
        job = await world.ended(job_id)
        assert job.status is JobStatus.FAILED
        assert "keys of the bucket" in job.error
        assert "Nothing was started" in job.diagnosis["advice"][0]
        assert world.predictions == []


async def test_wrong_keys_are_found_before_anything_is_paid(world: World, tmp_path: Path) -> None:
    async with user_bucket(world, tmp_path / "s3", secret_key="wrong", session_only=True):
        report = await world.client.check(world.draft(delivery=OWN))
        assert not report["ok"]
        with pytest.raises(ControlError):
            await world.submit(delivery=OWN)
        assert world.predictions == []


async def test_a_jobs_own_bucket_region_prefix_and_links(world: World, tmp_path: Path) -> None:
    async with user_bucket(world, tmp_path / "s3", session_only=True) as storage:
        own = {
            **OWN, "bucket": "elsewhere", "region": "eu-central-1",
            "prefix": "/a b/{job_id}/c+d/", "public_base_url": "https://f.example.org/x/",
        }  # fmt: skip
        report = await world.client.check(world.draft(delivery=own))
        sent = report["request"]["input"]
        assert sent["s3_bucket"] == "elsewhere"
        assert sent["s3_region"] == "eu-central-1"
        assert sent["s3_base_path"] == "a b/{job_id}/c+d"
        assert sent["s3_public_base_url"] == "https://f.example.org/x"
        assert sent["s3_endpoint_url"] == storage.endpoint


@pytest.mark.parametrize(
    ("delivery", "field"),
    [
        ({"kind": "hub", "hub_model_id": "https://huggingface.co/datasets/a/b"}, "hub_model_id"),
        ({"kind": "hub", "hub_model_id": "not a name"}, "hub_model_id"),
        ({**OWN, "bucket": "UPPER"}, "bucket"),
        ({**OWN, "region": "eu west"}, "region"),
        ({**OWN, "prefix": "a/../b"}, "prefix"),
        ({**OWN, "prefix": "{job}"}, "prefix"),
        ({**OWN, "public_base_url": "https://user:word@f.example.org"}, "public_base_url"),
        ({**OWN, "public_base_url": "ftp://f.example.org"}, "public_base_url"),
        ({**OWN, "destination": "No Name"}, "destination"),
    ],
)
async def test_a_wrong_field_is_named(world: World, delivery: dict[str, Any], field: str) -> None:
    with pytest.raises(ControlError) as caught:
        await world.client.check(world.draft(delivery=delivery))
    (name,) = caught.value.details["fields"]
    assert name == f"delivery.{field}"


async def test_the_hubs_settings_are_the_configs_keys(world: World) -> None:
    hub = await with_hub(world)
    settings = {
        "model_card_private": False, "model_card_safe_for_work": True,
        "model_card_note": "Made of nine photographs.", "push_to_hub_background": True,
        "modelspec_comment": "step {current_step}",
    }  # fmt: skip
    draft = world.draft(delivery={"hub_model_id": "https://huggingface.co/sandbox/cat/tree/main"})
    draft["overrides"] |= cast("DraftOverrides", settings)
    report = await world.client.check(draft)
    assert errors(report) == {}
    sent = report["request"]["input"]
    assert sent["hub_model_id"] == "sandbox/cat"
    config = config_of(sent)
    assert {name: config[f"--{name}"] for name in settings} == settings
    assert config["--push_to_hub"] is True
    assert "--hub_model_id" not in config
    assert report["delivery"]["private"] is False
    job_id = (await world.client.submit(draft))["job_id"]
    job = await world.ended(job_id)
    assert job.status is JobStatus.COMPLETED, job.error
    repo = hub.repos.get("model", "sandbox/cat")
    assert repo is not None
    assert any(name.startswith("checkpoint-") for name in repo.head.tree)


async def test_checkpoints_are_not_pushed_when_switched_off(world: World) -> None:
    hub = await with_hub(world)
    draft = world.draft(delivery={"kind": "hub", "hub_model_id": "sandbox/final-only"})
    draft["overrides"] |= {"push_checkpoints_to_hub": False, "checkpoint_step_interval": 4}
    report = await world.client.check(draft)
    config = config_of(report["request"]["input"])
    # The input of that name would switch checkpoints on.
    assert "hub_model_id" not in report["request"]["input"]
    assert config["--hub_model_id"] == "sandbox/final-only"
    assert (config["--push_to_hub"], config["--push_checkpoints_to_hub"]) == (True, False)
    job = await world.ended((await world.client.submit(draft))["job_id"])
    assert job.status is JobStatus.COMPLETED, job.error
    repo = hub.repos.get("model", "sandbox/final-only")
    assert repo is not None
    names = set(repo.head.tree)
    assert any(name.endswith(".safetensors") for name in names)
    assert not any(name.startswith("checkpoint-") for name in names)


async def test_a_comment_cannot_publish_the_trainers_token(world: World) -> None:
    draft = world.draft()
    draft["overrides"]["modelspec_comment"] = "made by {env:HF_TOKEN}"
    with pytest.raises(ControlError) as caught:
        await world.client.check(draft)
    assert "overrides.modelspec_comment" in caught.value.details["fields"]
    edit_config(world.config, modelspec_comment=["fine", "{env:AWS_SECRET_ACCESS_KEY}"])
    assert "AWS_SECRET_ACCESS_KEY" in str(errors(await world.client.check(world.draft())))


async def test_names_on_the_hub(world: World) -> None:
    await with_hub(world)
    calls = JobCalls(world.client)
    names = await calls.namespaces()
    assert names[0]["kind"] == "user"
    user = names[0]["name"]
    assert (await calls.repository(f"{user}/never-seen"))["state"] == "free"
    strange = await calls.repository("somebody-else/cat")
    assert (strange["state"], strange["level"]) == ("taken", "error")
    assert (await calls.repository("a b c"))["state"] == "unknown"
    bare = await calls.repository("never-seen")
    assert bare["repo"] == f"{user}/never-seen"


async def test_names_without_a_token(world: World) -> None:
    with pytest.raises(ControlError):
        await JobCalls(world.client).namespaces()
    look = await JobCalls(world.client).repository("alice/cat")
    assert look["state"] == "unknown"
    assert look["level"] != "ok"


async def test_recommended_settings_pass_the_check(world: World, tmp_path: Path) -> None:
    calls = JobCalls(world.client)
    recommended = await calls.recommended(world.draft())
    assert recommended["delivery"] == {"kind": "local"}
    async with user_bucket(world, tmp_path / "s3", session_only=True):
        recommended = await calls.recommended(world.draft())
        assert recommended["delivery"] == OWN
        await with_hub(world)
        recommended = await calls.recommended(world.draft(name="My Cat!"))
        assert recommended["delivery"]["kind"] == "hub"
        assert recommended["delivery"]["hub_model_id"].endswith("/my-cat")
        assert recommended["overrides"]["model_card_private"] is True
        draft = world.draft(delivery=recommended["delivery"])
        draft["overrides"] |= recommended["overrides"]
        assert errors(await world.client.check(draft)) == {}


async def test_a_cost_ceiling_reports_the_time_limit(world: World) -> None:
    report = await world.client.check(world.draft(cost_ceiling_micros=975_000))
    assert report["cost_ceiling_micros"] == 975_000
    assert report["cancel_after"] == 1000
    report = await world.client.check(world.draft(cost_ceiling_micros=975_000, cancel_after=60))
    assert report["cancel_after"] == 60
