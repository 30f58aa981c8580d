"""Write access to the Hub is proved by the Hub, not by what a token says of itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tui.destinations.hub.write_check import Effort, WriteProof, prove_write
from tui.replicate.secret import Secret
from tui.sandbox.hub import (
    Accounts,
    HubConfig,
    HubRepo,
    HubToken,
    Role,
    RunningHub,
    Scope,
    serve_hub,
)
from tui.settings import NetworkSettings


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[RunningHub]:
    accounts = Accounts("alice", {"lab": "admin", "readers": "read", "guild": "contributor"})
    accounts.tokens["hf_lab"] = HubToken("alice", Role.FINE_GRAINED, (Scope("org", "lab"),))
    running = await serve_hub(HubConfig(tmp_path / "hub"), accounts)
    yield running
    await running.aclose()


async def prove(
    hub: RunningHub, repo: str, token: str = "hf_write", effort: Effort = "look", **more: bool
) -> WriteProof:
    import asyncio

    return await asyncio.to_thread(
        prove_write, repo, Secret(token), endpoint=hub.url, network=NetworkSettings(),
        effort=effort, **more,
    )  # fmt: skip


def levels(proof: WriteProof) -> dict[str, str]:
    return {step.name: step.level for step in proof.steps}


def repos(hub: RunningHub) -> set[str]:
    return {repo.repo_id for repo in hub.hub.repos._all.values()}


async def test_looking_changes_nothing(hub: RunningHub) -> None:
    proof = await prove(hub, "alice/new")
    assert levels(proof) == {"hub-token": "ok", "hub-repo": "ok"}
    assert (proof.unknown, proof.repo_id) == (False, "alice/new")
    assert repos(hub) == set()


async def test_trying_makes_the_repository_and_removes_it(hub: RunningHub) -> None:
    proof = await prove(hub, "alice/new", effort="try")
    assert levels(proof) == {"hub-token": "ok", "hub-write": "ok"}
    assert "removed again" in proof.steps[-1].message
    assert repos(hub) == set()


@pytest.mark.parametrize("private", [True, False])
async def test_a_job_makes_it_as_the_trainer_would(hub: RunningHub, private: bool) -> None:
    proof = await prove(hub, "https://huggingface.co/alice/new", effort="make", private=private)
    assert levels(proof) == {"hub-token": "ok", "hub-write": "ok"}
    repo = hub.hub.repos.get("model", "alice/new")
    assert repo is not None
    assert repo.private is private
    again = await prove(hub, "alice/new", effort="make")
    assert levels(again) == {"hub-token": "ok", "hub-repo": "ok"}
    assert len(repo.commits) == 1


async def test_an_existing_repository_is_never_removed(hub: RunningHub) -> None:
    hub.hub.repos.add(HubRepo("alice/mine"))
    proof = await prove(hub, "mine", effort="try")  # a bare name is the token's owner's
    assert (proof.repo_id, levels(proof)["hub-repo"]) == ("alice/mine", "ok")
    assert repos(hub) == {"alice/mine"}


@pytest.mark.parametrize("effort", ["look", "try", "make"])
@pytest.mark.parametrize(
    ("token", "repo", "wrong"),
    [
        ("hf_read", "alice/new", "hub-write"),
        ("hf_expired", "alice/new", "hub-token"),
        ("nonsense", "alice/new", "hub-token"),
        ("hf_write", "bob/new", "hub-owner"),
        ("hf_write", "readers/new", "hub-write"),
        ("hf_write", "no name at all", "hub-repo"),
        ("hf_write", "https://huggingface.co/datasets/alice/new", "hub-repo"),
        ("hf_fine", "lab/new", "hub-write"),  # its scope is the user's own name
        ("hf_lab", "alice/new", "hub-write"),  # its scope is the organisation
        ("hf_one", "alice/new", "hub-write"),  # its scope is one repository
    ],
)
async def test_a_repository_without_write_access_is_reported_and_unchanged(
    hub: RunningHub, token: str, repo: str, wrong: str, effort: Effort
) -> None:
    proof = await prove(hub, repo, token, effort)
    bad = [step for step in proof.steps if step.level == "error"]
    assert [step.name for step in bad] == [wrong], proof.steps
    assert bad[0].advice
    assert repos(hub) == set()


@pytest.mark.parametrize(
    ("token", "repo"),
    [("hf_fine", "alice/new"), ("hf_lab", "lab/new"), ("hf_write", "lab/new"),
     ("hf_write", "guild/new")],
)  # fmt: skip
async def test_scopes_that_are_wide_enough(hub: RunningHub, token: str, repo: str) -> None:
    hub.hub.accounts.orgs["guild"] = "write"
    proof = await prove(hub, repo, token, "try")
    assert levels(proof)["hub-write"] == "ok", proof.steps


async def test_a_contributors_rights_are_unknown_before_an_attempt(hub: RunningHub) -> None:
    looked = await prove(hub, "guild/new")
    assert (looked.unknown, levels(looked)["hub-repo"]) == (True, "warn")
    tried = await prove(hub, "guild/new", effort="try")  # this Hub does not let it
    assert levels(tried)["hub-write"] == "error"
    assert repos(hub) == set()


async def test_a_token_for_one_repository_may_write_there(hub: RunningHub) -> None:
    hub.hub.repos.add(HubRepo("alice/only-this"))
    proof = await prove(hub, "alice/only-this", "hf_one", "make")
    assert levels(proof) == {"hub-token": "ok", "hub-repo": "ok"}


async def test_a_repository_that_this_token_may_not_write_to(hub: RunningHub) -> None:
    hub.hub.repos.add(HubRepo("bob/theirs"))
    proof = await prove(hub, "bob/theirs", effort="make")
    assert levels(proof)["hub-owner"] == "error"


async def test_rights_that_the_token_claims_and_the_hub_refuses(hub: RunningHub) -> None:
    """An organisation may restrict what its members' tokens can do without telling."""
    hub.hub.faults.closed.add("lab")
    assert not (await prove(hub, "lab/new")).unknown  # by its word it could
    proof = await prove(hub, "lab/new", effort="make")
    assert levels(proof)["hub-write"] == "error"
    assert repos(hub) == set()


async def test_a_dataset_of_the_name_is_only_a_warning(hub: RunningHub) -> None:
    hub.hub.repos.add(HubRepo("alice/cat", kind="dataset"))
    proof = await prove(hub, "alice/cat")
    assert levels(proof) == {"hub-token": "ok", "hub-repo": "ok", "hub-dataset": "warn"}


async def test_without_a_name_the_owners_name_space_is_proved(hub: RunningHub) -> None:
    proof = await prove(hub, "", "hf_fine", "try")
    assert levels(proof) == {"hub-token": "ok", "hub-write": "ok"}
    assert "alice" in proof.steps[-1].message
    assert repos(hub) == set()


async def test_a_hub_that_does_not_answer_proves_nothing_either_way(hub: RunningHub) -> None:
    hub.hub.faults.failures["/api/"] = 99
    proof = await prove(hub, "alice/new", effort="make")
    assert (proof.unknown, levels(proof)) == (True, {"hub-token": "warn"})
    await hub.aclose()
    proof = await prove(hub, "alice/new", effort="make")
    assert (proof.unknown, levels(proof)) == (True, {"hub-token": "warn"})


async def test_a_right_to_make_but_not_to_remove(hub: RunningHub) -> None:
    hub.hub.faults.failures["/api/repos/delete"] = 1
    proof = await prove(hub, "alice/new", effort="try")
    assert [step.level for step in proof.steps if step.name == "hub-write"] == ["warn", "ok"]
    assert repos(hub) == {"alice/new"}
