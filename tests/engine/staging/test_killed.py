"""The engine is killed while it stages: the next one goes on, and sends nothing twice.

Even when the list of what it was sending was damaged: the folders give the very same list.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from PIL import Image

from tests.engine.tracking.engine_process import engine_process
from tests.support import eventually
from tui.base.job_status import JobStatus
from tui.settings import Home
from tui.simpletuner.staging.manifest import Manifest

_FILES = 60


async def test_a_killed_staging_goes_on_where_it_was(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(_FILES):
        image = Image.frombytes("RGB", (100, 100), os.urandom(30_000))
        image.save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"picture {number}")
    total = sum(path.stat().st_size for path in folder.glob("*.png"))
    async with engine_process(home, tmp_path) as engine:
        assert engine.sandbox.hub is not None
        hub = engine.sandbox.hub.hub
        engine.environ |= {"HF_TOKEN": "hf_write", "HF_ENDPOINT": hub.url}
        await engine.end()
        settings = home.settings_file.read_text()
        home.settings_file.write_text(f"{settings}\n[publishing]\nbandwidth = 300000\n")
        data = engine.config.with_name("multidatabackend.json")
        data.write_text(
            json.dumps([
                {"id": "photos", "type": "local", "instance_data_dir": str(folder),
                 "caption_strategy": "textfile", "resolution": 512},
                {"id": "text", "type": "local", "dataset_type": "text_embeds", "default": True},
            ])
        )  # fmt: skip
        await engine.start()
        draft = {
            "config": str(engine.config), "data": "staged", "keep_staged": True, "consent": True,
            "overrides": {"max_train_steps": 12}, "delivery": {"kind": "local"},
        }  # fmt: skip
        job_id = (await engine.client.submit(draft))["job_id"]  # type: ignore[arg-type]
        await eventually(lambda: hub.received_bytes > total // 3, within=30)
        await engine.end()
        assert engine.job(job_id).submit["phase"] == "new"
        before = hub.received_bytes
        assert before < total * 0.9
        home.settings_file.write_text(settings)
        (listed,) = (home.root / "staged").glob("*.manifest.json")
        whole = listed.read_bytes()
        listed.write_bytes(whole[: len(whole) // 2])
        await engine.start()
        job = await engine.ended(job_id)
        assert job.status is JobStatus.COMPLETED, job.error
        # What was under way on a connection was cut, so it is sent again.
        assert hub.received_bytes <= total + 8 * 31_000
        assert len(engine.sandbox.core.jobs.order["prediction"]) == 1
        (row,) = await engine.client.staged()
        assert row["complete"]
        assert Manifest.from_dict(json.loads(listed.read_bytes())).images == _FILES
