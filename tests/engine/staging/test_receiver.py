"""Staged data go to the receiver that was agreed to, or the job ends with both of them named."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import Any, cast

import pytest

from tests.engine.staging.world import new_job
from tests.engine.world import World
from tui.api.destinations import DestinationChange
from tui.base.json_types import JsonObject
from tui.client.errors import ControlError
from tui.destinations.common.errors import PublishError
from tui.engine.engine import Engine
from tui.engine.staging.planning import StagingPlan
from tui.engine.staging.receiver import Receiver, receiver_of, require_same
from tui.sandbox.hub.accounts import HubToken
from tui.simpletuner.config.load import load_config
from tui.simpletuner.datasets.scan import scan
from tui.simpletuner.errors import SimpleTunerError
from tui.store.records import JobRecord
from tui.store.submit_state import SubmitState

REPLICATE = "https://api.replicate.com/v1"
OLD = "https://s3.old.invalid"


async def planned(world: World, place: str, api_base: str) -> StagingPlan:
    config = load_config(world.config)
    return await world.engine.staging.plan(api_base, place, config, scan(config))


async def submitted(world: World, plan: StagingPlan, api_base: str, **submit: Any) -> JobRecord:
    """The record of a job whose datasets are about to be staged."""
    key = await world.engine.staging.remember(api_base, plan, keep=True)
    staging = {
        "key": key, "place": plan.place.name, "receiver": plan.receiver.stored(),
    }  # fmt: skip
    inputs: JsonObject = {"dataloader_json": json.dumps(plan.config.dataloader)}
    job = replace(
        new_job(1), api_base=api_base, inputs=inputs, prediction_id="",
        submit=cast("SubmitState", {"phase": "new", "staging": staging, **submit}),
    )  # fmt: skip
    world.engine.recorder.writer.insert(job)
    return job


async def refusals(engine: Engine, job: JobRecord) -> list[str]:
    """What is said at the staging, and when a new engine makes the job's keys anew."""
    said = []
    with pytest.raises(SimpleTunerError) as staged:
        await engine.staging.stage(job, threading.Event())
    said.append(staged.value.message)
    with pytest.raises(SimpleTunerError) as keys:
        await engine.staging.secrets_for(job)
    said.append(keys.value.message)
    return said


async def test_an_edited_bucket_gets_nothing(world: World) -> None:
    """Each edit is one of what the consent named; set back, the job goes on to the server."""
    destinations = world.engine.transfers.places
    await destinations.add({
        "name": "mine", "kind": "s3", "bucket": "pictures", "endpoint": OLD, "prefix": "runs",
        "data_role": "arn:aws:iam::1:role/a", "access_key": "a", "secret_key": "not-a-real-secret",
        "session_only": True,
    })  # fmt: skip
    plan = await planned(world, "bucket:mine", REPLICATE)
    job = await submitted(world, plan, REPLICATE)
    new_server: DestinationChange = {
        "endpoint": "https://s3.new.invalid", "access_key": "b",
        "secret_key": "not-a-real-secret-either", "session_only": True,
    }  # fmt: skip
    edits: list[tuple[DestinationChange, DestinationChange, str, str]] = [
        ({"bucket": "others"}, {"bucket": "pictures"}, "the bucket pictures", "the bucket others"),
        ({"prefix": "else"}, {"prefix": "runs"}, "below runs/", "below else/"),
        ({"data_role": ""}, {"data_role": "arn:aws:iam::1:role/a"}, "role/a", "of your keys"),
        (new_server, {**new_server, "endpoint": OLD}, OLD, "https://s3.new.invalid"),
    ]
    for edit, back, old, new in edits:
        await destinations.change("mine", edit)
        for said in await refusals(world.engine, job):
            assert old in said, said
            assert new in said, said
        await destinations.change("mine", back)
    for said in await refusals(world.engine, job):
        assert "You agreed to" not in said, "the server itself cannot be reached"


async def test_another_bucket_of_a_destination_holds_other_data(world: World) -> None:
    """The list of what lies where says so, and none is taken for removed where it never lay."""
    destinations = world.engine.transfers.places
    await destinations.add({
        "name": "mine", "kind": "s3", "bucket": "first", "endpoint": OLD, "prefix": "runs",
        "access_key": "a", "secret_key": "not-a-real-secret", "session_only": True,
    })  # fmt: skip
    service = world.engine.staging
    plan = await planned(world, "bucket:mine", REPLICATE)
    first = await service.remember(REPLICATE, plan, keep=False)
    service._records.change(first, started=True, there=True)
    await destinations.change("mine", {"bucket": "second"})
    plan = await planned(world, "bucket:mine", REPLICATE)
    second = await service.remember(REPLICATE, plan, keep=True)
    assert first != second
    assert [row["where"].partition(" at ")[0] for row in service.rows()] == [
        "the bucket first", "the bucket second",
    ]  # fmt: skip
    lies = service._records.get(first)
    assert lies is not None
    assert service.removal.others(lies, ()) == [], "nothing is kept for what lies elsewhere"
    twin = replace(lies, key="twin", place="bucket:twin", api_base="https://other.invalid")
    service._records.put(twin)
    service._records.put_manifest("twin", plan.manifest)
    assert service.removal.others(lies, ()) == [plan.manifest], "one bucket, two destinations"
    service._records.drop("twin")
    await service.remove_unread()
    problem = service.rows()[0]["problem"]
    assert "the bucket first" in problem
    assert "the bucket second" in problem


async def test_another_public_address_gets_nothing(world: World) -> None:
    world.engine.live.change("listener", {"public_url": "https://old.example"})
    plan = await planned(world, "here", REPLICATE)
    job = await submitted(world, plan, REPLICATE)
    world.engine.live.change("listener", {"public_url": "https://new.example"})
    for said in await refusals(world.engine, job):
        assert "https://old.example" in said
        assert "https://new.example" in said
    world.engine.live.change("listener", {"public_url": "https://old.example"})
    assert await world.engine.staging.stage(job, threading.Event())
    assert await world.engine.staging.secrets_for(job)
    world.engine.live.change("listener", {"public_url": "https://new.example"})
    with pytest.raises(SimpleTunerError, match="You agreed to"):  # its keys are made already
        await world.engine.staging.secrets_for(job)


async def test_an_address_that_the_request_names_must_still_be_this_machines(
    world: World,
) -> None:
    """The sandbox's trainer is on this machine, so any address may be filled in, until it is."""
    base = world.sandbox.base_url
    job = await submitted(world, await planned(world, "here", base), base)
    inputs = await world.engine.staging.stage(job, threading.Event())
    staged = replace(job, inputs=inputs)
    assert await world.engine.staging.secrets_for(staged)
    old = str(world.engine.listening.storage_url(base))
    world.engine.live.change("listener", {"listen": "localhost:0"})
    await world.engine.listening.settled()
    new = str(world.engine.listening.storage_url(base))
    with pytest.raises(SimpleTunerError) as caught:
        await world.engine.staging.secrets_for(staged)
    assert old in caught.value.message
    assert new in caught.value.message
    assert await world.engine.staging.stage(job, threading.Event())


async def test_another_account_or_token_of_the_hub_gets_nothing(world: World) -> None:
    """A read-only token that was named does not become one that may write."""
    base = world.sandbox.base_url
    await world.use_hub("hf_read")
    tokens = world.engine.clients.tokens
    tokens.give("huggingface", base, "hf_write", "session")
    plan = await planned(world, "hub", base)
    assert "read-only" in plan.leaves.token
    job = await submitted(world, plan, base)
    assert world.sandbox.hub is not None
    hub = world.sandbox.hub.hub
    sent = hub.received_bytes
    tokens.give("huggingface", base, "", "environment")
    for said in await refusals(world.engine, job):
        assert "a token that may only read" in said
        assert "a token that may write" in said
    results_there = replace(job, delivery="hub")  # which need the token that may write
    assert await world.engine.staging.stage(results_there, threading.Event())
    assert hub.received_bytes > sent
    hub.accounts.tokens["hf_other"] = HubToken("other")
    tokens.give("huggingface", base, "", "session")
    await world.use_hub("hf_other")
    for said in await refusals(world.engine, job):
        assert "datasets of sandbox" in said
        assert "datasets of other" in said


async def test_data_on_another_hub_are_not_taken_for_removed(world: World) -> None:
    """A repository that is missing on the Hub in use may lie on the one before."""
    await world.use_hub()
    await world.ended(await world.submit(data="staged", keep_staged=True))
    (row,) = world.engine.staging.rows()
    records = world.engine.staging._records
    record = records.get(row["key"])
    assert record is not None
    before = "https://hub.before.example"
    moved = {f"{before} {name.partition(' ')[2]}": to for name, to in record.facts.items()}
    records.change(record.key, facts=moved)
    with pytest.raises(ControlError, match=f"lies on the Hub at {before}, and the one in use is"):
        await world.client.remove_staged(record.key)
    assert world.engine.staging.rows()[0]["problem"]
    records.change(record.key, facts=record.facts)
    await world.client.remove_staged(record.key)
    assert world.engine.staging.rows() == []


async def test_a_job_keeps_whom_its_data_were_agreed_to_go_to(world: World) -> None:
    await world.use_hub()
    world.fault("stall=5")
    job_id = await world.submit(data="staged")
    agreed = receiver_of(world.job(job_id))
    assert agreed is not None
    assert "datasets of sandbox" in agreed.words
    await world.client.cancel(job_id)


def test_only_what_was_agreed_to_is_compared() -> None:
    """A part that the consent did not name, such as a token of less power, changes nothing."""
    agreed = Receiver("the bucket a", {"bucket": "a"})
    require_same(agreed, Receiver("the bucket a", {"bucket": "a", "keys": "fewer"}))
    require_same(None, Receiver("the bucket b", {"bucket": "b"}))
    with pytest.raises(PublishError, match=r"the bucket a, .* the bucket b \(changed: bucket\)"):
        require_same(agreed, Receiver("the bucket b", {"bucket": "b"}))
