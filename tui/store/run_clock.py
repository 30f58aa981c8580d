"""When a job did its steps, from what lies on this machine."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from tui.simpletuner.log.step_clock import StepClock

if TYPE_CHECKING:
    from tui.settings import Home
    from tui.store.reader import StoreReader
    from tui.store.records import JobRecord

_PIECE: Final = 4 << 20
_LONGEST_BAR: Final = 4096


def run_clock(reader: StoreReader, home: Home, job: JobRecord) -> StepClock:
    """Return when a job did its steps. Blocking: it reads the whole log.

    Args:
        reader: the store.
        home: the state directory, with the logs.
        job: the job.
    """
    clock = StepClock(_began(reader, job))
    held = b""
    try:
        with home.log_file(job.job_id).open("rb") as log:
            while piece := log.read(_PIECE):
                held += piece
                held = held[clock.feed(held) :][-_LONGEST_BAR:]
    except OSError:
        pass  # it has no log yet
    return clock


def _began(reader: StoreReader, job: JobRecord) -> datetime | None:
    """When the first step was read here; the log itself has no time of day."""
    stages = (stage for stage in reader.stages(job.job_id) if stage.key == "training")
    first = next(stages, None)
    return job.started_at if first is None or first.started_at is None else first.started_at
