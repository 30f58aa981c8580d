"""A series that is not finite is marked in the list, in the page's head and below its curve."""

from __future__ import annotations

import math

import pytest

from tests.app.conftest import lines_of, opened, text_of, wait_for
from tests.app.job.opened import open_job
from tests.app.job.world import RUNNING, fill_jobs
from tui.cli.job_queries import metrics
from tui.settings import Home
from tui.store.writer import Change, StoreWriter


def mark(home: Home, name: str, **values: object) -> None:
    """Let a series of the running job be not finite at its newest step."""
    writer = StoreWriter(home)
    submit = writer.job(RUNNING).submit
    marks = [{"name": name, "first_step": 190, "last_step": 200}]
    points = [(name, step, math.nan) for step in range(200, 211)]
    writer.apply(
        RUNNING,
        Change(values={"submit": {**submit, "not_finite": marks}, **values}, metrics=points),
    )
    writer.close()


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
async def test_list_head_and_chart_say_it_at_every_size(home: Home, size: tuple[int, int]) -> None:
    fill_jobs(home)
    mark(home, "loss", loss=None)
    async with opened(home, size=size) as (app, pilot):
        app.model.reload()
        await wait_for(pilot, lambda: "running ✗" in text_of(app))
        if size[0] > 104:
            assert "nan" in text_of(app)
        await open_job(app, pilot, RUNNING)
        assert "✗ loss not finite since step 190" in " ".join(lines_of(app)[2:4])
        await pilot.press("tab")
        await wait_for(pilot, lambda: "✗ not finite: steps" in text_of(app))
        assert any("┤✗" in line or "✗" in line for line in lines_of(app)[6:])


def test_the_export_is_valid_json_and_names_what_is_null(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import argparse
    import json

    fill_jobs(home)
    mark(home, "grad_norm")
    monkeypatch.setenv("SIMPLETUNER_TUI_HOME", str(home.root))
    assert metrics(argparse.Namespace(id=RUNNING, json=True)) == 0
    text = capsys.readouterr().out
    data = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert data["metrics"]["grad_norm"][0] == [200, None]
    assert data["not_finite"]["grad_norm"][0] == [200, "nan"]
    assert "loss" not in data["not_finite"]
    assert metrics(argparse.Namespace(id=RUNNING, json=False)) == 0
    assert "grad_norm,200,nan" in capsys.readouterr().out
