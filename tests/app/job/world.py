"""Two jobs in full: one that runs, one that ran out of memory."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.app.world import NOW, fill
from tui.settings import Home
from tui.store.records import FileRecord, StageRecord
from tui.store.writer import Change, StoreWriter

RUNNING = "job00000"
FAILED = "job00004"
DONE = "job00003"
DRAFT = {
    "config": "/data/config/cat-lora/config.json", "name": "cat-lora-0", "hardware": "l40s",
    "delivery": {"kind": "local"}, "overrides": {"max_train_steps": 2000}, "consent": True,
}  # fmt: skip


def _ago(minutes: float) -> Any:
    return NOW - timedelta(minutes=minutes)


def fill_jobs(home: Home, jobs: int = 8) -> None:
    """The sample world with these two in full."""
    fill(home, jobs)
    writer = StoreWriter(home)
    try:
        writer.apply(
            RUNNING,
            Change(
                values={
                    "submit": {"draft": DRAFT},
                    "inputs": {
                        "train_config": '{"model_family": "flux", "lora_rank": 16}',
                        "hf_token": "***", "max_train_steps": 2000,
                    },
                    "config": {"model_family": "flux", "train_batch_size": 4},
                    "dataloader": [{"id": "cats", "type": "local"}],
                },
                metrics=[("lr", step, 1e-4 * (1 - step / 2000)) for step in range(1, 300)],
                stages=[
                    StageRecord(0, "init_load_base_model", "Loading base model", "done",
                                _ago(18), _ago(16), "Base model has loaded.", None),
                    StageRecord(1, "training", "Training", "running", _ago(15), None, "", 62.0),
                ],
                events=[
                    (_ago(20), "local", "accepted", "Replicate accepted it as p0."),
                    (_ago(18), "poll", "state", "starting → processing"),
                ],
            ),
        )  # fmt: skip
        log = (
            b"[STAGE] \xe2\x9c\x93 Loading base model (100.0%)\n"
            b"Epoch 1/5, Steps:  12%|#  | 12/1000 [00:10<10:00,  1.2s/it, step_loss=0.4]\r"
            b"Traceback (most recent call last):\n"
            b"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.25 GiB\n"
        )
        home.log_file(FAILED).write_bytes(log)
        writer.apply(
            FAILED,
            Change(
                values={
                    "submit": {"draft": {**DRAFT, "name": "studio-light-4"}},
                    "config": {"train_batch_size": 4},
                    "diagnosis": {
                        "kind": "oom", "title": "Out of GPU memory at step 12",
                        "what": "The card had no room left for a batch of four images.",
                        "evidence": [
                            {"offset": log.index(b"torch."),
                             "text": log[log.index(b"torch."):].decode().strip()}
                        ],
                        "advice": ["Lower train_batch_size.", "Or take a card with more memory."],
                        "changes": {"train_batch_size": 1, "vae_batch_size": 1},
                    },
                }
            ),
        )  # fmt: skip
        writer.apply(
            DONE,
            Change(
                values={"inputs": {"max_train_steps": 500}},
                files=[FileRecord("job00003/missing.bin", 0, "", "downloaded", NOW, "expired")],
            ),
        )
    finally:
        writer.close()
