"""Callers of the HTTP API over TCP, with keys of each scope, and a path for each route."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from tests.engine.world import World, write_quick_settings
from tui.api import paths
from tui.api.scopes import Scope

PUBLIC = [endpoint for endpoint in paths.ENDPOINTS if endpoint.door == "both"]


def example(path: str) -> str:
    """A path with something in each variable part."""
    key = "a/b" if path.startswith("/api/cloud/storage") else "x"
    names = {"job_id": "nobody", "provider": "replicate", "bucket": "outputs", "key": key}
    return re.sub(r"\{(\w+)(?::[^}]*)?\}", lambda found: names.get(found[1], "x"), path)


@asynccontextmanager
async def caller(world: World, scope: Scope) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a new key."""
    key = world.engine.api_keys.create(scope, scope).key
    base = f"http://{world.engine.listening.address}"
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=base, headers=headers, timeout=60) as client:
        yield client


def use_sandbox(world: World, **cloud: Any) -> None:
    """Make the sandbox the engine's own API, and change more of the `cloud` settings.

    They are in the file, so that they outlive a change through the API.
    """
    if not world.home.settings_file.exists():
        write_quick_settings(world.home)
    world.engine.live.change("cloud", {"api_base": world.sandbox.base_url, **cloud})
