"""A sweep from the form: configs are marked, planned on one page, agreed to once."""

from __future__ import annotations

from typing import Any

from tests.app.conftest import opened, text_of, wait_for
from tests.app.job.world import RUNNING, fill_jobs
from tests.app.new_job.check_answer import answer
from tests.app.new_job.steps import CHECK, CONFIG, WHOLE_CHECK, asked, open_form
from tests.app.stand_in_engine import StandInEngine
from tui.api import paths
from tui.app.jobs.screen import JobsScreen
from tui.settings import Home

PLAN = ("POST", "/api/cloud/sweeps/plan")
START = ("POST", "/api/cloud/sweeps")
OTHER = "/data/config/dog-lora/config.json"


def _member(name: str, rate: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "config": f"/data/config/{name}/config.json", "ok": True, "checks": [],
        "changes": {"learning_rate": rate}, "hardware": "l40s", "seconds": 90,
        "micros": 1_000_000, "low_micros": 500_000, "high_micros": 2_000_000, **more,
    }  # fmt: skip


def _plan(*members: dict[str, Any], problem: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "name": "sweep", "at_once": 2, "ok": problem is None, "problem": problem,
        "members": list(members), "micros": 2_000_000, "low_micros": 1_000_000,
        "high_micros": 4_000_000, "free": False, "cost_limit": None, "digest": "shown",
        "cost": {"id": "cost", "level": "ok", "message": "$2 of $50 / 7 d", "advice": "",
                 "changes": {}, "release": ""},
        "leaves": [{"images": 24, "captions": 24, "bytes": 1 << 20, "destination": "the Hub",
                    "runs": 2, "times": 1, "until": "", "token": ""}],
    }  # fmt: skip


async def test_marked_configs_are_planned_and_started_as_one(
    home: Home, engine: StandInEngine
) -> None:
    fill_jobs(home)
    engine.answers[CHECK] = engine.answers[WHOLE_CHECK] = (200, answer())
    found = [{"name": name, "path": path} for name, path in (("cat", CONFIG), ("dog", OTHER))]
    async with opened(home, engine) as (app, pilot):
        form = await open_form(app, pilot, {"config": CONFIG, "hardware": "h100", "name": "mine"})
        known = paths.url(paths.AVAILABLE_CONFIGS, {"cwd": form.flow.draft["cwd"]})
        engine.answers["GET", known] = (200, {"configs": found})
        trouble = {"code": "check_failed", "message": "dog cannot work: too large.",
                   "advice": "Halve it.", "member": 1}  # fmt: skip
        broken = _member("dog", "5e-05", ok=False)
        engine.answers[PLAN] = (200, _plan(_member("cat", "0.0001"), broken, problem=trouble))
        await pilot.press("enter")
        await wait_for(pilot, lambda: "enter choose" in text_of(app))
        await pilot.press("g", "g", "space", "space", "space")  # the third is no config
        await wait_for(pilot, lambda: "enter plans 2 runs" in text_of(app))
        await pilot.press("enter")
        await wait_for(pilot, lambda: "dog cannot work: too large." in text_of(app))
        drafts = asked(engine, PLAN)[0]["drafts"]
        assert [draft["config"] for draft in drafts] == [CONFIG, OTHER]
        assert {draft["hardware"] for draft in drafts} == {"h100"}
        assert not any("name" in draft for draft in drafts)
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert "Start 2 runs?" not in text_of(app)

        await pilot.press("escape", "enter")
        await wait_for(pilot, lambda: "enter choose" in text_of(app))
        engine.answers[PLAN] = (200, _plan(_member("cat", "0.0001"), _member("dog", "5e-05")))
        started = {"name": "sweep", "members": [{"job_id": RUNNING}], "running": 1}
        engine.answers[START] = (201, started)
        await pilot.press("g", "g", "space", "space", "enter")
        await wait_for(pilot, lambda: "A sweep of 2 runs" in text_of(app))
        text = text_of(app)
        assert "✓ dog  1 m 30 s    $1.00  learning_rate 5e-05" in text
        assert "2 runs, about $2.00 together ($1.00–$4.00), at most 2 at once" in text
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "Start 2 runs?" in text_of(app))
        assert "$2 of $50 / 7 d." in text_of(app)
        await pilot.press("y")
        await wait_for(pilot, lambda: isinstance(app.screen, JobsScreen))
        body = asked(engine, START)[0]
        assert (body["consent"], body["agreed"]) == (True, "shown")
        assert body["idempotency_key"]
        assert form not in app.screen_stack
