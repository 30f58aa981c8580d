"""A running server and a client of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.replicate.pauses import Pauses
from tests.replicate.server import Server, client_for, serving
from tui.replicate.client import ReplicateClient


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    async with serving(server.handle) as port:
        server.port = port
        yield server


@pytest.fixture
async def client(server: Server) -> AsyncIterator[ReplicateClient]:
    async with client_for(server.base) as client:
        yield client


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Pauses:
    """Pauses of `asyncio.sleep` that only move a clock."""
    pauses = Pauses()
    monkeypatch.setattr(asyncio, "sleep", pauses.sleep)
    return pauses
