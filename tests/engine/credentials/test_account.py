"""Whose token it is: the newest question's answer stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import home, project  # noqa: F401  short paths for sockets
from tests.engine.world import World, running_world, write_quick_settings
from tui.replicate.errors import NotSentError
from tui.settings import Home
from tui.store.fact_names import scoped


@pytest.fixture
async def world(home: Home, project: Path) -> AsyncIterator[World]:  # noqa: F811  the fixture
    write_quick_settings(home)
    async with running_world(home, project) as one:
        yield one


async def test_a_late_answer_by_the_former_proxy_is_ignored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, base = world.engine.account, world.sandbox.base_url
    late = asyncio.Event()
    clients = world.engine.clients
    usual, asked = clients.get, []

    async def get(api_base: str) -> Any:
        asked.append(api_base)
        if len(asked) == 1:
            await late.wait()
            raise NotSentError("The name could not be looked up.")
        return await usual(api_base)

    monkeypatch.setattr(clients, "get", get)
    first = asyncio.ensure_future(account.validate(base))
    while not asked:
        await asyncio.sleep(0)
    assert (await account.validate(base))["valid"] is True
    late.set()
    assert (await first)["valid"] is True
    assert world.engine.recorder.writer.fact(scoped("account", base))["valid"] is True
