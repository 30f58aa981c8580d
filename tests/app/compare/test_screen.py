"""The Compare screen: from the list to what differs, in two keys."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from tests.app.compare.world import fill_runs
from tests.app.conftest import lines_of, opened, text_of, wait_for
from tests.app.pictures.world import falling_light
from tests.app.world import job
from tui.app.compare.choice import runs_to_compare
from tui.app.compare.pictures import RunPicturesScreen
from tui.app.compare.screen import CompareScreen
from tui.app.compare.tables import order_by, told_apart
from tui.app.keys.actions import APP, COMPARE, MOVE
from tui.base.job_status import JobStatus
from tui.settings import Home
from tui.store.writer import Change, StoreWriter


async def comparing(app: Any, pilot: Any) -> CompareScreen:
    """The open screen, once the runs are read."""
    screen = await wait_for(
        pilot, lambda: isinstance(app.screen, CompareScreen) and app.screen.runs and app.screen
    )
    await pilot.pause()
    assert isinstance(screen, CompareScreen)
    return screen


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_marked_runs_their_curves_and_what_differs(home: Home, size: tuple[int, int]) -> None:
    fill_runs(home)
    async with opened(home, size=size) as (app, pilot):
        app.model.marks.update(app.model.ids)
        await pilot.press("=")
        screen = await comparing(app, pilot)
        text = text_of(app)
        assert "Compare ─ 3 runs ─ loss" in text
        assert "2 of" in text
        row = next(line for line in lines_of(app) if "lora_rank" in line)
        assert row.split()[-4:-1] == ["32", "16", "16"]
        assert "learning_rate" not in text
        assert "chart/table" in lines_of(app)[-1]
        assert all(f"{number} " in text for number in (1, 2, 3))
        assert "(2 h 05 m)" in text
        assert "(3 h 05 m)" in text
        await pilot.press("&")
        assert screen.table.count > 8
        await pilot.press("space")
        assert "  –  " in text_of(app)
        assert screen.chart._slots == [1, 2]
        await pilot.press("escape")
        assert app.screen is not screen


async def test_time_axes_cursor_smoothing_and_what_is_copied(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = fill_runs(home)
    home.log_file(ids[1]).unlink()
    writer = StoreWriter(home)  # what is logged each 50 steps is smoothed over as many steps
    means = [("val_loss", step, 0.5 + step % 100 / 100) for step in range(50, 300, 50)]
    writer.apply(ids[0], Change(metrics=means))
    writer.apply(ids[1], Change(metrics=[("val_loss", step, 0.5) for step in range(1, 300)]))
    writer.close()
    async with opened(home) as (app, pilot):
        copied: list[str] = []
        monkeypatch.setattr(app, "copy", lambda text, _said="": copied.append(text))
        app.model.marks.update(ids)
        await pilot.press("=")
        screen = await comparing(app, pilot)
        await pilot.press("x")
        await wait_for(pilot, lambda: "time since step 1" in text_of(app))
        assert screen.chart.span == (0.0, 897_000.0)
        assert [line.count("no times in its log") for line in lines_of(app)[2:5]] == [0, 1, 0]
        await pilot.press("left", "left")
        assert " at 4 m 5" in lines_of(app)[1]
        await pilot.press("x")
        assert "clock, as received" in text_of(app)
        assert screen.chart.cursor_step is None
        screen.left_out.update((ids[0], ids[2]))
        await pilot.press("x", "x")
        assert "no times in the log of any run here" in text_of(app)
        screen.left_out.clear()
        await pilot.press("x", "x", "S", "y", "Y")
        assert "smooth 0.9 " in text_of(app)
        table = [line.split("\t") for line in copied[0].splitlines()]
        assert [row[0] for row in table][:3] == ["setting", "lora_rank", "max_train_steps"]
        assert {len(row) for row in table} == {4}
        assert copied[1] == f"simpletuner-tui compare {' '.join(ids)} --json"
        await pilot.press("tab")
        assert screen.table.has_focus
        assert "s sort by row" in lines_of(app)[-1]
        await pilot.press("s")  # of two with 16, the one that came first stays first
        await wait_for(pilot, lambda: "by lora_rank, smallest first" in text_of(app))
        assert screen.job_ids == [ids[1], ids[2], ids[0]]
        await wait_for(pilot, lambda: screen.table.heads[2] == "3 cat-lora-r32")
        assert screen.command_job() == ids[0]  # the cursor stays on its run
        await pilot.press("s")
        await wait_for(pilot, lambda: screen.table.heads[0] == "1 cat-lora-r32")
        assert "smooth 0.9 " in text_of(app)
        await pilot.press("tab", ".")
        await wait_for(pilot, lambda: screen.runs and screen.runs.metric == "val_loss")
        await pilot.press("s")
        assert "smooth 0.97 " in text_of(app)
        assert screen.chart.value_at(0) == pytest.approx(0.911, abs=1e-3)  # 0.8 with the weight
        assert screen.chart.value_at(1) == pytest.approx(0.5)
        await pilot.press("j", "enter")
        await wait_for(pilot, lambda: getattr(app.screen, "job_id", "") == ids[1])


async def test_other_series_and_pictures_of_the_runs_below_each_other(home: Home) -> None:
    ids = fill_runs(home, 2)
    writer = StoreWriter(home)
    writer.apply(ids[1], Change(metrics=[("lr", step, 1e-4) for step in range(1, 300)]))
    writer.close()
    for job_id in ids:
        folder = home.outputs / job_id / "validation_images"
        folder.mkdir(parents=True)
        for step in (100, 200):
            falling_light().save(folder / f"step_{step}_validation_0_64x64.png")
    async with opened(home) as (app, pilot):
        await pilot.press("=")
        screen = await comparing(app, pilot)
        assert "loss 1 of 2" in text_of(app)
        await pilot.press(".")
        await wait_for(pilot, lambda: "lr 2 of 2" in text_of(app))
        assert screen.chart.value_at(1) == 1e-4
        assert screen.chart.value_at(0) is None
        await pilot.press(",")
        await wait_for(pilot, lambda: "loss 1 of 2" in text_of(app))
        await pilot.press("=")
        page = await wait_for(
            pilot, lambda: isinstance(app.screen, RunPicturesScreen) and app.screen
        )
        await wait_for(pilot, lambda: page.is_mounted and page.panel.state.grid.rows)
        await wait_for(pilot, lambda: text_of(app).count("▀▀▀▀") > 20)
        assert "Pictures ─ 2 runs" in text_of(app)
        assert "1 cat-lora-r32 · 100" in text_of(app)
        assert "2 cat-lora-r16 · 100" in text_of(app)
        await pilot.press("space", "down", "=")
        assert page.panel.state.beside
        await pilot.press("escape", "enter")
        assert page.panel.state.enlarged
        await pilot.press("escape", "escape", "escape")
        await wait_for(pilot, lambda: app.screen is screen)
        screen.left_out.update(ids)  # nothing to draw
        await pilot.press("=")
        await wait_for(pilot, lambda: "None of these runs has a picture here." in text_of(app))


def test_runs_are_sorted_by_figures_and_those_without_a_value_come_last() -> None:
    rows = [("rate", "1e-3", "", "5e-05", "0.0001"), ("kind", "v10", "v9", "", "7"),
            ("loss, smoothed", "", "", "", "")]  # fmt: skip
    found: Any = {"jobs": [{"loss": loss} for loss in (None, 0.2, 0.11, 0.2)]}

    def order(row: int, *, descending: bool = False) -> list[int]:
        return order_by(found, rows, row, 2, descending=descending)

    assert (order(0), order(0, descending=True)) == ([2, 3, 0, 1], [0, 3, 2, 1])
    assert (order(1), order(1, descending=True)) == ([3, 1, 0, 2], [0, 1, 3, 2])
    assert (order(2), order(2, descending=True)) == ([2, 1, 3, 0], [1, 3, 2, 0])


def test_names_that_do_not_fit_lose_what_all_of_them_begin_with() -> None:
    heads = ["1 cat-lora-r4", "2 cat-lora-r16-lr1e-4"]
    assert told_apart(heads, 13) == ["1 …r4", "2 …r16-lr1e-4"]
    assert told_apart(heads, 30) == heads
    for others in (["1 cat-lora (3 h)", "2 cat-lora (1 d)"], ["1 dog", "2 cat-lora-r16"], ["1 a"]):
        kept = [other.partition(" ")[2] for other in told_apart(others, 4)]
        assert all("lora" in name or name in ("dog", "a") for name in kept), kept


async def test_a_run_that_grows_is_followed(home: Home) -> None:
    ids = fill_runs(home, 2)
    async with opened(home) as (app, pilot):
        await pilot.press("=")
        screen = await comparing(app, pilot)
        assert screen.job_ids == ids
        writer = StoreWriter(home)
        writer.apply(ids[0], Change(values={"step": 400}, metrics=[("loss", 400, 0.1)]))
        writer.close()
        app.catch_up()
        await wait_for(pilot, lambda: screen.chart.span[1] == 400)


ODD: tuple[list[tuple[int, float]], ...] = (
    [], [(1, 0.5)], [(1, math.inf), (2, 0.4)], [(5, 0.3), (3, 0.2), (5, 0.1)],
    [(step, math.nan) for step in range(1, 50)], [(step, 1 / step) for step in range(1, 20_000)],
    [(1, -3.0), (2, 1e300)], [(2, 0.0)], [], [],
)  # fmt: skip
"""Losses by step: none, one, infinite, backwards as after a resume, no number, many, huge."""


async def test_eight_of_ten_strange_runs_are_taken_and_it_is_said(home: Home) -> None:
    home.create()
    writer = StoreWriter(home)
    for number, points in enumerate(ODD):
        name = "x" * 200 if number == 3 else "same\x1b[31m"
        record = replace(job(number, JobStatus.COMPLETED), name=name, model_family=f"f{number}")
        writer.insert(record)
        losses = [("loss", step, loss) for step, loss in points]
        writer.apply(record.job_id, Change(metrics=losses))
    writer.close()
    async with opened(home, size=(80, 24)) as (app, pilot):
        app.model.marks.update(app.model.ids)
        await pilot.press("=")
        screen = await comparing(app, pilot)
        assert screen.job_ids == list(app.model.ids[:8])
        assert app.notices[-1].message == "2 marked runs are left out."
        assert "Different models (f0, f1," in text_of(app)
        row = next(line for line in lines_of(app) if "best loss" in line)
        assert row.split()[3:6] == ["—", "0.5", "@1"]
        await pilot.press("right", "left")
        assert screen.chart.cursor_step is not None  # although the first run has no point
        await pilot.press(*"xxX+-0&", "tab", *"GsS", "space", "right", "left", *".,")
        before = screen.job_ids
        await pilot.press(*"kkkk", "s")  # from the pictures up to the best loss
        await wait_for(pilot, lambda: screen.job_ids != before)
        await wait_for(pilot, lambda: screen.runs and screen.runs.jobs[0].job_id == "job00006")
        best = [one["best_loss"] for one in screen.runs.found["jobs"]] if screen.runs else []
        assert best == [*sorted(one for one in best if one is not None), None, None]


def test_no_key_means_two_things_on_the_screen() -> None:
    keys = [key for action in (*COMPARE, *APP, *MOVE) for key in action.keys]
    assert len(set(keys)) == len(keys)
    for action in COMPARE:
        assert hasattr(CompareScreen, action.method) or hasattr(CompareScreen, "action_perform"), (
            action.id
        )


async def test_without_marks_it_is_the_run_before_of_the_same_model(home: Home) -> None:
    ids = fill_runs(home)
    writer = StoreWriter(home)
    writer.apply(ids[1], Change(values={"model_family": "sdxl"}))
    writer.close()
    async with opened(home) as (app, pilot):
        model = app.model
        assert runs_to_compare(model, ids[0]) == [ids[0], ids[2]]
        assert runs_to_compare(model, ids[1]) == [ids[1]]
        assert runs_to_compare(model, ids[2]) == [ids[2], ids[0]]  # the first: with the next
        assert runs_to_compare(model, None) == []
        model.marks.add(ids[1])
        assert runs_to_compare(model, ids[0]) == [ids[0], ids[1]]
        model.marks.clear()
        app.open_job(ids[1])
        await wait_for(pilot, lambda: getattr(app.screen, "job_id", "") == ids[1])
        await pilot.press("=")
        await wait_for(pilot, lambda: app.notices)
        assert "no other job of this model" in app.notices[-1].message
