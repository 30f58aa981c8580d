"""Records of jobs, as the tests about money need them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tui.base.job_status import JobStatus
from tui.store.records import JobRecord

T0 = datetime(2026, 3, 1, tzinfo=UTC)
REAL = "https://api.replicate.com/v1"
LOCAL = "http://127.0.0.1:9/v1"


def job(job_id: str, **more: Any) -> JobRecord:
    values: dict[str, Any] = {
        "api_base": REAL, "name": job_id, "config_name": "", "config_path": "", "model": "",
        "version": "", "model_family": "", "model_flavour": "", "model_type": "", "lora_type": "",
        "hardware": "l40s", "rate_micros": 975, "delivery": "", "created_at": T0,
        "prediction_id": f"p-{job_id}",
    }  # fmt: skip
    return JobRecord(job_id=job_id, **(values | more))


def done(job_id: str, cost: int, ended: datetime = T0, **more: Any) -> JobRecord:
    return job(
        job_id,
        **{
            "status": JobStatus.COMPLETED,
            "started_at": ended - timedelta(hours=1),
            "completed_at": ended,
            "cost_micros": cost,
        }
        | more,
    )
