"""A destination at a repository of the sandbox's Hub."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tui.destinations.hub.destination import HubDestination
from tui.destinations.hub.names import HubTarget
from tui.replicate.secret import Secret
from tui.sandbox.hub import RunningHub
from tui.settings import NetworkSettings

REPO = "sandbox/cat lora".replace(" ", "-")
Open = Callable[..., HubDestination]


@pytest.fixture
def open_hub() -> Iterator[Open]:
    def go(hub: RunningHub, token: str = "hf_write", **more: Any) -> HubDestination:
        throttle = more.pop("throttle", None)
        network = more.pop("network", NetworkSettings(timeout=10))
        target = HubTarget(**({"repo_id": REPO, "endpoint": hub.url} | more))
        return HubDestination(target, Secret(token), network=network, throttle=throttle)

    yield go
    from huggingface_hub.utils._http import close_session

    close_session()


def tree(hub: RunningHub, repo: str = REPO) -> dict[str, Any]:
    repository = hub.hub.repos.get("model", repo)
    return dict(repository.head.tree) if repository else {}
