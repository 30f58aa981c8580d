"""The status page: both forms, and every way of not getting it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from tests.replicate.server import serving
from tests.wished import wished
from tui.engine.config.live import LiveSettings
from tui.engine.diagnostics.status_page import PAGE, StatusPage, page_of, read_summary
from tui.engine.runtime.event_bus import EventBus
from tui.sandbox.server import RunningSandbox, serve
from tui.settings import Home, Settings
from tui.store.reader import StoreReader
from tui.store.writer import StoreWriter

ULID = "01JRGA5ZQKF3SW674WMFD92PAC"


@asynccontextmanager
async def reading(home: Home, address: str = "") -> AsyncIterator[StatusPage]:
    settings = Settings()
    settings = replace(settings, network=replace(settings.network, status_page=address))
    writer = StoreWriter(home)
    try:
        yield StatusPage(LiveSettings(home, settings), writer, EventBus())
    finally:
        writer.close()


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[RunningSandbox]:
    running = await serve(wished(work_dir=tmp_path / "sandbox"))
    yield running
    await running.aclose()


async def change(sandbox: RunningSandbox, **board: Any) -> None:
    origin = sandbox.base_url.removesuffix("/v1")
    async with httpx.AsyncClient() as client:
        (await client.put(f"{origin}/status-page/state", json=board)).raise_for_status()


async def test_all_is_well_and_every_card_is_known(home: Home, sandbox: RunningSandbox) -> None:
    async with reading(home) as page:
        found = await page.read(sandbox.base_url)
    assert found["state"] == "operational"
    assert found["error"] is None
    assert found["gpus"] == dict.fromkeys(("l40s", "h100", "a100", "t4", "cpu"), "operational")
    assert found["source"] == "/api/v2/summary.json"
    reader = StoreReader(home.database)
    fact = reader.fact("status_page")
    reader.close()
    assert fact is not None
    assert fact.value["state"] == "operational"


async def test_trouble_of_one_card_and_an_incident(home: Home, sandbox: RunningSandbox) -> None:
    await change(
        sandbox, components={"L40S Hardware": "degraded_performance"}, incident="Slow starts"
    )
    async with reading(home) as page:
        found = await page.read(sandbox.base_url)
        assert found["state"] == "degraded"
        assert found["gpus"]["l40s"] == "degraded_performance"
        assert found["gpus"]["h100"] == "operational"
        assert [one["name"] for one in found["incidents"]] == ["Slow starts"]
        await change(sandbox, components={"H100 Hardware": "major_outage"})
        assert (await page.read(sandbox.base_url))["state"] == "degraded"  # a minute old at most
        assert (await page.read(sandbox.base_url, fresh=True))["state"] == "outage"


async def test_the_widget_is_the_second_source(home: Home, sandbox: RunningSandbox) -> None:
    await change(sandbox, broken=True, incident="Slow starts")
    async with reading(home) as page:
        found = await page.read(sandbox.base_url)
    assert (found["state"], found["source"]) == ("degraded", "/api/v1/summary")
    assert found["gpus"]["l40s"] == "unknown"


async def test_without_either_it_is_unknown_with_a_reason(
    home: Home, sandbox: RunningSandbox
) -> None:
    await change(sandbox, broken="both")
    async with reading(home) as page:
        found = await page.read(sandbox.base_url)
        assert found["state"] == "unknown"
        assert "not JSON" in (found["error"] or "")
    async with reading(home, "http://127.0.0.1:9") as page:
        found = await page.read(sandbox.base_url)
        assert found["state"] == "unknown"
        assert "cannot be reached" in (found["error"] or "")


async def test_redirects_are_followed(home: Home) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.path == "/real":
            return web.json_response({"status": {"indicator": "maintenance"}, "components": []})
        return web.Response(status=301, headers={"Location": "/real"})

    async with serving(answer) as port, reading(home, f"http://127.0.0.1:{port}") as page:
        assert (await page.read("https://api.replicate.com/v1"))["state"] == "maintenance"


def test_each_api_has_its_own_page() -> None:
    assert page_of("https://api.replicate.com/v1", "") == PAGE
    assert page_of("http://127.0.0.1:5/v1", "") == "http://127.0.0.1:5/status-page"
    assert page_of("http://127.0.0.1:5/v1", "https://s.example/") == "https://s.example"


def test_a_real_summary_with_null_groups_and_resolved_incidents() -> None:
    found = read_summary(
        {
            "page": {"id": "x", "name": "Replicate", "url": PAGE},
            "status": {"indicator": "none", "description": "All Systems Operational"},
            "components": [
                {"id": ULID, "name": "L40S Hardware", "status": "operational", "group_id": None},
                {"id": ULID, "name": "GPU", "status": "operational", "group": True},
            ],
            "incidents": [{"id": "1", "name": "old", "status": "resolved", "impact": "minor"}],
        }
    )
    assert found is not None
    assert (found.state, found.incidents) == ("operational", ())
    assert found.components == (("L40S Hardware", "operational"),)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["status", "components", "incidents", "name", "ongoing_incidents",
                         "indicator", "incident_updates", "affected_components"]) , inner),
    max_leaves=12,
)  # fmt: skip


@given(JSON)
def test_whatever_it_says_is_read_or_left(data: Any) -> None:
    found = read_summary(data)
    if found is not None:
        assert found.data()["state"] in (
            "operational", "degraded", "outage", "maintenance", "unknown",
        )  # fmt: skip
