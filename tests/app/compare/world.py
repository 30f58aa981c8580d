"""Runs to compare: two of one name, with settings, curves, and logs with times."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import timedelta

from tests.app.world import NOW, job
from tui.base.job_status import JobStatus
from tui.settings import Home
from tui.store.records import FileRecord, StageRecord
from tui.store.writer import Change, StoreWriter


def fill_runs(home: Home, count: int = 3, steps: int = 300) -> Sequence[str]:
    """Runs of one model, the newest first; every other has the same name."""
    home.create()
    writer = StoreWriter(home)
    source, ids = random.Random(7), []
    for number in range(count):
        record = job(7 * number, JobStatus.COMPLETED)
        ids.append(record.job_id)
        writer.insert(record)
        pace = 1 + number
        log = b"".join(
            b"Epoch 1/5, Steps: %d%%|##  | %d/%d [%02d:%02d<10:00, 1.0s/it, step_loss=0.4]\r"
            % (100 * step // steps, step, steps, step * pace // 60, step * pace % 60)
            for step in range(1, steps + 1)
        )
        home.log_file(record.job_id).write_bytes(log)
        losses = [
            ("loss", step, 0.14 + number / 50 + 0.3 * math.exp(-step / 60) + source.gauss(0, 0.03))
            for step in range(1, steps + 1)
        ]
        began = NOW - timedelta(hours=number + 1)
        writer.apply(
            record.job_id,
            Change(
                values={
                    "name": "cat-lora-r16" if number else "cat-lora-r32", "step": steps,
                    "total_steps": steps, "seconds_per_step": float(pace),
                    "created_at": began - timedelta(minutes=5),
                    "config": {"lora_rank": 32 >> bool(number), "learning_rate": "1e-4",
                               "model_family": "flux", "max_train_steps": steps + number // 2},
                },
                metrics=losses,
                stages=[StageRecord(0, "training", "Training", "done", began, None, "", 100.0)],
                files=[
                    FileRecord(
                        f"{record.job_id}/validation_images/step_{at}_validation_0_64x64.png", 1,
                        "", "delivered", NOW,
                    )
                    for at in (100, 200)
                ],
            ),
        )  # fmt: skip
    writer.close()
    return ids
