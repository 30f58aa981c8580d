"""Micro-batches of an epoch, counted from the scan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.simpletuner.projects import HOSTED, local_entry, write_image, write_project
from tui.simpletuner.config.load import load_config
from tui.simpletuner.datasets.scan import scan
from tui.simpletuner.delivery_schedule.job import job_schedule
from tui.simpletuner.delivery_schedule.schedule import Batches, count_batches
from tui.simpletuner.request.delivery import Delivery

LOCAL = Delivery("local", bucket="outputs")


def batches(
    root: Path, *, gpus: int = 1, entry: dict[str, Any] | None = None, **options: Any
) -> Batches | None:
    """The batches of five wide pictures and two tall ones."""
    folder = root / "cats"
    for number in range(5):
        write_image(folder / f"wide-{number}.png", (512, 256))
    for number in range(2):
        write_image(folder / f"tall-{number}.png", (256, 512))
    entries = [{**local_entry(folder), "crop": False, **(entry or {})}]
    config = load_config(write_project(root, entries, **options))
    return count_batches(config, scan(config), gpus)


@pytest.mark.parametrize(
    ("batch", "repeats", "count"), [(1, 0, 7), (2, 0, 3 + 1), (4, 0, 2 + 1), (4, 1, 3 + 1)]
)
def test_every_bucket_fills_its_own_batches(
    tmp_path: Path, batch: int, repeats: int, count: int
) -> None:
    found = batches(tmp_path, entry={"repeats": repeats}, train_batch_size=batch)
    assert found == Batches(count, exact=True)


def test_several_gpus_and_sampled_datasets_are_not_exact(tmp_path: Path) -> None:
    found = batches(tmp_path, gpus=2)
    assert found is not None
    assert not found.exact
    found = batches(tmp_path, entry={"probability": 0.5})
    assert found is not None
    assert not found.exact


def test_hosted_data_has_no_known_batches(tmp_path: Path) -> None:
    config = load_config(write_project(tmp_path, [HOSTED]))
    assert count_batches(config, scan(config), 1) is None


def test_a_run_by_epochs_is_promised_where_its_batches_are_known(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "max_train_steps": 0, "num_train_epochs": 2, "checkpoint_step_interval": 7,
        "validation_step_interval": 7,
    }  # fmt: skip
    assert batches(tmp_path, **options) == Batches(7, exact=True)
    config = load_config(tmp_path / "config" / "cats" / "config.json")
    schedule = job_schedule(config, LOCAL, report=scan(config))
    assert schedule is not None
    assert (schedule.steps, schedule.weights, schedule.promise) == (14, (7, 14), "yes")
