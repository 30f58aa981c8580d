"""Jobs beside each other, from the store alone."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.store.job_records import T0, done, job
from tui.app.compare.tables import table_of
from tui.base.job_status import JobStatus
from tui.cli.compare_command import rows_of
from tui.settings import Home
from tui.store.comparison import compare_jobs, labels
from tui.store.reader import StoreReader
from tui.store.records import FileRecord
from tui.store.writer import Change, StoreWriter


def test_equal_names_are_told_apart_by_their_age_and_equal_ages_by_their_id() -> None:
    now = T0 + timedelta(hours=24)
    jobs = [
        job("a", name="cat"),
        job("b", name="cat", created_at=T0 + timedelta(hours=21)),
        job("c", name="dog"),
    ]
    assert labels(jobs, now) == ["cat (1 d 0 h)", "cat (3 h 00 m)", "dog"]
    assert labels([job("a", name="cat"), job("b", name="cat")], now) == [
        "cat (1 d 0 h, a)", "cat (1 d 0 h, b)",
    ]  # fmt: skip


def test_results_stand_beside_the_settings_that_differ(tmp_path: Path) -> None:
    home = Home(tmp_path, tmp_path / "outputs")
    home.create()
    writer = StoreWriter(home)
    first = done("a", 1_050_000, config={"lora_rank": 32}, step=100, total_steps=2000,
                 seconds_per_step=0.86, model_family="flux")  # fmt: skip
    second = job("b", config={}, submit={"sha256": "f" * 64}, model_family="sdxl",
                 status=JobStatus.RUNNING, started_at=T0)  # fmt: skip
    writer.insert(first)
    writer.insert(second)
    points = [("loss", step, 1.0 if step < 50 else 0.5) for step in range(100)]
    points.append(("loss", 100, math.nan))
    # A run that went on from its checkpoint says steps again, lower ones behind higher ones.
    points = [*points[50:], *points[:60], ("loss", 3, 9.0)]
    folder = "a/validation_images/step_100_validation_0_64x64"
    files = [
        FileRecord(f"{folder}.png", 1, "", "delivered", T0),
        FileRecord("a/model.safetensors", 1, "", "delivered", T0),
        FileRecord(folder.replace("100", "200") + ".png", 0, "", "downloaded", T0, "expired"),
    ]
    writer.apply("a", Change(metrics=points, files=files))
    writer.close()
    reader = StoreReader(home.database)
    jobs = [reader.find("a"), reader.find("b")]
    found = compare_jobs(reader, jobs, T0 + timedelta(seconds=10))
    everything = compare_jobs(reader, jobs, T0, everything=True)
    steps, values = reader.metrics("a", "loss")
    families = [f"family{number}" for number in range(8)]
    eight = [replace(jobs[1], job_id=f"none{name}", model_family=name) for name in families]
    strangers = compare_jobs(reader, eight, T0)  # none of them has a metric or a file
    reader.close()
    assert list(steps) == list(range(101))
    assert values[3] == 1.0  # what was said first stays: a log is read again after a restart
    assert [one["loss"] for one in strangers["jobs"]] == [None] * 8
    assert strangers["remarks"] == [
        f"Different models ({', '.join(families)}): their losses cannot be compared."
    ]
    one, other = found["jobs"]
    assert one["loss"] == one["best_loss"] == pytest.approx(0.5, abs=0.2)
    assert one["best_step"] == 99
    assert (one["not_finite"], other["not_finite"]) == (True, False)
    assert "0.5895, now nan" in [line[1] for line in rows_of(found)]
    assert "0.5895, now nan" in [row[1] for row in table_of(found, everything=False)[0]]
    assert (one["cost_usd"], one["cost_bound"], one["pictures"]) == (1.05, "", 1)
    assert (other["loss"], other["best_step"]) == (None, None)
    assert (other["cost_usd"], other["cost_bound"]) == (0.00975, "so far")
    assert {row["name"]: row["values"] for row in found["settings"]} == {
        "data": ["", "f" * 12],
        "lora_rank": ["32", "16"],
    }
    assert found["differing"] == 2
    assert found["remarks"] == ["Different models (flux, sdxl): their losses cannot be compared."]
    assert len(everything["settings"]) == found["compared"] == 3
    same = compare_jobs(reader, [jobs[0], replace(jobs[0])], T0)
    assert (same["differing"], same["remarks"]) == (0, [])
    others = [replace(jobs[1], submit={"sha256": letter * 64}) for letter in "ab"]
    assert compare_jobs(reader, others, T0)["remarks"] == [
        "Different data: a lower loss need not be the better one."
    ]
