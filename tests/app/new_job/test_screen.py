"""The form for a new job, by keys, against a stand-in engine."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from textual.widgets import Input

from tests.app.conftest import lines_of, opened, text_of, wait_for
from tests.app.job.world import RUNNING, fill_jobs
from tests.app.keys.bursts import burst
from tests.app.new_job.check_answer import answer
from tests.app.new_job.steps import CHECK, CONFIG, LATER, SUBMIT, WHOLE_CHECK, asked, open_form
from tests.app.stand_in_engine import StandInEngine
from tests.simpletuner.config.sample_examples import NAME, write_examples
from tui.app.job.screen import JobScreen
from tui.app.new_job.form import fields_of
from tui.app.new_job.screen import NewJobScreen
from tui.app.widgets.picker import Page
from tui.base.job_status import JobStatus
from tui.settings import CloudSettings, Home, Settings
from tui.store.writer import Change, StoreWriter


@pytest.fixture
def ready(home: Home, engine: StandInEngine) -> StandInEngine:
    fill_jobs(home)
    engine.answers[CHECK] = engine.answers[WHOLE_CHECK] = (200, answer())
    engine.answers[SUBMIT] = (201, {"job_id": RUNNING, "status": "pending"})
    return engine


def said(app: Any) -> str:
    return " ".join(notice.message for notice in app.notices)


def status(home: Home, job_id: str, state: JobStatus, **values: Any) -> None:
    writer = StoreWriter(home)
    writer.apply(job_id, Change(values={"status": state, **values}))
    writer.close()


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_everything_is_on_one_page(
    home: Home, ready: StandInEngine, size: tuple[int, int]
) -> None:
    async with opened(home, ready, size=size) as (app, pilot):
        await open_form(app, pilot)
        text = text_of(app)
        for words in ("Config", CONFIG, "cat-lora-2", "L40S 48 GB", "cats (24 images", "2000",
                      "Learning rate", "Stop after", "! 2 images under 512 px",
                      "24 images, 24 captions, 41.2 MiB → Replicate", "Skipped: 1 file",
                      "submit ($3.74)"):  # fmt: skip
            assert words in text, words
        beside = [words in text for words in ("─ This job ─", "Captions   24 of 24")]
        assert beside == [size == (120, 40)] * 2, "where there is room for it below the fields"
        assert text.count("about 1 h 04 m (") <= 1


async def test_submit_asks_shows_bytes_and_ends_on_the_jobs_page(
    home: Home, ready: StandInEngine
) -> None:
    status(home, RUNNING, JobStatus.UPLOADING)
    async with opened(home, ready) as (app, pilot):
        screen = await open_form(app, pilot)
        burst(app, "ctrl+s", "y", "right", "enter", "y")  # no yes to what could not be read yet
        await wait_for(pilot, lambda: "Start cat-lora-2?" in text_of(app))
        assert "Leaves this machine: 24 images" in text_of(app)
        assert "▸ n  No" in text_of(app)
        assert not asked(ready, SUBMIT)
        await pilot.press("y")
        await wait_for(pilot, lambda: asked(ready, SUBMIT))
        body = asked(ready, SUBMIT)[0]
        assert body["consent"] is True
        assert body["config"] == CONFIG
        assert body["idempotency_key"]
        progress = {"job_id": RUNNING, "phase": "uploading", "done": 3 << 20, "total": 6 << 20}
        await wait_for(pilot, lambda: screen.flow.job_id)
        ready.send("upload", progress)
        await wait_for(pilot, lambda: "uploading 3.0 MiB of 6.0 MiB · 50 %" in text_of(app))
        status(home, RUNNING, JobStatus.QUEUED)
        ready.send("job", {"job_id": RUNNING})
        await wait_for(pilot, lambda: isinstance(app.screen, JobScreen))
        assert len(asked(ready, SUBMIT)) == 1


async def test_no_is_the_default_and_starts_nothing(home: Home, ready: StandInEngine) -> None:
    async with opened(home, ready) as (app, pilot):
        form = await open_form(app, pilot)
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "Start cat-lora-2?" in text_of(app))
        await pilot.resize_terminal(80, 24)
        await pilot.press("enter")
        await wait_for(pilot, lambda: app.screen is form)
        assert not asked(ready, SUBMIT)
        # What lay below the question is wrapped to the room that there is now.
        await wait_for(pilot, lambda: "! 2 images under 512 px are enlarged" in text_of(app))


async def test_in_the_sandbox_two_keys_start_a_job(home: Home, ready: StandInEngine) -> None:
    ready.answers[CHECK] = (200, answer(sandbox=True))
    ready.answers[("GET", "/api/cloud/available-configs")] = (
        200, {"configs": [{"name": "cat-lora", "path": CONFIG}, {"name": "b", "path": "/b"}]},
    )  # fmt: skip
    async with opened(home, ready, sandbox=True) as (app, pilot):
        await pilot.press("n", "ctrl+s")  # before the first check has answered
        await wait_for(pilot, lambda: asked(ready, SUBMIT))
        assert asked(ready, SUBMIT)[0]["config"] == CONFIG
        await wait_for(pilot, lambda: isinstance(app.screen, JobScreen))


async def test_a_stopped_upload_comes_back_to_the_form(home: Home, ready: StandInEngine) -> None:
    status(home, RUNNING, JobStatus.UPLOADING, prediction_id="")
    ready.answers[CHECK] = (200, answer(sandbox=True))
    async with opened(home, ready) as (app, pilot):
        form = await open_form(app, pilot)
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: form.flow.job_id)
        await pilot.press("c")
        path = f"/api/cloud/jobs/{RUNNING}/cancel"
        await wait_for(pilot, lambda: path in ready.calls("POST"))
        status(home, RUNNING, JobStatus.CANCELLED)
        ready.send("job", {"job_id": RUNNING})
        await wait_for(pilot, lambda: not form.flow.job_id)
        assert app.screen is form


async def test_errors_keep_it_from_starting_and_are_at_the_field(
    home: Home, ready: StandInEngine
) -> None:
    ready.answers[CHECK] = (200, answer(ok=False))
    async with opened(home, ready) as (app, pilot):
        await open_form(app, pilot)
        text = text_of(app)
        assert "1 to correct" in text
        assert "✗ both max_train_steps and epochs are set" in text
        assert "submit (" not in text
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert "Start" not in text_of(app).partition("Checks")[0].replace("Stop", "")
        assert not asked(ready, SUBMIT)


async def test_a_refused_config_says_so_at_the_config(home: Home, ready: StandInEngine) -> None:
    ready.answers[CHECK] = (
        422,
        {"error": "invalid_config", "message": "config.json is not JSON: line 3",
         "advice": "Correct line 3."},
    )  # fmt: skip
    async with opened(home, ready) as (app, pilot):
        await open_form(app, pilot)
        assert "config.json is not JSON: line 3" in text_of(app)
        assert "Correct line 3." in text_of(app)


async def test_fields_are_changed_by_typing_and_checked_again(
    home: Home, ready: StandInEngine
) -> None:
    async with opened(home, ready) as (app, pilot):
        form = await open_form(app, pilot)
        form.form.go_to("max_train_steps")
        shown = next(line for line in lines_of(app) if " Steps " in line)
        row, column = lines_of(app).index(shown), shown.index("2000")
        await pilot.press("enter")
        await wait_for(pilot, lambda: app.focused is not form.form)
        await pilot.press(*"abc", "enter")
        await wait_for(pilot, lambda: "Steps must be a number." in text_of(app))
        typed = lines_of(app)[row]
        assert " Steps " in typed
        assert typed.index("abc") == column  # where the value stands
        await pilot.press("home", "shift+end", *"500", "enter")
        await wait_for(pilot, lambda: asked(ready, CHECK)[-1].get("overrides") == {
            "max_train_steps": 500})  # fmt: skip
        await wait_for(pilot, lambda: form.form.has_focus)
        await pilot.press("delete")
        await wait_for(pilot, lambda: asked(ready, CHECK)[-1].get("overrides") == {})


async def test_typing_fast_asks_the_engine_once(home: Home, ready: StandInEngine) -> None:
    async with opened(home, ready) as (app, pilot):
        form = await open_form(app, pilot)
        before = len(asked(ready, CHECK))
        for steps in ("1", "2", "3", "4"):
            form.editor.take("max_train_steps", steps)
        await wait_for(pilot, lambda: not form.flow.checking)
        assert len(asked(ready, CHECK)) == before + 1
        assert asked(ready, CHECK)[-1]["overrides"]["max_train_steps"] == 4


async def test_hardware_and_config_are_picked(home: Home, ready: StandInEngine) -> None:
    ready.answers[("GET", "/api/cloud/available-configs")] = (
        200, {"configs": [{"name": "dog", "path": "/data/config/dog/config.json"}]},
    )  # fmt: skip
    async with opened(home, ready) as (app, pilot):
        form = await open_form(app, pilot)
        form.form.go_to("hardware")
        await pilot.press("enter")
        await wait_for(pilot, lambda: "$5.49/h" in text_of(app))
        await pilot.press("j", "j", "j", "j", "enter")
        await wait_for(pilot, lambda: form.flow.draft["hardware"] == "h100")
        form.form.go_to("config")
        await pilot.press("enter")
        await wait_for(pilot, lambda: "another path…" in text_of(app))
        await pilot.press("enter")
        await wait_for(pilot, lambda: form.flow.draft["config"] == "/data/config/dog/config.json")
    here = urlencode({"cwd": str(Path.cwd())})
    assert f"/api/cloud/available-configs?{here}" in ready.calls("GET")


async def test_a_starter_or_an_example_is_written_and_chosen(
    home: Home, ready: StandInEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    ready.answers[("GET", "/api/cloud/available-configs")] = (200, {"configs": []})
    async with opened(home, ready) as (app, pilot):
        form = await open_form(app, pilot, {"cwd": str(tmp_path)})
        await pilot.press("n")
        await wait_for(pilot, lambda: "Flux.1 dev LoRA" in text_of(app))
        await pilot.press("enter")
        await wait_for(pilot, lambda: "Name of the new config" in text_of(app))
        await pilot.press("enter")
        await wait_for(pilot, lambda: "Folder of your images" in text_of(app))
        await pilot.press("enter")
        path = tmp_path / "config" / "my-flux" / "config.json"
        await wait_for(pilot, path.exists)
        assert json.loads(path.read_text())["model_family"] == "flux"
        await wait_for(pilot, lambda: form.flow.draft["config"] == str(path))
        write_examples(tmp_path / "clone" / "simpletuner" / "examples")
        form.editor.take("max_train_steps", "7")
        await form.action_perform("new.example")
        await wait_for(pilot, lambda: "Folder of SimpleTuner" in text_of(app))
        line = app.focused
        assert isinstance(line, Input)
        line.value = "clone"
        await pilot.press("enter")
        await wait_for(pilot, lambda: "lycoris-lokr+tread" in text_of(app))
        await pilot.press("enter")
        await wait_for(pilot, lambda: "Name of the new config" in text_of(app))
        await pilot.press("enter")
        path = tmp_path / "config" / NAME / "config.json"
        await wait_for(pilot, lambda: form.flow.draft["config"] == str(path))
        assert form.flow.draft["overrides"] == {}


async def test_request_and_dry_run_are_shown(home: Home, ready: StandInEngine) -> None:
    async with opened(home, ready) as (app, pilot):
        form = await open_form(app, pilot)
        await pilot.press("v")
        await wait_for(pilot, lambda: '"hf_token": "***"' in text_of(app))
        page = app.screen
        assert isinstance(page, Page)
        await pilot.press("slash", *"LORA_", "enter")
        await wait_for(pilot, lambda: not app.screen.query("PromptLine"))
        found = [at for at, line in enumerate(page.list.entries) if "lora_" in line.text]
        assert page.list.index == found[0]
        await pilot.press("N")
        assert page.list.index == found[-1]
        await pilot.press("n")
        assert page.list.index == found[0]
        await pilot.press("escape", "t")
        await wait_for(pilot, lambda: "Dry run: nothing was sent" in text_of(app))
        await pilot.press("escape")
        await wait_for(pilot, lambda: app.screen is form)
        await pilot.press("escape")
        await wait_for(pilot, lambda: app.screen is not form)


async def test_with_no_config_anywhere_it_says_what_to_press(
    home: Home, ready: StandInEngine
) -> None:
    ready.answers[("GET", "/api/cloud/available-configs")] = (200, {"configs": []})
    async with opened(home, ready) as (app, pilot):
        await open_form(app, pilot, {"config": ""})
        assert "n is for a starter" in text_of(app)
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "Choose a config first." in said(app))


async def test_the_configs_of_the_folder_come_first(
    home: Home, ready: StandInEngine, tmp_path: Path
) -> None:
    found = [{"name": name, "path": f"{tmp_path}/config/{name}.json"} for name in ("a", "b")]
    other = {"name": "c", "path": "/elsewhere/c.json"}
    configs = ("GET", "/api/cloud/available-configs")
    ready.answers[configs] = (200, {"configs": [*found, other]})
    async with opened(home, ready) as (app, pilot):
        await open_form(app, pilot, {"cwd": str(tmp_path)})
        assert "2 configs in this folder: enter chooses one" in text_of(app)
        await pilot.press("enter")
        await wait_for(pilot, lambda: "another path…" in text_of(app))
        assert "config/b.json" in text_of(app)
        assert f"{tmp_path}/config/b.json" not in text_of(app)
        await pilot.press("escape", "escape")
        ready.answers[configs] = (200, {"configs": [found[1], other]})
        form = await open_form(app, pilot, {"cwd": str(tmp_path)})
        assert form.flow.draft["config"] == found[1]["path"]


async def test_without_an_engine_the_check_waits(home: Home) -> None:
    fill_jobs(home)
    async with opened(home) as (app, pilot):
        screen = NewJobScreen({"config": CONFIG})
        app.push_screen(screen)
        await wait_for(pilot, lambda: "the engine is starting" in text_of(app))


async def test_consent_never_forbids_submitting(home: Home, ready: StandInEngine) -> None:
    settings = Settings(cloud=CloudSettings(consent="never"))
    async with opened(home, ready, settings=settings) as (app, pilot):
        await open_form(app, pilot)
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "forbid submitting" in said(app))
        assert not asked(ready, SUBMIT)


async def test_where_there_is_little_room_tab_shows_the_checks(
    home: Home, ready: StandInEngine
) -> None:
    ready.answers[CHECK] = (200, answer(ok=False))
    async with opened(home, ready, size=(60, 15)) as (app, pilot):
        await open_form(app, pilot)
        assert "1 to correct" in text_of(app)
        assert "Run name" in text_of(app)
        await pilot.press("tab")
        await wait_for(pilot, lambda: "config readable · flux dev · lora rank 16" in text_of(app))
        assert "Set num_train_epochs to 0" in text_of(app)
        assert "Run name" not in text_of(app)
        await pilot.press("tab")
        await wait_for(pilot, lambda: "Run name" in text_of(app))
        await pilot.press("j", "enter")
        await wait_for(pilot, lambda: "enter accept" in text_of(app))
        await pilot.press("escape")
        await wait_for(pilot, lambda: "enter change" in text_of(app))


# -- a delivery that failed its proof ----------------------------------------------------------

UNPROVED = {
    "id": "hub-write", "level": "error", "message": "the Hugging Face token can only read",
    "advice": "Make one with write access.",
}  # fmt: skip


async def test_a_delivery_that_failed_its_proof_can_be_accepted_once(
    home: Home, ready: StandInEngine
) -> None:
    refused = {**answer(), "ok": False, "acceptable": True, "accepts": ["accept_delivery"]}
    refused["checks"] = [UNPROVED, *refused["checks"]]
    async with opened(home, ready) as (app, pilot):
        ready.answers[CHECK] = (200, refused)
        screen = await open_form(app, pilot)
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "Start it all the same?" in text_of(app))
        assert "can only read" in text_of(app)
        await pilot.press("enter")  # the default is no
        await wait_for(pilot, lambda: app.screen is screen)
        assert "accept_delivery" not in screen.flow.draft
        assert not asked(ready, SUBMIT)

        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "Start it all the same?" in text_of(app))
        ready.answers[CHECK] = (200, answer())
        await pilot.press("y")
        await wait_for(pilot, lambda: "Start cat-lora-2?" in text_of(app))  # the price, still
        assert asked(ready, CHECK)[-1]["accept_delivery"] is True
        assert not asked(ready, SUBMIT)
        await pilot.press("n")
        await wait_for(pilot, lambda: app.screen is screen)
        screen.flow.draft_changed()  # another draft: agreed for that one, not for this one
        assert "accept_delivery" not in screen.flow.draft


async def test_one_key_mends_the_delivery_and_shows_what_it_changed(
    home: Home, ready: StandInEngine
) -> None:
    lost = {
        "id": "delivery-schedule", "level": "error", "advice": "",
        "message": "last weights that leave the trainer: step 900 of 1000; the final ones do not",
    }  # fmt: skip
    mend = {
        "id": "intervals", "title": "", "line": "", "delivery": {}, "changes": [],
        "overrides": {"validation_step_interval": 250},
        "words": "validation_step_interval: 300 → 250",
    }  # fmt: skip
    refused = {**answer(), "ok": False, "acceptable": True, "accepts": ["accept_delivery"]}
    refused["checks"] = [lost, *refused["checks"]]
    refused["weights"] = {"line": lost["message"], "promise": "no", "mends": [mend]}
    mended = {**answer(), "weights": {"line": "all of them", "promise": "yes", "mends": []}}
    mended["config"] = {**mended["config"], "validation_step_interval": 250}
    async with opened(home, ready) as (app, pilot):
        ready.answers[CHECK] = (200, refused)
        screen = await open_form(app, pilot)
        await wait_for(pilot, lambda: "the final ones do not" in text_of(app))
        ready.answers[CHECK] = (200, mended)
        await pilot.press("f")
        await wait_for(pilot, lambda: screen.flow.ready)
        assert "validation_step_interval: 300 → 250" in said(app)
        assert asked(ready, CHECK)[-1]["overrides"] == {"validation_step_interval": 250}
        lines = [field.label for field in fields_of(screen.flow.draft, screen.flow.answer, {})]
        assert "Validation step interval" in lines  # it can be seen and cleared
        await pilot.press("f")  # there is nothing to mend any more
        assert "No finding here can be mended" in said(app)
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "All of them." in text_of(app))


async def test_each_finding_with_changes_is_mended_by_the_same_key(
    home: Home, ready: StandInEngine
) -> None:
    steps = {
        "id": "steps", "level": "error", "message": "steps and epochs are both set", "advice": "",
        "changes": {"num_train_epochs": 0},
    }  # fmt: skip
    memory = {
        "id": "memory", "level": "warn", "message": "this may be too much memory",
        "advice": "Train smaller batches.", "changes": {"train_batch_size": 1},
    }  # fmt: skip
    begin = answer()
    begin["config"]["train_batch_size"] = 4
    begin |= {"ok": False, "checks": [memory, steps, *begin["checks"]]}
    async with opened(home, ready) as (app, pilot):
        ready.answers[CHECK] = (200, begin)
        screen = await open_form(app, pilot)
        await wait_for(pilot, lambda: "f changes train_batch_size: 4 → 1" in text_of(app))
        await pilot.press("tab")  # the cursor is on the first finding, a warning
        await wait_for(pilot, lambda: screen.checks.has_focus)
        await pilot.press("j", "f")
        await wait_for(pilot, lambda: not screen.flow.checking)
        assert "Changed: train_batch_size: 4 → 1." in said(app)
        assert asked(ready, CHECK)[-1]["overrides"] == {"train_batch_size": 1}
        await pilot.press("tab")
        await wait_for(pilot, lambda: screen.form.has_focus)
        await pilot.press("f")  # elsewhere: the error first
        await wait_for(pilot, lambda: not screen.flow.checking)
        sent = asked(ready, CHECK)[-1]["overrides"]
        assert sent == {"train_batch_size": 1, "num_train_epochs": 0}


async def test_an_archive_that_the_trainer_ignores_can_be_accepted(
    home: Home, ready: StandInEngine
) -> None:
    ignored = {"id": "data-archive", "level": "error", "message": "ignored", "advice": ""}
    refused = {**answer(), "ok": False, "acceptable": True, "accepts": ["accept_data"]}
    refused["checks"] = [ignored, *refused["checks"]]
    async with opened(home, ready) as (app, pilot):
        ready.answers[CHECK] = (200, refused)
        screen = await open_form(app, pilot)
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "the trainer would not get the images" in text_of(app))
        ready.answers[CHECK] = (200, answer())
        await pilot.press("y")
        await wait_for(pilot, lambda: "Start cat-lora-2?" in text_of(app))
        last = asked(ready, CHECK)[-1]
        assert last["accept_data"] is True
        assert "accept_delivery" not in last
        await pilot.press("n")
        await wait_for(pilot, lambda: app.screen is screen)
        screen.flow.draft_changed()
        assert "accept_data" not in screen.flow.draft


async def test_other_errors_cannot_be_accepted(home: Home, ready: StandInEngine) -> None:
    async with opened(home, ready) as (app, pilot):
        ready.answers[CHECK] = (200, {**answer(ok=False), "acceptable": False})
        screen = await open_form(app, pilot)
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert app.screen is screen
        assert "Correct this first" in said(app)


@pytest.mark.parametrize(
    ("field", "line"), [("cancel_after", "cancel_after"), ("model_card_note", "publishing")]
)
async def test_the_cursor_goes_to_what_the_submit_refused(
    home: Home, ready: StandInEngine, field: str, line: str
) -> None:
    words = {"message": "One value cannot be used.", "details": {"fields": {field: "must be less"}}}
    ready.answers[SUBMIT] = (400, {"error": "validation", "advice": "", **words})
    async with opened(home, ready) as (app, pilot):
        screen = await open_form(app, pilot, {"config": CONFIG, "delivery": {"kind": "hub"}})
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "Start cat-lora-2?" in text_of(app))
        await pilot.press("y")
        await wait_for(pilot, lambda: screen.flow.problem is not None)
        await pilot.pause()
        assert screen.form.current is not None
        assert screen.form.current.key == line
        assert screen.form.has_focus
        assert "must be less" in screen.form.current.problem


async def test_a_proof_that_fails_at_the_submit_stands_among_the_checks(
    home: Home, ready: StandInEngine
) -> None:
    refusal = {
        "error": "check_failed", "message": "The token can only read.", "advice": "",
        "details": {"checks": [UNPROVED], "acceptable": True, "accepts": ["accept_delivery"]},
    }  # fmt: skip
    ready.answers[SUBMIT] = (422, refusal)
    async with opened(home, ready) as (app, pilot):
        screen = await open_form(app, pilot)
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "Start cat-lora-2?" in text_of(app))
        await pilot.press("y")
        await wait_for(pilot, lambda: screen.flow.only_acceptable_failed)
        await wait_for(pilot, lambda: "can only read" in text_of(app))
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "Start it all the same?" in text_of(app))


@pytest.mark.parametrize(
    ("stays", "free", "price"), [(True, False, "$3.74"), (False, True, "and free")]
)
async def test_the_price_depends_on_the_api_alone_and_the_question_on_both(
    home: Home, ready: StandInEngine, stays: bool, free: bool, price: str
) -> None:
    """Data may pass a Hub on this machine to a paid trainer, and leave it for a free one."""
    found = answer()
    found["leaves"]["stays_here"], found["estimate"]["free"] = stays, free
    ready.answers[CHECK] = (200, found)
    async with opened(home, ready) as (app, pilot):
        screen = await open_form(app, pilot)
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: app.screen is not screen)
        text = text_of(app)
        assert price in text
        assert ("charged by the second" in text) is not free
        assert not asked(ready, SUBMIT)


STAGED: dict[str, Any] = {"place": "hub", "digest": "d" * 64, "until": "until the job has ended"}


async def test_a_yes_agrees_to_the_place_and_the_data_that_were_shown(
    home: Home, ready: StandInEngine
) -> None:
    found = answer()
    found["leaves"] |= STAGED
    ready.answers[CHECK] = (200, found)
    async with opened(home, ready) as (app, pilot):
        screen = await open_form(app, pilot)
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "Start cat-lora-2?" in text_of(app))
        screen.flow.answer = answer()  # a newer one, which nobody has seen
        await pilot.press("y")
        await wait_for(pilot, lambda: asked(ready, SUBMIT))
        body = asked(ready, SUBMIT)[0]
        assert (body["consent"], body["agreed"]) == (True, STAGED["digest"])
        assert (body["data"], body["staging"]) == ("staged", "hub")
        assert "staging" not in asked(ready, CHECK)[0]


async def test_what_differs_at_the_submit_is_checked_and_asked_again(
    home: Home, ready: StandInEngine
) -> None:
    words = {"message": "What leaves is not what was shown.", "advice": "Check it again."}
    ready.answers[SUBMIT] = (403, {"error": "consent_required", **words})
    async with opened(home, ready) as (app, pilot):
        screen = await open_form(app, pilot)
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "Start cat-lora-2?" in text_of(app))
        await pilot.press("y")
        await wait_for(pilot, lambda: len(asked(ready, CHECK)) == 2)
        await wait_for(pilot, lambda: screen.flow.ready)
        assert words["message"] in said(app)
        assert not screen.flow.submitting
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: "Start cat-lora-2?" in text_of(app))
        assert len(asked(ready, SUBMIT)) == 1


async def test_a_bucket_of_the_user_is_offered_as_the_place_of_the_data(
    home: Home, ready: StandInEngine
) -> None:
    rows = [
        {"name": "mine", "kind": "s3", "options": {"bucket": "b", "endpoint": ""}, "tested": None},
        {"name": "models", "kind": "hub", "options": {}, "tested": None},
    ]
    ready.answers[("GET", "/api/engine/destinations")] = (200, {"destinations": rows})
    async with opened(home, ready) as (app, pilot):
        screen = await open_form(app, pilot)
        await pilot.press("down", "down", "down", "enter")
        await wait_for(pilot, lambda: "staged in mine" in text_of(app))
        assert "models" not in text_of(app)
        await pilot.press("down", "down", "down", "down", "enter")
        await wait_for(pilot, lambda: screen.flow.draft.get("staging"))
        draft = screen.flow.draft
        assert (draft["data"], draft["staging"]) == ("staged", "bucket:mine")
        await wait_for(pilot, lambda: not screen.flow.checking)
        assert asked(ready, CHECK)[-1]["staging"] == "bucket:mine"


def asking() -> dict[str, Any]:
    """The first answer of a check, whose delivery is not proved yet."""
    first = answer()
    finding = {
        "id": "delivery-proof", "level": "asking", "advice": "",
        "message": "whether results reach the Hub is being tested",
    }  # fmt: skip
    checks = [*first["checks"], finding]
    return {**first, "checks": checks, "check_id": "c1", "rev": 1, "asking": [finding["id"]],
            "ok": False}  # fmt: skip


def proved(level: str = "ok") -> dict[str, Any]:
    """The last answer of the same check."""
    last = answer()
    finding = {
        "id": "hub-write", "level": level, "advice": "", "message": "write access to the Hub",
    }  # fmt: skip
    more = {"check_id": "c1", "rev": 2, "asking": [], "ok": level == "ok"}
    return {**last, "checks": [*last["checks"], finding], **more}


async def test_proofs_fill_in_behind_the_first_answer(home: Home, ready: StandInEngine) -> None:
    ready.answers[CHECK] = (200, asking())
    ready.answers[LATER] = (200, proved())
    ready.hold[LATER] = threading.Event()
    async with opened(home, ready) as (app, pilot):
        screen = await open_form(app, pilot)
        await wait_for(pilot, lambda: "… whether results reach the Hub" in text_of(app))
        assert "✓ whether results" not in text_of(app), "what is not proved has no tick"
        assert "proving 1 thing…" in text_of(app)
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: screen.flow.submit_waits)
        assert "Start cat-lora-2?" not in text_of(app), "the consent waits for the proofs"
        ready.hold[LATER].set()
        await wait_for(pilot, lambda: "Start cat-lora-2?" in text_of(app))
        assert not asked(ready, SUBMIT)
        await pilot.press("escape")
        await wait_for(pilot, lambda: "✓ write access to the Hub" in text_of(app))


@pytest.mark.parametrize("micros", [3_744_000, 99_000_000])
async def test_a_price_that_came_after_the_key_is_asked_even_where_nothing_is(
    home: Home, ready: StandInEngine, micros: int
) -> None:
    """`cloud.consent = "allow"` covers the price that the key showed."""
    settings = Settings(cloud=CloudSettings(consent="allow"))
    first = asking()
    ready.answers[CHECK] = (200, first)
    last = proved()
    estimate = {**last["estimate"], "micros": micros}
    same = micros == first["estimate"]["micros"]
    ready.answers[LATER] = (200, {**last, "estimate": estimate})
    ready.hold[LATER] = threading.Event()
    async with opened(home, ready, settings=settings) as (app, pilot):
        screen = await open_form(app, pilot)
        await wait_for(pilot, lambda: "proving 1 thing…" in text_of(app))
        await pilot.press("ctrl+s")
        await wait_for(pilot, lambda: screen.flow.submit_waits)
        ready.hold[LATER].set()
        if same:
            await wait_for(pilot, lambda: isinstance(app.screen, JobScreen))
            assert asked(ready, SUBMIT)
        else:
            await wait_for(pilot, lambda: "Start cat-lora-2?" in text_of(app))
            assert not asked(ready, SUBMIT)


async def test_a_proof_that_fails_keeps_the_job_from_its_start(
    home: Home, ready: StandInEngine
) -> None:
    ready.answers[CHECK] = (200, asking())
    ready.answers[LATER] = (200, proved("error"))
    async with opened(home, ready) as (app, pilot):
        screen = await open_form(app, pilot)
        await wait_for(pilot, lambda: "✗ write access to the Hub" in text_of(app))
        assert not screen.flow.ready
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert not asked(ready, SUBMIT)


async def test_proofs_that_an_engine_does_not_know_are_asked_for_anew(
    home: Home, ready: StandInEngine
) -> None:
    """The engine was started anew between a check and its proofs."""
    ready.answers[CHECK] = (200, asking())
    gone = {"error": "not_found", "message": "gone", "advice": "", "details": {}, "detail": "gone"}
    ready.answers[LATER] = (404, gone)
    ready.hold[LATER] = threading.Event()
    async with opened(home, ready) as (app, pilot):
        screen = await open_form(app, pilot)
        ready.answers[CHECK] = (200, answer())
        ready.hold[LATER].set()
        await wait_for(pilot, lambda: screen.flow.ready)
        assert len(asked(ready, CHECK)) == 2
