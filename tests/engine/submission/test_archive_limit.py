"""An archive that turns out to be a byte over Replicate's limit, after its submit has answered."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from tests.engine.world import World
from tui.base.job_status import JobStatus
from tui.cli.submit_commands import background_words
from tui.engine.submission import archives
from tui.simpletuner.config.load import load_config
from tui.simpletuner.datasets.pack import pack
from tui.simpletuner.datasets.scan import scan


async def test_an_archive_one_byte_over_is_told_where_the_submit_said(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How small the captions pack is known when they are packed; nothing is sent nor paid."""
    photo = next(world.config.parents[2].rglob("*.txt"))
    photo.write_text(json.dumps([str(number) for number in range(4000)]))
    size = pack(scan(load_config(world.config)), tmp_path / "as-it-is.zip").size
    monkeypatch.setattr(archives, "pack", partial(pack, limit=size - 1))
    files = len(world.sandbox.core.files.all())
    answer = await world.client.submit(world.draft(data="upload"))
    assert answer["success"], "the submit has answered before it is known"
    said = background_words(world.job(answer["job_id"]))
    assert f"simpletuner-tui job {answer['job_id']} tells how it ends" in said
    job = await world.ended(answer["job_id"])
    assert (job.status, job.cost_micros, job.prediction_id) == (JobStatus.FAILED, 0, "")
    assert f"Replicate takes {size - 1:,} at most" in job.error
    assert "--data staged" in " ".join((job.diagnosis or {})["advice"])
    assert (len(world.sandbox.core.files.all()), world.predictions) == (files, [])
    monkeypatch.setattr(archives, "pack", partial(pack, limit=size))
    assert (await world.ended(await world.submit(data="upload"))).status is JobStatus.COMPLETED
