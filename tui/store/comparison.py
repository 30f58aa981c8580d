"""Jobs beside each other: what differs between their settings, and what came of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from tui.base import formatting
from tui.simpletuner.compare import RunSettings, compare_settings
from tui.simpletuner.log.smoothing import lowest, smoothed
from tui.simpletuner.validation_media import grid, read_name
from tui.store.shown_cost import shown_cost

if TYPE_CHECKING:
    from tui.api.comparison import ComparedJob, Comparison
    from tui.store.lost_contact import Contacts
    from tui.store.reader import StoreReader
    from tui.store.records import FileRecord, JobRecord

FEWEST: Final = 2
MOST: Final = 8
"""Jobs in one comparison: more curves and columns cannot be told apart."""


def compare_jobs(
    reader: StoreReader, jobs: Sequence[JobRecord], now: datetime, *, everything: bool = False
) -> Comparison:
    """Compare jobs.

    Args:
        reader: the store.
        jobs: the jobs, in the order of the columns.
        now: the time, for ages and costs.
        everything: settings that all jobs share as well.

    Raises:
        StoreError: the store cannot be read.
    """
    settings = compare_settings([settings_of(job) for job in jobs])
    contacts, names = reader.contacts(), labels(jobs, now)
    return {
        "jobs": [
            _result(reader, job, name, contacts, now) for job, name in zip(jobs, names, strict=True)
        ],
        "settings": [
            {"name": one.name, "values": list(one.values), "differs": one.differs}
            for one in settings
            if everything or one.differs
        ],
        "differing": sum(one.differs for one in settings),
        "compared": len(settings),
        "remarks": _remarks(jobs),
    }


def settings_of(job: JobRecord) -> RunSettings:
    """Return what a job was started with."""
    staging = job.submit.get("staging") or {}
    packed, staged = str(job.submit.get("sha256") or ""), str(staging.get("key") or "")
    return RunSettings(
        config=job.config,
        inputs=job.inputs,
        datasets=[entry for entry in job.dataloader if isinstance(entry, dict)],
        data=packed[:12] or (f"{staging.get('place')} {staged}" if staged else ""),
        trainer=f"{job.model}:{job.version[:12]}" if job.version else job.model,
        hardware=job.hardware,
    )


def labels(jobs: Sequence[JobRecord], now: datetime) -> list[str]:
    """Return the jobs' names; equal ones with their age, and with their id where that is equal."""
    ages = [formatting.duration((now - job.created_at).total_seconds()) for job in jobs]
    by_name = Counter(job.name for job in jobs)
    by_age = Counter((job.name, age) for job, age in zip(jobs, ages, strict=True))
    found = []
    for job, age in zip(jobs, ages, strict=True):
        told = age if by_age[job.name, age] == 1 else f"{age}, {job.job_id}"
        found.append(f"{job.name} ({told})" if by_name[job.name] > 1 else job.name)
    return found


def differing_words(found: Comparison) -> str:
    """How many settings differ, of how many."""
    of = f"{found['differing']} of {formatting.plural(found['compared'], 'setting')}"
    return f"{of} {'differs' if found['differing'] == 1 else 'differ'}"


def loss_words(job: ComparedJob) -> str:
    """Return the loss of a job; one that is no number by now is not taken for a result."""
    return formatting.number(job["loss"]) + (", now nan" if job["not_finite"] else "")


def pictures_of(files: Sequence[FileRecord]) -> int:
    """Return how many validation pictures are here, copies of them in checkpoints not counted."""
    media = (read_name(file.path) for file in files if not file.missing)
    return len(grid(one for one in media if one is not None and one.kind == "picture").cells)


def _result(
    reader: StoreReader, job: JobRecord, label: str, contacts: Contacts, now: datetime
) -> ComparedJob:
    steps, values = reader.metrics(job.job_id, "loss")
    means = smoothed(values)
    best = lowest(means)
    cost = shown_cost(job, now, contacts.of(job, now))
    return {
        "job_id": job.job_id,
        "name": job.name,
        "label": label,
        "status": job.status.value,
        "created_at": job.created_at.astimezone(UTC).isoformat(),
        "loss": next((mean for mean in reversed(means) if mean == mean), None),  # noqa: PLR0124
        "not_finite": bool(values) and not math.isfinite(values[-1]),
        "best_loss": best[0] if best else None,
        "best_step": steps[best[1]] if best else None,
        "seconds_per_step": job.seconds_per_step,
        "cost_usd": None if cost is None else cost.micros / 1e6,
        "cost_bound": "" if cost is None else cost.bound,
        "steps": job.step,
        "total_steps": job.total_steps,
        "pictures": pictures_of(reader.files(job.job_id)),
    }


def _remarks(jobs: Sequence[JobRecord]) -> list[str]:
    families = sorted({job.model_family for job in jobs if job.model_family})
    data = {settings_of(job).data for job in jobs} - {""}
    remarks = []
    if len(families) > 1:
        remarks.append(
            f"Different models ({', '.join(families)}): their losses cannot be compared."
        )
    if len(data) > 1:
        remarks.append("Different data: a lower loss need not be the better one.")
    return remarks
