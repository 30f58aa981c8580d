"""Staging to the sandbox's Hub, from a folder to the entry that a job is sent with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.engine.staging.folders import entries_of, picture, pixels, use_datasets
from tests.engine.staging.loaded import load, needs_datasets
from tests.engine.world import World
from tui.base.job_status import JobStatus
from tui.sandbox.hub.repos import HubRepo


def repo_of(world: World, entry: dict[str, Any]) -> HubRepo | None:
    """The repository of a staged entry."""
    assert world.sandbox.hub is not None
    return world.sandbox.hub.hub.repos.get("dataset", entry["dataset_name"])


async def test_a_local_folder_reaches_the_trainer_through_a_private_dataset(world: World) -> None:
    await world.use_hub()
    report = await world.client.check(world.draft(data="staged"))
    assert report["ok"], report["checks"]
    assert "private dataset sandbox/staged-" in report["leaves"]["destination"]
    assert report["leaves"]["missing_bytes"] == report["leaves"]["bytes"] > 0
    job_id = await world.submit(data="staged", keep_staged=True)
    job = await world.ended(job_id)
    assert job.status is JobStatus.COMPLETED, job.error

    assert "images" not in job.inputs
    (entry,) = [one for one in entries_of(world, job_id).values() if one["type"] == "huggingface"]
    assert "instance_data_dir" not in entry
    repo = repo_of(world, entry)
    assert repo is not None
    assert repo.private
    commit = repo.at(entry["revision"])
    assert commit is not None
    names = set(commit.tree)
    assert "README.md" in names
    assert not [name for name in names if name.endswith(".txt")]
    assert [name for name in names if name.endswith("/metadata.jsonl")]
    assert "hf_token" in job.submit["secret_names"]


@needs_datasets
async def test_the_real_loader_reads_the_same_pictures_and_captions(
    world: World, tmp_path: Path
) -> None:
    """Names, modes and turned pictures that a loader is known to stumble over."""
    folder = tmp_path / "photos"
    names = ["plain.png", "test/in a split.png", "ü & (1).jpg", "+100%.png", "😀.png"]
    names += ["שלום.png", "train.webp", "cmyk.jpg", "turned.jpg", "a/same.png", "b/same.png"]
    wanted: dict[str, list[str]] = {}
    for number, name in enumerate(names):
        path = picture(
            folder / name,
            number,
            mode="CMYK" if name.startswith("cmyk") else "RGB",
            turned=name.startswith("turned"),
        )
        lines = [f"picture {number} – “{name}”"] + ["a second line"] * (number % 3)
        path.with_suffix(".txt").write_text("\r\n".join(lines) + "\n", encoding="utf-8")
        wanted[pixels(path)] = lines
    use_datasets(
        world,
        {
            "id": "photos", "type": "local", "instance_data_dir": str(folder),
            "caption_strategy": "textfile", "resolution": 512, "repeats": 3,
            "metadata_backend": "discovery", "cache_dir": "/somewhere/here",
        },
    )  # fmt: skip
    url = await world.use_hub()
    job_id = await world.submit(data="staged", keep_staged=True)
    job = await world.ended(job_id)
    assert job.status is JobStatus.COMPLETED, job.error
    entry = entries_of(world, job_id)["photos"]
    assert entry["repeats"] == 3
    columns = entry["huggingface"]["caption_column"]
    rows = await load(entry, url, "hf_read", tmp_path / "loader")
    found = {row["pixels"]: [row[name] for name in columns if row[name]] for row in rows}
    assert found == wanted
    assert len(rows) == len(names)
