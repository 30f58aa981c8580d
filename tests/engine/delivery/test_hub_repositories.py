"""Whether a repository's name on the Hub is free, as far as the token can see."""

from __future__ import annotations

import asyncio

import pytest
from huggingface_hub import HfApi

from tests.engine.world import World
from tui.api.publishing import RepositoryState
from tui.client.client import ControlError


async def check(world: World, repo_id: str) -> RepositoryState:
    return await world.client.publishing.check_repository(repo_id)


@pytest.mark.parametrize(
    ("token", "repo_id", "exists", "available", "words"),
    [
        ("hf_write", "sandbox/new", False, True, "not there"),
        ("hf_write", "sandbox/old", True, False, "there already"),
        ("hf_read", "sandbox/old", True, False, "may not write"),
        ("", "sandbox/new", False, False, "token"),
        ("", "sandbox/old", True, False, "there already"),
    ],
)
async def test_what_a_token_can_tell(
    world: World, token: str, repo_id: str, exists: bool, available: bool, words: str
) -> None:
    await old_repository(world, token)
    answer = await check(world, repo_id)
    assert (answer["exists"], answer["available"]) == (exists, available)
    assert words in answer["message"]
    assert answer["private"] == (False if exists else None)


async def test_a_refused_token_does_not_make_a_name_free(world: World) -> None:
    await old_repository(world, "hf_expired")
    for repo_id in ("sandbox/new", "sandbox/old"):
        with pytest.raises(ControlError) as caught:
            await check(world, repo_id)
        assert caught.value.code == "unauthorised"
        assert caught.value.advice


async def old_repository(world: World, token: str) -> None:
    assert world.sandbox.hub is not None
    api = HfApi(endpoint=world.sandbox.hub.url, token="hf_write")
    await asyncio.to_thread(api.create_repo, "sandbox/old", private=False)
    await world.use_hub(token)
