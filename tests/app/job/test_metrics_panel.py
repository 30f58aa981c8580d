"""The Metrics tab over time, with marks where something was saved."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

from tests.app.compare.world import fill_runs
from tests.app.conftest import lines_of, opened, text_of, wait_for
from tests.app.job.opened import open_job
from tests.app.world import NOW
from tui.app.chart.chart import MetricChart
from tui.app.chart.order import in_order, moved
from tui.app.job.log_at_cursor import LinesAt, StepLines
from tui.app.job.metrics_panel import MetricsPanel, run_marks
from tui.app.job.screen import JobScreen
from tui.app.job.stage_list import StageList
from tui.settings import Home
from tui.store.records import FileRecord, StageRecord
from tui.store.writer import Change, StoreWriter

if TYPE_CHECKING:
    from tui.api.jobs import JobWarning


def test_checkpoints_and_pictures_are_marks_and_what_is_not_here_is_none() -> None:
    paths = (
        "a/checkpoint-100/model.safetensors", "a/validation_images/step_100_validation_0_8x8.png",
        "a/validation_images/step_50_validation_0_8x8.png", "a/checkpoint-x/model.safetensors",
    )  # fmt: skip
    files = [FileRecord(path, 1, "", "delivered", NOW) for path in paths]
    gone = FileRecord("a/checkpoint-300/x", 0, "", "downloaded", NOW, "expired")
    drawn = [(50, "◫"), (100, "▣"), (100, "◫")]
    assert run_marks([*files, gone], ascii_only=False) == drawn
    since = {"kind": "diverging", "step": 100, "since": "", "ratio": 2.0, "dismissed": False}
    known = [cast("JobWarning", since | change)
             for change in ({}, {"step": None}, {"step": 70, "dismissed": True})]  # fmt: skip
    assert run_marks(files, known, ascii_only=False) == [drawn[0], (100, "!"), *drawn[1:]]
    assert run_marks(files, known, ascii_only=True) == [
        (50, "o"), (100, "!"), (100, "#"), (100, "o"),
    ]  # fmt: skip


async def test_the_axis_goes_from_steps_to_times_and_the_copy_names_the_step(home: Home) -> None:
    ids = fill_runs(home, 1)
    async with opened(home) as (app, pilot):
        screen = await open_job(app, pilot, ids[0])
        await screen.tabs.open("Metrics")
        panel = screen.tabs.panel
        assert isinstance(panel, MetricsPanel)
        await wait_for(pilot, lambda: "step 300" in text_of(app))
        assert any("└" in line and line.count("◫") == 2 for line in lines_of(app))
        assert "◫ pictures" in text_of(app)
        await pilot.press("plus", "plus")  # the newest quarter of the run has none
        await wait_for(pilot, lambda: "◫ pictures" not in text_of(app))
        await pilot.press("0", "x")
        await wait_for(pilot, lambda: "time since step 1" in text_of(app))
        assert panel.chart.span == (0.0, 299_000.0)
        assert any("└" in line and line.count("◫") == 2 for line in lines_of(app))
        assert panel.copy_text().startswith("step 300 loss ")
        await pilot.press("x")
        await wait_for(pilot, lambda: "clock, as received" in text_of(app))


async def test_charts_share_their_cursor_one_is_enlarged_and_constants_are_figures(
    home: Home,
) -> None:
    (job_id,) = fill_runs(home, 1)
    path = f"{job_id}/training_metrics.jsonl"
    records = [{"step": step, "metrics": {"vram": step % 7, "learning_rate": 1.0}}
               for step in range(1, 301)]  # fmt: skip
    writer = StoreWriter(home)
    points = [("it_s", step, 1.9) for step in range(1, 301)]
    points += [("grad_norm", step, 1.0 + step % 3) for step in range(1, 201)]
    writer.apply(job_id, Change(metrics=points, files=[FileRecord(path, 1, "", "delivered", NOW)]))
    writer.close()
    async with opened(home) as (app, pilot):
        file = app.outputs / path
        file.parent.mkdir(parents=True)
        file.write_text("".join(json.dumps(record) + "\n" for record in records))
        screen = await open_job(app, pilot, job_id)
        await screen.tabs.open("Metrics")
        panel = screen.tabs.panel
        assert isinstance(panel, MetricsPanel)
        await wait_for(pilot, lambda: "step 300 · loss" in text_of(app))
        shown = [chart for chart in panel.query(MetricChart) if chart.display]
        names = [chart._series[0].name for chart in shown]
        assert names == ["loss", "grad_norm", "vram"]
        assert {chart.span for chart in shown} == {(1.0, 300.0)}  # one time line
        await wait_for(pilot, lambda: all(chart.size.width for chart in shown))
        widths = [chart.size.width for chart in shown]
        assert widths[0] == sum(widths[1:]) + 1  # the loss has what would be an empty place
        assert "it_s 1.9" in lines_of(app)[-2]
        await pilot.press("j", "left", "left", "left", "S")
        assert len({(chart.cursor_step, chart.smoothing) for chart in shown}) == 1
        assert panel.chart is shown[1]
        await pilot.click(shown[2])
        assert panel.grid.name_now == "vram"
        await pilot.press("k")
        assert panel.chart is shown[1]
        await wait_for(pilot, lambda: "▸ Epoch 1/5, Steps" in lines_of(app)[-3])
        assert f"step {panel.chart.cursor_step} · loss" in lines_of(app)[-5]
        await pilot.press("enter")
        await wait_for(pilot, lambda: "grad_norm 2 of 3" in text_of(app))
        assert [chart.display for chart in panel.query(MetricChart)] == [True, False, False]
        assert panel.chart.has_focus
        assert panel.chart.cursor_step == shown[1].cursor_step  # it goes along
        assert all(name in lines_of(app)[-5] for name in ("loss", "it_s 1.9", "vram"))
        await pilot.press("escape", "escape")  # the cursor first, then all charts again
        await wait_for(pilot, lambda: "series ─┤" in text_of(app))
        assert panel.chart is shown[1]
        assert panel.chart.has_focus
        await screen.tabs.open("Files")
        await pilot.pause()
        await screen.tabs.open("Metrics")
        await wait_for(pilot, lambda: panel.chart.has_focus)
        assert panel.chart is shown[1], "while it is not seen no other one gets the keys"
        await pilot.press("J", "J", "K", "K", "K")  # to the end, then before all others
        await wait_for(pilot, lambda: "▸grad_norm" in lines_of(app)[4])
        assert panel.chart.has_focus
        app.save_view()
    async with opened(home) as (app, pilot):
        screen = await open_job(app, pilot, job_id)
        await screen.tabs.open("Metrics")
        await wait_for(pilot, lambda: "▸grad_norm" in lines_of(app)[4])
        await screen.action_perform("chart.usual")
        await wait_for(pilot, lambda: " loss" in lines_of(app)[4])
        assert app.model.charts == ()


def test_the_user_s_order_is_for_all_runs_and_what_is_new_comes_last() -> None:
    order = moved(("loss", "lr", "a", "b"), (), "b", "loss", later=False)
    assert order == ("b", "loss", "lr", "a")
    assert in_order(("loss", "lr", "val"), order) == ["loss", "lr", "val"]
    order = moved(("loss", "lr", "val"), order, "loss", "val", later=True)  # past what has a chart
    assert order == ("b", "lr", "a", "val", "loss")
    assert in_order(("loss", "lr", "a", "b"), order) == ["b", "lr", "a", "loss"]


def test_the_log_at_a_step_is_found_from_the_nearest_place_that_was(tmp_path: Path) -> None:
    log = tmp_path / "log"
    lines = StepLines(log)
    assert lines.at(3) == LinesAt()  # no log yet
    bars = [f"Steps:  1%|#| {step}/90 [00:10<10:00]\r" for step in range(1, 41) for _ in "ab"]
    log.write_text("one\nbegin\n\n" + "".join(bars) + "\n[STAGE] \x1b[31mend\n")
    bar = "Steps:  1%|#| {}/90 [00:10<10:00]".format
    assert lines.at(1) == LinesAt("begin", bar(1), bar(1))
    assert lines.at(30) == LinesAt(bar(29), bar(30), bar(30))
    assert lines.at(20) == LinesAt(bar(19), bar(20), bar(20))
    assert [step for step, _ in lines._known] == [1, 20, 30]
    assert lines.at(41) == LinesAt()  # not yet
    with log.open("a") as more:
        more.write(bar(38) + "\n" + bar(45))  # went on from a checkpoint
    assert lines.at(41) == LinesAt(bar(38), bar(45))
    assert lines.at(38) == LinesAt(bar(37), bar(38), bar(38))
    log.unlink()
    log.write_text(bar(7))  # another log
    assert lines.at(5) == LinesAt("", bar(7))
    log.write_text(bar(9))  # the same file, cut off
    assert lines.at(5) == LinesAt("", bar(9))


async def test_one_step_for_the_whole_page(home: Home) -> None:
    (job_id,) = fill_runs(home, 1)
    bars = [f"Steps:  1%|#| {step}/300 [00:10<10:00, 1.2s/it]" for step in range(1, 301)]
    home.log_file(job_id).write_text("\n".join(bars) + "\n")
    writer = StoreWriter(home)
    kinds = (
        ("init_load_base_model", "Loading base model", ""), ("training", "Training", ""),
        ("checkpoint_save", "Saving Checkpoint", "Saved checkpoint to out/checkpoint-100"),
        ("checkpoint_save", "Saving Checkpoint", "Saved checkpoint to out/checkpoint-200"),
        ("validation", "Running Validation", "Validation is starting."),
        ("training_complete", "Training Complete", ""),
    )  # fmt: skip
    stages_done = [StageRecord(number, key, label, "done", NOW, NOW, detail, None)
                   for number, (key, label, detail) in enumerate(kinds)]  # fmt: skip
    writer.apply(job_id, Change(stages=stages_done))
    writer.close()
    async with opened(home) as (app, pilot):
        app.model.reload()
        app.open_job(job_id, at_step=120)
        screen = await wait_for(pilot, lambda: isinstance(app.screen, JobScreen) and app.screen)
        await wait_for(pilot, lambda: "step 120" in text_of(app))
        assert screen.tabs.tab == "Metrics"
        assert screen.tabs.panel.step_now() == 120
        await wait_for(pilot, lambda: "▸ Steps:  1%|#| 120/300" in lines_of(app)[-3])
        assert [line.split()[3] for line in lines_of(app)[-4:-1:2]] == ["119/300", "121/300"]
        panel, asked = screen.tabs.panel, []
        panel.log_at_cursor._lines.at = lambda *found: asked.append(found)
        panel.update(screen.job)  # as at each new point
        await wait_for(pilot, lambda: not panel._loading)
        assert not asked
        del panel.log_at_cursor._lines.at
        await pilot.resize_terminal(80, 24)
        await wait_for(pilot, lambda: "120/300" not in text_of(app))  # the chart needs the room
        await pilot.resize_terminal(120, 40)
        await wait_for(pilot, lambda: "120/300" in text_of(app))
        await pilot.press("escape")
        await wait_for(pilot, lambda: "120/300" not in text_of(app))
        await screen.go_to_step(120)
        await wait_for(pilot, lambda: "120/300" in text_of(app))
        await pilot.press("shift+tab")
        await wait_for(pilot, lambda: "line 120 of 300" in text_of(app))
        await pilot.press("down", "down", "tab")
        await wait_for(pilot, lambda: screen.tabs.panel.step_now() == 122)
        await wait_for(pilot, lambda: isinstance(app.focused, MetricChart))
        await pilot.press("plus", "plus")  # a quarter of the run around the cursor
        first, last = screen.tabs.panel.steps_shown()
        assert first < 122 < last == first + 74
        await screen.tabs.open("Log")
        await pilot.press("&")
        await wait_for(pilot, lambda: f"steps {first}–{last}" in text_of(app))
        assert screen.tabs.panel.step_now() == 122  # the cursor stays
        view = screen.tabs.panel.view
        assert [line.raw for line in view.document.lines.after(0, 500)] == [
            bar.encode() for bar in bars[first - 1 : last]
        ]
        await pilot.press("G")
        await wait_for(pilot, lambda: f" {last}/300" in lines_of(app)[-2])
        await pilot.press("g", "g")
        await wait_for(pilot, lambda: f" {first}/300" in lines_of(app)[4])
        await pilot.press("&")
        await wait_for(pilot, lambda: "steps" not in lines_of(app)[3])
        await screen.tabs.open("Metrics")
        await screen.go_to_step(200)
        await wait_for(pilot, lambda: screen.tabs.panel.step_now() == 200)
        assert screen.tabs.tab == "Metrics"
        await pilot.press("tab")
        pictures = screen.tabs.pictures
        assert pictures is not None
        await wait_for(pilot, lambda: pictures.state.grid.steps)
        await screen.go_to_step(200)
        assert pictures.state.grid.steps[pictures.state.column] == 200
        await screen.go_to_step(120)  # the last pictures before it
        assert pictures.step_now() == 100
        await screen.go_to_step(200)
        await pilot.press("tab")
        stages = screen.tabs.panel
        assert isinstance(stages, StageList)
        await wait_for(pilot, lambda: "8 lines ─ step 200" in text_of(app))
        assert "Running Validation" in stages.entries[stages.index].text
        await screen.go_to_step(120)
        assert (screen.tabs.tab, stages.step_now()) == ("Stages", 120)
        assert "checkpoint-100" in stages.entries[stages.index].text
        await pilot.press("k")  # the training, which is about no step
        assert stages.step_now() == 120
        await pilot.press("tab", "tab", "tab", "tab")
        await wait_for(pilot, lambda: "line 120 of 300" in text_of(app))  # handed on to the log
        await screen.tabs.open("Stages")
        await pilot.press("G")
        assert stages.step_now() == 300


async def test_enter_on_a_mark_opens_its_checkpoint_its_picture_or_its_line(home: Home) -> None:
    (job_id,) = fill_runs(home, 1)
    log = home.log_file(job_id)
    log.write_bytes(log.read_bytes().replace(b"\r", b"\n"))
    saved = f"{job_id}/checkpoint-50/model.safetensors"
    warning = {"kind": "diverging", "step": 250, "since": NOW.isoformat(), "ratio": 2.0,
               "dismissed": False}  # fmt: skip
    writer = StoreWriter(home)
    files = [FileRecord(path, 1, "", "delivered", NOW)
             for path in (f"{job_id}/checkpoint-50/manifest.json", saved)]  # fmt: skip
    sparse = [("val", step, 1.0 + step) for step in (1, 45, 300)]
    writer.apply(job_id, Change(values={"warnings": [warning]}, files=files, metrics=sparse))
    writer.close()
    async with opened(home) as (app, pilot):
        app.model.reload()
        app.open_job(job_id, at_step=100)
        screen = await wait_for(pilot, lambda: isinstance(app.screen, JobScreen) and app.screen)
        await wait_for(pilot, lambda: "enter picture" in text_of(app))
        await pilot.press("x")  # over time a mark is of the same step
        await wait_for(pilot, lambda: screen.tabs.panel.chart.axis.kind == "elapsed")
        assert "enter enlarge" in text_of(app)
        screen.tabs.panel.chart.go_to_step(99_000)
        await wait_for(pilot, lambda: "enter picture" in text_of(app))
        await pilot.press("enter")
        await wait_for(pilot, lambda: screen.tabs.pictures is not None)
        pictures = screen.tabs.pictures
        assert pictures is not None
        await wait_for(pilot, lambda: pictures.step_now() == 100)  # as soon as they are read
        await pilot.press("shift+tab")
        await wait_for(pilot, lambda: isinstance(app.focused, MetricChart))
        await pilot.press("j")
        await wait_for(pilot, lambda: screen.tabs.panel.grid.name_now == "val")
        await screen.go_to_step(50)  # this curve's nearest point is 45
        await wait_for(pilot, lambda: "enter checkpoint" in text_of(app))
        assert screen.tabs.panel.chart.cursor_step == 45
        await pilot.press("enter")
        await wait_for(pilot, lambda: screen.tabs.file is not None)
        assert screen.tabs.file.path == saved
        await screen.tabs.open("Metrics")
        assert app.focused is screen.tabs.panel.chart  # at once: the next key may be there already
        await pilot.press("k")
        await wait_for(pilot, lambda: screen.tabs.panel.grid.name_now == "loss")
        await screen.go_to_step(250)
        await wait_for(pilot, lambda: "enter log line" in text_of(app))
        await pilot.press("enter")
        await wait_for(pilot, lambda: "line 250 of 300" in text_of(app))
        await screen.tabs.open("Metrics")
        await screen.go_to_step(270)
        await wait_for(pilot, lambda: "enter enlarge" in text_of(app))
