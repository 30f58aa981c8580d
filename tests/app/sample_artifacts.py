"""A job with weights, checkpoints and destinations, as the pictures of the screen show it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.app.world import NOW
from tui.settings import Home
from tui.store.transfer_records import (
    DestinationRecord,
    TransferItem,
    TransferRecord,
    TransferState,
)
from tui.store.writer import StoreWriter

MIB = 1 << 20
JOB = "job00003"
BASE = "https://api.replicate.com/v1"


def weights(name: str, step: int | None, *, published: bool = True, **more: Any) -> dict[str, Any]:
    places = [{"target": "hub:alice/cat-lora", "place": "Hub", "at": "2026-11-23T13:50:00+00:00",
               "link": "https://huggingface.co/alice/cat-lora"}]  # fmt: skip
    return {
        "name": name, "path": f"/out/{name}", "size": 231 * MIB, "sha256": "c0ffee" * 10 + "beef",
        "here": True, "missing": "", "checkpoint": step, "loss": 0.14,
        "published": places if published else [],
        "weights": {"kind": "lora", "rank": 16, "tensors": 392, "parameters": 5_000_000,
                    "dtypes": {"BF16": 392}, "metadata": {}, "problem": "", "truncated": False},
        **more,
    }  # fmt: skip


FILES = [
    weights("checkpoint-1000/pytorch_lora_weights.safetensors", 1000, published=False,
            weights={"problem": "The last 12 bytes are missing.", "truncated": True}),
    weights("checkpoint-1500/pytorch_lora_weights.safetensors", 1500),
    weights("pytorch_lora_weights.safetensors", None),
]  # fmt: skip
CHECKPOINTS = [
    {"step": step, "at": at, "files": 1, "size": 231 * MIB, "weights": True, "loss": 0.14,
     "smoothed": mean, "window": 200, "best": step == 1500}
    for step, at, mean in ((1000, 1000, 0.1511), (1500, 1500, 0.1387), (None, 2000, 0.1402))
]  # fmt: skip
ANSWER = {
    "jobs": [{
        "job_id": JOB, "name": "chroma-test-3", "folder": "/out", "files": FILES,
        "checkpoints": CHECKPOINTS,
        "unfetched": [{"name": "validation.zip", "origin": "replicate", "size": 9 * MIB,
                       "done": 4 * MIB, "state": "waiting", "why": "the line broke",
                       "advice": "It is tried again.",
                       "until": (NOW + timedelta(minutes=42)).isoformat()}],
    }]
}  # fmt: skip


def fill(home: Home) -> None:
    """Two places, and a transfer of each kind."""
    writer = StoreWriter(home)
    hub = DestinationRecord("hub", "hub", {"repo": "alice/cat-lora", "private": True}, NOW)
    options = {"preset": "minio", "bucket": "models", "prefix": "runs", "region": "us-east-1",
               "endpoint": "http://nas.local:9000", "addressing": "path"}  # fmt: skip
    for one in (hub, DestinationRecord("nas", "s3", options, NOW)):
        writer.transfers.put_destination(one)
    at = (NOW - timedelta(minutes=3)).isoformat()
    writer.set_fact("destination_test:hub", {"at": at, "ok": True, "steps": []})
    wrong = {"name": "write", "level": "error", "message": "The secret key is wrong.", "advice": ""}
    writer.set_fact("destination_test:nas", {"at": at, "ok": False, "steps": [wrong]})
    transfers: tuple[tuple[TransferState, str, int, dict[str, Any]], ...] = (
        (TransferState.RUNNING, "hub:alice/cat-lora", 143, {}),
        (TransferState.QUEUED, "s3:nas/runs", 0, {}),
        (TransferState.FAILED, "s3:nas/runs", 12, {
            "message": "The secret key is wrong.", "advice": "Give it again.",
            "ended_at": NOW - timedelta(minutes=9)}),
        (TransferState.DONE, "dir:/srv/models/cat", 231, {"ended_at": NOW - timedelta(hours=1)}),
    )  # fmt: skip
    for number, (state, target, done, more) in enumerate(transfers):
        record = TransferRecord(
            f"{number}" * 10, JOB, BASE, target, NOW - timedelta(hours=1), state=state,
            done_bytes=done * MIB, total_bytes=231 * MIB, **more,
        )  # fmt: skip
        name = "pytorch_lora_weights.safetensors"
        writer.transfers.insert(record, [TransferItem(0, name, f"/out/{name}", 231 * MIB)])
    writer.close()
