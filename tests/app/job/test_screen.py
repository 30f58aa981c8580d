"""A job's page, by keys, on a sample world."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.widgets._toast import Toast

from tests.app.conftest import lines_of, opened, text_of, wait_for
from tests.app.job.opened import open_job
from tests.app.job.world import DONE, DRAFT, FAILED, RUNNING, fill_jobs
from tests.app.new_job.check_answer import answer
from tests.app.stand_in_engine import StandInEngine
from tests.app.world import NOW
from tests.support import eventually
from tui.app.annotations.warnings import WarningSheet
from tui.app.job import facts
from tui.app.job.log_panel import LogPanel
from tui.app.job.metrics_panel import MetricsPanel
from tui.app.job.screen import JobScreen
from tui.app.log.view import LogView
from tui.app.new_job.command import command_line
from tui.app.new_job.publish_sheet import PublishSheet
from tui.app.new_job.screen import NewJobScreen
from tui.base.job_status import JobStatus
from tui.settings import Home, Settings, SpendingSettings
from tui.store import log_process
from tui.store.records import FileRecord
from tui.store.run_state import StoredDiagnosis
from tui.store.writer import Change, StoreWriter


@pytest.fixture
def jobs(home: Home) -> Home:
    fill_jobs(home)
    return home


async def test_the_head_says_state_step_cost_and_eta(jobs: Home) -> None:
    async with opened(jobs) as (app, pilot):
        await open_job(app, pilot, RUNNING)
        head = lines_of(app)[2]
        for words in ("● running", "Step 200 of 1,000 · 20 %", "ETA 25 m", "$1.05 so far",
                      "L40S $3.51/h", "epoch 13/20", "1.89 s/it"):  # fmt: skip
            assert words in head
        assert "cat-lora-0" in lines_of(app)[1]


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_a_limit_that_ends_running_jobs_stands_on_each_of_them(
    jobs: Home, size: tuple[int, int]
) -> None:
    limit = SpendingSettings(
        enabled=True, amount_micros=50_000_000, period="weekly", stop_running=True
    )
    settings = Settings(spending=limit)
    async with opened(jobs, settings=settings, size=size) as (app, pilot):
        await open_job(app, pilot, RUNNING)
        assert "cancelled at $50 / 7 d" in lines_of(app)[1]
        await pilot.press("escape")
        if size[1] == 40:  # the preview of the list folds away on a small screen
            await eventually(lambda: bool(app.screen.query("#preview-title")))
            await eventually(lambda: "cancelled at $50 / 7 d" in text_of(app))
        await open_job(app, pilot, DONE)
        assert "cancelled at" not in text_of(app)


async def test_every_tab_opens_and_is_made_only_then(jobs: Home) -> None:
    async with opened(jobs) as (app, pilot):
        screen = await open_job(app, pilot, RUNNING)
        assert list(screen.tabs.panels) == ["Log"]
        seen = {"Log": text_of(app)}
        for name in ("Metrics", "Stages", "Config", "Files", "Events"):
            await pilot.press("tab")
            await wait_for(pilot, lambda name=name: f"[{name}]" in text_of(app))
            seen[name] = text_of(app)
        assert "[INFO] Checkpoint: Step 200 of 2000" in seen["Log"]
        metrics = screen.tabs.panels["Metrics"]
        assert isinstance(metrics, MetricsPanel)
        await wait_for(pilot, lambda: metrics.grid.curve is not None)
        assert "✓ Loading base model" in seen["Stages"]
        assert "$0.12" in seen["Stages"]  # 2 minutes of an L40S
        assert "hf_token                 ***" in seen["Config"]
        assert "starting → processing" in seen["Events"]
        await pilot.press("tab")
        assert "[Log]" in text_of(app)


async def test_a_failed_job_opens_on_its_diagnosis_and_leads_to_the_log(jobs: Home) -> None:
    async with opened(jobs, size=(80, 24)) as (app, pilot):
        screen = await open_job(app, pilot, FAILED)
        text = text_of(app)
        assert "[Diagnosis]" in text
        assert "✗ Out of GPU memory at step 12" in text
        assert "train_batch_size = 4 → 1" in text
        assert "vae_batch_size = 1" in text
        await pilot.press("j", "j", "j", "j", "j", "enter")
        await wait_for(pilot, lambda: screen.tabs.tab == "Log")
        panel = screen.tabs.panel
        assert isinstance(panel, LogPanel)
        cursor = panel.view.document.lines.at(panel.view.window.cursor)
        assert cursor is not None
        assert cursor.text.startswith("torch.OutOfMemoryError")


async def test_edit_and_run_opens_the_form_with_the_change_filled_in(jobs: Home) -> None:
    async with opened(jobs) as (app, pilot):
        await open_job(app, pilot, FAILED)
        await pilot.press("e")
        form = await wait_for(pilot, lambda: isinstance(app.screen, NewJobScreen) and app.screen)
        await wait_for(pilot, lambda: form.is_mounted and hasattr(form, "flow"))
        draft = form.flow.draft
        changes = {"train_batch_size": 1, "vae_batch_size": 1}
        assert draft["overrides"] == {"max_train_steps": 2000, **changes}
        assert draft["config"] == "/data/config/cat-lora/config.json"
        assert "consent" not in draft


async def test_edit_and_run_stages_the_data_that_an_archive_did_not_bring(jobs: Home) -> None:
    from tui.store.reader import StoreReader

    reader = StoreReader(jobs.database)
    failed = reader.job(FAILED)
    reader.close()
    assert failed is not None
    draft = {**DRAFT, "data": "hosted", "images_url": "https://example.org/a.zip"}
    diagnosis: StoredDiagnosis = {
        "title": "archive refused", "advice": [], "changes": {"data": "staged"},
    }  # fmt: skip
    job = replace(failed, submit={"draft": draft}, diagnosis=diagnosis)
    again = facts.draft_again(job, changed=True)
    assert (again["data"], again["overrides"]) == ("staged", {"max_train_steps": 2000})
    assert "images_url" not in again
    shown = [line.text for line in facts.diagnosis_entries(job)]
    assert "  data = hosted → staged" in shown


@pytest.mark.parametrize(
    ("again", "words", "opens"),
    [
        ("no", "The same run would fail again.", False),
        ("maybe", "The same run may go better.", True),
        ("yes", "The same run can go well", True),
    ],
)
async def test_running_again_is_offered_only_where_it_can_go_better(
    jobs: Home, engine: StandInEngine, again: str, words: str, opens: bool
) -> None:
    writer = StoreWriter(jobs)
    known = writer.job(FAILED).diagnosis
    writer.apply(FAILED, Change(values={"diagnosis": {**known, "again": again}}))
    writer.close()
    engine.answers["GET", f"/api/cloud/jobs/{FAILED}/rerun"] = (200, rerun_plan())
    engine.answers["POST", "/api/cloud/check"] = (200, answer())
    async with opened(jobs, engine) as (app, pilot):
        screen = await open_job(app, pilot, FAILED)
        assert words in text_of(app)
        await pilot.press("r")
        if opens:
            await wait_for(pilot, lambda: "Yes, start it ($3.74)" in text_of(app))
        else:
            await wait_for(pilot, lambda: app.notices)
            assert "e opens the form to change it" in app.notices[-1].message
            assert app.screen is screen


def rerun_plan(**changes: Any) -> dict[str, Any]:
    """How a job can be run again, with nothing different today."""
    data = {"state": "there", "bytes": 0, "words": "nothing is sent", "advice": ""}
    today = {"config": "/c/config.json", "name": "cat-2"}
    return {
        "job_id": DONE, "name": "cat-2", "differences": [], "data": data,
        "ran": {**today, "rerun_of": DONE, "version": "a" * 64}, "not_ran": "",
        "today": today, "not_today": "", **changes,
    }  # fmt: skip


def difference(words: str) -> dict[str, str]:
    return {"what": "config", "name": "x", "then": "1", "now": "2", "words": words}


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_running_again_says_what_is_different_and_asks_for_the_price(
    jobs: Home, engine: StandInEngine, size: tuple[int, int]
) -> None:
    path = f"/api/cloud/jobs/{DONE}"
    plan = rerun_plan(differences=[difference("learning_rate 0.0001 → 0.5")])
    engine.answers["GET", f"{path}/rerun"] = (200, plan)
    engine.answers["POST", "/api/cloud/check"] = (200, answer())
    engine.answers["POST", "/api/cloud/jobs/submit"] = (201, {"job_id": RUNNING})
    async with opened(jobs, engine, size=size) as (app, pilot):
        await open_job(app, pilot, DONE)
        await pilot.press("r")
        await wait_for(pilot, lambda: "as it is today" in text_of(app))
        assert "learning_rate 0.0001 → 0.5" in text_of(app)
        assert "as it ran" in text_of(app)
        await pilot.press("enter")
        await wait_for(pilot, lambda: "Yes, start it ($3.74)" in text_of(app))
        assert "/api/cloud/jobs/submit" not in engine.calls("POST")
        await pilot.press("enter")  # the answer that stands first is no
        await wait_for(pilot, lambda: isinstance(app.screen, JobScreen))
        assert "/api/cloud/jobs/submit" not in engine.calls("POST")
        await pilot.press("r")
        await wait_for(pilot, lambda: "as it is today" in text_of(app))
        await pilot.press("enter")
        await wait_for(pilot, lambda: "Yes, start it ($3.74)" in text_of(app))
        await pilot.press("y")
        await wait_for(
            pilot, lambda: isinstance(app.screen, JobScreen) and app.screen.job_id == RUNNING
        )
        body = next(body for _, path, body in engine.asked if path.endswith("/submit"))
        assert (body["rerun_of"], body["consent"], body["version"]) == (DONE, True, "a" * 64)


async def test_the_price_is_asked_even_where_uploads_need_no_consent(
    jobs: Home, engine: StandInEngine
) -> None:
    engine.answers["GET", f"/api/cloud/jobs/{DONE}/rerun"] = (200, rerun_plan())
    engine.answers["POST", "/api/cloud/check"] = (200, answer())
    settings = Settings(cloud=replace(Settings().cloud, consent="allow"))
    async with opened(jobs, engine, settings=settings) as (app, pilot):
        await open_job(app, pilot, DONE)
        await pilot.press("r")
        await wait_for(pilot, lambda: "Yes, start it ($3.74)" in text_of(app))
        assert "/api/cloud/jobs/submit" not in engine.calls("POST")


async def test_what_cannot_be_had_again_leaves_the_other_way_or_says_why(
    jobs: Home, engine: StandInEngine
) -> None:
    data = {"state": "gone", "bytes": 0, "words": "other images", "advice": "Put them back."}
    plan = rerun_plan(ran=None, not_ran="Other images.", data=data,
                      differences=[difference("other images")])  # fmt: skip
    path = f"/api/cloud/jobs/{DONE}/rerun"
    engine.answers["GET", path] = (200, plan)
    async with opened(jobs, engine) as (app, pilot):
        await open_job(app, pilot, DONE)
        await pilot.press("r")
        await wait_for(pilot, lambda: "as it is today" in text_of(app))
        assert "other images" in text_of(app)
        assert "as it ran" not in text_of(app)
        await pilot.press("escape")
        engine.answers["GET", path] = (200, {**plan, "today": None, "not_today": "No config."})
        await pilot.press("r")
        await wait_for(pilot, lambda: "Other images. No config." in app.notices[-1].message)
        assert app.notices[-1].advice == "Put them back."


async def test_the_form_of_a_run_that_cannot_start_keeps_it_until_another_config(
    jobs: Home, engine: StandInEngine
) -> None:
    engine.answers["GET", f"/api/cloud/jobs/{DONE}/rerun"] = (200, rerun_plan())
    engine.answers["POST", "/api/cloud/check"] = (200, answer(ok=False))
    async with opened(jobs, engine) as (app, pilot):
        await open_job(app, pilot, DONE)
        await pilot.press("r")
        form = await wait_for(pilot, lambda: isinstance(app.screen, NewJobScreen) and app.screen)
        await wait_for(pilot, lambda: "as it ran · flux dev" in text_of(app))
        assert command_line(form.flow.draft) == f"simpletuner-tui rerun {DONE} --name cat-2"
        form.editor.take("config", "/other/config.json")
        assert "rerun_of" not in form.flow.draft


async def test_edit_and_run_keeps_the_publishing_settings(jobs: Home) -> None:
    delivery = {"kind": "s3", "destination": "nas", "bucket": "own", "prefix": "cats/{job_id}"}
    overrides = {"max_train_steps": 500, "modelspec_comment": "mine"}
    writer = StoreWriter(jobs)
    draft = {**DRAFT, "delivery": delivery, "overrides": overrides}
    writer.apply(DONE, Change(values={"submit": {"draft": draft}}))
    writer.close()
    async with opened(jobs) as (app, pilot):
        await open_job(app, pilot, DONE)
        await pilot.press("e")
        form = await wait_for(pilot, lambda: isinstance(app.screen, NewJobScreen) and app.screen)
        await wait_for(pilot, lambda: form.is_mounted and hasattr(form, "flow"))
        assert form.flow.draft["delivery"] == delivery
        assert form.flow.draft["overrides"] == overrides
        form.form.go_to("publishing")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(app.screen, PublishSheet))
        for words in ("nas", "own", "cats/{job_id}", "mine"):
            await wait_for(pilot, lambda words=words: words in text_of(app))


async def test_cancel_asks_first_and_tells_the_engine(jobs: Home, engine: StandInEngine) -> None:
    async with opened(jobs, engine, toasts=True) as (app, pilot):
        await open_job(app, pilot, RUNNING)
        await pilot.press("c")
        await wait_for(pilot, lambda: "Cancel cat-lora-0?" in text_of(app))
        await pilot.press("y")
        path = f"/api/cloud/jobs/{RUNNING}/cancel"
        await wait_for(pilot, lambda: path in engine.calls("POST"))
        app.tell("No.", "It has ended.", "warning")  # what is said leaves a log's end readable
        drawn = await wait_for(
            pilot,
            lambda: [one.region for one in app.screen.query(Toast) if one.region.height == 2],
        )
        assert drawn[0].bottom <= app.screen.query_one(LogView).region.y
        assert "! No." in text_of(app)  # not by its colour alone
        for size in ((120, 40), (80, 24)):
            await pilot.resize_terminal(*size)
            for number in range(9):  # more than there is room for: the newest are seen
                app.tell(f"{size[0]} {number} was refused. " * 5, "It has ended. " * 8, "warning")

            def covered(half: int = size[1] // 2) -> bool:
                below = "".join(lines_of(app)[half + 1 :])
                return "refused" in below or "ended" in below

            await wait_for(pilot, lambda end=f"{size[0]} 8 was refused.": end in text_of(app))
            await wait_for(pilot, lambda: not covered())
            assert "Step 200 of 2000" in "".join(lines_of(app)[-4:-1])


async def test_the_engine_knows_which_job_is_open(jobs: Home, engine: StandInEngine) -> None:
    async with opened(jobs, engine) as (app, pilot):
        await open_job(app, pilot, RUNNING)

        def focused() -> list[object]:
            return [body["job_id"] for _, path, body in engine.asked if path == "/api/focus"]

        await wait_for(pilot, lambda: focused() == [RUNNING])
        await pilot.press("escape")
        await wait_for(pilot, lambda: focused() == [RUNNING, None])


async def test_changes_arrive_while_it_is_open(jobs: Home, engine: StandInEngine) -> None:
    async with opened(jobs, engine) as (app, pilot):
        screen = await open_job(app, pilot, RUNNING)
        writer = StoreWriter(jobs)
        writer.apply(RUNNING, Change(values={"step": 321, "percent": 32.1}))
        engine.send("job", {"job_id": RUNNING})
        await wait_for(pilot, lambda: "Step 321 of 1,000 · 32 %" in text_of(app))
        warnings = [{"kind": kind, "step": 310, "since": NOW.isoformat(), "ratio": 1.9,
                     "dismissed": False} for kind in ("slower", "diverging")]  # fmt: skip
        writer.apply(RUNNING, Change(values={"warnings": warnings}))
        put_away = [warnings[0], {**warnings[1], "dismissed": True}]
        change = ("PATCH", f"/api/cloud/jobs/{RUNNING}")
        engine.answers[change] = (200, {"job": {"warnings": put_away}})
        await pilot.press("exclamation_mark")
        await wait_for(pilot, lambda: isinstance(app.screen, WarningSheet))
        await pilot.press("j", "d")
        await wait_for(pilot, lambda: "since step 310 · put away" in text_of(app))
        assert (*change, {"dismiss": ["diverging"]}) in engine.asked
        assert "! steps take 1.9 × as long" in text_of(app)  # the other one stays
        await pilot.press("d", "escape")  # once is enough
        await wait_for(pilot, lambda: app.screen is screen)
        assert engine.calls("PATCH") == [change[1]]
        values = {"status": JobStatus.FAILED, "completed_at": NOW,
                  "diagnosis": {"title": "The worker was lost"}}  # fmt: skip
        writer.apply(RUNNING, Change(values=values))
        writer.close()
        engine.send("job", {"job_id": RUNNING})
        await wait_for(pilot, lambda: "Diagnosis" in screen.tabs.title.names)
        await wait_for(pilot, lambda: "✗ failed" in text_of(app))


async def test_upload_progress_is_in_the_head(jobs: Home, engine: StandInEngine) -> None:
    writer = StoreWriter(jobs)
    writer.apply(RUNNING, Change(values={"status": JobStatus.UPLOADING, "step": None}))
    writer.close()
    async with opened(jobs, engine) as (app, pilot):
        await open_job(app, pilot, RUNNING)
        progress = {"job_id": RUNNING, "phase": "uploading", "done": 1 << 20, "total": 4 << 20}
        engine.send("upload", progress)
        await wait_for(pilot, lambda: "uploading 1.0 MiB of 4.0 MiB · 25 %" in text_of(app))


async def test_files_copy_path_and_hash(jobs: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(jobs) as (app, pilot):
        copied: list[str] = []
        monkeypatch.setattr(app, "copy", copied.append)
        screen = await open_job(app, pilot, DONE)
        await screen.tabs.open("Files")
        await pilot.press("G")
        await pilot.press("y", "x")
        assert copied[0] == str(jobs.outputs / DONE / "validation_0.png")
        assert len(copied[1]) == 64
        assert "✗ expired" in text_of(app)


async def test_log_keys_search_save_and_step_back(
    jobs: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(jobs) as (app, pilot):
        screen = await open_job(app, pilot, RUNNING)
        await pilot.press("slash", *"captions", "enter")
        await wait_for(pilot, lambda: "/captions 1 of 1" in text_of(app))
        await pilot.press("S")
        target = tmp_path / "copy.log"
        panel = screen.tabs.panel
        assert isinstance(panel, LogPanel)
        await wait_for(pilot, lambda: panel.prompting)
        await pilot.press(*str(target), "enter")
        await wait_for(pilot, target.exists)
        assert target.read_bytes() == jobs.log_file(RUNNING).read_bytes()
        await wait_for(pilot, lambda: not panel.prompting)
        monkeypatch.setattr(log_process, "SECONDS", 0.01)
        with jobs.log_file(RUNNING).open("a") as file:
            file.write("a" * 50 + "b\n")
        panel.view.poll()
        panel.view.look_for("(?=a)(a+)+$", regex=True)
        await wait_for(pilot, lambda: "/(?=a)(a+)+$: takes too long" in text_of(app))
        await wait_for(pilot, lambda: "nest no repeats" in app.notices[-1].advice)
        await pilot.press("escape")
        assert app.screen is screen
        await pilot.press("escape")
        assert app.screen is not screen


async def test_a_job_that_is_gone_leads_back(jobs: Home) -> None:
    async with opened(jobs) as (app, pilot):
        home_screen = app.screen
        app.open_job("nothing")
        await wait_for(pilot, lambda: len(app.screen_stack) == 1)
        assert app.screen is home_screen


async def test_all_sizes_draw(jobs: Home) -> None:
    async with opened(jobs, size=(80, 24)) as (app, pilot):
        screen = await open_job(app, pilot, RUNNING)
        for size in ((80, 24), (60, 15), (200, 60), (20, 5), (120, 40)):
            await pilot.resize_terminal(*size)
            for name in ("Log", "Metrics", "Stages", "Config", "Files", "Events"):
                await screen.tabs.open(name)
                await pilot.pause()
                assert all(len(line) <= size[0] + 40 for line in lines_of(app))


def test_facts_of_a_job_without_anything(jobs: Home) -> None:
    from tui.store.reader import StoreReader

    reader = StoreReader(jobs.database)
    job = reader.job(RUNNING)
    reader.close()
    assert job is not None
    bare = replace(job, inputs={}, config={}, dataloader=[], diagnosis={}, queued_at=None,
                   status=JobStatus.FAILED, submit={}, error="")  # fmt: skip
    assert facts.stage_entries(bare, [], NOW) == []
    assert "The job failed" in facts.diagnosis_entries(bare)[0].text
    assert facts.draft_again(bare, changed=True)["config"] == job.config_path
    assert facts.flatten({"a": '{"b": [1, "x"]}', "c": "{not json"}) == {
        "a.b.0": "1", "a.b.1": "x", "c": "{not json",
    }  # fmt: skip


async def test_a_waiting_job_is_moved_after_a_choice_and_a_question(
    jobs: Home, engine: StandInEngine
) -> None:
    writer = StoreWriter(jobs)
    values = {"status": JobStatus.QUEUED, "submit": {"draft": DRAFT}, "started_at": None}
    writer.apply(RUNNING, Change(values=values))
    writer.close()
    other = {"id": "h100", "label": "H100", "rate_micros": 1525, "seconds": 600,
             "estimate_micros": 915000, "usual_wait_seconds": None}  # fmt: skip
    standing = {"words": "It has waited 20 min for L40S.", "others": [other]}
    engine.answers["GET", f"/api/cloud/jobs/{RUNNING}/queue"] = (200, standing)
    async with opened(jobs, engine) as (app, pilot):
        await open_job(app, pilot, RUNNING)
        await pilot.press("M")
        await wait_for(pilot, lambda: "about $0.92" in text_of(app))
        assert not engine.calls("POST").count(f"/api/cloud/jobs/{RUNNING}/move")
        await pilot.press("enter")
        await wait_for(pilot, lambda: "It has waited 20 min" in text_of(app))
        await pilot.press("y")
        moves = f"/api/cloud/jobs/{RUNNING}/move"
        await wait_for(pilot, lambda: moves in engine.calls("POST"))
        assert ("POST", moves, {"hardware": "h100"}) in engine.asked


async def test_only_a_waiting_job_can_be_moved(jobs: Home, engine: StandInEngine) -> None:
    async with opened(jobs, engine) as (app, pilot):
        await open_job(app, pilot, RUNNING)
        await pilot.press("M")
        await wait_for(pilot, lambda: app.notices)
        assert "Only a job that waits" in app.notices[-1].message


async def test_after_a_time_limit_the_run_goes_on_from_the_checkpoint_that_arrived(
    jobs: Home,
) -> None:
    head = "cats-1/simpletuner/cog-1/checkpoint-500"
    folder = jobs.outputs / head
    folder.mkdir(parents=True)
    (folder / "checkpoint_manifest.json").write_text('{"files": ["weights.safetensors"]}')
    names = ("weights.safetensors", "checkpoint_manifest.json")
    files = [FileRecord(f"{head}/{name}", 1, "", "delivered", NOW) for name in names]
    writer = StoreWriter(jobs)
    diagnosis = {"rule": "time-limit", "again": "no", "title": "stopped at the time limit"}
    values = {"diagnosis": diagnosis, "delivery": "local", "total_steps": 1000}
    writer.apply(FAILED, Change(values=values, files=files))
    writer.close()
    async with opened(jobs) as (app, pilot):
        await open_job(app, pilot, FAILED)
        await pilot.press("r")
        await wait_for(pilot, lambda: "go on from step 500" in text_of(app))
        assert "from the beginning" not in text_of(app)
        await pilot.press("enter")
        form = await wait_for(pilot, lambda: isinstance(app.screen, NewJobScreen) and app.screen)
        await wait_for(pilot, lambda: form.is_mounted and hasattr(form, "flow"))
        overrides = form.flow.draft["overrides"]
        assert overrides["resume_from_checkpoint"] == f"s3://outputs/{head.partition('/')[2]}"
        assert overrides["max_train_steps"] == 1000


async def test_without_its_files_nothing_goes_on_after_a_time_limit(jobs: Home) -> None:
    writer = StoreWriter(jobs)
    diagnosis = {"rule": "time-limit", "again": "no", "title": "stopped at the time limit"}
    writer.apply(FAILED, Change(values={"diagnosis": diagnosis, "delivery": "local"}))
    writer.close()
    async with opened(jobs) as (app, pilot):
        screen = await open_job(app, pilot, FAILED)
        await pilot.press("r")
        await wait_for(pilot, lambda: app.notices)
        assert "would fail again" in app.notices[-1].message
        assert app.screen is screen
