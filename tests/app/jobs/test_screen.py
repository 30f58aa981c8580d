"""The Jobs screen, by keys."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from tests.app.conftest import lines_of, opened, text_of, wait_for
from tests.app.stand_in_engine import StandInEngine
from tests.app.world import NOW, fill, home_at, job
from tui.app.annotations.warnings import WarningSheet
from tui.app.job.screen import JobScreen
from tui.app.jobs.job_list import JobList
from tui.app.jobs.preview import preview_height
from tui.app.jobs.screen import JobsScreen
from tui.app.new_job.screen import NewJobScreen
from tui.app.terminal.theme import Palette
from tui.app.widgets.virtual_list import Piece
from tui.base.job_status import JobStatus
from tui.settings import API_BASE_VARIABLE, Home, Settings, UiSettings, load_settings
from tui.store.fact_names import scoped
from tui.store.lost_contact import FACT, LostContact
from tui.store.records import FileRecord
from tui.store.writer import Change, StoreWriter


async def test_last_known_jobs_are_shown_before_any_engine(world: Home) -> None:
    async with opened(world) as (app, _):
        text = text_of(app)
        assert "engine: starting…" in text
        assert "2 running · 1 queued · 37 finished" in text
        assert "cat-lora-0" in text
        assert "● running" in text


async def test_an_empty_list_says_what_to_press(home: Home) -> None:
    async with opened(home) as (app, _):
        assert "No jobs yet." in text_of(app)
        assert "Press n to start one" in text_of(app)


async def test_moving_keys(world: Home) -> None:
    async with opened(world) as (app, pilot):
        screen = app.screen
        assert isinstance(screen, JobsScreen)
        page = screen.list.page
        for keys, index in (
            (["j", "j", "down"], 3),
            (["k", "up"], 1),
            (["G"], 39),
            (["g"], 39),
            (["g"], 0),
            (["ctrl+d"], page // 2),
            (["ctrl+u"], 0),
            (["pagedown"], page),
            (["pageup"], 0),
            (["end"], 39),
            (["home"], 0),
        ):
            await pilot.press(*keys)
            assert screen.list.index == index, keys


async def test_lines_that_only_move_are_not_made_anew_and_show_what_changed_meanwhile(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(home, 200)
    made: list[int] = []
    line = JobList.line

    def counted(self: JobList, index: int, width: int, colors: Palette) -> list[Piece]:
        made.append(index)
        return line(self, index, width, colors)

    monkeypatch.setattr(JobList, "line", counted)
    async with opened(home) as (app, pilot):
        jobs = app.screen.query_one(JobList)
        await pilot.press(*["j"] * jobs.page)
        made.clear()
        await pilot.press("j")  # the list moves up by a line
        assert {jobs.index - 1, jobs.index} <= set(made)
        assert len(made) <= 4  # the scroll bar's mark has left one line for another
        # Nobody asks for a redrawing after these changes.
        writer = StoreWriter(home)
        writer.apply(app.model.ids[jobs.index - 1], Change({"name": "renamed"}))
        writer.close()
        app.model.catch_up()
        app.model.marks.add(app.model.ids[jobs.index - 2])
        await pilot.press("j")
        marked, renamed = lines_of(app)[3 + jobs.page - 4 :][:2]
        assert "◆ " in marked
        assert "renamed" in renamed


async def test_only_lines_on_screen_are_read(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(home, 600)
    async with opened(home) as (app, pilot):
        read: list[str] = []
        rows = app.reader.rows

        def counted(ids):
            read.extend(ids)
            return rows(ids)

        monkeypatch.setattr(app.reader, "rows", counted)
        app.model.reload()
        app.screen.query_one("#jobs").refresh()
        await pilot.press("G")
        assert 0 < len(read) < 300


async def test_filter_narrows_as_it_is_typed_and_escape_clears_in_two_steps(world: Home) -> None:
    async with opened(world) as (app, pilot):
        await pilot.press("slash", *"state", "colon", *"fail")
        await wait_for(pilot, lambda: app.model.filter.text == "state:fail")
        assert set(app.model.ids) == {
            job_id for job_id in app.reader.job_ids() if int(job_id[3:]) % 9 == 4
        }
        await pilot.press("escape")
        assert app.model.filter.text == "state:fail"
        assert app.focused is app.screen.query_one("#jobs")
        assert "/ state:fail · 4 found" in text_of(app)
        await pilot.press("slash")
        assert app.screen.query_one("#filter").value == "state:fail"  # type: ignore[attr-defined]
        await pilot.press("escape", "escape")
        assert app.model.filter.text == ""
        assert len(app.model.ids) == 40


async def test_a_filter_without_hits_says_so(world: Home) -> None:
    async with opened(world) as (app, pilot):
        await pilot.press("slash", *"nothing", "enter")
        await pilot.pause()
        assert "No job matches “nothing”." in text_of(app)


async def test_a_field_that_does_not_exist_turns_the_line_red_and_says_why(world: Home) -> None:
    async with opened(world) as (app, pilot):
        await pilot.press("slash", *"flux stat:failed")
        await wait_for(pilot, lambda: "/ no field “stat”" in text_of(app))
        line = app.screen.query_one("#filter")
        assert line.has_class("-wrong")
        assert line.styles.color != app.screen.query_one("#jobs").styles.color
        assert len(app.model.ids) < 40  # the rest of the line narrows
        assert "no field “stat” · did you mean state? ─╮" in lines_of(app)[1]
        app.screen.filter_by("has:it")  # type: ignore[attr-defined]
        await pilot.resize_terminal(60, 15)
        await wait_for(pilot, lambda: "/ no “has:it”; there is has:note" in lines_of(app)[1])
        app.screen.filter_by("flux stat:failed")  # type: ignore[attr-defined]
        await pilot.press(*["backspace"] * len("stat:failed"), *"state:failed")
        await wait_for(pilot, lambda: "found" in text_of(app))
        assert not line.has_class("-wrong")


async def test_sorting_keeps_the_cursor_on_its_job(world: Home) -> None:
    async with opened(world) as (app, pilot):
        await pilot.press("j", "j", "j")
        here = app.screen.query_one("#jobs").job_id  # type: ignore[attr-defined]
        await pilot.press("s")
        assert app.model.sort == "name"
        names = [app.reader.rows([one])[one].name for one in app.model.ids]
        assert names == sorted(names, key=str.lower)
        assert app.screen.query_one("#jobs").job_id == here  # type: ignore[attr-defined]
        await pilot.press("S")
        assert [app.reader.rows([one])[one].name for one in app.model.ids] == names[::-1]
        assert app.screen.query_one("#jobs").job_id == here  # type: ignore[attr-defined]


async def test_marks_and_cancelling_them_asks_once_and_calls_the_engine(
    world: Home, engine: StandInEngine
) -> None:
    async with opened(world, engine) as (app, pilot):
        await pilot.press("space", "space")
        assert "2 marked" in text_of(app)
        await pilot.press("c")
        await pilot.pause()
        text = text_of(app)
        assert "Cancel 2 jobs?" in text
        assert "cat-lora-0 · running · step 200 of 1,000 · $1.05 so far" in text
        await pilot.press("enter")  # the default answer is no
        await pilot.pause()
        assert not engine.calls("POST")
        await pilot.press("c")
        await pilot.pause()
        await pilot.press("y")
        await wait_for(pilot, lambda: len(engine.calls("POST")) == 2)
        assert engine.calls("POST") == [
            "/api/cloud/jobs/job00000/cancel",
            "/api/cloud/jobs/job00001/cancel",
        ]
        await wait_for(pilot, lambda: not app.model.marks)
        await wait_for(pilot, lambda: app.notices)
        assert app.notices[-1].message == "Cancelling 2 jobs."


async def test_a_refusal_of_the_engine_is_shown_with_its_advice(
    world: Home, engine: StandInEngine
) -> None:
    engine.answers["POST", "/api/cloud/jobs/job00000/cancel"] = (
        409,
        {"error": "gone", "message": "That job is over.", "advice": "Press R to sync."},
    )
    async with opened(world, engine) as (app, pilot):
        await pilot.press("c")
        await pilot.pause()
        await pilot.press("y")
        await wait_for(pilot, lambda: app.notices)
        assert (app.notices[-1].level, app.notices[-1].message) == ("error", "That job is over.")
        await pilot.press("ctrl+n")
        await pilot.pause()
        assert "That job is over." in text_of(app)
        assert "Press R to sync." in text_of(app)


async def test_keys_that_cannot_work_now_say_why(world: Home, engine: StandInEngine) -> None:
    async with opened(world, engine) as (app, pilot):
        await pilot.press("d")
        assert "is still running" in app.notices[-1].message
        await pilot.press("j", "j", "j", "c")
        assert "is over already: done" in app.notices[-1].message
        assert not engine.asked
        footer = lines_of(app)[-1]
        assert "delete" in footer
        assert "cancel" not in footer


async def test_delete_and_collect_and_sync_reach_the_engine(
    world: Home, engine: StandInEngine
) -> None:
    engine.answers["POST", "/api/cloud/jobs/job00003/collect"] = (
        200,
        {"job_id": "job00003", "files": [{"path": "a"}], "missing": []},
    )
    engine.answers["POST", "/api/cloud/jobs/sync"] = (200, {"synced": 3, "message": "3 came in."})
    async with opened(world, engine) as (app, pilot):
        await pilot.press("j", "j", "j", "f")
        await wait_for(pilot, lambda: any("1 file on disk" in one.message for one in app.notices))
        await pilot.press("R")
        await wait_for(pilot, lambda: app.notices[-1].message == "3 came in.")
        await pilot.press("space", "k", "d")  # with marks it would be a guess which are meant
        assert "1 job marked" in app.notices[-1].message
        await pilot.press("U", "d")
        await pilot.pause()
        assert "Delete the record of chroma-test-3?" in text_of(app)
        await pilot.press("y")
        await wait_for(pilot, lambda: engine.calls("DELETE"))
        assert engine.calls("DELETE") == ["/api/cloud/jobs/job00003"]


async def test_copies_go_through_the_terminal(world: Home) -> None:
    async with opened(world) as (app, pilot):
        await pilot.press("y")
        assert app.clipboard == "job00000"
        await pilot.press("Y", "enter")
        await wait_for(pilot, lambda: app.clipboard == "simpletuner-tui job job00000")
        await pilot.press("o")
        assert app.clipboard == "https://replicate.com/p/0"


async def test_changes_arrive_and_the_order_waits_until_no_key_is_pressed(
    world: Home, engine: StandInEngine
) -> None:
    async with opened(world, engine) as (app, pilot):
        screen = app.screen
        assert isinstance(screen, JobsScreen)
        await pilot.press("j")
        here = screen.list.job_id
        writer = StoreWriter(world)
        try:
            writer.insert(replace(job(900, JobStatus.RUNNING), created_at=NOW, name="brand-new"))
            writer.apply("job00000", Change({"percent": 77.0, "step": 770}))
        finally:
            writer.close()
        pressed = time.monotonic()
        await pilot.press("j", "k")
        engine.send("job", {"job_id": "job00000", "rev": 99})
        await wait_for(pilot, lambda: "770/1000" in text_of(app))
        assert "3 running" in text_of(app)
        if time.monotonic() - pressed < 0.9:
            assert "brand-new" not in text_of(app)
        await wait_for(pilot, lambda: "brand-new" in text_of(app))
        assert time.monotonic() - pressed > 0.9
        assert screen.list.job_id == here
        assert screen.list.index == 2


async def test_many_events_are_published_at_most_four_times_a_second(
    world: Home, engine: StandInEngine
) -> None:
    async with opened(world, engine) as (app, pilot):
        times: list[float] = []
        catch_up = app.catch_up

        def counted() -> None:
            times.append(time.monotonic())
            catch_up()

        app.catch_up = counted  # type: ignore[method-assign]
        start = time.monotonic()
        while time.monotonic() - start < 1.2:
            engine.send("job", {"job_id": "job00000", "rev": 1})
            await pilot.pause(0.01)
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert len(times) >= 2
        assert min(gaps) > 0.2


async def test_the_app_goes_on_when_the_engine_goes(world: Home, engine: StandInEngine) -> None:
    async with opened(world, engine) as (app, pilot):
        assert "● api" in text_of(app)
        for listener in engine.listeners:
            listener.put(None)
        await wait_for(pilot, lambda: app.engine.state == "gone")
        await pilot.pause()
        await pilot.press("j")
        assert app.notices[-1].message == "The engine has stopped."
        await wait_for(pilot, lambda: app.engine.state == "ready")  # and finds it again


async def test_a_newer_database_is_reported_with_advice(home: Home) -> None:
    fill(home, 3)
    import sqlite3

    connection = sqlite3.connect(home.database)
    connection.execute("PRAGMA user_version = 999")
    connection.commit()
    connection.close()
    async with opened(home, size=(60, 15)) as (app, _):
        words = " ".join(line.strip("│┃ ") for line in lines_of(app))
        assert "was written by a newer simpletuner-tui" in words
        assert "Upgrade simpletuner-tui, or set" in words


async def test_the_preview_folds_away_on_small_terminals(world: Home) -> None:
    async with opened(world, size=(80, 24)) as (app, pilot):
        assert "Step 200 of 1,000" not in text_of(app)
        await pilot.press("z")
        await wait_for(pilot, lambda: app.notices)
        assert app.notices[-1].message == "The preview needs 30 lines; here are 24."
        await pilot.resize_terminal(120, 40)
        await wait_for(pilot, lambda: "Step 200 of 1,000" in text_of(app))
        assert "Checkpoint: Step 200" in text_of(app)
        await pilot.press("z")
        await wait_for(pilot, lambda: "Step 200 of 1,000" not in text_of(app))


@pytest.mark.parametrize(
    ("height", "jobs", "lines"),
    [(40, 1000, 12), (40, 23, 12), (40, 20, 15), (40, 2, 24), (30, 1, 18), (30, 20, 12)],
)
def test_the_preview_has_what_a_short_list_leaves(height: int, jobs: int, lines: int) -> None:
    assert preview_height(height, jobs) == lines


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 40), (200, 50)])
async def test_every_size_shows_name_state_and_whole_lines(
    world: Home, size: tuple[int, int]
) -> None:
    async with opened(world, size=size) as (app, pilot):
        await pilot.pause()
        lines = lines_of(app)
        assert len(lines) == size[1]
        assert "NAME" in lines[2]
        assert "STATE" in lines[2]
        assert lines[1].startswith("╭─ Jobs")
        assert lines[1].endswith("╮")
        assert lines[-1].startswith("╰ enter open")
        assert "? help" in lines[-1]


async def test_a_run_that_needs_somebody_is_seen_from_the_list_alone(world: Home) -> None:
    writer = StoreWriter(world)
    first, second = ("job00000", "job00001")
    since = NOW - timedelta(minutes=4)
    for job_id, kind, ratio in ((first, "diverging", 1.9), (second, "stalled", None)):
        warning = {"kind": kind, "step": 310, "since": since.isoformat(), "ratio": ratio,
                   "dismissed": False}  # fmt: skip
        values = {"loss_smoothed": 0.142, "loss_best": 0.139, "warnings": [warning]}
        writer.apply(job_id, Change(values=values))
    picture = "cat/validation_images/step_10_validation_0_64x64.png"
    writer.apply("job00003", Change(files=[FileRecord(picture, 9, "0" * 64, "delivered", NOW)]))
    writer.close()
    async with opened(world) as (app, pilot):
        await wait_for(pilot, lambda: "! loss is 1.9 × its best since step 310" in text_of(app))
        assert "enter opens at step 310" in text_of(app)
        lines = lines_of(app)
        assert lines[2].split()[1:-1] == [
            "NAME", "MODEL", "STATE", "AGE▾", "HW", "PROGRESS", "STEP", "LOSS", "BEST", "ETA",
            "COST",
        ]  # fmt: skip
        assert lines[3].startswith("│ ▸!  cat-lora-0")
        assert {"20 %", "L40S", "0.1420", "0.1390"} <= {one.strip() for one in lines[3].split("  ")}
        done = next(line for line in lines if "✓ done" in line)
        assert "4 files · 1 ◫ " in done
        await pilot.resize_terminal(200, 40)
        await wait_for(pilot, lambda: "4 files · 1 picture " in text_of(app))
        await pilot.resize_terminal(120, 40)
        assert "1000/1000  0.1180" in done  # kept for runs that have ended
        await pilot.press("j")
        await wait_for(pilot, lambda: "! no step for 4 m · $0.23" in text_of(app))
        await pilot.resize_terminal(80, 24)
        await wait_for(pilot, lambda: "1.9× its best" in text_of(app))
        assert "no step 4 m" in text_of(app)
        app.model.set_filter("has:warning")
        assert list(app.model.ids) == [first, second]
        app.model.set_filter("")
        app.model.set_sort("best")
        assert set(app.model.ids[:2]) == {first, second}  # the lowest first, those without last
        await pilot.press("exclamation_mark")
        await wait_for(
            pilot,
            lambda: isinstance(app.screen, WarningSheet) and "! no step for 4 m" in text_of(app),
        )
        await pilot.press("d")  # no engine is there
        assert app.notices[-1].message == app.engine.refusal
        await pilot.press("enter")
        page = await wait_for(pilot, lambda: isinstance(app.screen, JobScreen) and app.screen)
        await wait_for(pilot, lambda: page.is_mounted and page.tabs.tab == "Metrics")


async def test_a_job_is_run_again_from_the_list_and_stands_under_the_cursor(home: Home) -> None:
    fill(home, 30)
    async with opened(home) as (app, pilot):
        screen = app.screen
        assert isinstance(screen, JobsScreen)
        await pilot.press(*"jjjjj")
        await pilot.press("r")  # no engine is there
        assert app.notices[-1].message == app.engine.refusal
        await pilot.press("e")
        await wait_for(pilot, lambda: isinstance(app.screen, NewJobScreen))
        writer = StoreWriter(home)
        made = replace(job(7, JobStatus.QUEUED), job_id="jobnew", prediction_id="pnew")
        writer.insert(replace(made, created_at=NOW + timedelta(minutes=1)))
        writer.close()
        app.open_job("jobnew", replace=True)  # what the form does once Replicate has it
        await wait_for(pilot, lambda: isinstance(app.screen, JobScreen))
        await pilot.press("escape")
        await wait_for(pilot, lambda: screen.list.job_id == "jobnew")
        app.open_job("job00003", replace=True)  # from the list: it stays below
        await wait_for(pilot, lambda: isinstance(app.screen, JobScreen))
        await pilot.press("escape")
        await wait_for(pilot, lambda: app.screen is screen and screen.list.job_id == "job00003")


async def test_below_the_smallest_size_one_message(world: Home) -> None:
    async with opened(world, size=(59, 15)) as (app, pilot):
        await pilot.pause()
        assert "Make the window at least 60×15." in text_of(app)
        assert "cat-lora" not in text_of(app)
        await pilot.resize_terminal(1, 1)
        await pilot.resize_terminal(60, 15)
        await wait_for(pilot, lambda: "cat-lora-0" in text_of(app))


async def test_ascii_set_has_no_other_characters(world: Home) -> None:
    settings = Settings(ui=UiSettings(ascii=True))
    async with opened(world, settings=settings) as (app, pilot):
        await pilot.pause()
        names = "köder-α"
        text = text_of(app)
        assert "> running" in text
        assert "+- Jobs" in text
        assert all(char.isascii() for char in text if char not in names)


async def test_hostile_names_cannot_disturb_the_screen(home: Home) -> None:
    home.create()
    writer = StoreWriter(home)
    writer.insert(replace(job(0, JobStatus.RUNNING), name="\x1b[31mred\r\n\u202etxt", stage="\x07"))
    writer.close()
    async with opened(home) as (app, _):
        text = text_of(app)
        assert "·[31mred···txt" in text
        assert "\x1b" not in text


async def test_jobs_of_a_sandbox_are_marked_in_the_bar(home: Home) -> None:
    fill(home, 2, sandbox=True)
    settings = load_settings(home, {API_BASE_VARIABLE: "http://127.0.0.1:8700/v1"})
    async with opened(home, settings=settings, sandbox=True) as (app, _):
        assert "SANDBOX" in lines_of(app)[0]
        assert "@alice" in lines_of(app)[0]


async def test_changes_before_the_event_stream_stands_are_read(
    home: Home, engine: StandInEngine
) -> None:
    """The engine checks the token while a window is still calling it: no event tells that one."""
    fill(home, 0)
    base = Settings().cloud.api_base

    def learn() -> None:
        writer = StoreWriter(home)
        user = {"user_info": {"username": "alice"}, "token_source": "environment"}
        writer.set_fact(scoped("account", base), {"valid": True, "api_base": base, **user})
        writer.close()

    engine.before_stream = learn
    async with opened(home, engine) as (app, pilot):
        await wait_for(pilot, lambda: "● api" in lines_of(app)[0])
        assert "@alice" in lines_of(app)[0]


async def test_a_job_that_cannot_be_followed_says_so_in_row_and_bar_and_page(
    world: Home, engine: StandInEngine
) -> None:
    since = NOW - timedelta(minutes=18)
    words = "not heard of for 18 m: token refused"
    async with opened(world, engine, size=(140, 40)) as (app, pilot):

        def row(name: str) -> str:
            return next(line for line in lines_of(app)[1:] if name in line)

        assert words not in text_of(app)
        writer = StoreWriter(world)
        writer.set_fact(FACT, {"job00000": LostContact("token refused", since).row()})
        engine.send("fact", {"name": FACT})
        await wait_for(pilot, lambda: words in row("cat-lora-0"))
        assert f"✗ {words}" in lines_of(app)[0]
        assert words not in row("portrait-v3-1")
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(app.screen, JobScreen))
        await wait_for(pilot, lambda: words in lines_of(app)[2])
        writer.set_fact(FACT, {})
        engine.send("fact", {"name": FACT})
        await wait_for(pilot, lambda: words not in text_of(app))
        await pilot.press("escape")
        await wait_for(pilot, lambda: "20 %" in row("cat-lora-0"))
        assert words not in text_of(app)
        writer.close()


@pytest.mark.parametrize(
    ("state", "stage", "width"),
    [("no", "delivered: no · checkpoint-500", 140),
     ("partly", "delivered: partly · checkpoint-500", 140),
     ("unknown", "delivered: not known", 140),
     ("partly", "delivered: partly · checkpoint-500", 80)],
)  # fmt: skip
async def test_a_finished_job_without_its_results_has_no_tick(
    home: Home, state: str, stage: str, width: int
) -> None:
    fill(home, 2, running=0)
    missing = ["checkpoint-500"] if "·" in stage else []
    if width < 100:  # more names than the line holds
        missing += [f"checkpoint-{step}" for step in range(1000, 9000, 500)]
    writer = StoreWriter(home)
    told = {"delivered": {"state": state, "words": "it is not there", "missing": missing}}
    writer.apply("job00001", Change(values={"stage": stage, "submit": told}))
    record = writer.job("job00001")
    writer.close()
    assert record.file_count  # some files came, and the list would tell of them
    async with opened(home, size=(width, 40)) as (app, pilot):
        row = next(line for line in lines_of(app) if "portrait-v3-1" in line)
        assert "! done" in row
        assert "✓" not in row
        assert width < 100 or stage in row
        await pilot.press("down")
        await wait_for(pilot, lambda: "─ portrait-v3-1 ─ ! done ─" in text_of(app))
        await pilot.press("enter")
        await wait_for(pilot, lambda: isinstance(app.screen, JobScreen))
        head = "delivered: not known" if state == "unknown" else f"{stage} missing"
        if width < 100:
            head = "delivered: partly · checkpoint-500 and 16 more missing"
        await wait_for(pilot, lambda: f"! done · {head}" in lines_of(app)[2])


def test_worlds_are_the_same_every_time(tmp_path) -> None:
    for name in ("one", "two"):
        fill(home_at(tmp_path / name), 5)
    from tui.store.reader import StoreReader

    one, two = (StoreReader(tmp_path / name / "state.db") for name in ("one", "two"))
    assert one.records() == two.records()
    one.close()
    two.close()


async def test_no_running_job_is_heard_of_without_an_engine(
    world: Home, engine: StandInEngine
) -> None:
    async with opened(world, engine, size=(140, 40)) as (app, pilot):

        def row() -> str:
            return next(line for line in lines_of(app)[1:] if "cat-lora-0" in line)

        engine.close()
        await wait_for(pilot, lambda: "not heard of for 0 s: engine is not running" in row())
        assert "≥ $" in row()
