"""A sample world: a state folder with any number of jobs, metrics and logs."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tui.base.job_status import JobStatus
from tui.settings import Home
from tui.store.fact_names import scoped
from tui.store.records import FileRecord, JobRecord
from tui.store.writer import Change, StoreWriter

NOW = datetime(2026, 11, 23, 14, 2, 10, tzinfo=UTC)
FAMILIES = (
    ("flux", "dev"), ("sdxl", "base"), ("sd3", "medium"), ("qwen_image", ""), ("z_image", "turbo"),
    ("chroma", "base"), ("auraflow", "v0.3"),
)  # fmt: skip
NAMES = ("cat-lora", "portrait-v3", "logo", "chroma-test", "studio-light", "ink-wash", "köder-α")


def home_at(root: Path) -> Home:
    """A home inside a test's folder."""
    return Home(root, root / "cloud_outputs")


def job(
    number: int,
    status: JobStatus,
    *,
    now: datetime = NOW,
    api_base: str = "https://api.replicate.com/v1",
) -> JobRecord:
    """A job like many; `number` decides its name, model and figures."""
    family, flavour = FAMILIES[number % len(FAMILIES)]
    created = now - timedelta(minutes=7 * number + 20)
    started = created + timedelta(minutes=2)
    total = 1000 + 500 * (number % 3)
    base: dict[str, Any] = {
        "job_id": f"job{number:05d}", "api_base": api_base,
        "prediction_id": f"p{number:025d}",
        "name": f"{NAMES[number % len(NAMES)]}-{number}", "config_name": f"config-{number % 5}",
        "config_path": "/data/config/cat-lora/config.json",
        "model": "simpletuner/advanced-trainer-l40s", "version": "v" * 64, "model_family": family,
        "model_flavour": flavour, "model_type": "lora", "lora_type": "standard",
        "hardware": "l40s", "rate_micros": 975, "delivery": "local", "created_at": created,
        "status": status, "estimate_micros": 2_140_000, "total_steps": total,
    }  # fmt: skip
    if status in (JobStatus.RUNNING, JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED):
        base |= {"queued_at": created, "started_at": started}
    if status is JobStatus.RUNNING:
        step = total * (20 + 13 * number % 70) // 100
        base |= {
            "stage": "Training", "step": step, "percent": 100 * step / total, "epoch": 13,
            "epochs": 20, "seconds_per_step": 1.89, "loss": 0.1421 + number / 500,
            "learning_rate": 8.9e-5, "eta_at": now + timedelta(seconds=1.89 * (total - step)),
            "web_url": f"https://replicate.com/p/{number}",
        }  # fmt: skip
    elif status is JobStatus.QUEUED:
        base |= {"stage": "waiting for a GPU", "queued_at": now - timedelta(minutes=4)}
    elif status is JobStatus.UPLOADING:
        base |= {"stage": "uploading", "percent": 37.0}
    elif status is JobStatus.FAILED:
        base |= {
            "stage": "out of memory at step 12 · lower train_batch_size", "step": 12,
            "error": "CUDA out of memory", "cost_micros": 90_000,
            "completed_at": started + timedelta(minutes=3),
        }  # fmt: skip
    elif status is JobStatus.COMPLETED:
        base |= {
            "step": total, "percent": 100.0, "loss": 0.118, "cost_micros": 920_000 + 7_000 * number,
            "completed_at": started + timedelta(minutes=41),
        }  # fmt: skip
    elif status is JobStatus.CANCELLED:
        base |= {"cost_micros": 30_000, "completed_at": started + timedelta(minutes=1)}
    return JobRecord(**base)


def status_of(number: int, running: int) -> JobStatus:
    """The state of the nth newest job: a few at work, the rest at their end."""
    if number < running:
        return JobStatus.RUNNING
    if number == running:
        return JobStatus.QUEUED
    if number % 9 == 4:
        return JobStatus.FAILED
    if number % 11 == 6:
        return JobStatus.CANCELLED
    return JobStatus.COMPLETED


def files_of(number: int, now: datetime = NOW) -> list[FileRecord]:
    """What a finished job delivered."""
    sizes = (231_000_000 + number, 1_204, 88_210)
    names = ("pytorch_lora_weights.safetensors", "config.json", "validation_0.png")
    return [
        FileRecord(f"job{number:05d}/{name}", size, f"{number:08x}{size:056x}", "delivered", now)
        for name, size in zip(names, sizes, strict=True)
    ]


def curve(steps: int, offset: float = 0.0) -> list[tuple[str, int, float]]:
    """A loss that falls, with noise that is the same every time."""
    return [
        ("loss", step, 0.12 + offset + 0.2 * math.exp(-step / 300) + 0.01 * math.sin(step * 1.7))
        for step in range(1, steps + 1)
    ]


def log_text(steps: int) -> bytes:
    """The end of a training log, in SimpleTuner's forms."""
    lines = [
        "[STAGE] Loading transformer",
        "[INFO] 24 images, 24 captions",
        "[STAGE] Training started",
    ]
    for step in range(max(1, steps - 40), steps + 1):
        lines.append(
            f"Epoch 13/20, Steps:  {100 * step // 2000}% {step}/2000 "
            f"[lr=8.9e-05, step_loss={0.12 + 1 / (step + 3):.4f}]\r"
        )
        if step % 10 == 0:
            lines.append(f"[INFO] Checkpoint: Step {step} of 2000: loss 0.139")
    return "\n".join(lines).encode() + b"\n"


def fill(
    home: Home, jobs: int, *, running: int = 2, now: datetime = NOW, sandbox: bool = False
) -> None:
    """Write a world with so many jobs; the newest come first and `running` of them run."""
    base = "http://127.0.0.1:8700/v1" if sandbox else "https://api.replicate.com/v1"
    writer = StoreWriter(home)
    try:
        writer._db.execute("PRAGMA synchronous = OFF")
        for number in reversed(range(jobs)):
            record = job(number, status_of(number, running), now=now, api_base=base)
            change = None
            if record.status is JobStatus.COMPLETED:
                change = Change(files=files_of(number, now))
            elif record.status is JobStatus.RUNNING:
                change = Change(metrics=curve(record.step or 0, number / 100))
                home.log_file(record.job_id).write_bytes(log_text(record.step or 0))
            writer.insert(record, change)
        if jobs:
            writer.set_fact(
                scoped("account", base),
                {
                    "valid": True, "user_info": {"username": "alice", "name": "Alice"},
                    "error": None, "token_source": "environment", "api_base": base,
                },
            )  # fmt: skip
            writer.set_fact(
                "listener",
                {"address": "127.0.0.1:8080", "state": "listening", "outputs": str(home.outputs),
                 "problem": "", "public_url": ""},
            )  # fmt: skip
    finally:
        writer.close()


if __name__ == "__main__":
    import sys

    folder = Path(sys.argv[1]).absolute()
    fill(
        home_at(folder),
        int(sys.argv[2]),
        running=int(sys.argv[3]) if len(sys.argv) > 3 else 2,
        now=datetime.now(UTC),
    )
