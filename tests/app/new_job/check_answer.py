"""What an engine answers to a check: a job that could go, and one that could not."""

from __future__ import annotations

from typing import Any


def answer(*, ok: bool = True, sandbox: bool = False) -> dict[str, Any]:
    """A check's answer in the engine's form."""
    checks = [
        {"id": "config", "level": "ok", "message": "config readable · flux dev · lora rank 16",
         "advice": ""},
        {"id": "images-small", "level": "warn", "message": "2 images under 512 px are enlarged",
         "advice": "Leave them out, or lower the resolution."},
        {"id": "token", "level": "ok", "message": "token valid, @alice", "advice": ""},
    ]  # fmt: skip
    if not ok:
        checks.insert(
            0,
            {"id": "steps", "level": "error", "message": "both max_train_steps and epochs are set",
             "advice": "Set num_train_epochs to 0."},
        )  # fmt: skip
    return {
        "config": {"model_family": "flux", "model_flavour": "dev", "lora_type": "standard",
                   "lora_rank": 16, "max_train_steps": 2000, "train_batch_size": 1,
                   "learning_rate": 1e-4},
        "datasets": [{"id": "cats", "kind": "local", "path": "/data/cats", "images": 24,
                      "captions": 24, "bytes": 43_200_000, "problems": []}],
        "checks": checks,
        "ok": ok,
        "estimate": {"seconds": 3840, "low_seconds": 2400, "high_seconds": 5400,
                     "micros": 3_744_000, "low_micros": 2_340_000, "high_micros": 5_265_000,
                     "rate_micros": 975, "free": sandbox},
        "leaves": {"images": 24, "captions": 24, "bytes": 43_200_000,
                   "destination": "this machine (sandbox)" if sandbox else "Replicate",
                   "skipped": [{"path": "/data/cats/.env", "reason": "may hold secrets"}],
                   "stays_here": sandbox, "until": "", "token": ""},
        "request": {"version": "simpletuner/advanced-trainer-l40s:" + "a" * 64,
                    "input": {"max_train_steps": 2000, "hf_token": "***"},
                    "dropped": ["lora_alpha"]},
        "run_name": "cat-lora-2",
        "hardware": {"id": "l40s", "label": "L40S", "vram_gb": 48, "rate_micros": 975},
        "version": {"id": "a" * 64, "model": "simpletuner/advanced-trainer-l40s",
                    "created_at": "2026-08-22T10:00:00+00:00"},
    }  # fmt: skip
