"""The Metrics tab over time, with marks where something was saved."""

from __future__ import annotations

from tests.app.compare.world import fill_runs
from tests.app.conftest import lines_of, opened, text_of, wait_for
from tests.app.job.opened import open_job
from tests.app.world import NOW
from tui.app.job.metrics_panel import MetricsPanel, run_marks
from tui.settings import Home
from tui.store.records import FileRecord


def test_checkpoints_and_pictures_are_marks_and_what_is_not_here_is_none() -> None:
    paths = (
        "a/checkpoint-100/model.safetensors", "a/validation_images/step_100_validation_0_8x8.png",
        "a/validation_images/step_50_validation_0_8x8.png", "a/checkpoint-x/model.safetensors",
    )  # fmt: skip
    files = [FileRecord(path, 1, "", "delivered", NOW) for path in paths]
    gone = FileRecord("a/checkpoint-300/x", 0, "", "downloaded", NOW, "expired")
    assert run_marks([*files, gone], ascii_only=False) == [(50, "◫"), (100, "▣")]
    assert run_marks(files, ascii_only=True) == [(50, "o"), (100, "#")]


async def test_the_axis_goes_from_steps_to_times_and_the_copy_names_the_step(home: Home) -> None:
    ids = fill_runs(home, 1)
    async with opened(home) as (app, pilot):
        screen = await open_job(app, pilot, ids[0])
        await screen.tabs.open("Metrics")
        panel = screen.tabs.panel
        assert isinstance(panel, MetricsPanel)
        await wait_for(pilot, lambda: "step 300" in text_of(app))
        assert any("└" in line and line.count("◫") == 2 for line in lines_of(app))
        await pilot.press("x")
        await wait_for(pilot, lambda: "time since step 1" in text_of(app))
        assert panel.chart.span == (0.0, 299_000.0)
        assert any("└" in line and line.count("◫") == 2 for line in lines_of(app))
        assert panel.copy_text().startswith("step 300 loss ")
        await pilot.press("x")
        await wait_for(pilot, lambda: "clock, as received" in text_of(app))
