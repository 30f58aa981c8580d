"""The base model is asked for with the token that the job will get."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.engine.staging.folders import picture, use_datasets
from tests.engine.world import World, edit_config
from tui.sandbox.hub.accounts import HubToken, Role
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


async def test_the_families_own_model_is_asked_for_with_the_token_that_travels(
    world: World, tmp_path: Path
) -> None:
    await world.use_hub("hf_write")
    assert world.sandbox.hub is not None
    hub = world.sandbox.hub.hub
    hub.accounts.tokens["hf_reader"] = HubToken("sandbox", Role.READ, reads_gated=False)
    world.engine.clients.tokens.give("huggingface", world.sandbox.base_url, "hf_reader", "session")
    repo = HubRepo("black-forest-labs/flux.1-dev", gated=True, accepted={"sandbox"})
    hub.repos.add(repo)
    folder = tmp_path / "pictures"
    picture(folder / "a.png").with_suffix(".txt").write_text("a cat")
    use_datasets(world, {"id": "a", "type": "local", "instance_data_dir": str(folder),
                         "caption_strategy": "textfile", "resolution": 512})  # fmt: skip
    edit_config(world.config, model_flavour="dev", pretrained_model_name_or_path=None)

    async def verdict(**draft: Any) -> tuple[str, str]:
        world.engine.hub_lookup._cache.clear()
        report = await world.client.check(world.draft(data="staged", **draft))
        found = [check for check in report["checks"] if check["id"] == "base-model"]
        return (found[0]["level"], found[0]["message"]) if found else ("", str(report["checks"]))

    level, message = await verdict()
    assert (level, repo.repo_id in message) == ("error", True), "the token that only reads travels"
    to_hub = {"kind": "hub", "hub_model_id": "sandbox/results"}
    assert (await verdict(delivery=to_hub))[0] == "ok", "the one that may write travels"
    hub.accounts.tokens["hf_reader"] = HubToken("sandbox", Role.READ)
    assert (await verdict())[0] == "ok"
    edit_config(world.config, model_flavour="schnell")
    assert (await verdict())[0] == "", "the sandbox's Hub does not hold that one"
