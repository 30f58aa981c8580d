"""Pictures of the Cloud screen, at a fixed time with fixed answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.app.conftest import wait_for
from tests.app.stand_in_engine import StandInEngine
from tests.app.world import NOW
from tui.app.app import SimpleTunerApp
from tui.app.cloud.screen import CloudScreen
from tui.settings import Home, Settings
from tui.store.fact_names import scoped
from tui.store.writer import StoreWriter

BASE = "https://api.replicate.com/v1"
TRAINER = "simpletuner/advanced-trainer-"


def endpoint(name: str, purpose: str, total: float, error: Any = None, **more: Any) -> Any:
    """One row of the network check."""
    return {
        "id": name, "name": name, "purpose": purpose, "ok": error is None, "slow": False,
        "milliseconds": total, "required": True, "error": error,
        "phases": {"dns": 2.1, "tcp": 11.0, "tls": 24.2, "http": total - 37.3}, **more,
    }  # fmt: skip


NETWORK = {
    "api_base": BASE, "ok": True, "tls_verified": True, "warnings": [],
    "endpoints": [
        endpoint("api.replicate.com", "job submission and status", 112.0),
        endpoint("*.replicate.delivery", "file uploads and downloads", 98.0),
        endpoint("www.replicatestatus.com", "status page", 0.0, required=False,
                 error={"phase": "tcp", "message": "443 is closed (no answer)",
                        "advice": "Let it out in the firewall, or do without."}),
    ],
}  # fmt: skip
WAYS = {
    "proxy": {"address": "http://proxy:3128", "from": "HTTPS_PROXY"},
    "ca": {"bundle": "", "usual": "certifi", "from": ""}, "tls_verified": True,
}  # fmt: skip
SPENDING = {
    "enabled": True, "limit_micros": 50_000_000, "period": "weekly", "window": "7 d",
    "action": "block", "stop_running": False, "spent_micros": 31_200_000, "state": "ok",
    "percent": 62.4, "projected_percent": 71.0, "projected_micros": 35_500_000,
    "burn_micros": 1950, "active_jobs": 2, "daily_micros": 4_100_000,
    "weekly_micros": 31_200_000, "monthly_micros": 88_400_000, "total_micros": 88_400_000,
    "by_day": [{"date": f"2026-{10 + (24 + day) // 32:02}-{(24 + day) % 31 + 1:02}",
                "cost_micros": (day * 7 % 11) * 700_000, "jobs": day % 4} for day in range(30)],
    "jobs_by_status": {"completed": 31, "failed": 2, "running": 2}, "average_seconds": 2460.0,
}  # fmt: skip
ANSWERS = {
    ("GET", "/api/engine/tokens"): {
        kind: {"in_use": "keyring", "keyring": True, "session": False, "problem": "",
               "backend": "SecretService.Keyring", "user": f"{kind}@api.replicate.com",
               "shadowed": False}
        for kind in ("replicate", "huggingface")
    },
    ("GET", "/api/cloud/providers/replicate/validate"): {
        "valid": True, "token_source": "keyring", "user_info": {"username": "alice"},
    },
    ("GET", "/api/engine/tokens/huggingface/validate"): {
        "valid": True, "username": "alice", "token_source": "keyring",
    },
    ("GET", "/api/engine/spending?days=30"): SPENDING,
    ("GET", "/api/cloud/staged"): {"staged": []},
    ("POST", "/api/engine/network/check"): NETWORK,
    ("GET", "/api/engine/network"): {"proxy": "", "timeout": 30.0, "ways": WAYS},
    ("GET", "/api/engine/status-page?fresh=0"): {
        "state": "degraded", "gpus": {"l40s": "operational", "h100": "degraded_performance"},
        "components": [{"name": "H100", "state": "degraded_performance"}], "maintenances": [],
        "incidents": [{"name": "Slow H100 starts", "status": "investigating",
                       "started_at": "2026-11-23T13:20:00Z", "message": ""}],
        "error": None,
    },
    ("GET", "/api/engine/onboarding"): {
        "finished": True, "open": 1,
        "steps": [{"id": "limit", "title": "Set a cost limit", "state": "done", "detail": ""},
                  {"id": "delivery", "title": "Choose how results come back", "state": "open",
                   "detail": "the Hub, an S3 bucket, or this machine"}],
    },
}  # fmt: skip


@pytest.fixture
def app(world: Home, engine: StandInEngine) -> Iterator[SimpleTunerApp]:
    for call, answer in ANSWERS.items():
        engine.answers[call] = (200, answer)
    writer = StoreWriter(world)
    for name in ("l40s", "h100"):
        rows = [{"id": f"{number}c0ffee{name}" * 6, "created_at": f"2026-1{number}-01T10:00:00Z"}
                for number in (1, 0)]  # fmt: skip
        fact = scoped(f"versions:{TRAINER}{name}", Settings().cloud.api_base)
        writer.set_fact(fact, {"versions": rows})
    writer.close()
    one = SimpleTunerApp(world, Settings(), attach=engine.attach, clock=lambda: NOW)
    yield one
    one.reader.close()


async def opened_cloud(pilot: Pilot[int]) -> None:
    app: Any = pilot.app
    await wait_for(pilot, lambda: app.control is not None)
    await pilot.press("1")
    await wait_for(pilot, lambda: isinstance(app.screen, CloudScreen) and app.screen.is_mounted)
    await wait_for(pilot, lambda: app.screen.data.known.get("onboarding"))
    await wait_for(pilot, lambda: not app.screen.data.busy)
    await wait_for(pilot, lambda: "keys" in app.screen.data.known)
    await pilot.press("T")  # whatever the store said, it is checked at the stopped clock's time
    await wait_for(pilot, lambda: not app.screen.data.busy)
    app.clear_notifications()  # that a key has moved
    await pilot.pause()


def test_cloud_at_80x24(app: SimpleTunerApp, snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(app, terminal_size=(80, 24), run_before=opened_cloud)


def test_cloud_at_120x40(app: SimpleTunerApp, snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(app, terminal_size=(120, 40), run_before=opened_cloud)
