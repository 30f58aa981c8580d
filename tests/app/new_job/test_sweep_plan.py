"""A sweep from the form: configs are marked, planned on one page, agreed to once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from textual.widgets import Input

from tests.app.conftest import opened, text_of, wait_for
from tests.app.job.world import RUNNING, fill_jobs
from tests.app.new_job.check_answer import answer
from tests.app.new_job.steps import CHECK, CONFIG, WHOLE_CHECK, asked, open_form
from tests.app.stand_in_engine import StandInEngine
from tests.simpletuner.projects import write_project
from tui.api import paths, routes
from tui.app.jobs.screen import JobsScreen
from tui.app.new_job.command import command_line
from tui.app.new_job.form import fields_of, set_field
from tui.app.new_job.kept_draft import DraftFile, storable
from tui.app.new_job.screen import NewJobScreen
from tui.app.new_job.sweep_axes import OF_A_SWEEP, set_axis, swept
from tui.app.new_job.sweep_plan import plan_entries, request_of
from tui.app.new_job.sweep_sheet import SweepSheet, judge_values
from tui.app.widgets.input_line import PromptLine
from tui.settings import Home
from tui.simpletuner.sweep import AxisError

if TYPE_CHECKING:
    from tui.api.sweeps import SweepPlan

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
                    "words": "leaves this machine: 24 images → the Hub; once for 2 runs",
                    "stays_here": False, "runs": 2, "times": 1, "until": "", "token": "a token"}],
    }  # fmt: skip


async def test_marked_configs_are_planned_and_started_as_one(
    home: Home, engine: StandInEngine
) -> None:
    fill_jobs(home)
    engine.answers[CHECK] = engine.answers[WHOLE_CHECK] = (200, answer())
    found = [{"name": name, "path": path} for name, path in (("cat", CONFIG), ("dog", OTHER))]
    async with opened(home, engine) as (app, pilot):
        form = await open_form(app, pilot, {"config": CONFIG, "hardware": "h100", "name": "mine"})
        known = routes.url(paths.AVAILABLE_CONFIGS, {"cwd": form.flow.draft["cwd"]})
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
        assert "Leaves this machine: 24 images → the Hub; once for 2 runs; a token." in text_of(app)
        await pilot.press("y")
        await wait_for(pilot, lambda: isinstance(app.screen, JobsScreen))
        body = asked(engine, START)[0]
        assert (body["consent"], body["agreed"]) == (True, "shown")
        assert body["idempotency_key"]
        assert form not in app.screen_stack
        app.tell("Not sent.", "Publish again and let it be replaced (--overwrite).", "error")
        assert app.notices[-1].advice == "Publish again and let it be replaced."


async def test_options_and_their_values_are_swept_from_the_form_by_keys(
    home: Home, engine: StandInEngine, tmp_path: Path
) -> None:
    fill_jobs(home)
    file = write_project(tmp_path, lora_rank=16, learning_rate=1e-4)
    told = answer()
    told["config"] = {**told["config"], "path": str(file)}
    engine.answers[CHECK] = (200, told)
    engine.answers[PLAN] = (200, _plan(_member("r8", "0.0001"), _member("r4", "0.0001")))
    started = {"name": "sweep", "members": [{"job_id": RUNNING}], "running": 1}
    engine.answers[START] = (201, started)
    async with opened(home, engine, size=(80, 24)) as (app, pilot):
        app.new_job({"config": str(file), "name": "mine"}, sweep=True)  # as A on the list does
        await wait_for(pilot, lambda: isinstance(app.screen, SweepSheet))
        form = app.screen_stack[-2]
        assert isinstance(form, NewJobScreen)
        await wait_for(pilot, lambda: "enter values ─ esc back" in text_of(app))
        await pilot.press("ctrl+s")
        assert "Nothing is swept yet" in app.notices[-1].message
        for name, wrong, right in (
            ("lora_rank", "8,4x", "8,4"), ("learning_rate", "1e-4,0.0001", "1e-4"),
            ("optimizer", "adamw_bf16,adamw", '"adamw_bf16"'),
        ):  # fmt: skip
            await pilot.press("slash", *name, "enter", "enter")
            await wait_for(pilot, lambda: bool(app.screen.query(PromptLine)))
            line = app.focused
            assert isinstance(line, Input)
            line.value = wrong
            await pilot.press("enter")
            await pilot.pause()
            assert app.focused is line, name  # it is not taken, and says why
            line.value = right
            await pilot.press("enter")
            await wait_for(pilot, lambda: not app.screen.query(PromptLine))
            await pilot.press("slash", "end", "ctrl+u")
        sheet = app.screen
        assert isinstance(sheet, SweepSheet)
        await pilot.press("enter")
        assert [row.name for row in sheet.shown[:3]] == ["lora_rank", "learning_rate", "optimizer"]
        assert sheet.current is sheet.shown[0]  # what was found before is forgotten
        await pilot.press("j", "j", "delete", "plus", "escape")
        await wait_for(pilot, lambda: app.screen is form)
        draft = form.flow.draft
        assert swept(draft) == {"lora_rank": "8,4", "learning_rate": "1e-4"}
        assert "lora_rank 8,4 × learning_rate 1e-4" in text_of(app)
        assert "plan sweep (2 runs)" in text_of(app)
        words = "--sweep lora_rank=8,4 --sweep learning_rate=1e-4 --at-once 3"
        assert words in command_line(draft)
        assert not OF_A_SWEEP & {*asked(engine, CHECK)[-1]}
        assert storable(draft)["sweep"] == swept(draft)  # a restart loses nothing of it
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "A sweep of 2 runs" in text_of(app))
        body = asked(engine, PLAN)[-1]
        assert body["axes"] == [{"name": "lora_rank", "values": ["8", "4"]},
                                {"name": "learning_rate", "values": ["1e-4"]}]  # fmt: skip
        assert (body["name"], body["at_once"], len(body["drafts"])) == ("mine", 3, 1)
        assert not OF_A_SWEEP & {*body["drafts"][0]}
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "Start 2 runs?" in text_of(app))
        await pilot.press("y")
        await wait_for(pilot, lambda: isinstance(app.screen, JobsScreen))
        assert asked(engine, START)[-1]["axes"] == body["axes"]
        assert DraftFile(home).load() is None  # it has become a sweep


def test_a_kept_draft_whose_sweep_is_not_one_says_so_and_can_be_cleared() -> None:
    draft: dict[str, Any] = {"sweep": {"lora_rank": "8,8", "nonsense": "1"}}
    with pytest.raises(AxisError, match="lora_rank has 8 twice"):
        request_of(draft, ["x"])
    (line,) = (one for one in fields_of(draft, None, {}) if one.key == "sweep")
    assert (line.note, line.own) == ("lora_rank has 8 twice", True)
    assert set_axis(draft, "lora_rank", "8,x") == "lora_rank=x: must be a number."
    assert set_field(draft, "sweep", "") == ""
    assert swept(draft) == {}
    assert judge_values("lora_rank", "") == ("", "Empty: it is swept no more.")
    assert judge_values("optimizer", "adamw_bf16,adamw")[0] == "error"
    assert judge_values("lora_rank", "8, 4") == ("", "2 values")


def test_a_run_that_is_swept_again_is_as_it_ran() -> None:
    draft = {"config": "x", "rerun_of": "job1", "name": "mine", "sweep": {"lora_rank": "2,4"}}
    assert request_of(draft, ["x"])["drafts"] == [{"config": "x", "rerun_of": "job1"}]
    assert request_of(draft, ["x"]).get("name") == "mine"
    assert request_of(draft, ["y"])["drafts"] == [{"config": "y"}]  # another config is another run
    again = command_line({**draft, "at_once": 3})
    assert again == "simpletuner-tui rerun job1 --name mine --sweep lora_rank=2,4 --at-once 3"
    assert command_line({**draft, "sweep": {}}).startswith("simpletuner-tui rerun job1")


def test_a_sweep_in_the_sandbox_costs_nothing() -> None:
    plan = cast("SweepPlan", {**_plan(_member("cat-r4", "0.0001")), "free": True})
    (total,) = (line.text for line in plan_entries(plan, 80) if "together" in line.text)
    words = "1 run, on Replicate about $2.00 together ($1.00–$4.00), free here, at most 2 at once"
    assert total == words


def test_what_differs_is_whole_on_a_narrow_screen() -> None:
    plan = cast("SweepPlan", _plan(_member("cat-r4", "0.0001")))
    wide, narrow = plan_entries(plan, 60), plan_entries(plan, 40)
    assert [line.text for line in wide[:2]] == [
        "  RUN         TIME    PRICE  WHAT DIFFERS",
        "✓ cat-r4  1 m 30 s    $1.00  learning_rate 0.0001",
    ]
    assert [line.text.rstrip() for line in narrow[1:3]] == [
        "✓ cat-r4  1 m 30 s    $1.00", "    learning_rate 0.0001"
    ]  # fmt: skip
    assert len(narrow) == len(wide) + 1
