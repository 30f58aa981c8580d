"""The base model is asked for with the token that the job will get."""

from __future__ import annotations

from tests.engine.world import World, edit_config
from tui.sandbox.hub.repos import HubRepo

MODEL = "somebody/gated-flux"


async def levels(world: World) -> dict[str, str]:
    world.engine.hub_lookup._cache.clear()
    report = await world.client.check(world.draft())
    return {check["id"]: check["level"] for check in report["checks"]}


async def test_a_gated_model_needs_its_conditions_accepted(world: World) -> None:
    await world.use_hub()
    assert world.sandbox.hub is not None
    edit_config(world.config, pretrained_model_name_or_path=MODEL)
    assert "base-model" not in await levels(world), "the sandbox's Hub holds no base models"
    repo = HubRepo(MODEL, gated=True)
    world.sandbox.hub.hub.repos.add(repo)
    assert (await levels(world))["base-model"] == "error"
    report = await world.client.check(world.draft(accept_delivery=True))
    assert report["ok"] is False, "it is no matter of the delivery"
    repo.accepted.add("sandbox")
    assert (await levels(world))["base-model"] == "ok"


async def test_a_path_or_no_token_is_not_asked_about(world: World) -> None:
    edit_config(world.config, pretrained_model_name_or_path=MODEL)
    assert "base-model" not in await levels(world)
    await world.use_hub()
    edit_config(world.config, pretrained_model_name_or_path="/models/flux")
    assert "base-model" not in await levels(world)
