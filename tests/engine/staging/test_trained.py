"""Steps, buckets and price of a job follow from the pictures that are staged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.engine.staging.folders import picture, use_datasets
from tests.engine.world import World
from tui.api.submission import Draft


def twenty_pictures(world: World, folder: Path, **options: Any) -> Draft:
    """A draft of two epochs over 20 pictures, of which 10 have a caption."""
    for number in range(20):
        path = picture(folder / f"{number:02}.png", number)
        if number < 10:
            path.with_suffix(".txt").write_text(f"picture {number}")
    use_datasets(
        world,
        {
            "id": "photos", "type": "local", "instance_data_dir": str(folder),
            "caption_strategy": "textfile", "resolution": 512,
        },
    )  # fmt: skip
    config = json.loads(world.config.read_text())
    names = {name.removeprefix("--"): name for name in config}
    options = {
        "max_train_steps": 0, "num_train_epochs": 2, "train_batch_size": 1,
        "gradient_accumulation_steps": 1, "checkpoint_step_interval": 40,
        "validation_step_interval": 40, **options,
    }  # fmt: skip
    for name in ("checkpointing_steps", "validation_steps"):
        config.pop(names.get(name, name), None)
    config |= {names.get(name, f"--{name}"): value for name, value in options.items()}
    world.config.write_text(json.dumps(config))
    return world.draft(
        data="staged", staging="here", leave_out_uncaptioned=True, trainer_release="4.10.1",
        overrides={},
    )  # fmt: skip


async def test_the_schedule_counts_the_pictures_that_are_staged(
    world: World, tmp_path: Path
) -> None:
    """Of 20 pictures 10 are left out, so the run ends at step 20, before the first checkpoint."""
    report = await world.client.check(twenty_pictures(world, tmp_path / "photos"))
    weights = report["weights"]
    assert weights["steps"] == report["estimate"]["steps"] == 20
    assert (weights["last"], weights["promise"]) == (None, "no")
    levels = {check["id"]: check["level"] for check in report["checks"]}
    assert levels["delivery-schedule"] == "error"


async def test_the_buckets_hold_the_pictures_that_are_staged(world: World, tmp_path: Path) -> None:
    report = await world.client.check(
        twenty_pictures(world, tmp_path / "photos", train_batch_size=12)
    )
    (finding,) = [check for check in report["checks"] if check["id"] == "buckets"]
    assert finding["level"] == "error"
    assert "has 10 images, and a step takes 12" in finding["message"]
    (dataset,) = [row for row in report["datasets"] if row["id"] == "photos"]
    assert [bucket["images"] for bucket in dataset["buckets"] or ()] == [10]
